// Verifies R-REV-1, R-REV-6.
/** Barrier rounds over a bucket on paper: who has to have said what before anything is in force. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Entry, type Listing, seenNothing } from "../../../src/coherence/Barrier.ts"
import { CoherenceConfig } from "../../../src/coherence/CoherenceConfig.ts"
import type { LeaseBucket } from "../../../src/coherence/LeaseBucket.ts"
import { type ApplyMessage, decodeApply, targetsPerMessageMax } from "../../../src/coherence/Messages.ts"
import * as Rounds from "../../../src/coherence/Rounds.ts"
import type { Revocation } from "../../../src/domain/Revocation.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"

const timing = { leaseMs: 3_000, marginMs: 300 }
const other: Entry = {
  key: "lease.two.x.0",
  process: "two.x",
  revision: 5,
  state: "held",
  heldMs: 3_600_000,
  timing
}

const revocationOf = (seq: number, tokens: number): Revocation => ({
  tenantId: "acme",
  seq,
  targets: Array.from({ length: tokens }, (_, at) => ({
    kind: "token",
    tokenId: `t${at}`,
    appName: "app",
    cacheKey: `k${at}`,
    version: 2,
    usableUntil: null
  }))
})

/** Rounds whose other replica renews its lease and acknowledges what the test says. */
const setup = Effect.gen(function* () {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const sent: Array<ApplyMessage> = []
  const inForce: Array<number> = []
  const world = { barrier: 10, entries: [other] as ReadonlyArray<Entry>, onList: (): void => {} }
  const listing = (): Listing => {
    const nowMs = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    // It goes on renewing, so that time alone ends nothing.
    world.entries = world.entries.map((entry) => ({ ...entry, revision: entry.revision + 1 }))
    return { sentMs: nowMs, receivedMs: nowMs, barrier: ++world.barrier, entries: world.entries }
  }
  const bucket: LeaseBucket = {
    ensure: Effect.void,
    write: (_key, revision) => Effect.succeed(revision + 1),
    list: Effect.sync(() => {
      world.onList()
      return listing()
    }),
    seen: () => ({ ...seenNothing, highest: 1 }),
    plan: { name: "KV_CM_LEASES" }
  }
  const control = {
    publish: (_subject: string, message: Uint8Array) => {
      const decoded = decodeApply(message)
      if (decoded !== null) sent.push(decoded)
    }
  }
  const parts = Layer.mergeAll(
    Layer.succeed(Nats, { control } as unknown as Nats["Service"]),
    Layer.succeed(Replica, replicaOf("cm", "one")),
    Layer.succeed(CoherenceConfig, {
      lease: Duration.millis(timing.leaseMs),
      marginPercent: 10,
      barrierTimeout: Duration.seconds(10),
      bucketAge: Duration.hours(1)
    }),
    Layer.succeed(References.MinimumLogLevel, "None")
  )
  const scope = yield* Scope.make()
  const context = Context.add(yield* Layer.build(parts), Scope.Scope, scope)
  const rounds = yield* Rounds.make(
    bucket,
    "one.x",
    () => null,
    (batch) => {
      for (const { revocation } of batch) inForce.push(revocation.seq)
    }
  ).pipe(Effect.provideContext(context))
  const turns = Effect.promise(async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((done) => setImmediate(done))
  })
  const pass = (duration: Duration.Input) => Effect.andThen(TestClock.adjust(duration), turns)
  const revoke = (revocation: Revocation) =>
    Effect.andThen(
      Effect.sync(() => rounds.enqueueUnsafe({ revocation, inForce: () => {}, told: () => {} })),
      turns
    )
  const ids = () => [...new Set(sent.map(({ id }) => id))]
  const acknowledge = (id: number, from = "two.x") =>
    Effect.andThen(
      Effect.sync(() => rounds.acknowledgedUnsafe({ from, id })),
      pass("10 millis")
    )
  yield* turns
  return { world, sent, inForce, revoke, pass, ids, acknowledge }
})

describe("a revocation of more targets than a message carries", () => {
  it.effect("is in force when every one of its messages was acknowledged, and not before", () =>
    Effect.gen(function* () {
      const { acknowledge, ids, inForce, pass, revoke, sent } = yield* setup
      yield* revoke(revocationOf(1, 2 * targetsPerMessageMax + 1))
      const [first, second, third] = ids()
      assert.lengthOf(ids(), 3)
      assert.deepStrictEqual(inForce, [])
      yield* acknowledge(first!)
      yield* acknowledge(third!)
      yield* pass("1 second")
      assert.deepStrictEqual(inForce, [], "the second message was lost")
      assert.isAbove(sent.filter(({ id }) => id === second).length, 1, "and is sent again")
      yield* acknowledge(second!)
      assert.deepStrictEqual(inForce, [1])
    })
  )

  it.effect("is not in force by what another replica, or this one about something else, acknowledges", () =>
    Effect.gen(function* () {
      const { acknowledge, ids, inForce, revoke } = yield* setup
      yield* revoke(revocationOf(1, 1))
      yield* acknowledge(ids()[0]!, "three.x")
      yield* acknowledge(ids()[0]! + 1)
      assert.deepStrictEqual(inForce, [])
      yield* acknowledge(ids()[0]!)
      assert.deepStrictEqual(inForce, [1])
      // An acknowledgement of the round before is none of this one.
      yield* revoke(revocationOf(2, 1))
      yield* acknowledge(ids()[0]!)
      assert.deepStrictEqual(inForce, [1])
      yield* acknowledge(ids()[1]!)
      assert.deepStrictEqual(inForce, [1, 2])
    })
  )
})

describe("a round that meets a bug", () => {
  it.effect("is run again, with what it took", () =>
    Effect.gen(function* () {
      const { acknowledge, ids, inForce, pass, revoke, world } = yield* setup
      let bugs = 1
      world.onList = () => {
        if (bugs-- > 0) throw new Error("a bug")
      }
      yield* revoke(revocationOf(1, 1))
      yield* pass("2 seconds")
      yield* acknowledge(ids().at(-1)!)
      assert.deepStrictEqual(inForce, [1])
    })
  )
})
