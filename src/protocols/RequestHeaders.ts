/** The headers of a management request, and those of its answer. */
import { headers, Match, type Msg, type MsgHdrs } from "@nats-io/transport-node"
import { Result } from "effect"
import type { Caller } from "../actors/tenant/Tenants.ts"
import { InvalidRequest } from "../domain/errors.ts"
import { errorLine, type Failure } from "./Status.ts"

const correlationIdPattern = /^\P{C}{1,256}$/u
const idempotencyKeyPattern = /^[\x21-\x7e]{1,128}$/u
const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/u
const errorLineLengthMax = 512

/** A header's value whatever the case of its name; null when it is missing or empty. */
export const headerOf = (message: Msg, name: string): string | null =>
  message.headers?.get(name, Match.IgnoreCase) || null

/** The caller's, or null when it sent none that can be echoed. */
export const correlationIdOf = (message: Msg): string | null => {
  const given = headerOf(message, "Correlation-ID")
  return given !== null && correlationIdPattern.test(given) ? given : null
}

/** W3C trace context of the caller. */
export const traceOf = (message: Msg): { traceId: string; spanId: string; sampled: boolean } | null => {
  const match = traceparentPattern.exec(headerOf(message, "traceparent") ?? "")
  if (match === null) return null
  return { traceId: match[1] ?? "", spanId: match[2] ?? "", sampled: (Number.parseInt(match[3] ?? "0", 16) & 1) === 1 }
}

/** What is needed to recognise the same request again, with a copy of its body. */
export const idempotencyOf = (
  message: Msg,
  operation: string
): Result.Result<Caller["idempotency"], InvalidRequest> => {
  const key = headerOf(message, "Idempotency-Key")
  if (key === null) return Result.succeed(null)
  return idempotencyKeyPattern.test(key)
    ? Result.succeed({ key, operation, body: message.data.slice() })
    : Result.fail(new InvalidRequest({ path: "Idempotency-Key", reason: "must be 1 to 128 visible ASCII characters" }))
}

/** The headers of every answer; those of an error beside them. */
export const answerHeaders = (correlationId: string, statusCode: number, failure: Failure | null): MsgHdrs => {
  const sent = headers()
  sent.set("Correlation-ID", correlationId)
  sent.set("Cm-Status", String(statusCode))
  if (failure !== null) {
    sent.set("Nats-Service-Error-Code", String(failure.statusCode))
    sent.set("Nats-Service-Error", errorLine(failure).slice(0, errorLineLengthMax))
  }
  return sent
}
