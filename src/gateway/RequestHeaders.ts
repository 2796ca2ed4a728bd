/**
 * A request's headers, as far as they decide something: each once, in any spelling, or the request is refused.
 *
 * Of two readers in a row each could take another one of two; so whatever frames the request or decides about it
 * stands once, also where HTTP would let it stand twice. A `traceparent` decides nothing: a wrong one is none. Never throws.
 */
import type { IncomingMessage } from "node:http"
import { Result } from "effect"
import { parseTraceparent, type Trace } from "../observability/Trace.ts"
import { idempotencyKeyPattern, idempotencyKeyRule } from "../schema/Field.ts"
import { invalid, type Problem, problem, unauthenticated } from "./Problem.ts"

/** Names and values, with the colon, the blank and the line's end between them. */
export const headerBytesMax = 32_768

const once: ReadonlyArray<string> = [
  "host",
  "content-length",
  "content-type",
  "content-encoding",
  "transfer-encoding",
  "authorization",
  "correlation-id",
  "idempotency-key",
  "cm-tenant",
  "if-match",
  "if-none-match",
  "last-event-id"
]
/** A `Correlation-ID` over HTTP. */
export const printable = /^[\x21-\x7e][\x20-\x7e]{0,255}$/u
const bearerPattern = /^bearer +([A-Za-z0-9._~+/=-]+)$/iu
const bearerBytesMax = 16_384
const issuerLengthMax = 2_048

export interface RequestHeaders {
  readonly get: (name: string) => string | null
  /** The caller's; one that is none, or was sent twice, is as good as none. W3C Trace Context, section 3.2. */
  readonly trace: Trace | null
}

/** The headers, checked; `rawHeaders` is what was sent, twice if it was sent twice. */
export const readHeaders = (message: IncomingMessage): Result.Result<RequestHeaders, Problem> => {
  const { rawHeaders } = message
  const found = new Map<string, string>()
  let bytes = 0
  let traces = 0
  let trace: Trace | null = null
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    const value = rawHeaders[at + 1]!
    bytes += name.length + value.length + 4
    if (name === "traceparent") {
      traces += 1
      trace = traces === 1 ? parseTraceparent(value) : null
    }
    if (!once.includes(name)) continue
    if (found.has(name)) return Result.fail(invalid(name, "must be sent once"))
    found.set(name, value)
  }
  if (bytes > headerBytesMax) {
    return Result.fail(problem("HEADERS_TOO_LARGE", `The headers are larger than ${headerBytesMax} bytes`))
  }
  if (message.httpVersion === "1.1" && (found.get("host") ?? "") === "") {
    return Result.fail(invalid("host", "must be sent"))
  }
  const encoding = found.get("transfer-encoding")
  if (encoding !== undefined && (encoding.toLowerCase() !== "chunked" || found.has("content-length"))) {
    return Result.fail(invalid("transfer-encoding", "must be chunked, and alone"))
  }
  if (encoding !== undefined && message.httpVersion === "1.0") {
    return Result.fail(invalid("transfer-encoding", "is not of HTTP/1.0"))
  }
  return Result.succeed({ get: (name) => found.get(name) ?? null, trace })
}

/** The caller's, when it can be echoed. */
export const correlationIdIn = (message: IncomingMessage): string | null => {
  const { rawHeaders } = message
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() === "correlation-id" && printable.test(rawHeaders[at + 1]!)) {
      return rawHeaders[at + 1]!
    }
  }
  return null
}

/** What is wrong with the texts that are passed on; null when nothing is. */
export const passedOnRefusal = (headers: RequestHeaders): Problem | null => {
  const correlationId = headers.get("correlation-id")
  if (correlationId !== null && !printable.test(correlationId)) {
    return invalid("correlation-id", "must be 1 to 256 visible ASCII characters")
  }
  const key = headers.get("idempotency-key")
  return key !== null && !idempotencyKeyPattern.test(key) ? invalid("idempotency-key", idempotencyKeyRule) : null
}

export interface Bearer {
  /** The whole header, as it is passed on. */
  readonly header: string
  /** The `iss` claim, unverified: it only says whom to ask. */
  readonly issuer: string
}

/** Who vouches for the token, by its own word. The service decides whether that is true. */
export const bearerOf = (headers: RequestHeaders): Result.Result<Bearer, Problem> => {
  const header = headers.get("authorization")
  if (header === null) return Result.fail(unauthenticated("missing"))
  const malformed = Result.fail(unauthenticated("malformed"))
  const token = header.length > bearerBytesMax ? undefined : bearerPattern.exec(header)?.[1]
  const payload = token?.split(".")[1]
  if (payload === undefined || token?.split(".").length !== 3) return malformed
  try {
    const claims: { readonly iss?: unknown } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"))
    const issuer = claims?.iss
    return typeof issuer === "string" && issuer !== "" && issuer.length <= issuerLengthMax && issuer.isWellFormed()
      ? Result.succeed({ header, issuer })
      : malformed
  } catch {
    return malformed
  }
}
