/**
 * Events of other services that must not be lost: 9/ELCE `unregistered`, 21/TLE.
 *
 * They wait in a stream while this service is away, and one replica carries out each. A message is done
 * with when its effect is durable, not before. One that fails because something is away is held and tried
 * again, with growing pauses, for as long as the process lives; when the process ends first, another
 * replica gets it. One that meets a bug comes again later, a few times, and is then given up, counted and
 * logged, so that it stands in nobody's way. What is no such event is counted and gone.
 *
 * What an event does must not wait for other systems: whoever waits has a worker that others need.
 *
 * Delivery is at least once: what an event does must be idempotent, and is told when the event came
 * (`at`) and how to recognise it (`id`). One without a correlation id (or with one too long to be one)
 * gets one of ours.
 */
import { Cause, Duration, Effect, Exit, Option, Schedule, type Scope } from "effect"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { ackWait, Inbox, type InboxMessage } from "../nats/Inbox.ts"
import * as CorrelationIds from "../observability/CorrelationIds.ts"
import * as Loop from "../observability/Loop.ts"
import { makeCounters } from "../observability/Metrics.ts"
import * as InFlight from "./InFlight.ts"
import { ProtocolsConfig } from "./ProtocolsConfig.ts"

/** Deliveries of a message that meets a bug, the first included. */
export const deliveriesMax = 5
/** Pause before the second delivery; it grows with each. */
const pauseAfterBug = Duration.seconds(2)
/** 100 ms, doubling to 5 s, each with some jitter. */
const pauses = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)
const sayWorkingEvery = Duration.millis(Duration.toMillis(ackWait) / 3)
const confirmations = 3

/** Whether trying again can help. `NotYetInForce` is committed: the relay brings it into force. */
const isAway = (error: ChangeError): boolean => error._tag === "Unavailable" || error._tag === "TooManyRequests"

export interface Heard {
  readonly at: number
  readonly id: string
  readonly bytes: Uint8Array
}

export interface InboxKind<E extends { readonly correlationId: string }> {
  readonly protocol: string
  /** `unregistered`: how it is counted. */
  readonly type: string
  /** The end of its subjects: `endpoint.lifecycle.unregistered`. */
  readonly name: string
  /** Null: not such an event. */
  readonly decode: (bytes: Uint8Array) => E | null
  /** What it is about, for the log: whoever reads that an event was given up does by hand what it asked for. */
  readonly about: (event: E) => Readonly<Record<string, string>>
  /** What it does; refusals mean that there was nothing to do. */
  readonly act: (event: E, heard: Heard) => Effect.Effect<unknown, ChangeError>
}

interface Prepared {
  readonly correlationId: string
  readonly about: Readonly<Record<string, string>>
  readonly act: Effect.Effect<unknown, ChangeError>
}

type AnyKind = {
  readonly protocol: string
  readonly type: string
  readonly name: string
  readonly prepare: (message: InboxMessage, newCorrelationId: () => string) => Prepared | null
}

/** A kind whose event's type nobody has to know any more. */
export const inboxKind = <E extends { readonly correlationId: string }>({
  about,
  act,
  decode,
  name,
  protocol,
  type
}: InboxKind<E>): AnyKind => ({
  name,
  protocol,
  type,
  prepare: ({ at, data, id }, newCorrelationId) => {
    const decoded = decode(data)
    if (decoded === null) return null
    const event = decoded.correlationId === "" ? { ...decoded, correlationId: newCorrelationId() } : decoded
    return {
      correlationId: event.correlationId,
      about: about(event),
      act: Effect.suspend(() => act(event, { at, id, bytes: data }))
    }
  }
})

const subjectName = (subject: string): string => subject.split(".").slice(4).join(".")

export const serve = Effect.fnUntraced(function* (
  kinds: ReadonlyArray<AnyKind>
): Generator<Effect.Effect<unknown, never, Inbox | ProtocolsConfig | Scope.Scope>, void, never> {
  const inbox = yield* Inbox
  const { drainTimeout, inboxWorkers } = yield* ProtocolsConfig
  const counters = yield* makeCounters
  const newCorrelationId = yield* CorrelationIds.make
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  const inFlight = InFlight.make(inboxWorkers)
  let closing = false

  /** Confirmed, or it comes again and is recognised. */
  const done = (message: InboxMessage) =>
    message.done.pipe(Effect.repeat({ times: confirmations - 1, until: (confirmed) => confirmed }), Effect.asVoid)

  const giveBack = (kind: AnyKind, message: InboxMessage, cause: Cause.Cause<ChangeError>) => {
    const isLast = message.deliveries >= deliveriesMax
    counters.heard(kind.protocol, kind.type, isLast ? "given_up" : "failed")
    const told = isLast ? "an event was given up: it met a bug each time" : "an event met a bug"
    const pause = Duration.times(pauseAfterBug, message.deliveries)
    return Effect.andThen(Effect.logError(told, cause), isLast ? done(message) : message.later(pause))
  }

  const outcome = (kind: AnyKind, message: InboxMessage, exit: Exit.Exit<unknown, ChangeError>) => {
    const count = (outcome: string) => Effect.sync(() => counters.heard(kind.protocol, kind.type, outcome))
    if (Exit.isSuccess(exit)) return Effect.andThen(count("done"), done(message))
    const error = Option.getOrNull(Cause.findErrorOption(exit.cause))
    if (Cause.hasDies(exit.cause) || error === null) return giveBack(kind, message, exit.cause)
    // The replica stops while something is away: another one carries it out.
    if (isAway(error)) return Effect.andThen(count("left"), message.later(Duration.zero))
    return Effect.andThen(count(error._tag === "NotYetInForce" ? "done" : "nothing_to_do"), done(message))
  }

  const carryOut = (kind: AnyKind, message: InboxMessage, { about, act, correlationId }: Prepared) =>
    act.pipe(
      Effect.tapError((error) =>
        isAway(error) ? Effect.sync(() => counters.heard(kind.protocol, kind.type, "tried_again")) : Effect.void
      ),
      Effect.retry({ schedule: pauses, while: (error) => isAway(error) && !closing }),
      Effect.raceFirst(Effect.forever(Effect.andThen(Effect.sleep(sayWorkingEvery), message.working))),
      Effect.exit,
      Effect.flatMap((exit) => outcome(kind, message, exit)),
      Effect.annotateLogs({ protocol: kind.protocol, type: kind.type, correlationId, ...about })
    )

  const handle = (message: InboxMessage) => {
    const kind = byName.get(subjectName(message.subject))
    const prepared = message.isUnreadable ? null : (kind?.prepare(message, newCorrelationId) ?? null)
    if (kind === undefined || prepared === null) {
      counters.dropped(kind?.protocol ?? "inbox", message.isUnreadable ? "headers_unreadable" : "undecodable")
      return done(message)
    }
    inFlight.enter()
    counters.inFlight(kind.protocol, inFlight.count())
    return carryOut(kind, message, prepared).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          inFlight.leave()
          counters.inFlight(kind.protocol, inFlight.count())
        })
      )
    )
  }

  const step = Effect.suspend(() =>
    closing ? Effect.never : Effect.flatMap(inbox.take, (message) => (message === null ? Effect.void : handle(message)))
  )
  for (let worker = 0; worker < inboxWorkers; worker++) yield* Effect.forkScoped(Loop.forever("inbox", step))

  yield* Effect.addFinalizer(() => {
    closing = true
    return inFlight.idle.pipe(
      Effect.timeoutOrElse({
        duration: drainTimeout,
        orElse: () => Effect.logWarning("events were left to another replica", { count: inFlight.count() })
      })
    )
  })
})
