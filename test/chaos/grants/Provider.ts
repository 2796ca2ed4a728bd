/**
 * The hostile provider: one HTTP server for all kinds, which loses, spoils, doubles and delays answers as
 * its dice say, and repeats in its error texts whatever it was sent.
 *
 * A fault comes before the grant is used, and then nothing is spent; or after, and then the grant is
 * spent and the answer suffers. What an answer suffered is written into the grant (`Families`).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { type Asker, Families, type Family, type Grant, type Rules, shortOf, tell } from "./Families.ts"
import { makeSecret } from "./planted.ts"

/** How each kind treats what it gave; a grace is minutes in life and outlasts every trouble here. */
const graceMs = 240_000
const rotating = { refreshTokens: "rotate", graceMs: 0, successor: "same" } as const
const forgiving = { refreshTokens: "rotate_with_grace", graceMs } as const
export const kinds: Readonly<Record<string, Rules>> = {
  keep: { refreshTokens: "keep", graceMs: 0, reuse: "refuse", successor: "same" },
  keep_family: { refreshTokens: "keep", graceMs: 0, reuse: "revoke_family", successor: "same" },
  rotate: { ...rotating, reuse: "refuse" },
  rotate_family: { ...rotating, reuse: "revoke_family" },
  rotate_successor: { ...rotating, reuse: "same_successor" },
  grace: { ...forgiving, reuse: "refuse", successor: "same" },
  grace_another: { ...forgiving, reuse: "refuse", successor: "another" },
  grace_family: { ...forgiving, reuse: "revoke_family", successor: "same" },
  grace_family_another: { ...forgiving, reuse: "revoke_family", successor: "another" },
  grace_successor: { ...forgiving, reuse: "same_successor", successor: "same" }
}

/** Of a thousand exchanges so many meet this. */
const dice = {
  unreached: 10,
  error_500: 8,
  unavailable_in_seconds: 5,
  limited_in_seconds: 6,
  limited_by_date: 4,
  error_200: 5,
  garbage: 4,
  wrong_client: 10,
  consent_revoked: 1,
  lost: 6,
  lost_behind_500: 3,
  lost_in_garbage: 2,
  lost_half: 3,
  cut_behind_the_token: 4,
  late: 4,
  drip: 8,
  slow: 60,
  doubled: 10,
  bad_access_token: 8,
  bad_id_token: 10,
  texts_for_numbers: 30,
  form: 20,
  clock_off: 20
} as const
export type Fault = keyof typeof dice

export interface ProviderOptions {
  readonly random: () => number
  /** Of an access token. */
  readonly lifeSeconds: number
  /** Of a thousand answers so many take their time; default: few. */
  readonly slow?: number
  /** How long an answer may take before nobody waits for it any more. */
  readonly exchangeMs: number
  /** Under which claim an exchange for this credential runs, as the database says at this moment. */
  readonly askerOf: (credentialId: string) => Promise<(Asker & { readonly claimedAtMs: number }) | null>
  /** A grant was shown, before anything is done with it. */
  readonly shown: (grant: Grant, asker: Asker & { readonly claimedAtMs: number }) => void
  /** Using it has brought one. */
  readonly brought: (grant: Grant) => void
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const tenMinutesMs = 600_000

export const startProvider = async (options: ProviderOptions) => {
  const { askerOf, brought, exchangeMs, lifeSeconds, random, shown } = options
  const client = { id: "client-of-the-run", secrets: [makeSecret("old", false), makeSecret("secret", true)] }
  let odd = 0
  const families = new Families(() => makeSecret("rt", ++odd % 2 === 0))
  const met = new Map<string, number>()
  /** How many are at a credential at this moment. */
  const atOnce = new Map<string, number>()
  let isHostile = true
  let exchanges = 0
  let refreshes = 0
  let overlaps = 0
  let withoutClaim = 0
  let gone = 0

  const faults = Object.entries({ ...dice, slow: options.slow ?? dice.slow }) as ReadonlyArray<readonly [Fault, number]>
  const roll = (): Fault | null => {
    if (!isHostile) return null
    let at = random() * 1_000
    for (const [fault, share] of faults) {
      at -= share
      if (at < 0) return fault
    }
    return null
  }

  const bodyOf = (grant: Grant, fault: Fault | null): Record<string, unknown> => ({
    access_token: fault === "bad_access_token" ? 7 : makeSecret("at", ++odd % 2 === 0),
    token_type: "Bearer",
    expires_in: fault === "texts_for_numbers" ? String(lifeSeconds) : lifeSeconds,
    ...(grant.family.rules.refreshTokens === "keep" ? {} : { refresh_token: grant.value }),
    ...(fault === "bad_id_token" ? { id_token: `${makeSecret("id", false)}.e30.` } : {})
  })

  const countOverlap = (credentialId: string, response: ServerResponse): void => {
    const count = (atOnce.get(credentialId) ?? 0) + 1
    atOnce.set(credentialId, count)
    if (count > 1) overlaps += 1
    response.once("close", () => {
      const left = atOnce.get(credentialId)! - 1
      if (left === 0) atOnce.delete(credentialId)
      else atOnce.set(credentialId, left)
    })
  }

  /** Whatever was sent, in words. */
  const words = (form: URLSearchParams): string => {
    const [id, secret] = [form.get("client_id"), form.get("client_secret")]
    const grant = form.get("refresh_token") ?? ""
    const header = Buffer.from(`${id}:${secret}`).toString("base64")
    return [
      `the token ${grant} of ${id}, whose secret is ${secret}, is not good`,
      `also ${encodeURIComponent(grant)} and ${header}`,
      `in short ${grant.slice(0, -3)} and ${secret?.slice(2)}`
    ].join("; ")
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = new URLSearchParams(await read(request))
    const fault = roll()
    exchanges += 1
    if (fault !== null) met.set(fault, (met.get(fault) ?? 0) + 1)
    const answer = (status: number, body: unknown, more: Record<string, string> = {}) => {
      const date = fault === "clock_off" ? { date: new Date(Date.now() - tenMinutesMs).toUTCString() } : {}
      response.writeHead(status, { "content-type": "application/json", ...date, ...more })
      response.end(typeof body === "string" ? body : JSON.stringify(body))
    }
    const failed = (status: number, error: string, more: Record<string, string> = {}) =>
      answer(status, { error, error_description: words(form) }, more)
    const drop = () => void request.socket.destroy()

    const presented = form.get("refresh_token") ?? ""
    const grant = families.byValue.get(presented)
    const family = grant?.family
    const asker = family === undefined ? null : await askerOf(family.credentialId)
    // Who went away meanwhile gets nothing, and nothing is spent: under which claim it asked would be a guess.
    if (request.socket.destroyed || request.socket.readableEnded) {
      gone += 1
      if (family !== undefined) tell(family, `${shortOf(presented)} was shown by somebody who went away`)
      return drop()
    }
    if (grant !== undefined && asker !== null) shown(grant, asker)
    if (family !== undefined && asker === null) withoutClaim += 1
    if (family !== undefined) countOverlap(family.credentialId, response)
    if (family !== undefined)
      tell(
        family,
        `${shortOf(presented)} shown, term ${asker?.term} of ${asker?.holder.slice(0, 9)}, ${fault ?? "no fault"}`
      )
    switch (fault) {
      case "unreached":
        return drop()
      case "error_500":
        return failed(500, "server_error")
      case "unavailable_in_seconds":
        return failed(503, "temporarily_unavailable", { "retry-after": "1" })
      case "limited_in_seconds":
        return failed(429, "slow_down", { "retry-after": "2" })
      case "limited_by_date":
        return failed(429, "slow_down", { "retry-after": new Date(Date.now() + 3_000).toUTCString() })
      case "error_200":
        return answer(200, { ok: false, error: "try_again", error_description: words(form) })
      case "garbage":
        return answer(200, `<html>${words(form)}</html>`, { "content-type": "text/html" })
      case "wrong_client":
        return failed(401, "invalid_client")
    }
    if (form.get("client_id") !== client.id || !client.secrets.includes(form.get("client_secret") ?? "")) {
      return failed(401, "invalid_client")
    }
    if (fault === "consent_revoked" && family !== undefined && family.dead === null) {
      family.dead = { by: "consent", inevitable: true }
      tell(family, "its consent was taken back")
    }
    const exchanged = families.exchange(presented, asker ?? { term: 0, holder: "" }, Date.now())
    if (exchanged._tag === "Refused") {
      if (family !== undefined) tell(family, `refused${exchanged.isMisuse ? ", for it was spent" : ""}`)
      return failed(400, "invalid_grant")
    }
    refreshes += 1
    brought(exchanged.grant)
    await handOver(request, response, exchanged.grant, exchanged.isNew, fault, asker?.claimedAtMs ?? Date.now(), answer)
  }

  /** The answer leaves, or not; and what became of it is known of its grant. */
  const handOver = async (
    request: IncomingMessage,
    response: ServerResponse,
    grant: Grant,
    isNew: boolean,
    fault: Fault | null,
    claimedAtMs: number,
    answer: (status: number, body: unknown, more?: Record<string, string>) => void
  ): Promise<void> => {
    const { family } = grant
    tell(family, `${isNew ? "gave" : "gave again"} ${shortOf(grant.value)}`)
    const ended = (delivery: "sent" | "lost") => {
      // One that was handed over once stays so; one that was lost may still be.
      if (grant.delivery === "flying" || (grant.delivery === "lost" && delivery === "sent")) grant.delivery = delivery
    }
    const isInTime = () => Date.now() - claimedAtMs < exchangeMs
    response.once("finish", () => ended(isInTime() ? "sent" : "lost"))
    // Nobody waits for it any more: what had not left then does not leave. Who goes away before its time loses it.
    response.once("close", () => {
      if (response.writableFinished || isInTime()) return
      ended("lost")
      tell(family, "and it did not leave in time")
    })
    const body = bodyOf(grant, fault)
    const text = JSON.stringify(body)
    const lose = (how: () => void) => {
      response.removeAllListeners("finish")
      ended("lost")
      tell(family, `and it was lost: ${fault}`)
      how()
    }
    switch (fault) {
      case "lost":
        return lose(() => void request.socket.destroy())
      case "lost_behind_500":
        return lose(() => answer(500, "<html>sorry</html>"))
      case "lost_in_garbage":
        return lose(() => answer(200, "<html>what?</html>"))
      case "lost_half":
        return lose(() => {
          response.writeHead(200, { "content-type": "application/json", "content-length": text.length })
          response.write(text.slice(0, text.length / 3))
          request.socket.destroySoon()
        })
      case "cut_behind_the_token": {
        const { refresh_token = grant.value, ...rest } = body
        const short = JSON.stringify({ refresh_token, ...rest })
        response.writeHead(200, { "content-type": "application/json", "content-length": short.length })
        response.write(short.slice(0, -5), () => request.socket.destroySoon())
        ended("sent")
        return
      }
      case "late":
        ended("lost")
        await pause(exchangeMs * 1.4)
        response.removeAllListeners("finish")
        return answer(200, body)
      case "slow":
        await pause(100 + random() * exchangeMs * 0.5)
        return answer(200, body)
      case "drip":
        response.writeHead(200, { "content-type": "application/json" })
        for (let at = 0; at < text.length; at += 20) {
          response.write(text.slice(at, at + 20))
          await pause(exchangeMs / 40)
        }
        response.end()
        return
      case "doubled":
        request.socket.write(
          `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
        )
        return answer(200, body)
      case "form": {
        const texts = Object.entries(body).map(([name, value]) => [name, String(value)] as const)
        return answer(200, new URLSearchParams(Object.fromEntries(texts)).toString(), {
          "content-type": "application/x-www-form-urlencoded"
        })
      }
      default:
        return answer(200, body)
    }
  }

  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy())
  })
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    tokenUrl: `http://127.0.0.1:${port}/token`,
    client,
    families,
    connect: (kind: string): Family => families.connect(kind, kinds[kind]!),
    isUnderWay: (credentialId: string): boolean => atOnce.has(credentialId),
    /** From now on it does what it should. */
    calm: () => {
      isHostile = false
    },
    figures: () => ({ exchanges, refreshes, overlaps, withoutClaim, gone, misuses: families.misuses, met }),
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      })
  }
}
export type Provider = Awaited<ReturnType<typeof startProvider>>
