/**
 * What the stand-ins of other systems share: a real HTTP server on loopback, a token endpoint that gives
 * out tokens by client credentials and checks them, and faults that are switched on and off while it runs.
 *
 * Strict: a path, a method, a parameter or a token that the interface does not have is refused, and every
 * request that was refused is kept for the test to look at.
 */
import { randomBytes, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface Faults {
  /** Every request waits so long before its answer. */
  delayMs: number
  /** Every answer has this status and no body of the interface. */
  status: number | null
  /** The body of every answer of the interface, instead of the right one. */
  garbage: string | null
  /** Connections are ended without an answer. */
  broken: boolean
  /** Bytes of white space in front of every answer. */
  paddingBytes: number
  /** The token endpoint refuses. */
  denied: boolean
}

export const noFaults = (): Faults => ({
  delayMs: 0,
  status: null,
  garbage: null,
  broken: false,
  paddingBytes: 0,
  denied: false
})

export interface Client {
  readonly id: string
  readonly secret: string
}

export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface Request {
  readonly path: string
  readonly query: URLSearchParams
}

/** The parameters must be exactly these, and nothing else. */
export const parameters = (
  query: URLSearchParams,
  names: ReadonlyArray<string>,
  optional: ReadonlyArray<string> = []
): Record<string, string> => {
  for (const name of query.keys()) {
    if (!names.includes(name) && !optional.includes(name)) throw new Refused(400, `parameter ${name} is unknown`)
  }
  const values: Record<string, string> = {}
  for (const name of [...names, ...optional]) {
    const all = query.getAll(name)
    if (all.length > 1 || (all.length === 0 && names.includes(name))) throw new Refused(400, `parameter ${name}`)
    if (all.length === 1) values[name] = all[0]!
  }
  return values
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const same = (a: string, b: string): boolean =>
  Buffer.byteLength(a) === Buffer.byteLength(b) && timingSafeEqual(Buffer.from(a), Buffer.from(b))

export interface StandInOptions {
  readonly client?: Client
  /** Scopes that a token must have been asked for. */
  readonly scopes: ReadonlyArray<string>
  /** How long a token lives, in seconds. */
  readonly tokenSeconds?: number
  readonly port?: number
  /** The answer, null for 404. Throws `Refused`. */
  readonly answer: (request: Request) => unknown
}

export const startStandIn = async (options: StandInOptions) => {
  const { answer, scopes, tokenSeconds = 300 } = options
  const client = options.client ?? { id: "cm", secret: `s-${randomBytes(12).toString("hex")}` }
  const faults = noFaults()
  const tokens = new Map<string, number>()
  const seen: Array<string> = []
  const refusals: Array<string> = []
  let tokensIssued = 0
  const sockets = new Set<Socket>()

  const giveToken = async (request: IncomingMessage) => {
    if (request.method !== "POST") throw new Refused(405, "method")
    const form = new URLSearchParams(await read(request))
    const given = /^Basic (.+)$/u.exec(request.headers.authorization ?? "")?.[1] ?? ""
    const [id = "", secret = ""] = Buffer.from(given, "base64").toString("utf8").split(":")
    const plain = (text: string) => decodeURIComponent(text.replaceAll("+", " "))
    if (faults.denied || plain(id) !== client.id || !same(plain(secret), client.secret))
      throw new Refused(401, "client")
    if (form.get("grant_type") !== "client_credentials") throw new Refused(400, "grant_type")
    const asked = (form.get("scope") ?? "").split(" ")
    if (scopes.some((scope) => !asked.includes(scope))) throw new Refused(400, "scope")
    const token = randomBytes(24).toString("base64url")
    tokens.set(token, performance.now() + tokenSeconds * 1_000)
    tokensIssued += 1
    return { access_token: token, token_type: "Bearer", expires_in: tokenSeconds, scope: asked.join(" ") }
  }
  const checkToken = (request: IncomingMessage): void => {
    const token = /^Bearer (.+)$/u.exec(request.headers.authorization ?? "")?.[1] ?? ""
    if ((tokens.get(token) ?? 0) <= performance.now()) throw new Refused(401, "token")
  }

  const handle = async (request: IncomingMessage): Promise<{ status: number; body: string }> => {
    const url = new URL(request.url ?? "/", "http://stand-in")
    seen.push(`${request.method} ${url.pathname}${url.search}`)
    try {
      if (url.pathname === "/token") return { status: 200, body: JSON.stringify(await giveToken(request)) }
      if (faults.status !== null) return { status: faults.status, body: "{}" }
      checkToken(request)
      if (request.method !== "GET") throw new Refused(405, "method")
      const body = answer({ path: url.pathname, query: url.searchParams })
      if (body === null) return { status: 404, body: JSON.stringify({ message: "Not Found" }) }
      return { status: 200, body: faults.garbage ?? " ".repeat(faults.paddingBytes) + JSON.stringify(body) }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      refusals.push(`${request.method} ${url.pathname}${url.search}: ${error.message}`)
      return { status: error.status, body: JSON.stringify({ message: error.message }) }
    }
  }
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (faults.broken) {
      request.socket.destroy()
      return
    }
    const reply = () =>
      handle(request).then(
        ({ body, status }) => {
          response.writeHead(status, { "content-type": "application/json" })
          response.end(body)
        },
        () => request.socket.destroy()
      )
    if (faults.delayMs > 0) setTimeout(() => void reply(), faults.delayMs).unref()
    // Never fails.
    else void reply()
  }

  const server: Server = createServer(serve)
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const listen = (port: number) => new Promise<void>((done) => server.listen(port, "127.0.0.1", done))
  await listen(options.port ?? 0)
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const down = () =>
    new Promise<void>((done) => {
      server.close(() => done())
      for (const socket of sockets) socket.destroy()
    })
  return {
    url,
    tokenUrl: `${url}/token`,
    client,
    faults,
    /** Everything that was asked, in order. */
    seen,
    /** What was refused, and why. */
    refusals,
    tokensIssued: () => tokensIssued,
    /** No token that was given out is good any more. */
    forgetTokens: () => tokens.clear(),
    /** Nobody listens. */
    down,
    up: () => listen(port),
    stop: down
  }
}
export type StandIn = Awaited<ReturnType<typeof startStandIn>>
