/**
 * `Coherence` over the bus, for any number of replicas.
 *
 * A revocation is applied here at once, then carried by a barrier round (`Rounds.ts`) to every
 * replica that holds a lease (`LeaseKeeper.ts`), then told to the store, then answered. The caller
 * waits at most `CM_BARRIER_TIMEOUT`; the round goes on without it.
 *
 * What arrives from other replicas is checked, applied and acknowledged in the turn in which it
 * arrives. Nothing escapes from those callbacks: an exception there would end the connection's reads.
 * A message that is not applied is not acknowledged, and its sender takes this replica's lease away.
 */
import type { Msg } from "@nats-io/transport-node"
import { type Context, Deferred, Duration, Effect, Equal, Layer, Metric, Queue, Schedule } from "effect"
import type { Appearance, Revocation } from "../domain/Revocation.ts"
import * as Door from "../nats/Door.ts"
import { Nats } from "../nats/Nats.ts"
import * as StreamWatch from "../nats/StreamWatch.ts"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { Outbox } from "../store/Outbox.ts"
import { settledAtMs } from "./Barrier.ts"
import { Applier, BarrierTimeout, Coherence } from "./Coherence.ts"
import { CoherenceConfig, timingOf } from "./CoherenceConfig.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import { outwaitMs } from "./Lease.ts"
import * as LeaseBucket from "./LeaseBucket.ts"
import * as LeaseKeeper from "./LeaseKeeper.ts"
import {
  decodeAck,
  decodeAppear,
  decodeApply,
  decodeInForce,
  encode,
  subjects,
  tenantsPerMessageMax
} from "./Messages.ts"
import * as Rounds from "./Rounds.ts"

/** Revocations that may be under way at once in one replica; more are left to the relay. */
const underWayMax = 100_000
const markAgain = Schedule.spaced("250 millis")

const make = Effect.gen(function* () {
  const { control } = yield* Nats
  const { instance, process } = yield* Replica
  const config = yield* CoherenceConfig
  const { barrierTimeout } = config
  const applier = yield* Applier
  const outbox = yield* Outbox
  const context: Context.Context<never> = yield* Effect.context<never>()
  const on = subjects(instance)

  const publishUnsafe = (subject: string, message: Uint8Array): void => {
    try {
      control.publish(subject, message)
    } catch {
      // Closed or draining: acknowledgements are asked for again, appearances may be lost.
    }
  }
  const run = Effect.runForkWith(context)
  const open = yield* Door.make
  const refuseUnsafe = () => Metrics.messagesRefused.updateUnsafe(1, context)

  /** Runs `handle` on each readable message of another process, and lets nothing escape. */
  const listen = <A extends { readonly from: string }>(
    subject: string,
    decode: (bytes: Uint8Array) => A | null,
    handle: (message: A) => void
  ) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        open(control, subject, {
          take: (msg: Msg) => {
            try {
              const message = decode(msg.data)
              if (message === null) refuseUnsafe()
              else if (message.from !== process) handle(message)
            } catch (bug) {
              Metrics.applyFailures.updateUnsafe(1, context)
              run(Effect.logError("a message of another replica could not be applied", bug))
            }
          },
          unreadable: refuseUnsafe,
          ended: refuseUnsafe
        })
      ),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )

  // ---- telling the store -------------------------------------------------------
  const listeners: Array<(tenantId: string) => void> = []
  const heardInForceUnsafe = (tenantIds: ReadonlyArray<string>): void => {
    for (const tenantId of tenantIds) for (const listener of listeners) listener(tenantId)
  }
  const tellInForceUnsafe = (tenantIds: ReadonlyArray<string>): void => {
    heardInForceUnsafe(tenantIds)
    for (let from = 0; from < tenantIds.length; from += tenantsPerMessageMax) {
      const part = tenantIds.slice(from, from + tenantsPerMessageMax)
      publishUnsafe(on.inForce, encode({ from: process, tenantIds: part }))
    }
  }
  let inForce: Array<Rounds.Pending> = []
  const arrivals = yield* Queue.sliding<void>(1)
  const mark = Effect.gen(function* () {
    if (inForce.length === 0) yield* Queue.take(arrivals)
    const pending = inForce
    inForce = []
    const keys = pending.map(({ revocation: { seq, tenantId } }) => ({ tenantId, seq }))
    if (keys.length === 0) return
    yield* outbox.markInForce(keys).pipe(
      Effect.tapError(() => Metric.update(Metrics.markRetries, 1)),
      Effect.retry(markAgain),
      Effect.onError(() =>
        Effect.sync(() => {
          inForce = [...pending, ...inForce]
        })
      )
    )
    for (const { done } of pending) done()
    tellInForceUnsafe(Array.from(new Set(keys.map(({ tenantId }) => tenantId))))
  })

  // ---- other replicas ----------------------------------------------------------
  const bucket = yield* LeaseBucket.make
  yield* StreamWatch.watch(bucket.plan, false)
  yield* listen(on.apply, decodeApply, ({ from, id, revocations }) => {
    for (const revocation of revocations) applier.applyUnsafe(revocation)
    publishUnsafe(on.ack(from), encode({ from: process, id }))
  })
  yield* listen(on.appear, decodeAppear, ({ targets, tenantId }) => applier.appearUnsafe({ tenantId, targets }))
  yield* listen(on.inForce, decodeInForce, ({ tenantIds }) => heardInForceUnsafe(tenantIds))
  const keeper = yield* LeaseKeeper.make(bucket, process)
  const rounds = yield* Rounds.make(bucket, process, keeper.ownKey, (batch) => {
    inForce.push(...batch)
    Queue.offerUnsafe(arrivals, undefined)
  })
  yield* listen(on.ack(process), decodeAck, rounds.acknowledgedUnsafe)
  yield* Effect.forkScoped(Loop.forever("in force", Effect.orDie(mark)))

  // ---- one revocation ----------------------------------------------------------
  const underWay = new Map<string, { readonly revocation: Revocation; readonly done: Deferred.Deferred<void> }>()

  /** Joins the same revocation if it is under way: in force is a fact about it, not about who asks. Null: too many. */
  const startUnsafe = (revocation: Revocation): Deferred.Deferred<void> | null => {
    const key = `${revocation.tenantId} ${revocation.seq}`
    const same = underWay.get(key)
    if (same !== undefined && Equal.equals(same.revocation.targets, revocation.targets)) return same.done
    if (underWay.size >= underWayMax) return null
    const done = Deferred.makeUnsafe<void>()
    const started = { revocation, done }
    underWay.set(key, started)
    rounds.enqueueUnsafe({
      revocation,
      done: () => {
        if (underWay.get(key) === started) underWay.delete(key)
        Deferred.doneUnsafe(done, Effect.void)
      }
    })
    return done
  }

  const putInForce = Effect.fn("Coherence.putInForce")(function* (revocation: Revocation) {
    applier.applyUnsafe(revocation)
    const late = Metric.update(Metrics.barrierTimeouts, 1).pipe(
      Effect.andThen(Effect.fail(new BarrierTimeout({ seq: revocation.seq })))
    )
    const done = startUnsafe(revocation)
    if (done === null) return yield* late
    return yield* Deferred.await(done).pipe(Effect.timeoutOrElse({ duration: barrierTimeout, orElse: () => late }))
  })

  const settled = Effect.gen(function* () {
    const known = {
      process,
      seen: bucket.seen(),
      ownKey: keeper.ownKey(),
      timing: timingOf(config)
    }
    const listing = yield* bucket.list
    yield* Effect.sleep(Duration.millis(Math.max(0, settledAtMs(listing, known) - listing.receivedMs)))
  }).pipe(
    // The bucket may not be there yet: the keeper is making it.
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutOption(Duration.millis(outwaitMs(timingOf(config)))),
    Effect.ignore
  )

  return Coherence.of({
    putInForce,
    announceUnsafe: (appearance: Appearance) => {
      applier.appearUnsafe(appearance)
      publishUnsafe(on.appear, encode({ from: process, ...appearance }))
    },
    onInForceUnsafe: (listener) => void listeners.push(listener),
    lapse: Effect.sync(keeper.lapse),
    settled
  })
})

/** Needs `Nats`, `NatsConfig`, `Replica`, `CoherenceConfig`, `LeaseView`, `LeaseSeal`, `Readiness`, `Applier` and `Outbox`. */
export const layer = Layer.effect(Coherence, make)
