/**
 * One tenant's flood, in a process of its own: so many requests in flight, each again as soon as it is answered, but no
 * more a second than it is told. Told to stop, it says how many were answered, how many of them by what was asked and
 * not by a refusal, and how long the answers were.
 *
 * `flood.ts <nats url> <instance> <kind> <in flight> <a second, or 0> <file of its tenant's tokens>`
 */
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import type { Msg } from "@nats-io/transport-node"
import { connectClient } from "../../test/support/client.ts"
import * as ecap from "../../test/support/ecap.ts"
import { type MadeToken, validationRequest, validationSubject } from "./ground.ts"

export const loud = "fair-loud"
/** Each is over a limit that its tenant has. */
export const floods = ["misses", "changes", "transitions", "lists", "batches", "verdicts"] as const
export type Flood = (typeof floods)[number]

export const subjectOf: Record<Flood, (instance: string) => string> = {
  misses: validationSubject,
  changes: (instance) => `${instance}.v1.${loud}.token.provision`,
  transitions: (instance) => `kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`,
  lists: (instance) => `${instance}.v1.${loud}.token.list`,
  batches: (instance) => `${instance}.v1.${loud}.token.transition-batch`,
  verdicts: (instance) => `${instance}.v1.${loud}.token.validate-batch`
}

/** Of the flood's tenant. */
export interface KnownTokens {
  readonly good: ReadonlyArray<MadeToken>
  /** To be revoked, again and again. */
  readonly ended: ReadonlyArray<MadeToken>
}

const payloadsOf = ({ ended, good }: KnownTokens): Record<Flood, (n: number) => string | Uint8Array> => {
  const list = JSON.stringify({ appName: loud, limit: 1_000 })
  const batch = JSON.stringify({ tokenIds: ended.map(({ tokenId }) => tokenId), targetStatus: "Revoked" })
  const verdicts = JSON.stringify({ items: good.map(({ token }) => ({ appName: loud, token })) })
  const transition = (n: number) => ({
    correlationId: "flood",
    timestamp: 1_700_000_000_000,
    timeout: 0,
    appName: loud,
    token: ended[n % ended.length]!.token,
    targetStatus: "Revoked"
  })
  return {
    misses: (n) => Buffer.from(validationRequest(`${n}nobodys${n}`, loud), "base64"),
    changes: (n) => JSON.stringify({ appName: loud, endpointId: `e${n}` }),
    transitions: (n) => ecap.TransitionRequest.toBuffer(transition(n)),
    lists: () => list,
    batches: () => batch,
    verdicts: () => verdicts
  }
}

/** Whether an answer is what was asked for, and no refusal. */
const isServed: Record<"management" | "transitions" | "misses", (answer: Msg) => boolean> = {
  management: ({ headers }) => Number(headers?.get("Cm-Status")) < 300,
  transitions: ({ data }) => ecap.TransitionResponse.fromBuffer(Buffer.from(data)).statusCode === 200,
  misses: ({ data }) => ecap.ValidationResponse.fromBuffer(Buffer.from(data)).statusCode === 404
}

/** What a flood was. */
export interface Flooded {
  readonly count: number
  readonly served: number
  readonly bytes: number
}

const flood = async (
  natsUrl: string,
  instance: string,
  kind: Flood,
  inFlight: number,
  perSecond: number,
  tokens: KnownTokens
): Promise<void> => {
  const client = await connectClient({ natsUrl, instance, timeoutMs: 30_000 })
  // Within the service's account whoever asks for anything but a validation is refused at once.
  const connection = kind === "misses" ? client.nc : client.administrator
  const [subject, payload] = [subjectOf[kind](instance), payloadsOf(tokens)[kind]]
  const counts = isServed[kind === "misses" || kind === "transitions" ? kind : "management"]
  let [goesOn, asked, count, served, bytes] = [true, 0, 0, 0, 0]
  process.once("message", () => {
    goesOn = false
  })
  process.once("disconnect", () => process.exit(1))
  const began = performance.now()
  const one = async () => {
    while (goesOn) {
      const n = asked++
      const aheadMs = perSecond === 0 ? 0 : began + (n / perSecond) * 1_000 - performance.now()
      if (aheadMs > 0) await pause(aheadMs)
      if (!goesOn) return
      const answer = await connection.request(subject, payload(n), { timeout: 30_000 }).catch(() => null)
      count++
      bytes += answer?.data.length ?? 0
      // An echo answers with zeroes: what it does not serve nobody counts.
      if (answer !== null && perSecond === 0 && counts(answer)) served++
    }
  }
  process.send?.("begun")
  await Promise.all(Array.from({ length: inFlight }, one))
  await client.close()
  process.removeAllListeners("disconnect")
  process.send?.({ count, served, bytes } satisfies Flooded)
  process.disconnect()
}

if (process.argv[1] === import.meta.filename) {
  const [, , natsUrl = "", instance = "", kind = "", inFlight = "", perSecond = "", file = ""] = process.argv
  const tokens = JSON.parse(readFileSync(file, "utf8"))
  await flood(natsUrl, instance, kind as Flood, Number(inFlight), Number(perSecond), tokens)
}
