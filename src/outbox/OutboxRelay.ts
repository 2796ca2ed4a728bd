/**
 * Carries what was decided to whoever listens: the one way events leave.
 *
 * Promises:
 * - every committed row of the outbox reaches its stream, once, in order within its entity, whatever
 *   dies or is away meanwhile; `RelayTerm` says how;
 * - nothing else reaches a stream, and nothing of a revocation before it is in force;
 * - one relay works at a time: the holder of the term, renewed by the database's clock. Two at once
 *   would be slower, not wrong;
 * - while the bus or the database is away it tries for ever, with capped and jittered pauses.
 *
 * Changes never wait for it. It publishes within milliseconds of a commit, and within the poll interval
 * when nobody woke it.
 */
import { Clock, Context, Duration, Effect, Layer, Metric, Random } from "effect"
import { CoherenceConfig } from "../coherence/CoherenceConfig.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Outbox } from "../store/Outbox.ts"
import { OutboxSignal } from "../store/OutboxSignal.ts"
import { OutboxConfig } from "./OutboxConfig.ts"
import * as Pace from "./Pace.ts"
import * as PendingBarriers from "./PendingBarriers.ts"
import * as RelayTerm from "./RelayTerm.ts"
import { WakeCall } from "./WakeCall.ts"

const pauseMinMs = 50
const pauseMaxMs = 2_000
/** Calls to the relay of another replica are no denser than this. */
const callAgain = Duration.millis(5)
const measureEvery = Duration.seconds(5)
/** Rows are counted, which takes as long as there are many: of the time, this part, but twice a minute at least. */
const measureShare = 0.05
const measureSeldomMs = 30_000

// ---- metrics ------------------------------------------------------------------
const termNumber = Metric.gauge("cm_outbox_term", { description: "The term of the relay held here, 0 when it is not" })
const depthRows = Metric.gauge("cm_outbox_rows", { description: "Rows that wait in the outbox" })
const oldestAge = Metric.gauge("cm_outbox_oldest_age_milliseconds", { description: "Age of the oldest waiting row" })
const asideRows = Metric.gauge("cm_outbox_aside_rows", {
  description: "Rows that were set aside and wait for an operator"
})
const troubles = Metric.counter("cm_outbox_troubles_total", {
  description: "Rounds of the relay that could not do what they should",
  incremental: true
})

/** Half of it is certain, half is random, so that replicas do not pause in step. */
const pauseOf = (failures: number, random: number): number =>
  Math.min(pauseMaxMs, pauseMinMs * 2 ** Math.min(failures, 10)) * (0.5 + random / 2)

const make = Effect.gen(function* () {
  const outbox = yield* Outbox
  const signal = yield* OutboxSignal
  const wakeCall = yield* WakeCall
  const config = yield* OutboxConfig
  const { lease } = yield* CoherenceConfig
  const { process } = yield* Replica
  const clock = yield* Clock.Clock
  const ttlMs = Duration.toMillis(config.termTtl)

  let held: RelayTerm.RelayTerm | null = null
  let claimedAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let troubledSince = 0

  const monotonicMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const ages = Pace.agesOf(monotonicMs)

  const stepDown = Effect.suspend(() => {
    held = null
    return Metric.update(termNumber, 0)
  })

  /** The term held here, claimed or renewed every third of its time; null: another replica's runs. */
  const hold = Effect.fnUntraced(function* () {
    const now = monotonicMs()
    if (now - claimedAt < ttlMs / 3) return held
    const term = yield* outbox.claimTerm(process, ttlMs)
    claimedAt = now
    if (term === null) {
      yield* stepDown
    } else if (held?.term !== term) {
      held = yield* RelayTerm.make(term, config.batchMax, Pace.ofThread(monotonicMs, ages.of), ttlMs)
      yield* Metric.update(termNumber, term)
      yield* Effect.logInfo("this replica relays events").pipe(Effect.annotateLogs({ term }))
    }
    return held
  })

  const lookAgain = Duration.min(config.pollInterval, Duration.millis(ttlMs / 3))
  const awaitMore = Effect.raceFirst(signal.awaitWake, Effect.sleep(lookAgain))

  /** Another replica relays: what is committed here is for it to publish. */
  const standBy = Effect.raceFirst(
    Effect.andThen(
      signal.awaitWake,
      Effect.sync(() => wakeCall.callUnsafe())
    ),
    Effect.sleep(Duration.millis(ttlMs / 3))
  ).pipe(Effect.andThen(Effect.sleep(callAgain)))

  /** Whoever cannot reach the streams for a whole term lets another replica try. */
  const giveUp = Effect.gen(function* () {
    yield* stepDown
    yield* Effect.ignore(outbox.releaseTerm(process))
    yield* Effect.sleep(Duration.millis(ttlMs / 2))
    claimedAt = Number.NEGATIVE_INFINITY
    troubledSince = monotonicMs()
  })

  const pause = Effect.fnUntraced(function* (reason: string) {
    yield* Metric.update(troubles, 1)
    if (failures++ === 0) {
      troubledSince = monotonicMs()
      yield* Effect.logWarning("events wait").pipe(Effect.annotateLogs({ reason }))
    }
    if (held !== null && monotonicMs() - troubledSince > ttlMs) return yield* giveUp
    yield* Effect.sleep(Duration.millis(pauseOf(failures, yield* Random.next)))
  })

  const step = Effect.gen(function* () {
    const relay = yield* hold()
    if (relay === null) return yield* standBy
    const { hasMore, sent, trouble } = yield* relay.round
    if (trouble !== null && sent === 0) return yield* pause(trouble)
    failures = 0
    if (!hasMore) yield* awaitMore
  }).pipe(
    Effect.catchTags({
      TermLost: () => Effect.andThen(stepDown, Effect.logInfo("another replica relays events")),
      StoreUnavailable: ({ operation }) => pause(`database: ${operation}`),
      EventLogUnavailable: ({ reason, stream }) => pause(`stream ${stream}: ${reason}`)
    })
  )

  const measure = Effect.gen(function* () {
    if (held === null) return
    const { aside, now, oldestAgeMs, rows } = yield* outbox.depth
    ages.heard(now)
    yield* Metric.update(asideRows, aside)
    yield* Metric.update(depthRows, rows)
    yield* Metric.update(oldestAge, oldestAgeMs)
  })

  /** A count that failed took its time by waiting, and is made again as soon as any. */
  const measureSeldom = Effect.suspend(() => {
    const began = monotonicMs()
    return Effect.flatMap(Effect.isSuccess(measure), (isCounted) => {
      const rest = isCounted ? Math.min(measureSeldomMs, (monotonicMs() - began) / measureShare) : 0
      return Effect.sleep(Math.max(Duration.toMillis(measureEvery), rest))
    })
  })

  const orphanedAgeMs = 2 * Duration.toMillis(lease)
  const takeOver = Effect.gen(function* () {
    if (held === null) return
    if ((yield* PendingBarriers.putOrphansInForce(orphanedAgeMs)) > 0) signal.wakeUnsafe()
  })
  /** What fails here is looked at again; the relay's own loop says that the database is away. */
  const every = <R>(loop: string, interval: Duration.Input, work: Effect.Effect<void, unknown, R>) =>
    Loop.forever(loop, work.pipe(Effect.ignore, Effect.andThen(Effect.sleep(interval))))

  yield* Effect.addFinalizer(() =>
    held === null
      ? Effect.void
      : held.end.pipe(
          Effect.andThen(outbox.releaseTerm(process)),
          Effect.ignore,
          Effect.timeoutOption(Duration.millis(pauseMaxMs))
        )
  )
  yield* wakeCall.listen(() => {
    if (held !== null) signal.wakeUnsafe()
  })
  yield* Effect.forkScoped(Loop.forever("relay", step))
  yield* Effect.forkScoped(Loop.forever("outbox depth", measureSeldom))
  yield* Effect.forkScoped(every("orphaned revocations", Duration.millis(orphanedAgeMs / 4), takeOver))

  return OutboxRelay.of({ termUnsafe: () => held?.term ?? null })
})

export class OutboxRelay extends Context.Service<
  OutboxRelay,
  {
    /** The term held by this replica, or null. */
    readonly termUnsafe: () => number | null
  }
>()("cm/outbox/OutboxRelay") {
  /** Starts relaying. Needs `Outbox`, `OutboxSignal`, `OutboxConfig`, `WakeCall`, `EventLog`, `OwnCheckpoints`, `Coherence`, `CoherenceConfig`, `Replica`. */
  static readonly layer = Layer.effect(OutboxRelay, make)
}
