/**
 * One tenant's flood, in a process of its own: so many requests in flight, each again as soon as it is answered, but no
 * more a second than it is told. Told to stop, it says how many were answered and how long the answers were.
 *
 * `flood.ts <nats url> <instance> <kind> <in flight> <a second, or 0>`
 */
import { setTimeout as pause } from "node:timers/promises"
import { connectClient } from "../../test/support/client.ts"
import { validationRequest, validationSubject } from "./ground.ts"

export const loud = "fair-loud"
/** Each is over a limit that its tenant has. */
export const floods = ["misses", "changes", "lists", "batches"] as const
export type Flood = (typeof floods)[number]

export const subjectOf: Record<Flood, (instance: string) => string> = {
  misses: validationSubject,
  changes: (instance) => `${instance}.v1.${loud}.token.provision`,
  lists: (instance) => `${instance}.v1.${loud}.token.list`,
  batches: (instance) => `${instance}.v1.${loud}.token.transition-batch`
}

const batch = JSON.stringify({ tokenIds: Array(1_000).fill("x"), targetStatus: "Revoked" })
const list = JSON.stringify({ appName: loud, limit: 1_000 })
const payloadOf: Record<Flood, (n: number) => string | Uint8Array> = {
  misses: (n) => Buffer.from(validationRequest(`${n}nobodys${n}`, loud), "base64"),
  changes: (n) => JSON.stringify({ appName: loud, endpointId: `e${n}` }),
  lists: () => list,
  batches: () => batch
}

/** What a flood was: its rate, and the length of an answer. */
export interface Flooded {
  readonly count: number
  readonly bytes: number
}

const flood = async (
  natsUrl: string,
  instance: string,
  kind: Flood,
  inFlight: number,
  perSecond: number
): Promise<void> => {
  const client = await connectClient({ natsUrl, instance, timeoutMs: 30_000 })
  const [subject, payload] = [subjectOf[kind](instance), payloadOf[kind]]
  let [goesOn, asked, count, bytes] = [true, 0, 0, 0]
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
      const answer = await client.nc.request(subject, payload(n), { timeout: 30_000 }).catch(() => null)
      count++
      bytes += answer?.data.length ?? 0
    }
  }
  process.send?.("begun")
  await Promise.all(Array.from({ length: inFlight }, one))
  await client.close()
  process.removeAllListeners("disconnect")
  process.send?.({ count, bytes } satisfies Flooded)
  process.disconnect()
}

if (process.argv[1] === import.meta.filename) {
  const [, , natsUrl = "", instance = "", kind = "", inFlight = "", perSecond = ""] = process.argv
  await flood(natsUrl, instance, kind as Flood, Number(inFlight), Number(perSecond))
}
