/**
 * Relays over an event log, as many as a test wants, and what can be said about the streams afterwards.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Layer, References } from "effect"
import { type BarrierTimeout, Coherence } from "../../src/coherence/Coherence.ts"
import { CoherenceConfig } from "../../src/coherence/CoherenceConfig.ts"
import type { Revocation } from "../../src/domain/Revocation.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { EventLog, type StreamKind } from "../../src/outbox/EventLog.ts"
import { OutboxConfig } from "../../src/outbox/OutboxConfig.ts"
import { OutboxRelay } from "../../src/outbox/OutboxRelay.ts"
import { WakeCall } from "../../src/outbox/WakeCall.ts"
import type { Outbox } from "../../src/store/Outbox.ts"
import { OutboxSignal } from "../../src/store/OutboxSignal.ts"
import { OwnCheckpoints } from "../../src/store/OwnCheckpoints.ts"

/** A `Coherence` of one replica: a barrier is whatever the test says it is. */
export const soloCoherence = (putInForce: (revocation: Revocation) => Effect.Effect<void, BarrierTimeout>) =>
  Layer.succeed(Coherence, {
    putInForce,
    putInForceAndTell: putInForce,
    announceUnsafe: () => {},
    onInForceUnsafe: () => {},
    tellNowUnsafe: () => {},
    lapse: Effect.succeed(null),
    settled: Effect.void
  })

export interface RelayOptions {
  /** The instance whose events these are. */
  readonly instance?: string
  readonly replicaId: string
  /** A process of its own unless given. */
  readonly process?: string
  readonly outbox: Layer.Layer<Outbox, unknown>
  readonly log: Layer.Layer<EventLog, unknown>
  readonly coherence?: Layer.Layer<Coherence>
  /** Whose checkpoints it announces; everybody's unless given. */
  readonly checkpoints?: OwnCheckpoints["Service"]
  readonly wakeCall?: Layer.Layer<WakeCall>
  readonly batchMax?: number
  readonly pollInterval?: Duration.Duration
  readonly lease?: Duration.Duration
  readonly termTtl?: Duration.Duration
}

/** A relay of its own, also where the test has another one already. */
export const relayLayer = (options: RelayOptions) =>
  Layer.fresh(
    OutboxRelay.layer.pipe(
      Layer.provideMerge(OutboxSignal.layer),
      Layer.provide([
        options.outbox,
        options.log,
        Layer.succeed(OwnCheckpoints, options.checkpoints ?? { ready: Effect.void, isOwn: () => true }),
        options.wakeCall ?? WakeCall.layerNoop,
        options.coherence ?? soloCoherence(() => Effect.void),
        Layer.succeed(Replica, {
          ...replicaOf(options.instance ?? "cm", options.replicaId),
          ...(options.process === undefined ? {} : { process: options.process })
        }),
        Layer.succeed(CoherenceConfig, {
          lease: options.lease ?? Duration.seconds(3),
          marginPercent: 10,
          barrierTimeout: Duration.seconds(10),
          bucketAge: Duration.minutes(1)
        }),
        Layer.succeed(OutboxConfig, {
          batchMax: options.batchMax ?? 64,
          pollInterval: options.pollInterval ?? Duration.millis(10),
          termTtl: options.termTtl ?? Duration.seconds(1),
          publishTimeout: Duration.millis(500)
        })
      ]),
      Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
    )
  )

/** Runs a relay until `done` is true, and stops it orderly. */
export const relayUntil = (options: RelayOptions, done: Effect.Effect<boolean, unknown>) =>
  Effect.scoped(
    Effect.andThen(
      Layer.build(relayLayer(options)),
      Effect.suspend(() => done).pipe(
        Effect.orDie,
        Effect.delay("5 millis"),
        Effect.repeat({ until: (isDone) => isDone }),
        Effect.timeout("60 seconds"),
        Effect.orDie
      )
    )
  )

/** Every event id in the stream, in the stream's order. */
export const streamOf = (stream: StreamKind) =>
  Effect.map(
    EventLog.use((log) => log.readAfter(stream, 0)),
    ({ eventIds }) => eventIds
  )

/** Ids are `<entity>-<n>`: each is there once, and of each entity in the order of n. */
export const assertExactlyOnceInOrder = (found: ReadonlyArray<string>, written: ReadonlyArray<string>) => {
  assert.sameMembers([...found], [...written])
  assert.strictEqual(found.length, written.length, "an event is in the stream more than once")
  const seen = new Map<string, number>()
  for (const id of found) {
    const [entity, n] = id.split("-") as [string, string]
    assert.isAbove(Number(n), seen.get(entity) ?? -1, `${id} came out of order`)
    seen.set(entity, Number(n))
  }
}
