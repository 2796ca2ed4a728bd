/**
 * A hostile OAuth provider: a real HTTP server on loopback that treats grants as it is told to, loses and
 * spoils answers on purpose, and knows at any time which grant of each family is alive.
 *
 * Strict: a request whose client or grant type is wrong is refused, and counted.
 */
import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface ProviderRules {
  readonly refreshTokens: "keep" | "rotate" | "rotate_with_grace"
  readonly graceMs: number
  readonly reuse: "refuse" | "revoke_family" | "same_successor"
  /** Of an access token. */
  readonly lifeSeconds: number
}

/** What happens to one exchange; the first of those that wait is taken. */
export type Fault =
  /** The grant is spent, and the answer never leaves. */
  | "lost"
  /** The connection ends before anything was done. */
  | "unreached"
  | "error_500"
  | "garbage"
  | "rate_limited"
  | "error_200"
  /** Spent and answered, but the access token is not one. */
  | "bad_beside_good"
  | "consent_revoked"
  | "wrong_client"
  /** Spent; the answer waits until `release`. */
  | "held"

interface Family {
  newest: string
  before: string | null
  spentAt: number
  dead: boolean
}

const token = (kind: string): string => `${kind}-${randomBytes(18).toString("base64url")}`

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

export const startProvider = async (rules: ProviderRules, port = 0) => {
  const client = { id: "client-of-tests", secret: token("secret") }
  const families = new Map<string, Family>()
  const byGrant = new Map<string, string>()
  const waiting: Array<Fault> = []
  const held: Array<() => void> = []
  const seen: Array<string> = []
  const bodies: Array<string> = []
  let exchanges = 0
  let atOnce = 0
  let mostAtOnce = 0
  let misuses = 0

  const answersStill = (family: Family, grant: string): boolean =>
    !family.dead &&
    (grant === family.newest ||
      (grant === family.before &&
        (rules.reuse === "same_successor" ||
          (rules.refreshTokens === "rotate_with_grace" && performance.now() < family.spentAt + rules.graceMs))))

  /** The answer's status and body; whatever it spends is spent when this returns. */
  const exchange = (form: URLSearchParams, fault: Fault | undefined): readonly [number, unknown] => {
    const grant = form.get("refresh_token") ?? ""
    const name = byGrant.get(grant)
    const family = name === undefined ? undefined : families.get(name)
    if (
      form.get("client_id") !== client.id ||
      form.get("client_secret") !== client.secret ||
      fault === "wrong_client"
    ) {
      return [401, { error: "invalid_client", error_description: `no such client: ${form.get("client_secret")}` }]
    }
    if (form.get("grant_type") !== "refresh_token") return [400, { error: "unsupported_grant_type" }]
    const refused = [400, { error: "invalid_grant", error_description: `the token ${grant} is not good` }] as const
    if (family === undefined || family.dead) return refused
    if (!answersStill(family, grant)) {
      misuses += 1
      if (rules.reuse === "revoke_family") family.dead = true
      return refused
    }
    if (fault === "consent_revoked") {
      family.dead = true
      return refused
    }
    if (rules.refreshTokens !== "keep" && grant === family.newest) {
      const next = token("refresh")
      byGrant.set(next, name!)
      family.before = grant
      family.newest = next
      family.spentAt = performance.now()
    }
    const body = {
      access_token: fault === "bad_beside_good" ? 7 : token("access"),
      token_type: "Bearer",
      expires_in: rules.lifeSeconds,
      ...(rules.refreshTokens === "keep" ? {} : { refresh_token: family.newest })
    }
    return [200, body]
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await read(request)
    const form = new URLSearchParams(body)
    bodies.push(decodeURIComponent(body))
    if (request.url === "/revoke") {
      response.writeHead(200).end()
      return
    }
    const fault = waiting.shift()
    exchanges += 1
    atOnce += 1
    mostAtOnce = Math.max(mostAtOnce, atOnce)
    seen.push(`${request.method} ${request.url}`)
    const end = (status: number, body: string, more: Record<string, string> = {}) => {
      atOnce -= 1
      response.writeHead(status, { "content-type": "application/json", ...more })
      response.end(body)
    }
    const drop = () => {
      atOnce -= 1
      request.socket.destroy()
    }
    switch (fault) {
      case "unreached":
        return drop()
      case "error_500":
        return end(500, "<html>sorry</html>")
      case "rate_limited":
        return end(429, JSON.stringify({ error: "slow_down" }), { "retry-after": "1" })
      case "error_200":
        return end(200, JSON.stringify({ ok: false, error: "temporarily_unavailable" }))
      default: {
        const [status, body] = exchange(form, fault)
        if (fault === "lost") return drop()
        if (fault === "garbage") return end(200, "<html>what?</html>")
        if (fault === "held") {
          held.push(() => end(status, JSON.stringify(body)))
          return
        }
        return end(status, JSON.stringify(body))
      }
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
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done))
  const address = server.address() as AddressInfo

  return {
    host: `127.0.0.1:${address.port}`,
    tokenUrl: `http://127.0.0.1:${address.port}/token`,
    /** Takes whatever it is given, and revokes nothing. */
    revokeUrl: `http://127.0.0.1:${address.port}/revoke`,
    client,
    /** A person connects: what a client is given then, and the family's name. */
    connect: () => {
      const family = token("family")
      const refreshToken = token("refresh")
      families.set(family, { newest: refreshToken, before: null, spentAt: 0, dead: false })
      byGrant.set(refreshToken, family)
      return { family, credentials: { access_token: token("access"), refresh_token: refreshToken } }
    },
    /** What the next exchanges meet, in order. */
    next: (...faults: ReadonlyArray<Fault>) => {
      waiting.push(...faults)
    },
    /** Answers that are held leave. */
    release: () => {
      for (const answer of held.splice(0)) answer()
    },
    heldCount: () => held.length,
    /** Whether this grant still gets an access token, as of now. */
    isLive: (family: string, grant: string): boolean => answersStill(families.get(family)!, grant),
    isDead: (family: string): boolean => families.get(family)!.dead,
    newestOf: (family: string): string => families.get(family)!.newest,
    exchanges: () => exchanges,
    mostAtOnce: () => mostAtOnce,
    /** Grants that were used though they were spent. */
    misuses: () => misuses,
    seen,
    /** Whether any request had this in its body. */
    received: (token: string): boolean => bodies.some((body) => body.includes(token)),
    /** Every secret that it knows: none of them may be anywhere else. */
    secrets: (): ReadonlyArray<string> => [client.secret, ...byGrant.keys()],
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      })
  }
}
export type HostileProvider = Awaited<ReturnType<typeof startProvider>>
