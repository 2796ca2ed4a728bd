/**
 * Carries what was decided to whoever listens: the one way events leave.
 *
 * Promises:
 * - every committed row of the outbox reaches its stream, once, in order within its tenant, whatever
 *   dies or is away meanwhile; `RelayTerm` says how;
 * - nothing else reaches a stream, and nothing of a revocation before it is in force;
 * - one relay works at a time: the holder of the term, renewed by the database's clock. Two at once
 *   would be slower, not wrong;
 * - while the bus or the database is away it tries for ever, with capped and jittered pauses.
 *
 * Changes never wait for it. It publishes within milliseconds of a commit of this replica, and within
 * the poll interval of another's.
 */
import { Clock, Context, Duration, Effect, Layer, Metric, Random } from "effect"
import { CoherenceConfig } from "../coherence/CoherenceConfig.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Outbox } from "../store/Outbox.ts"
import { OutboxSignal } from "../store/OutboxSignal.ts"
import { OutboxConfig } from "./OutboxConfig.ts"
import * as PendingBarriers from "./PendingBarriers.ts"
import * as RelayTerm from "./RelayTerm.ts"

const pauseMinMs = 50
const pauseMaxMs = 2_000
const measureEvery = Duration.seconds(5)

// ---- metrics ------------------------------------------------------------------
const termNumber = Metric.gauge("cm_outbox_term", { description: "The term of the relay held here, 0 when it is not" })
const depthRows = Metric.gauge("cm_outbox_rows", { description: "Rows that wait in the outbox" })
const oldestAge = Metric.gauge("cm_outbox_oldest_age_milliseconds", { description: "Age of the oldest waiting row" })
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
  const config = yield* OutboxConfig
  const { lease } = yield* CoherenceConfig
  const { replicaId } = yield* Replica
  const clock = yield* Clock.Clock
  const ttlMs = Duration.toMillis(config.termTtl)

  let held: RelayTerm.RelayTerm | null = null
  let claimedAt = Number.NEGATIVE_INFINITY
  let failures = 0

  const stepDown = Effect.suspend(() => {
    held = null
    claimedAt = Number.NEGATIVE_INFINITY
    return Metric.update(termNumber, 0)
  })

  /** The term held here, claimed or renewed when a third of its time has passed; null: another replica's runs. */
  const hold = Effect.fnUntraced(function* () {
    const now = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    if (held !== null && now - claimedAt < ttlMs / 3) return held
    const term = yield* outbox.claimTerm(replicaId, ttlMs)
    if (term === null) {
      yield* stepDown
      return null
    }
    claimedAt = now
    if (held?.term !== term) {
      held = yield* RelayTerm.make(term, config.batchMax)
      yield* Metric.update(termNumber, term)
      yield* Effect.logInfo("this replica relays events").pipe(Effect.annotateLogs({ term }))
    }
    return held
  })

  const awaitMore = Effect.raceFirst(signal.awaitWake, Effect.sleep(config.pollInterval))

  const pause = (reason: string) =>
    Effect.gen(function* () {
      yield* Metric.update(troubles, 1)
      if (failures++ === 0) yield* Effect.logWarning("events wait").pipe(Effect.annotateLogs({ reason }))
      yield* Effect.sleep(Duration.millis(pauseOf(failures, yield* Random.next)))
    })

  const step = Effect.gen(function* () {
    const relay = yield* hold()
    if (relay === null) return yield* Effect.sleep(Duration.millis(ttlMs / 3))
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
    const { oldestAgeMs, rows } = yield* outbox.depth
    yield* Metric.update(depthRows, rows)
    yield* Metric.update(oldestAge, oldestAgeMs)
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
          Effect.andThen(outbox.releaseTerm(replicaId)),
          Effect.ignore,
          Effect.timeoutOption(Duration.millis(pauseMaxMs))
        )
  )
  yield* Effect.forkScoped(Loop.forever("relay", step))
  yield* Effect.forkScoped(every("outbox depth", measureEvery, measure))
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
  /** Starts relaying. Needs `Outbox`, `OutboxSignal`, `OutboxConfig`, `EventLog`, `Coherence`, `CoherenceConfig`, `Replica`. */
  static readonly layer = Layer.effect(OutboxRelay, make)
}
