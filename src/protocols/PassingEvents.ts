/**
 * Events of other services that may be lost, because what they tell can be read again: taken at once, and
 * worked on beside each other, but those about the same thing one after another, in the order in which they
 * arrived, whatever their subjects: the last word is the last that is carried out. What must not be lost comes through `EventInbox.ts`. What an event asks
 * to be read from other systems is read afterwards (`actors/platform/Wanted.ts`): they may be away for long.
 *
 * An event that fails because something is away is tried again, with growing pauses, for as long as
 * the process lives; the bus does not repeat events. What waits is bounded, in number and in bytes: one more is
 * dropped and counted, and the log says when that begins. A message with a reply subject is not an event and is dropped and counted.
 * Delivery is at most once per process, so what an event does must be idempotent.
 * An event without a correlation id (or with one too long to be one) gets one of ours.
 */
import type { Msg } from "@nats-io/transport-node"
import { Cause, Effect, Exit, Option, Queue, Schedule, type Scope } from "effect"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { Nats } from "../nats/Nats.ts"
import * as CorrelationIds from "../observability/CorrelationIds.ts"
import type { Readiness } from "../observability/Health.ts"
import { makeCounters } from "../observability/Metrics.ts"
import * as InFlight from "./InFlight.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"
import { listen, type NotTaken } from "./Subscription.ts"

const workers = 16
/** Of messages whose events wait: a few of the largest, or very many of the usual ones. */
export const waitingBytesMax = 16 * 1_048_576
/** 100 ms, doubling to 5 s, each with some jitter. */
const pauses = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Whether trying again can help. `NotYetInForce` is committed: the relay brings it into force. */
const isAway = (error: ChangeError): boolean => error._tag === "Unavailable" || error._tag === "TooManyRequests"

export interface EventSubject<E> {
  readonly subject: string
  /** `upsert`: how it is counted. */
  readonly type: string
  /** Null: not such an event. */
  readonly decode: (bytes: Uint8Array) => E | null
}

export interface EventKind<E extends { readonly correlationId: string }> {
  readonly protocol: string
  readonly subjects: ReadonlyArray<EventSubject<E>>
  readonly queue: string | null
  /** What it is about: events of one key are worked on one after another. */
  readonly keyOf: (event: E) => string
  /** What it does; refusals other than these two mean that there was nothing to do. */
  readonly act: (event: E) => Effect.Effect<unknown, ChangeError>
}

interface Waiting<E> {
  readonly event: E
  readonly type: string
  readonly key: string
  /** Of the message that it came in. */
  readonly bytes: number
}

export const hear = Effect.fnUntraced(function* <E extends { readonly correlationId: string }>(
  kind: EventKind<E>
): Generator<Effect.Effect<unknown, never, Nats | ProtocolsConfig | Readiness | Scope.Scope>, void, never> {
  const { protocol } = kind
  const nats = yield* Nats
  const { drainTimeout, eventsWaitingMax } = yield* ProtocolsConfig
  const counters = yield* makeCounters
  const newCorrelationId = yield* CorrelationIds.make
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const inFlight = InFlight.make(eventsWaitingMax)
  const waiting = yield* Queue.dropping<Waiting<E>>(eventsWaitingMax)
  /** By key: what waits behind the one that is queued or at work. */
  const behind = new Map<string, Array<Waiting<E>>>()
  let waitingBytes = 0
  let overflows = false

  const outcome = (type: string, exit: Exit.Exit<unknown, ChangeError>): Effect.Effect<void> => {
    if (Exit.isSuccess(exit)) return Effect.sync(() => counters.heard(protocol, type, "done"))
    const error = Option.getOrNull(Cause.findErrorOption(exit.cause))
    if (error !== null && !Cause.hasDies(exit.cause)) {
      return Effect.sync(() =>
        counters.heard(protocol, type, error._tag === "NotYetInForce" ? "done" : "nothing_to_do")
      )
    }
    counters.heard(protocol, type, "failed")
    return Effect.logError("an event met a bug", exit.cause)
  }
  const enqueue = (one: Waiting<E>) => {
    const line = behind.get(one.key)
    if (line !== undefined) return void line.push(one)
    behind.set(one.key, [])
    // As many as are in flight fit.
    Queue.offerUnsafe(waiting, one)
  }
  const ended = (key: string) => {
    const next = behind.get(key)?.shift()
    if (next === undefined) behind.delete(key)
    else Queue.offerUnsafe(waiting, next)
  }
  const work = Effect.flatMap(Queue.take(waiting), ({ bytes, event, key, type }) =>
    Effect.suspend(() => kind.act(event)).pipe(
      Effect.tapError((error) =>
        isAway(error) ? Effect.sync(() => counters.heard(protocol, type, "tried_again")) : Effect.void
      ),
      Effect.retry({ schedule: pauses, while: isAway }),
      Effect.exit,
      Effect.flatMap((exit) => outcome(type, exit)),
      Effect.annotateLogs({ protocol, type, correlationId: event.correlationId }),
      Effect.ensuring(
        Effect.sync(() => {
          ended(key)
          inFlight.leave()
          waitingBytes -= bytes
          counters.inFlight(protocol, inFlight.count())
        })
      )
    )
  )
  for (let worker = 0; worker < workers; worker++) yield* Effect.forkScoped(Effect.forever(work))

  yield* Effect.addFinalizer(() =>
    inFlight.idle.pipe(
      Effect.timeoutOrElse({
        duration: drainTimeout,
        orElse: () => Effect.logError("events were left undone", { protocol, count: inFlight.count() })
      })
    )
  )
  const takeFrom =
    ({ decode, type }: EventSubject<E>) =>
    (message: Msg) => {
      if (message.reply !== undefined && message.reply !== "") return counters.dropped(protocol, "has_reply_subject")
      const decoded = decode(message.data)
      if (decoded === null) return counters.dropped(protocol, "undecodable")
      const event = decoded.correlationId === "" ? { ...decoded, correlationId: newCorrelationId() } : decoded
      const bytes = message.data.length
      if (waitingBytes + bytes > waitingBytesMax || !inFlight.enter()) {
        counters.dropped(protocol, "overflow")
        if (!overflows) run(Effect.logError("events are dropped: too many wait", { protocol, type }))
        overflows = true
        return
      }
      overflows = false
      waitingBytes += bytes
      enqueue({ event, type, key: kind.keyOf(event), bytes })
      counters.inFlight(protocol, inFlight.count())
    }
  const notTaken = (_: Msg, why: NotTaken) => counters.dropped(protocol, why)
  for (const of of kind.subjects) {
    yield* listen({ connection: nats.events, subject: of.subject, queue: kind.queue, take: takeFrom(of), notTaken })
  }
})
