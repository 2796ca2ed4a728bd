/**
 * 16/ECAP, the provider's side for endpoint tokens: status transition here, validation beside it.
 *
 * A transition is decoded, checked and handed to `Tenants`; it is answered when it is in force. It is
 * made by the person that the bus names; a caller within the service's own account is answered 403. Transitions have
 * places (`Shares`) and begin in turns (`Turns`) by tenant, as management requests do; one more is answered 429, a
 * moment later. Client credentials are in `ClientAuthentication.ts`.
 *
 * Source: 16/ECAP, "Endpoint token status transition".
 */

import type { Msg } from "@nats-io/transport-node"
import { Cause, Clock, Effect, Exit, Layer, Option, Result } from "effect"
import * as HeldRefusals from "../actors/tenant/HeldRefusals.ts"
import { Limits } from "../actors/tenant/Limits.ts"
import { LongRequests } from "../actors/tenant/LongRequests.ts"
import { type ChangeError, Tenants } from "../actors/tenant/Tenants.ts"
import { Validator } from "../actors/validation/Validator.ts"
import { appNamePattern, globalTenantId, isTokenValue, keptCorrelationId } from "../domain/Names.ts"
import type { Principal } from "../domain/Principal.ts"
import type { TokenStatus } from "../domain/Token.ts"
import { Nats } from "../nats/Nats.ts"
import type { Readiness } from "../observability/Health.ts"
import { makeCounters } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import { EndpointTokenStatusTransitionRequest, EndpointTokenStatusTransitionResponse } from "../schema/Ecap.ts"
import { parseTargetStatus } from "../schema/TokenJson.ts"
import { decideTransition } from "./BusAccess.ts"
import { busCallerOf } from "./BusCaller.ts"
import { BusConfig } from "./BusConfig.ts"
import { validation } from "./EcapValidation.ts"
import { Micro } from "./Micro.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { type ReplyTo, replyRule, replyTo, send } from "./Responder.ts"
import * as Shares from "./Shares.ts"
import { failureOf } from "./Status.ts"
import { serviceSubject } from "./Subject.ts"
import { listen, type NotTaken } from "./Subscription.ts"
import * as Turns from "./Turns.ts"

const protocol = "ecap"
const flushTimeout = "2 seconds"

export interface TransitionAnswer {
  readonly statusCode: number
  readonly reasonPhrase: string | null
}

const plain = (statusCode: number): TransitionAnswer => ({ statusCode, reasonPhrase: null })

/** What is to be done for a transition request at `now`, or what is wrong with it. */
export const checkTransition = (
  request: EndpointTokenStatusTransitionRequest,
  now: number
): { readonly target: TokenStatus } | { readonly answer: TransitionAnswer } => {
  if (!appNamePattern.test(request.appName) || !isTokenValue(request.token) || request.timeout < 0n) {
    return { answer: plain(400) }
  }
  if (request.timeout > 0n && BigInt(now) > request.timestamp + request.timeout) return { answer: plain(408) }
  const target = parseTargetStatus(request.targetStatus)
  return target === null ? { answer: { statusCode: 400, reasonPhrase: "Unknown target status" } } : { target }
}

/** The answer of 2.1 of the contract for how the change ended. */
export const transitionAnswer = (exit: Exit.Exit<void, ChangeError>): TransitionAnswer => {
  if (Exit.isSuccess(exit)) return plain(200)
  if (Cause.hasDies(exit.cause)) return plain(500)
  const error = Option.getOrNull(Cause.findErrorOption(exit.cause))
  if (error === null) return plain(503)
  const { reasonPhrase, statusCode } = failureOf(error)
  return statusCode === 429 || statusCode === 503 ? plain(statusCode) : { statusCode, reasonPhrase }
}

const transition = Effect.gen(function* () {
  const { instance } = yield* Replica
  const nats = yield* Nats
  const tenants = yield* Tenants
  const micro = yield* Micro
  const { ownAccount } = yield* BusConfig
  const { drainTimeout, requestsInFlightMax } = yield* ProtocolsConfig
  const clock = yield* Clock.Clock
  const counters = yield* makeCounters
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const rule = replyRule(nats.inboxPrefix)
  const inFlight = Shares.make(requestsInFlightMax)
  const long = new LongRequests()
  const limits = yield* Limits
  const validator = yield* Validator
  const turns = yield* Turns.live(protocol)
  const refusals = yield* HeldRefusals.make
  const subject = serviceSubject(instance, protocol, "ep-token-status-transition-request")
  const endpoint = micro.endpoint({
    protocol,
    name: "ecap-ep-token-status-transition",
    subject,
    metadata: { format: "avro" }
  })

  const respond = (
    to: Pick<ReplyTo, "respond">,
    correlationId: string,
    answer: TransitionAnswer,
    startedAt: bigint
  ) => {
    const timestamp = BigInt(clock.currentTimeMillisUnsafe())
    const sent =
      send(to, EndpointTokenStatusTransitionResponse.encode({ correlationId, timestamp, timeout: 0n, ...answer })) ||
      // The echoed id alone can make an answer larger than the request that just fitted.
      send(to, EndpointTokenStatusTransitionResponse.encode({ correlationId: "", timestamp, timeout: 0n, ...answer }))
    if (!sent) counters.dropped(protocol, "answer_not_sent")
    const nanoseconds = Number(clock.monotonicTimeNanosUnsafe() - startedAt)
    endpoint.record(
      answer.statusCode,
      nanoseconds,
      answer.statusCode < 400 ? undefined : `${answer.statusCode}: refused`
    )
  }

  /** Over a limit: told a moment later. */
  const refuse = (to: ReplyTo, correlationId: string, startedAt: bigint, told: () => void = () => {}) =>
    refusals.hold(to.bytes + Buffer.byteLength(correlationId), () => {
      told()
      respond(to, correlationId, plain(429), startedAt)
    })

  const tell = (to: ReplyTo, correlationId: string, answer: TransitionAnswer, startedAt: bigint) =>
    answer.statusCode === 429 ? refuse(to, correlationId, startedAt) : respond(to, correlationId, answer, startedAt)

  const change = (
    to: ReplyTo,
    request: EndpointTokenStatusTransitionRequest,
    target: TokenStatus,
    principal: Principal,
    startedAt: bigint
  ) => {
    const correlationId = keptCorrelationId(request.correlationId)
    return tenants
      .transitionByValue(request.appName, request.token, target, { ...principal, correlationId, idempotency: null })
      .pipe(
        Effect.exit,
        Effect.tap((exit) =>
          Exit.isFailure(exit) && Cause.hasDies(exit.cause)
            ? Effect.logError("a status transition met a bug", exit.cause)
            : Effect.void
        ),
        Effect.map((exit) => tell(to, request.correlationId, transitionAnswer(exit), startedAt)),
        Effect.annotateLogs({ correlationId })
      )
  }

  const take = (message: Msg) => {
    const reply = rule(message.reply)
    if (reply !== "allowed") {
      return counters.dropped(protocol, reply === "missing" ? "no_reply_subject" : "reply_subject_refused")
    }
    const startedAt = clock.monotonicTimeNanosUnsafe()
    const request = EndpointTokenStatusTransitionRequest.decode(message.data)
    if (request === null) return respond(message, "", plain(400), startedAt)
    const checked = checkTransition(request, clock.currentTimeMillisUnsafe())
    if ("answer" in checked) return respond(message, request.correlationId, checked.answer, startedAt)
    const asked = decideTransition(busCallerOf(message, ownAccount))
    if (Result.isFailure(asked)) {
      const { reasonPhrase, statusCode } = failureOf(asked.failure)
      return respond(message, request.correlationId, { statusCode, reasonPhrase }, startedAt)
    }
    const { principal } = asked.success
    const takesAway = checked.target !== "Active"
    // Of an application that is not known yet it is not known whose it is: all of those are their asker's.
    const known = validator.tenantOfUnsafe(request.appName)
    const tenant = known ?? `unknown, asked by ${principal}`
    const tenantMax = limits.get(known ?? globalTenantId).requestsInFlight
    const entering: Shares.Entering = { tenant, tenantMax, asker: principal, takesAway, always: false }
    const place = inFlight.enter(entering)
    const line = takesAway ? `${tenant} takes away` : tenant
    const to = replyTo(nats.requests, message)
    if (place === null) {
      if (!inFlight.isFull(entering)) return refuse(to, request.correlationId, startedAt)
      turns.press(line)
      return refuse(to, request.correlationId, startedAt, Turns.telling(turns, line))
    }
    const { length } = message.data
    if (!long.enter(length)) {
      place()
      return refuse(to, request.correlationId, startedAt)
    }
    const leave = () => {
      long.leave(length)
      place()
    }
    const left = Effect.sync(() => {
      turns.ended(line)
      leave()
    })
    turns.take(
      line,
      () => run(Effect.ensuring(change(to, request, checked.target, asked.success, startedAt), left)),
      () => {
        leave()
        refuse(to, request.correlationId, startedAt)
      }
    )
  }

  const notTaken = (message: Msg, why: NotTaken) => {
    counters.dropped(protocol, why)
    if (rule(message.reply) !== "allowed") return
    respond(message, "", plain(why === "bug" ? 500 : 400), clock.monotonicTimeNanosUnsafe())
  }

  yield* Effect.addFinalizer(() =>
    Effect.andThen(refusals.end, inFlight.idle).pipe(
      Effect.timeoutOrElse({
        duration: drainTimeout,
        orElse: () => Effect.logError("status transitions were left without an answer", { count: inFlight.count() })
      }),
      Effect.andThen(
        Effect.promise(() => nats.requests.flush().catch(() => undefined)).pipe(
          Effect.timeoutOrElse({ duration: flushTimeout, orElse: () => Effect.void })
        )
      )
    )
  )
  yield* listen({ connection: nats.requests, subject, queue: instance, take, notTaken })
})

export const layer: Layer.Layer<
  never,
  never,
  Nats | Replica | Micro | Tenants | Validator | BusConfig | ProtocolsConfig | Readiness
> = Layer.effectDiscard(Effect.andThen(validation, transition))
