/**
 * One request to an address that somebody else wrote, bounded in time and bytes.
 *
 * The name is looked up once, every address found must be public, and the connection goes to one of those
 * that were checked: a name that answers differently a moment later changes nothing. No redirect is
 * followed, no connection is kept. Hosts that the operator lists (`host` or `host:port`) may be
 * anything, and may be without TLS.
 *
 * A failure says whether the request may have arrived: before the connection stood, nothing did. What had
 * come of an answer that did not come whole is handed over with it: it may be the only copy of what it holds. For the same
 * reason a head that is not as it should be is read as far as it can be, and a body that was coded though nobody asked
 * for that is decoded.
 */
import { lookup as lookUp } from "node:dns/promises"
import type { IncomingMessage, RequestOptions } from "node:http"
import { isIP } from "node:net"
import { setImmediate as turnOfLoop } from "node:timers/promises"
import { Data, Effect } from "effect"
import { BodyTooLong, readBody } from "../http/BoundedBody.ts"
import { decoded } from "./ContentCoding.ts"
import { listen, read } from "./HeardBytes.ts"
import { isPublicAddress } from "./PublicAddress.ts"
import { lookUpPublic } from "./PublicLookup.ts"

export const answerBytesMax = 65_536
const headBytesMax = 65_536

export interface GuardedRequest {
  readonly method: "GET" | "POST"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export interface GuardedAnswer {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: string | null
  readonly body: string
}

export class GuardedHttpError extends Data.TaggedError("GuardedHttpError")<{
  readonly reason: "blocked_url" | "unreachable" | "timeout" | "too_long"
  /** The request may have been carried out. */
  readonly mayHaveArrived: boolean
  /** What came of the answer, its body cut; null: nothing did. */
  readonly received: GuardedAnswer | null
}> {
  override get message(): string {
    return `${this.reason}${this.mayHaveArrived ? ", after the request was sent" : ""}`
  }
}

export interface GuardOptions {
  /** Lower case, `host` or `host:port`. */
  readonly allowedHosts: ReadonlySet<string>
  readonly timeoutMs: number
  /** The addresses of a name. Unless given the system's own look-up says those of a listed host, and of others `PublicLookup`. */
  readonly resolve?: (hostname: string, signal: AbortSignal) => Promise<ReadonlyArray<string>>
}

const systemResolve = async (hostname: string): Promise<ReadonlyArray<string>> =>
  (await lookUp(hostname, { all: true, verbatim: true })).map(({ address }) => address)

const portOf = (url: URL): string => (url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port)
/** Without brackets, and without the dot that only says that the name is whole. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$|\.$/gu, "").toLowerCase()

/** RFC 1035, section 2.3.4: labels of 1 to 63 octets, 253 with the dots between them. An address is told by the parser. */
const isHost = (host: string): boolean =>
  isIP(host) !== 0 || (host.length <= 253 && host.split(".").every((label) => label.length >= 1 && label.length <= 63))

const isListed = (url: URL, { allowedHosts }: GuardOptions): boolean =>
  allowedHosts.has(url.hostname.toLowerCase()) || allowedHosts.has(`${url.hostname.toLowerCase()}:${portOf(url)}`)

/** Why the URL may not be asked, as far as its text tells; null: its name has to be looked up. */
export const urlProblem = (text: string, options: Pick<GuardOptions, "allowedHosts">): string | null => {
  if (!URL.canParse(text)) return "is not a URL"
  const url = new URL(text)
  if (url.username !== "" || url.password !== "") return "holds a user or a password"
  if (url.protocol !== "https:" && url.protocol !== "http:") return "is neither https nor http"
  if (isListed(url, { ...options, timeoutMs: 0 })) return null
  if (url.protocol !== "https:") return "is not https"
  const host = bare(url.hostname)
  if (isIP(host) !== 0) return isPublicAddress(host) ? null : "names an address that is not public"
  return /^(?:localhost|.*\.(?:localhost|local|internal|home\.arpa))$/u.test(host) || !host.includes(".")
    ? "names a host that is not public"
    : null
}

/**
 * What is wrong with a URL as somebody wrote it, whatever it names; null: nothing. A parser would take away a control
 * character or a fragment in silence, and something else would be asked than what is shown.
 */
export const writtenUrlProblem = (text: string): string | null => {
  if (/[\p{Cc}\s\\]/u.test(text)) return "holds a space, a control character or a backslash"
  if (text.includes("#")) return "holds a fragment"
  if (/[{}]/u.test(text)) return "holds a brace that is not of a parameter"
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?]*@/iu.test(text)) return "holds a user or a password"
  const url = URL.parse(text)
  if (url === null) return null
  if (url.port === "0") return "names port 0"
  return isHost(bare(url.hostname)) ? null : "names a host that cannot be one"
}

const before = (reason: GuardedHttpError["reason"]) =>
  new GuardedHttpError({ reason, mayHaveArrived: false, received: null })
const blocked = before("blocked_url")

/** Waits no longer than the request may take: the system's own look-up cannot be ended. */
const inTime = <A>(promise: Promise<A>, signal: AbortSignal): Promise<A> =>
  new Promise((resolve, reject) => {
    const late = () => reject(before("timeout"))
    if (signal.aborted) late()
    signal.addEventListener("abort", late, { once: true })
    promise.then(resolve, reject)
  })

/** The address to connect to: the first, when all that the name has are public or the host is listed. */
const checkedAddress = async (url: URL, options: GuardOptions, signal: AbortSignal): Promise<string> => {
  const host = bare(url.hostname)
  const resolve = options.resolve ?? (isListed(url, options) ? systemResolve : lookUpPublic)
  const addresses = isIP(host) !== 0 ? [host] : await inTime(resolve(host, signal), signal)
  const [first] = addresses
  if (first === undefined) throw before("unreachable")
  if (!isListed(url, options) && !addresses.every(isPublicAddress)) throw blocked
  return first
}

/** The head of a body, as text. */
const textIn = (body: Uint8Array | undefined): string =>
  Buffer.from(body ?? [])
    .subarray(0, answerBytesMax)
    .toString("utf8")

/** What came, where the parser of HTTP made nothing of it. */
const unparsed = (bytes: Buffer | null): GuardedAnswer | null => {
  const heard = bytes === null ? null : read(bytes)
  if (heard === null || heard.body.byteLength === 0) return null
  const { body, contentCoding, contentType, status } = heard
  return { status, contentType, retryAfter: null, body: textIn(decoded(body, contentCoding)) }
}

const exchange = (url: URL, address: string, request: GuardedRequest, signal: AbortSignal) =>
  new Promise<GuardedAnswer>((resolve, reject) => {
    let connected = false
    let received: (() => GuardedAnswer) | undefined
    let heard: (() => Buffer) | undefined
    const came = (): GuardedAnswer | null => {
      const parsed = received?.() ?? null
      return parsed === null || parsed.body === "" ? (unparsed(heard?.() ?? null) ?? parsed) : parsed
    }
    const fail = (reason: GuardedHttpError["reason"]) =>
      reject(new GuardedHttpError({ reason, mayHaveArrived: connected, received: came() }))
    const isTls = url.protocol === "https:"
    const family = isIP(address)
    const options: RequestOptions & { servername?: string } = {
      method: request.method,
      headers: { ...request.headers, Host: url.host, Connection: "close" },
      agent: false,
      // What stands behind a head that is not as it should be may be the only copy of what it holds.
      insecureHTTPParser: true,
      maxHeaderSize: headBytesMax,
      // Whatever is asked for, this is the address that was checked.
      lookup: (_host, { all }, found) =>
        all === true ? found(null, [{ address, family }]) : found(null, address, family)
    }
    const hostname = bare(url.hostname)
    if (isTls && isIP(hostname) === 0) options.servername = hostname
    const take = (answer: IncomingMessage) => {
      const kept: Array<Uint8Array> = []
      const bodyOf = () => decoded(Buffer.concat(kept).subarray(0, answerBytesMax), answer.headers["content-encoding"])
      const answerOf = (body: Uint8Array | undefined): GuardedAnswer => ({
        status: answer.statusCode ?? 0,
        contentType: answer.headers["content-type"]?.toLowerCase() ?? "",
        retryAfter: answer.headers["retry-after"] ?? null,
        body: textIn(body)
      })
      received = () => {
        // What came in one piece with what broke it has been read by nobody yet.
        for (let rest = answer.read(); rest !== null; rest = answer.read()) kept.push(rest as Buffer)
        return answerOf(bodyOf())
      }
      readBody(answer, answerBytesMax, null, kept).then(
        () => {
          const body = bodyOf()
          if (body !== undefined && body.byteLength <= answerBytesMax) resolve(answerOf(body))
          else fail("too_long")
        },
        (cause: unknown) => {
          fail(cause instanceof BodyTooLong ? "too_long" : signal.aborted ? "timeout" : "unreachable")
          sent.destroy()
        }
      )
    }
    // Not imported: that would make every start longer, also where no such request is ever sent.
    const sent = process
      .getBuiltinModule(isTls ? "node:https" : "node:http")
      .request(
        { ...options, protocol: url.protocol, hostname, port: portOf(url), path: `${url.pathname}${url.search}` },
        take
      )
    sent.on("socket", (socket) => {
      heard = listen(socket, headBytesMax + answerBytesMax)
      socket.once(isTls ? "secureConnect" : "connect", () => {
        connected = true
      })
    })
    sent.on("error", () => fail("unreachable"))
    // To another protocol: nobody asked for that, and no answer in this one follows.
    sent.on("upgrade", (_, socket) => {
      fail("unreachable")
      socket.destroy()
    })
    // Who slept may wake with its time over and the answer in its socket: that is read before it gives up.
    const giveUp = () => {
      const end = () => {
        fail("timeout")
        sent.destroy()
      }
      void turnOfLoop()
        .then(() => turnOfLoop())
        .then(end)
    }
    if (signal.aborted) giveUp()
    else signal.addEventListener("abort", giveUp, { once: true })
    sent.end(request.body ?? undefined)
  })

/** Never waits longer than `timeoutMs`, however slowly an answer drips. */
export const send = (request: GuardedRequest, options: GuardOptions): Effect.Effect<GuardedAnswer, GuardedHttpError> =>
  Effect.tryPromise({
    try: async (interrupted) => {
      if (urlProblem(request.url, options) !== null) throw blocked
      const url = new URL(request.url)
      const signal = AbortSignal.any([interrupted, AbortSignal.timeout(options.timeoutMs)])
      const address = await checkedAddress(url, options, signal)
      return await exchange(url, address, request, signal)
    },
    catch: (cause) => (cause instanceof GuardedHttpError ? cause : before("unreachable"))
  })
