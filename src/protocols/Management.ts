/**
 * The management family: JSON over request and reply.
 *
 * What is wrong with a request is looked for in the contract's order: reply subject, tenant token,
 * operation, payload, authorization, then whatever the operation finds. Every request with an
 * acceptable reply subject is answered once; one without is not carried out, only counted.
 *
 * A request is a fiber; their number is bounded for each tenant and for all (`Places`), one more is answered 429,
 * a moment later (`HeldRefusals`) and unread, and so is whatever else is refused by a limit, or goes nowhere too often.
 * They begin in turns by tenant (`Turns`). When the layer is
 * released the subscriptions are drained, what is in flight is answered, and the connection is
 * flushed. A bug in a handler is answered 500 without detail and logged with its cause.
 *
 * Longer than 300 lines because a request's way, from its message to its one answer, is one promise.
 */
import type { Msg } from "@nats-io/transport-node"
import { Cause, Clock, Context, Effect, Exit, type Fiber, Layer, Option, References, Result } from "effect"
import * as HeldRefusals from "../actors/tenant/HeldRefusals.ts"
import { Limits } from "../actors/tenant/Limits.ts"
import { Platform } from "../actors/tenant/Platform.ts"
import { WaitingPlace } from "../actors/tenant/WaitingPlace.ts"
import { InvalidRequest, Unavailable } from "../domain/errors.ts"
import { globalTenantId } from "../domain/Names.ts"
import { RateBucket } from "../domain/TenantLimits.ts"
import { Answers } from "../nats/Answers.ts"
import { Nats } from "../nats/Nats.ts"
import * as CorrelationIds from "../observability/CorrelationIds.ts"
import * as Deadlines from "../observability/Deadlines.ts"
import type { Readiness } from "../observability/Health.ts"
import { makeCounters } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import type { Trace } from "../observability/Trace.ts"
import { Access } from "./Access.ts"
import { type BusCaller, busCallerOf } from "./BusCaller.ts"
import { BusConfig } from "./BusConfig.ts"
import { Micro } from "./Micro.ts"
import { encodeBody, type Operation, type Reply } from "./Operation.ts"
import * as OperationEndpoints from "./OperationEndpoints.ts"
import * as Places from "./Places.ts"
import { InvalidTenant, OperationNotFound, PayloadTooLarge } from "./ProtocolError.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"
import {
  answerHeaders,
  authorizationOf,
  correlationIdOf,
  headersRefusal,
  idempotencyOf,
  traceOf
} from "./RequestHeaders.ts"
import * as RequestSpan from "./RequestSpan.ts"
import { payloadBytesMax, replyRule } from "./Responder.ts"
import { errorLine, type Failure, failureOf, internal, type ManagementError } from "./Status.ts"
import { managementSubjects, parseSubject } from "./Subject.ts"
import { listen, type NotTaken } from "./Subscription.ts"
import * as Turns from "./Turns.ts"

const protocol = "management"
/** Handlers end by themselves long before; this only keeps a hanging one from holding its place for ever. */
const operationTimeout = "150 seconds"
const flushTimeout = "2 seconds"
/** Of all callers together: requests that go nowhere and are told so at once. */
export const astrayPerSecond = 500

interface Asked<R> {
  readonly operation: Operation<R>
  readonly tenantId: string
  readonly extra: string | null
}

/** With who asks, as the bus says: read once. */
interface Received<R> extends Asked<R> {
  readonly bus: BusCaller
}

/** Where a request goes, or why nowhere. */
type Route<R> = Asked<R> | { readonly refusal: ManagementError }

/** What an answer and everything that is done for it is found by. */
interface From {
  readonly correlationId: string
  readonly trace: Trace | null
}

/** The operations by family and name. */
export const makeRouter = <R>(instance: string, operations: ReadonlyArray<Operation<R>>) => {
  const byName = new Map(operations.map((operation) => [`${operation.family} ${operation.name}`, operation]))
  const find = (family: string, name: string, tenantId: string, extra: string | null): Route<R> => {
    const operation = byName.get(`${family} ${name}`)
    return operation === undefined || (extra !== null && !operation.takesExtra)
      ? { refusal: new OperationNotFound({}) }
      : { operation, tenantId, extra }
  }
  return (text: string): Route<R> => {
    const subject = parseSubject(instance, text)
    switch (subject.family) {
      case "invalidTenant":
        return { refusal: new InvalidTenant({}) }
      case "unknown":
        return { refusal: new OperationNotFound({}) }
      case "admin":
      case "gateway":
        return find(subject.family, subject.name, "", null)
      case "tenant":
        return find("tenant", subject.name, subject.tenantId, subject.extra)
    }
  }
}

/** What an outcome is answered with. */
const failureFrom = (cause: Cause.Cause<ManagementError>): Failure => {
  if (Cause.hasDies(cause)) return internal
  return Option.match(Cause.findErrorOption(cause), {
    onSome: failureOf,
    onNone: () => failureOf(new Unavailable({ part: "this replica is stopping", committed: null }))
  })
}

/** Whose share over all tenants it counts against; nobody's for the gateway, behind which are many. */
const askerOf = (caller: BusCaller, consumer: string | null, gatewayAccount: string): string | null =>
  caller.by === "import" && caller.account !== gatewayAccount ? `${caller.account}/${caller.user ?? "-"}` : consumer

/** Nothing was done, and the tenant may be one that nobody knows yet. */
const mayBeOfNewTenant = (error: ManagementError): boolean =>
  error._tag === "TenantNotFound" || (error._tag === "Unauthenticated" && error.reason === "no_issuer")

const full = Exit.fail(Places.tooMany)
const headersRefused = new InvalidRequest({
  path: "headers",
  reason: "must be lines of a name, a colon and a value"
})
/** What takes a right away does not wait for whatever else its tenant asks, nor does a validation. */
const lineOf = <R>({ operation, tenantId }: Asked<R>): string => {
  if (operation.validates) return `${tenantId} validates`
  return operation.takesAway ? `${tenantId} takes away` : tenantId
}
const isOverLimit = (exit: Exit.Exit<unknown, ManagementError>): boolean =>
  Option.getOrNull(Exit.findErrorOption(exit))?._tag === "TooManyRequests"
const overdue = () => Exit.fail(new Unavailable({ part: "the operation did not end", committed: null }))
const logBug = (cause: Cause.Cause<ManagementError>) =>
  Cause.hasDies(cause) ? Effect.logError("a management request met a bug", cause) : Effect.void

const make = Effect.fnUntraced(function* <R>(operations: ReadonlyArray<Operation<R>>) {
  const { instance } = yield* Replica
  const nats = yield* Nats
  const micro = yield* Micro
  const access = yield* Access
  const { gatewayAccount, ownAccount } = yield* BusConfig
  const platform = yield* Platform
  const { drainTimeout, requestBytesMax, requestsInFlightMax } = yield* ProtocolsConfig
  const clock = yield* Clock.Clock
  const newCorrelationId = yield* CorrelationIds.make
  const counters = yield* makeCounters
  const context = yield* Effect.context<R>()
  const run = Effect.runForkWith(context)
  const annotations = Context.get(context, References.CurrentLogAnnotations)
  const route = makeRouter(instance, operations)
  const rule = replyRule(nats.inboxPrefix)
  const answers = new Answers(nats.requests)
  const inFlight = Places.make(requestsInFlightMax)
  const limits = yield* Limits
  const spans = yield* RequestSpan.make
  const deadlines = yield* Deadlines.make(protocol, operationTimeout)
  const turns = yield* Turns.live(protocol)
  const refusals = yield* HeldRefusals.make
  const astray = new RateBucket()
  const endpointOf = OperationEndpoints.make(micro, protocol, instance, operations)

  const enteringOf = (message: Msg, { bus, extra, operation, tenantId }: Received<R>): Places.Asking => ({
    tenant: tenantId,
    tenantMax: limits.get(tenantId === "" ? globalTenantId : tenantId).requestsInFlight,
    asker: askerOf(bus, extra, gatewayAccount),
    takesAway: operation.takesAway,
    always: operation.always,
    validates: operation.validates,
    bytes: message.data.length
  })

  /** Everything after the operation is known: payload, authorization, the operation itself. */
  const carryOutOnce = (
    message: Msg,
    { bus, extra, operation, tenantId }: Received<R>,
    { correlationId, trace }: From
  ): Effect.Effect<Reply, ManagementError, R> => {
    const bytesMax = Math.min(requestBytesMax, operation.bytesMax ?? requestBytesMax)
    if (message.data.length > bytesMax) {
      return Effect.fail(new PayloadTooLarge({ part: "request", bytesMax }))
    }
    const handler = operation.prepare(message.data)
    if (Result.isFailure(handler)) return Effect.fail(handler.failure)
    const refused = headersRefusal(message)
    if (refused !== null) return Effect.fail(refused)
    const idempotency = idempotencyOf(message, operation.name)
    if (Result.isFailure(idempotency)) return Effect.fail(idempotency.failure)
    const authorization = authorizationOf(message)
    if (Result.isFailure(authorization)) return Effect.fail(authorization.failure)
    const ofTenant = operation.family === "tenant" ? tenantId : handler.success.tenantId
    const authorized = access.authorize({
      family: operation.family,
      operation: operation.name,
      tenantId: ofTenant,
      consumer: extra,
      bus,
      authorization: authorization.success,
      places: handler.success.places(tenantId)
    })
    return Effect.flatMap(authorized, ({ among = null, known, principal }) =>
      handler.success.handle({
        tenantId: ofTenant ?? "",
        among,
        caller: {
          principal,
          known,
          correlationId,
          idempotency: idempotency.success,
          ...(trace === null ? {} : { trace })
        },
        extra,
        answerBytesMax: payloadBytesMax(nats.requests)
      })
    )
  }

  /**
   * The first request that names a new tenant asks the platform for it, and is then looked at anew from the
   * beginning: who may ask is a matter of that tenant.
   */
  const carryOut = (message: Msg, to: Received<R>, from: From) => {
    const once = carryOutOnce(message, to, from)
    if (to.operation.family !== "tenant") return once
    return Effect.catchIf(once, mayBeOfNewTenant, (error) =>
      Effect.flatMap(platform.newTenant(to.tenantId), (isThere) =>
        isThere ? carryOutOnce(message, to, from) : Effect.fail(error)
      )
    )
  }

  const answer = (to: string, correlationId: string, exit: Exit.Exit<Reply, ManagementError>) => {
    const encoded = Exit.isSuccess(exit)
      ? Result.mapError(encodeBody(exit.value.body, payloadBytesMax(nats.requests)), failureOf)
      : Result.fail(failureFrom(exit.cause))
    const failure = Result.isFailure(encoded) ? encoded.failure : null
    const statusCode = failure?.statusCode ?? (Exit.isSuccess(exit) ? exit.value.statusCode : internal.statusCode)
    const body = Result.isSuccess(encoded)
      ? encoded.success
      : Buffer.from(JSON.stringify({ error: { ...failure, correlationId } }))
    if (!answers.send(to, body, answerHeaders(correlationId, statusCode, failure))) {
      counters.dropped(protocol, "answer_not_sent")
    }
    return { statusCode, code: failure?.code ?? null, error: failure === null ? undefined : errorLine(failure) }
  }

  /** A bug in answering is answered, too. */
  const finish = (to: string, correlationId: string, exit: Exit.Exit<Reply, ManagementError>) => {
    try {
      return answer(to, correlationId, exit)
    } catch (defect) {
      run(logBug(Cause.die(defect)))
      return answer(to, correlationId, Exit.die(defect))
    }
  }

  /** Runs in the fiber of the request; what comes of it is answered when that has ended, however it did. */
  const work = (message: Msg, to: Received<R>, from: From): Effect.Effect<Reply, ManagementError, R> =>
    spans.within(
      Effect.tapCause(
        Effect.suspend(() => carryOut(message, to, from)),
        logBug
      ),
      from.trace
    )

  /** For the fiber of a request: where it waits, and what its lines of the log are found by. */
  const contextOf = (message: Msg, to: Received<R>, { correlationId }: From, place: Places.Place) =>
    Context.add(
      Context.add(context, WaitingPlace, Places.waitingPlace(place, to.operation.takesAway)),
      References.CurrentLogAnnotations,
      { ...annotations, correlationId, subject: message.subject }
    )

  /** What every request leaves behind, carried out or refused. `ended` keeps nothing of the message but `bytes`. */
  const begun = (message: Msg, to: Route<R>) => {
    // Not the message, which keeps its payload, its headers, and all else that the socket's read brought with it.
    const { reply = "" } = message
    const startedAt = clock.monotonicTimeNanosUnsafe()
    const correlationId = correlationIdOf(message) ?? newCorrelationId()
    const sent = traceOf(message)
    const [operation, extra] = "operation" in to ? [to.operation, to.extra] : [null, null]
    const endpoint = endpointOf(operation, extra)
    const span = spans.begin(operation, sent)
    return {
      correlationId,
      trace: span === null ? sent : span.trace,
      bytes: reply.length + correlationId.length,
      ended: (exit: Exit.Exit<Reply, ManagementError>) => {
        const { code, error, statusCode } = finish(reply, correlationId, exit)
        span?.end(statusCode >= 500 ? code : null, { "cm.status": statusCode })
        endpoint.record(statusCode, Number(clock.monotonicTimeNanosUnsafe() - startedAt), error)
      }
    }
  }

  /** Told a moment later. */
  const refuse = (
    { bytes, ended }: ReturnType<typeof begun>,
    exit: Exit.Exit<Reply, ManagementError>,
    told: () => void = () => {}
  ) =>
    refusals.hold(bytes, () => {
      told()
      ended(exit)
    })

  /** Nobody's limit is for it, and a mistake is told at once; many a second are a flood, too. */
  const goesNowhere = (request: ReturnType<typeof begun>, error: ManagementError) => {
    const isAtOnce = astray.take(astrayPerSecond, Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
    if (isAtOnce) request.ended(Exit.fail(error))
    else refuse(request, Exit.fail(error))
  }

  /** It has a place, and its turn has come. */
  const begin = (message: Msg, to: Received<R>, request: ReturnType<typeof begun>, place: Places.Place) => {
    let fiber: Fiber.Fiber<unknown, unknown> | undefined
    let isOverdue = false
    const end = deadlines.begin(() => {
      isOverdue = true
      fiber?.interruptUnsafe()
    })
    const ended = (exit: Exit.Exit<Reply, ManagementError>) => {
      end()
      if (isOverLimit(exit)) refuse(request, exit)
      else request.ended(isOverdue && Exit.isFailure(exit) ? overdue() : exit)
      place.leave()
    }
    // A fiber outlives its end where others still name it: it must not keep the answer.
    const working = Effect.asVoid(Effect.onExit(work(message, to, request), (exit) => Effect.sync(() => ended(exit))))
    fiber = Effect.runForkWith(contextOf(message, to, request, place))(working)
  }

  const take = (message: Msg, wrong: ManagementError | null = null) => {
    const reply = rule(message.reply)
    if (reply !== "allowed") {
      return counters.dropped(protocol, reply === "missing" ? "no_reply_subject" : "reply_subject_refused")
    }
    const routed = route(message.subject)
    if ("refusal" in routed) return goesNowhere(begun(message, routed), routed.refusal)
    if (wrong !== null) return goesNowhere(begun(message, routed), wrong)
    const asked = { ...routed, bus: busCallerOf(message, ownAccount) }
    const line = lineOf(asked)
    const entering = enteringOf(message, asked)
    const place = inFlight.enter(entering)
    const request = begun(message, asked)
    if (place === null) {
      // Who is refused since others have all places, or since its asker has, is no flood.
      if (!inFlight.isFull(entering)) return refuse(request, full)
      turns.press(line)
      return refuse(request, full, Turns.telling(turns, line))
    }
    if (asked.operation.always) return begin(message, asked, request, place)
    const inTurn = Turns.withinTurn(turns, line, place)
    turns.take(
      line,
      () => begin(message, asked, request, inTurn),
      () => {
        place.leave()
        refuse(request, full)
      }
    )
  }

  const notTaken = (message: Msg, why: NotTaken) => {
    if (why === "headers_unreadable") return take(message, headersRefused)
    counters.dropped(protocol, "bug")
    if (rule(message.reply) === "allowed") answer(message.reply ?? "", newCorrelationId(), Exit.die("not taken"))
  }

  // Released last to first: the subscriptions are drained, then this waits for what they brought.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(refusals.end, inFlight.idle).pipe(
      Effect.timeoutOrElse({
        duration: drainTimeout,
        orElse: () => Effect.logError("requests were left without an answer", { count: inFlight.count() })
      }),
      Effect.andThen(
        Effect.promise(() => {
          answers.flush()
          return nats.requests.flush().catch(() => undefined)
        }).pipe(Effect.timeoutOrElse({ duration: flushTimeout, orElse: () => Effect.void }))
      )
    )
  )
  for (const subject of managementSubjects(instance)) {
    yield* listen({ connection: nats.requests, subject, queue: instance, take: (message) => take(message), notTaken })
  }
})

/** Serves `operations`. Needs what their handlers need. */
export const layer = <R>(
  operations: ReadonlyArray<Operation<R>>
): Layer.Layer<
  never,
  never,
  Exclude<R, never> | Nats | Replica | Micro | Access | BusConfig | ProtocolsConfig | Readiness
> => Layer.effectDiscard(make(operations))
