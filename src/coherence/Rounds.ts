/**
 * Runs barrier rounds, one after the other; what waits while one is under way goes with the next.
 *
 * Promises:
 * - `enqueueUnsafe` returns at once; what it took ends in `onInForce`, whatever fails meanwhile,
 *   unless the process ends first;
 * - every replica that may answer from before a revocation has applied it, or has lost that right
 *   for certain, before `onInForce` hears of it (`Barrier.ts` decides who and when);
 * - messages are repeated until they are acknowledged or nobody is waited for.
 *
 * Rounds do not overlap: the first one to meet a dead replica outwaits it and removes its entry, and
 * the revocations that came meanwhile find it gone.
 */
import { Clock, type Context, Duration, Effect, Metric, Queue, Schedule } from "effect"
import type { Revocation } from "../domain/Revocation.ts"
import { Nats } from "../nats/Nats.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { acknowledged, begin, type Entry, evicted, expire, isOver, type Known, observe, type Round } from "./Barrier.ts"
import { monotonicMsUnsafe } from "./Coherence.ts"
import { CoherenceConfig, timingOf } from "./CoherenceConfig.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import type { LeaseBucket } from "./LeaseBucket.ts"
import { type AckMessage, encode, inPieces, subjects, targetsPerMessageMax } from "./Messages.ts"

export interface Pending {
  readonly revocation: Revocation
  /** Called when it is in force, and when the store was told so; must not throw. */
  readonly inForce: () => void
  readonly told: () => void
}

export interface Rounds {
  /** The caller bounds how many it has under way. */
  readonly enqueueUnsafe: (pending: Pending) => void
  readonly acknowledgedUnsafe: (ack: AckMessage) => void
}

/** Targets that one round takes along, in messages of `targetsPerMessageMax`. */
const roundTargetsMax = 8 * targetsPerMessageMax

const listAgain = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")])
const repeatMs = 100
/** Processes whose acknowledgements of one round are remembered; what comes beyond is not believed. */
const processesMax = 4_096
/** A listing while waiting, this often within a lease. */
const listingsPerLease = 6

/** Needs a scope: the rounds end with it. */
export const make = Effect.fnUntraced(function* (
  bucket: LeaseBucket,
  process: string,
  ownKey: () => string | null,
  onInForce: (batch: ReadonlyArray<Pending>) => void
) {
  const { control } = yield* Nats
  const { instance } = yield* Replica
  const timing = timingOf(yield* CoherenceConfig)
  const clock = yield* Clock.Clock
  const context: Context.Context<never> = yield* Effect.context<never>()
  const subject = subjects(instance).apply
  const now = () => monotonicMsUnsafe(clock)

  let waiting: Array<Pending> = []
  /** While no round is under way: begins one, in the turn of whoever brings a revocation. */
  let beginNow: (() => void) | null = null
  const arrival = Effect.callback<void>((resume) => {
    // One may have come since it was last looked.
    if (waiting.length > 0) return resume(Effect.void)
    beginNow = () => {
      beginNow = null
      resume(Effect.void)
    }
    return Effect.sync(() => {
      beginNow = null
    })
  })
  const changes = yield* Queue.sliding<void>(1)
  let nextId = 0
  /** Of the round under way: who has acknowledged which of its messages. */
  let messageIds: ReadonlySet<number> = new Set()
  const acksOf = new Map<string, Set<number>>()

  const takeBatch = (): ReadonlyArray<Pending> => {
    let targets = 0
    let count = 0
    while (count < waiting.length && (count === 0 || targets < roundTargetsMax)) {
      targets += waiting[count++]!.revocation.targets.length
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }

  const listed = bucket.list.pipe(
    Effect.tapError(() => Effect.ignore(bucket.ensure)),
    Effect.retry(listAgain)
  )

  const publishUnsafe = (messages: ReadonlyArray<Uint8Array>): void => {
    for (const message of messages) {
      try {
        control.publish(subject, message)
      } catch {
        // Closed or draining: repeated until the scope ends.
      }
    }
  }

  const withAcks = (round: Round): Round => {
    let after = round
    for (const [from, ids] of acksOf) if (ids.size === messageIds.size) after = acknowledged(after, from)
    return after
  }

  const removeEntry = (entry: Entry) =>
    Metric.update(Metrics.outwaited, 1).pipe(
      Effect.andThen(Effect.logWarning(`outwaited the lease of ${entry.process}`)),
      Effect.andThen(bucket.write(entry.key, entry.revision, "removed", entry.heldMs, entry.timing)),
      Effect.ignore
    )

  const evictEntry = (round: Round, entry: Entry): Effect.Effect<Round> =>
    bucket.write(entry.key, entry.revision, "evicted", entry.heldMs, entry.timing).pipe(
      Effect.tap(() => Metric.update(Metrics.evictions, 1)),
      Effect.tap(() => Effect.logWarning(`evicted ${entry.process}, which does not acknowledge`)),
      Effect.map((revision) => evicted(round, entry.key, revision, now())),
      Effect.catch(() => Effect.succeed(round))
    )

  const lookAgain = Effect.fnUntraced(function* (round: Round) {
    const listing = yield* bucket.list
    const observed = observe(withAcks(round), listing, timing)
    yield* Effect.forEach(observed.remove, removeEntry, { discard: true })
    let after = observed.round
    for (const entry of observed.evict) after = yield* evictEntry(after, entry)
    return after
  })

  const outlast = Effect.fnUntraced(function* (begun: Round, messages: ReadonlyArray<Uint8Array>) {
    let round = begun
    const lookEvery = timing.leaseMs / listingsPerLease
    let lookAt = now() + lookEvery
    let repeatAt = now() + repeatMs
    while (true) {
      const expired = expire(withAcks(round), now())
      round = expired.round
      yield* Effect.forEach(expired.remove, removeEntry, { discard: true })
      if (isOver(round, now())) return
      if (round.awaited.length > 0 && now() >= repeatAt) {
        publishUnsafe(messages)
        repeatAt = now() + repeatMs
      }
      if (round.awaited.length > 0 && now() >= lookAt) {
        round = yield* lookAgain(round).pipe(Effect.catch(() => Effect.succeed(round)))
        lookAt = now() + lookEvery
        continue
      }
      const until = round.awaited.length > 0 ? Math.min(lookAt, repeatAt) : round.settledAtMs
      yield* Queue.take(changes).pipe(Effect.timeoutOption(Duration.millis(Math.max(1, until - now()))))
    }
  })

  const runRound = Effect.fnUntraced(function* (batch: ReadonlyArray<Pending>) {
    const startedMs = now()
    const pieces = inPieces(batch.map(({ revocation }) => revocation))
    if (pieces.length === 0) return
    const ids = pieces.map(() => nextId++)
    const messages = pieces.map((revocations, index) => encode({ from: process, id: ids[index]!, revocations }))
    acksOf.clear()
    messageIds = new Set(ids)
    // An acknowledgement counts whenever it comes: applied is applied. So the messages need not wait for the listing.
    publishUnsafe(messages)
    const known: Known = { process, seen: bucket.seen(), ownKey: ownKey(), timing }
    const listing = yield* listed
    yield* outlast(begin(listing, known), messages)
    messageIds = new Set()
    Metrics.barriers.updateUnsafe(1, context)
    Metrics.barrierSeconds.updateUnsafe((now() - startedMs) / 1_000, context)
  })

  const runOne = Effect.gen(function* () {
    if (waiting.length === 0) yield* arrival
    const batch = takeBatch()
    if (batch.length === 0) return
    const putBack = Effect.sync(() => {
      waiting = [...batch, ...waiting]
    })
    yield* Effect.onError(runRound(batch), () => putBack)
    onInForce(batch)
  })
  yield* Effect.forkScoped(Loop.forever("barrier rounds", Effect.orDie(runOne)))

  const rounds: Rounds = {
    enqueueUnsafe: (pending) => {
      waiting.push(pending)
      beginNow?.()
    },
    acknowledgedUnsafe: ({ from, id }) => {
      if (!messageIds.has(id)) return
      const ids = acksOf.get(from)
      if (ids !== undefined) ids.add(id)
      else if (acksOf.size < processesMax) acksOf.set(from, new Set([id]))
      Queue.offerUnsafe(changes, undefined)
    }
  }
  return rounds
})
