/**
 * The headers of a management request, and those of its answer.
 *
 * Every header of a caller that decides something is read by `readHeader`, with one rule: its name in any
 * spelling, its value once. Twice is refused, whichever spellings: of two readers each could see another one.
 * `traceparent` decides nothing: a wrong one is none.
 */
import type { Msg, MsgHdrs } from "@nats-io/transport-node"
import { Result } from "effect"
import type { Caller } from "../actors/tenant/Tenants.ts"
import { InvalidRequest } from "../domain/errors.ts"
import { correlationIdLengthMax } from "../domain/Names.ts"
import { parseTraceparent, type Trace } from "../observability/Trace.ts"
import { idempotencyKeyPattern, idempotencyKeyRule } from "../schema/Field.ts"
import { ownText } from "./Responder.ts"
import { errorLine, type Failure } from "./Status.ts"

/** What can be echoed: any text in one line, as long as what is kept of one. */
export const correlationIdPattern = /^[^\p{Cc}]{1,256}$/u
const errorLineLengthMax = 512

const refused = (path: string, reason: string) => Result.fail(new InvalidRequest({ path, reason }))

const none: ReadonlyArray<string> = []

/** Of all spellings of a name, which is in ASCII. The library's own search makes a list of all names for each. */
export const headerValues = (headers: MsgHdrs | undefined, name: string): ReadonlyArray<string> => {
  let found = none
  if (headers === undefined) return found
  for (const [spelled, values] of headers) {
    if (spelled.length !== name.length || spelled.toLowerCase() !== name.toLowerCase()) continue
    found = found === none ? values : [...found, ...values]
  }
  return found
}

const notSent: Result.Result<string | null, InvalidRequest> = Result.succeed(null)

/** A header's value, whatever the spelling of its name; null when it was not sent, empty when it was and says nothing. */
export const readHeader = (message: Msg, name: string): Result.Result<string | null, InvalidRequest> => {
  const values = headerValues(message.headers, name)
  if (values.length === 0) return notSent
  return values.length === 1 ? Result.succeed(values[0]!) : refused(name, "must be sent once")
}

/** The same where one that was not sent once is as good as none. */
export const headerOf = (message: Msg, name: string): string | null =>
  Result.getOrElse(readHeader(message, name), () => null) || null

/** The caller's, or null when it sent none that can be echoed. It outlives the request: it keeps no header but itself. */
export const correlationIdOf = (message: Msg): string | null => {
  const given = headerOf(message, "Correlation-ID")
  return given !== null && isEchoed(given) ? ownText(given) : null
}

/** Bytes that are no UTF-8 have become U+FFFD on the way here. */
const isEchoed = (text: string): boolean =>
  correlationIdPattern.test(text) && text.isWellFormed() && !text.includes("\ufffd")

/** What is wrong with the headers that every request may have; null when nothing is. */
export const headersRefusal = (message: Msg): InvalidRequest | null => {
  const correlationId = readHeader(message, "Correlation-ID")
  if (Result.isFailure(correlationId)) return correlationId.failure
  const given = correlationId.success
  if (given !== null && given !== "" && !isEchoed(given)) {
    const reason = `must have at most ${correlationIdLengthMax} characters, without control characters`
    return new InvalidRequest({ path: "Correlation-ID", reason })
  }
  return null
}

/** The bearer's, to be verified; null when none was sent. */
export const authorizationOf = (message: Msg): Result.Result<string | null, InvalidRequest> =>
  readHeader(message, "Authorization")

/** W3C trace context of the caller; one that is not of that form, or was sent twice, is none, as W3C has it. */
export const traceOf = (message: Msg): Trace | null => parseTraceparent(headerOf(message, "traceparent"))

/** What is needed to recognise the same request again, with a copy of its body. */
export const idempotencyOf = (
  message: Msg,
  operation: string
): Result.Result<Caller["idempotency"], InvalidRequest> => {
  const given = readHeader(message, "Idempotency-Key")
  if (Result.isFailure(given)) return Result.fail(given.failure)
  const key = given.success
  if (key === null) return Result.succeed(null)
  return idempotencyKeyPattern.test(key)
    ? Result.succeed({ key, operation, body: new Uint8Array(message.data) })
    : refused("Idempotency-Key", idempotencyKeyRule)
}

/** The headers of every answer; those of an error beside them. */
export const answerHeaders = (
  correlationId: string,
  statusCode: number,
  failure: Failure | null
): Readonly<Record<string, string>> => {
  const sent = { "Correlation-ID": correlationId, "Cm-Status": String(statusCode) }
  if (failure === null) return sent
  return {
    ...sent,
    "Nats-Service-Error-Code": String(failure.statusCode),
    "Nats-Service-Error": errorLine(failure).slice(0, errorLineLengthMax).trim()
  }
}
