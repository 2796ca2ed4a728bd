/** Replicas of `NatsCoherence` in one process, each with connections, a lease and an applier of its own. */
import { Context, Effect, Exit, Layer, References, Scope } from "effect"
import {
  Applier,
  type BarrierTimeout,
  Coherence,
  LeaseState,
  LeaseView,
  monotonicMsUnsafe
} from "../../src/coherence/Coherence.ts"
import { CoherenceConfig } from "../../src/coherence/CoherenceConfig.ts"
import { LeaseSeal } from "../../src/coherence/LeaseSeal.ts"
import * as NatsCoherence from "../../src/coherence/NatsCoherence.ts"
import type { Appearance, Revocation } from "../../src/domain/Revocation.ts"
import { Nats } from "../../src/nats/Nats.ts"
import { NatsConfig } from "../../src/nats/NatsConfig.ts"
import * as NatsConnection from "../../src/nats/NatsConnection.ts"
import { Readiness } from "../../src/observability/Health.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { putOrphansInForce } from "../../src/outbox/PendingBarriers.ts"
import { Outbox } from "../../src/store/Outbox.ts"
import { environment } from "./bus.ts"
import { type MemoryOutbox, memoryOutbox } from "./memoryOutbox.ts"

export interface RunningReplica {
  readonly coherence: Coherence["Service"]
  readonly nats: Nats["Service"]
  readonly lease: LeaseState
  readonly holds: () => boolean
  readonly outbox: MemoryOutbox
  /** Everything that was applied here, in order. */
  readonly applied: Array<Revocation>
  readonly appeared: Array<Appearance>
  /** While true, applying throws, so nothing is acknowledged. */
  deaf: boolean
  /** So many times telling the store what is in force dies. */
  markDeaths: number
  /** Telling the store waits until it is released. */
  readonly holdMarks: () => { readonly release: () => void }
  readonly putInForce: (revocation: Revocation) => Promise<"in force" | "timed out">
  readonly putInForceAndTell: (revocation: Revocation) => Promise<"in force" | "timed out">
  /** What the relay does for committers that died. */
  readonly putOrphansInForce: () => Promise<number>
  readonly run: <A>(effect: Effect.Effect<A>) => Promise<A>
  /** The stream of the lease bucket. */
  readonly bucket: string
  readonly stop: () => Promise<void>
}

export interface ReplicaOptions {
  readonly natsUrl: string
  readonly instance: string
  readonly replicaId: string
  readonly variables?: Record<string, string>
}

export const lease = { leaseMs: 600, marginMs: 60 }
const variables = { CM_LEASE: "600 millis", CM_LEASE_MARGIN: "10", CM_LEASES_AGE: "10 seconds" }

export const startReplica = async (options: ReplicaOptions): Promise<RunningReplica> => {
  const applied: Array<Revocation> = []
  const appeared: Array<Appearance> = []
  const outbox = memoryOutbox()
  const state = new LeaseState()
  const hears = { deaf: false, markDeaths: 0, hold: Promise.resolve() }
  const dyingOutbox = Layer.effect(
    Outbox,
    Effect.map(Outbox, (inner) => ({
      ...inner,
      markInForce: (revocations: Parameters<typeof inner.markInForce>[0]) =>
        Effect.suspend(() =>
          hears.markDeaths-- > 0
            ? Effect.die(new Error("died on purpose"))
            : Effect.andThen(
                Effect.promise(() => hears.hold),
                inner.markInForce(revocations)
              )
        )
    }))
  ).pipe(Layer.provide(outbox.layer))
  const applier = Layer.succeed(Applier, {
    applyUnsafe: (revocation) => {
      if (hears.deaf) throw new Error("deaf on purpose")
      applied.push(revocation)
    },
    appearUnsafe: (appearance) => void appeared.push(appearance),
    dropUnsafe: () => {}
  })
  const env = environment({ NATS_URL: options.natsUrl, ...variables, ...options.variables })
  const layer = NatsCoherence.layer.pipe(
    Layer.provideMerge(NatsConnection.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        applier,
        dyingOutbox,
        Layer.succeed(LeaseView, state),
        Readiness.layer,
        LeaseSeal.layerWith("of these replicas"),
        Layer.succeed(Replica, replicaOf(options.instance, options.replicaId)),
        NatsConfig.layer,
        CoherenceConfig.layer
      )
    ),
    Layer.provide(env),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const coherence = Context.get(context, Coherence)
  const clock = await Effect.runPromise(Effect.clockWith(Effect.succeed))
  const run = Effect.runPromiseWith(context)
  const outcomeOf = (carried: Effect.Effect<void, BarrierTimeout>) =>
    run(
      carried.pipe(
        Effect.as("in force" as const),
        Effect.catch(() => Effect.succeed("timed out" as const))
      )
    )
  return {
    coherence,
    nats: Context.get(context, Nats),
    lease: state,
    holds: () => state.holds(monotonicMsUnsafe(clock), clock.currentTimeMillisUnsafe()),
    outbox,
    applied,
    appeared,
    get deaf() {
      return hears.deaf
    },
    set deaf(value: boolean) {
      hears.deaf = value
    },
    get markDeaths() {
      return hears.markDeaths
    },
    set markDeaths(value: number) {
      hears.markDeaths = value
    },
    holdMarks: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      hears.hold = promise
      return { release: resolve }
    },
    putInForce: (revocation) => outcomeOf(coherence.putInForce(revocation)),
    putInForceAndTell: (revocation) => outcomeOf(coherence.putInForceAndTell(revocation)),
    run,
    bucket: `KV_${options.instance.toUpperCase()}_LEASES`,
    putOrphansInForce: () => run(putOrphansInForce(2 * lease.leaseMs).pipe(Effect.orDie)),
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

let sequence = 0
/** A revocation of one token that no other test has used. */
export const freshRevocation = (tenantId = "acme"): Revocation => {
  const seq = ++sequence
  const target = { kind: "token", tokenId: `t${seq}`, appName: "app", cacheKey: `key${seq}` } as const
  return { tenantId, seq, targets: [{ ...target, version: 2, usableUntil: null }] }
}
