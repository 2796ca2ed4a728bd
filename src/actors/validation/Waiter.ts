/** Who waits for the answer to a validation: a request in bytes, or a caller with texts. */
import type { RequestFrame } from "../../schema/EcapFrame.ts"
import { ResponseWriter } from "../../schema/EcapReply.ts"
import { heldBytesMax } from "../tenant/HeldRefusals.ts"
import type { ValidationAnswer } from "../tenant/Tenants.ts"
import type { Answer } from "./ValidationReply.ts"
import type { Respond } from "./Validator.ts"

/** Answers once, whatever happens; `answer` may throw what the caller's own callback throws. */
export interface Waiter {
  /** Null: the application may be any tenant's. */
  readonly tenantId: string | null
  readonly dryRun: boolean
  readonly answer: (answer: Answer, now: number) => void
  /** From now on it keeps of its request what the answer needs: so many bytes. */
  readonly keepLittle: () => number
}

export const writer = new ResponseWriter()

/** The reply's bytes for a request, of which only the correlation id is needed. */
export const replyOf = (request: Uint8Array, start: number, end: number, answer: Answer, now: number): Uint8Array =>
  writer.write(request, start, end, now, answer.tail, 0, answer.tail.length)

export const waiterForBytes = (
  whole: Uint8Array,
  frame: RequestFrame,
  respond: Respond,
  keepLittle?: () => void
): Waiter => {
  let request = whole
  let { correlationEnd, correlationStart } = frame
  let answered = false
  return {
    tenantId: null,
    dryRun: false,
    answer: (answer, now) => {
      if (answered) return
      answered = true
      respond(replyOf(request, correlationStart, correlationEnd, answer, now), answer.statusCode)
    },
    keepLittle: () => {
      // So much is not held: it is answered at once.
      if (correlationEnd - correlationStart > heldBytesMax) return correlationEnd - correlationStart
      keepLittle?.()
      // A copy, which the `slice` of a `Buffer` is not.
      request = new Uint8Array(request.subarray(correlationStart, correlationEnd))
      ;[correlationStart, correlationEnd] = [0, request.length]
      return request.length
    }
  }
}

/** The same, and `left` is told once, just before it is answered. */
export const leaving = (waiter: Waiter, left: () => void): Waiter => {
  let isWaiting = true
  return {
    ...waiter,
    answer: (answer, now) => {
      if (isWaiting) left()
      isWaiting = false
      waiter.answer(answer, now)
    }
  }
}

export const waiterForTexts = (
  tenantId: string | null,
  dryRun: boolean,
  done: (answer: ValidationAnswer) => void
): Waiter => {
  let answered = false
  return {
    tenantId,
    dryRun,
    answer: ({ endpointId, reasonPhrase, status, statusCode, tokenId }) => {
      if (answered) return
      answered = true
      // Only bytes carry a timeout, so only they can be too late.
      done({ statusCode: statusCode === 408 ? 400 : statusCode, reasonPhrase, tokenId, endpointId, status })
    },
    keepLittle: () => 0
  }
}
