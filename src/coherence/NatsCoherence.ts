/**
 * `Coherence` over the bus, for any number of replicas.
 *
 * A revocation is applied here at once, then carried by a barrier round (`Rounds.ts`) to every
 * replica that holds a lease (`LeaseKeeper.ts`), then answered, and told to the store. The caller
 * waits at most `CM_BARRIER_TIMEOUT`; the round goes on without it. What the store was not told, since the process
 * ended before, the relay puts in force once more.
 *
 * What arrives from other replicas is checked, applied and acknowledged in the turn in which it
 * arrives. Nothing escapes from those callbacks: an exception there would end the connection's reads.
 * A message that is not applied is not acknowledged, and its sender takes this replica's lease away.
 */
import type { Msg } from "@nats-io/transport-node"
import { type Context, Deferred, Duration, Effect, Equal, Layer, Metric, Schedule } from "effect"
import type { Appearance, Revocation } from "../domain/Revocation.ts"
import * as Door from "../nats/Door.ts"
import { Nats } from "../nats/Nats.ts"
import * as StreamWatch from "../nats/StreamWatch.ts"
import { Replica } from "../observability/Replica.ts"
import { settledAtMs } from "./Barrier.ts"
import { Applier, BarrierTimeout, Coherence } from "./Coherence.ts"
import { CoherenceConfig, timingOf } from "./CoherenceConfig.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import * as InForceMarks from "./InForceMarks.ts"
import { outwaitMs } from "./Lease.ts"
import * as LeaseBucket from "./LeaseBucket.ts"
import * as LeaseKeeper from "./LeaseKeeper.ts"
import {
  decodeAck,
  decodeAppear,
  decodeApply,
  decodeInForce,
  encode,
  isBy,
  subjects,
  tenantsPerMessageMax
} from "./Messages.ts"
import * as Rounds from "./Rounds.ts"

/** Revocations that may be under way at once in one replica; more are left to the relay. */
const underWayMax = 100_000

const make = Effect.gen(function* () {
  const { control } = yield* Nats
  const { instance, process } = yield* Replica
  const config = yield* CoherenceConfig
  const { barrierTimeout } = config
  const applier = yield* Applier
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
              // A server that is asked for stored messages delivers them onto any subject, in anybody's words; not bare.
              if (msg.headers !== undefined || msg.reply) return refuseUnsafe()
              if (isBy(msg.data, process)) return
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
  const listeners: Array<(tenantId: string, isOwn: boolean) => void> = []
  const heardInForceUnsafe = (tenantIds: ReadonlyArray<string>, isOwn: boolean): void => {
    for (const tenantId of tenantIds) for (const listener of listeners) listener(tenantId, isOwn)
  }
  const tellInForceUnsafe = (tenantIds: ReadonlyArray<string>): void => {
    heardInForceUnsafe(tenantIds, true)
    for (let from = 0; from < tenantIds.length; from += tenantsPerMessageMax) {
      const part = tenantIds.slice(from, from + tenantsPerMessageMax)
      publishUnsafe(on.inForce, encode({ from: process, tenantIds: part }))
    }
  }
  const marks = yield* InForceMarks.make(tellInForceUnsafe)

  // ---- other replicas ----------------------------------------------------------
  const bucket = yield* LeaseBucket.make
  yield* StreamWatch.watch(bucket.plan, false)
  yield* listen(on.apply, decodeApply, ({ from, id, revocations }) => {
    for (const revocation of revocations) applier.applyUnsafe(revocation)
    publishUnsafe(on.ack(from), encode({ from: process, id }))
  })
  yield* listen(on.appear, decodeAppear, ({ targets, tenantId }) => applier.appearUnsafe({ tenantId, targets }))
  yield* listen(on.inForce, decodeInForce, ({ tenantIds }) => heardInForceUnsafe(tenantIds, false))
  const keeper = yield* LeaseKeeper.make(bucket, process)
  const rounds = yield* Rounds.make(bucket, process, keeper.ownKey, (batch) => {
    for (const pending of batch) pending.inForce()
    marks.enqueueUnsafe(batch)
  })
  yield* listen(on.ack(process), decodeAck, rounds.acknowledgedUnsafe)

  // ---- one revocation ----------------------------------------------------------
  interface UnderWay {
    readonly revocation: Revocation
    readonly inForce: Deferred.Deferred<void>
    readonly told: Deferred.Deferred<void>
  }
  const underWay = new Map<string, UnderWay>()

  /** Joins the same revocation if it is under way: in force is a fact about it, not about who asks. Null: too many. */
  const startUnsafe = (revocation: Revocation): UnderWay | null => {
    const key = `${revocation.tenantId} ${revocation.seq}`
    const same = underWay.get(key)
    if (same !== undefined && Equal.equals(same.revocation.targets, revocation.targets)) return same
    if (underWay.size >= underWayMax) return null
    const started = { revocation, inForce: Deferred.makeUnsafe<void>(), told: Deferred.makeUnsafe<void>() }
    underWay.set(key, started)
    rounds.enqueueUnsafe({
      revocation,
      inForce: () => Deferred.doneUnsafe(started.inForce, Effect.void),
      told: () => {
        if (underWay.get(key) === started) underWay.delete(key)
        Deferred.doneUnsafe(started.told, Effect.void)
      }
    })
    return started
  }

  const carry = Effect.fnUntraced(function* (revocation: Revocation, until: "inForce" | "told") {
    applier.applyUnsafe(revocation)
    const late = Effect.suspend(() =>
      Effect.andThen(
        Metric.update(Metrics.barrierTimeouts, 1),
        Effect.fail(new BarrierTimeout({ seq: revocation.seq }))
      )
    )
    const started = startUnsafe(revocation)
    if (started === null) return yield* late
    return yield* Deferred.await(started[until]).pipe(
      Effect.timeoutOrElse({ duration: barrierTimeout, orElse: () => late })
    )
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
    putInForce: (revocation) => carry(revocation, "inForce"),
    putInForceAndTell: (revocation) => carry(revocation, "told"),
    announceUnsafe: (appearance: Appearance) => {
      applier.appearUnsafe(appearance)
      publishUnsafe(on.appear, encode({ from: process, ...appearance }))
    },
    onInForceUnsafe: (listener) => void listeners.push(listener),
    tellNowUnsafe: marks.tellNowUnsafe,
    lapse: Effect.sync(keeper.lapse),
    settled
  })
})

/** Needs `Nats`, `NatsConfig`, `Replica`, `CoherenceConfig`, `LeaseView`, `LeaseSeal`, `Readiness`, `Applier` and `Outbox`. */
export const layer = Layer.effect(Coherence, make)
