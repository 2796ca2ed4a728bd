/**
 * 16/ECAP endpoint token validation: the hot path's edge.
 *
 * Bytes go to the `Validator` and come back as bytes. Here it is only checked where the answer may
 * go, and counted. Reading the clock twice is dear at this rate: answers given at once are timed for
 * the first ones and then one in `sampleEvery`, the rest take the time last seen; answers that come
 * later are all timed, by one look at the clock for all that came, or are answered, in one turn. Of many that are
 * answered in one turn the first leave while the others are still written.
 *
 * Source: 16/ECAP, "Endpoint token validation".
 */
import type { Msg } from "@nats-io/transport-node"
import { Clock, Effect } from "effect"
import { Validator } from "../actors/validation/Validator.ts"
import { Nats } from "../nats/Nats.ts"
import { Replies, replySubjectOf, withoutPayload } from "../nats/Replies.ts"
import { makeCounters } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import { EndpointTokenValidationResponse } from "../schema/Ecap.ts"
import { withoutCorrelationId } from "../schema/EcapReply.ts"
import { Micro } from "./Micro.ts"
import { plainReplyRule, replyRule, send } from "./Responder.ts"
import { serviceSubject } from "./Subject.ts"
import { listen, type NotTaken } from "./Subscription.ts"

const protocol = "ecap"
const drainedTimeout = "10 seconds"
const timedAtFirst = 64
const sampleEvery = 16
/** Answers to requests that waited: so many are written together. */
const lateTogether = 64

/** Statuses of a proper verdict on a token; any other one counts as an error. */
const verdicts: ReadonlySet<number> = new Set([200, 403, 404, 410])
/** Texts for statistics, made once: the hot path builds no strings. */
const errorTexts = new Map([400, 408, 429, 500, 503].map((status) => [status, `${status}: no verdict`]))
const errorText = (status: number): string | undefined => (verdicts.has(status) ? undefined : errorTexts.get(status))

export const validation = Effect.gen(function* () {
  const { instance } = yield* Replica
  const nats = yield* Nats
  const validator = yield* Validator
  const micro = yield* Micro
  const clock = yield* Clock.Clock
  const counters = yield* makeCounters
  const rule = replyRule(nats.inboxPrefix)
  const isPlain = plainReplyRule(nats.inboxPrefix)
  const replies = new Replies(nats.validation)
  const subject = serviceSubject(instance, protocol, "ep-token-request")
  const endpoint = micro.endpoint({ protocol, name: "ecap-ep-token", subject, metadata: { format: "avro" } })

  let taken = 0
  let late = 0
  let lastNanoseconds = 0
  let turn: bigint | null = null
  const endTurn = () => {
    turn = null
  }
  const nowOfTurn = (): bigint => {
    if (turn === null) {
      turn = clock.monotonicTimeNanosUnsafe()
      queueMicrotask(endTurn)
    }
    return turn
  }
  const take = (message: Msg) => {
    const to = replySubjectOf(message)
    if (to === null || !isPlain(to)) {
      const reply = rule(message.reply)
      if (reply !== "allowed") {
        return counters.dropped(protocol, reply === "missing" ? "no_reply_subject" : "reply_subject_refused")
      }
    }
    let startedAt = taken < timedAtFirst || taken % sampleEvery === 0 ? clock.monotonicTimeNanosUnsafe() : null
    let answered = false
    let isLate = false
    let answerable = message
    taken += 1
    validator.answerUnsafe(
      message.data,
      (bytes, statusCode) => {
        answered = true
        // The echoed id alone can make an answer larger than the request that just fitted.
        if (!replies.send(answerable, bytes) && !replies.send(answerable, withoutCorrelationId(bytes))) {
          counters.dropped(protocol, "answer_not_sent")
        }
        if (startedAt !== null) {
          const now = isLate ? nowOfTurn() : clock.monotonicTimeNanosUnsafe()
          lastNanoseconds = Number(now - startedAt)
        }
        endpoint.record(statusCode, lastNanoseconds, errorText(statusCode))
        if (isLate && ++late % lateTogether === 0) replies.passOn()
      },
      () => {
        answerable = withoutPayload(nats.validation, message)
      }
    )
    if (answered) return
    isLate = true
    startedAt ??= nowOfTurn()
  }

  const notTaken = (message: Msg, why: NotTaken) => {
    counters.dropped(protocol, why)
    if (rule(message.reply) !== "allowed") return
    const statusCode = why === "bug" ? 500 : 400
    const timestamp = BigInt(clock.currentTimeMillisUnsafe())
    const verdict = { statusCode, reasonPhrase: null, tokenId: null, endpointId: null }
    const bytes = EndpointTokenValidationResponse.encode({ correlationId: "", timestamp, timeout: 0n, ...verdict })
    if (!send(message, bytes)) counters.dropped(protocol, "answer_not_sent")
    endpoint.record(statusCode, lastNanoseconds, errorText(statusCode))
  }

  yield* Effect.addFinalizer(() =>
    Effect.promise(() =>
      validator
        .drained()
        .then(() => {
          replies.flush()
          return nats.validation.flush()
        })
        .catch(() => undefined)
    ).pipe(
      Effect.timeoutOrElse({ duration: drainedTimeout, orElse: () => Effect.logError("validations left unanswered") })
    )
  )
  yield* listen({ connection: nats.validation, subject, queue: instance, take, notTaken })
})
