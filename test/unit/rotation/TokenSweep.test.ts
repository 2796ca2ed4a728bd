import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { TenantsConfig } from "../../../src/actors/tenant/TenantsConfig.ts"
import { TokenEnder } from "../../../src/actors/tokens/TokenEnder.ts"
import { Unavailable } from "../../../src/domain/errors.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import * as ExpirySweep from "../../../src/rotation/ExpirySweep.ts"
import * as RemovalSweep from "../../../src/rotation/RemovalSweep.ts"
import { SweepConfig } from "../../../src/rotation/SweepConfig.ts"
import { piecesOf, type TokenRef } from "../../../src/rotation/TokenSweep.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"
import { environment } from "../../support/bus.ts"

interface World {
  ended: Array<TokenRef & { readonly place: string }>
  orphaned: Array<TokenRef & { readonly place: string }>
  holder: string
  /** Tenants whose pieces fail. */
  readonly failing: Set<string>
  /** How often pieces failed. */
  failures: number
  storeFailures: number
  readonly pieces: Array<{ readonly tenantId: string; readonly size: number }>
  purged: number
  oldAnswers: number
  readonly released: Array<string>
}

const [one, other] = [replicaOf("cm", "one"), replicaOf("cm", "one")]

const newWorld = (): World => ({
  ended: [],
  orphaned: [],
  holder: one.process,
  failing: new Set(),
  failures: 0,
  storeFailures: 0,
  pieces: [],
  purged: 0,
  oldAnswers: 0,
  released: []
})

const tokensOf = (tenantId: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ tenantId, tokenId: `${tenantId}-${n}`, place: `place-${n}` }))

const parts = (world: World) => {
  const answer = <A>(value: () => A) =>
    Effect.suspend(() =>
      world.storeFailures-- > 0
        ? Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
        : Effect.sync(value)
    )
  const take = (list: "ended" | "orphaned") => (tenantId: string, tokenIds: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      if (world.failing.has(tenantId)) {
        world.failures++
        return Effect.fail(new Unavailable({ part: "test", committed: false }))
      }
      world.pieces.push({ tenantId, size: tokenIds.length })
      const gone = new Set(tokenIds)
      const before = world[list].length
      world[list] = world[list].filter((token) => token.tenantId !== tenantId || !gone.has(token.tokenId))
      return Effect.succeed(before - world[list].length)
    })
  return Layer.mergeAll(
    Layer.succeed(Sweeps, {
      claim: () => Effect.die(new Error("not asked for")),
      hold: (_sweep, process) => answer(() => world.holder === process),
      release: (process) => Effect.sync(() => void world.released.push(process)),
      endedTokens: (limit) => answer(() => world.ended.slice(0, limit)),
      orphanedTokens: (limit) => answer(() => world.orphaned.slice(0, limit)),
      purgeRemoved: answer(() => {
        world.purged += 1
        return { applications: 0, tenants: 0 }
      }),
      putNumbersBack: Effect.succeed([]),
      purgeIdempotent: (_ageMs, limit) =>
        answer(() => {
          const deleted = Math.min(limit, world.oldAnswers)
          world.oldAnswers -= deleted
          return deleted
        })
    }),
    Layer.succeed(TokenEnder, {
      endTokens: take("ended"),
      purgeTokens: take("orphaned"),
      openRevokeAlls: () => Effect.succeed([]),
      revokeAllPiece: () => Effect.succeed(0)
    }),
    Layer.succeed(Replica, one),
    Layer.succeed(SweepConfig, {
      interval: Duration.seconds(1),
      pieceMax: 100,
      claimTtl: Duration.seconds(10)
    }),
    TenantsConfig.layer.pipe(Layer.provide(environment({}))),
    Layer.succeed(References.MinimumLogLevel, "None")
  )
}

const sweeping = <A, E>(world: World, test: Effect.Effect<A, E>) =>
  test.pipe(Effect.provide(Layer.mergeAll(ExpirySweep.layer, RemovalSweep.layer).pipe(Layer.provide(parts(world)))))

describe("piecesOf", () => {
  it("cuts each tenant's tokens into pieces and loses none", () => {
    const tokens = [
      ...tokensOf("a", 5),
      ...tokensOf("b", 1),
      { tenantId: "a", tokenId: "x" },
      ...tokensOf("a", 7).slice(6)
    ]
    const pieces = piecesOf(tokens, 3)
    assert.deepStrictEqual(
      pieces.map(([tenantId, ofTenant]) => [tenantId, ofTenant.map(({ length }) => length)]),
      [
        ["a", [3, 3, 1]],
        ["b", [1]]
      ]
    )
  })

  it("keeps a place's tokens together, in one piece as far as that can hold them, in the order of the first of each", () => {
    const places = ["x", "y", "x", undefined, "z", "y", "x", "z", undefined, "y", "w"]
    const tokens = places.map((place, n) => ({
      ...{ tenantId: "a", tokenId: `${place ?? "-"}${n}` },
      ...(place === undefined ? {} : { place })
    }))
    assert.deepStrictEqual(piecesOf(tokens, 4), [
      [
        "a",
        [
          ["x0", "x2", "x6"],
          ["y1", "y5", "y9", "-3"],
          ["z4", "z7", "-8", "w10"]
        ]
      ]
    ])
    assert.deepStrictEqual(piecesOf(tokens, 2), [
      ["a", [["x0", "x2"], ["x6"], ["y1", "y5"], ["y9", "-3"], ["z4", "z7"], ["-8", "w10"]]]
    ])
    assert.deepStrictEqual(piecesOf([...tokens, { tenantId: "b", tokenId: "x", place: "x" }], 40)[1], ["b", [["x"]]])
  })
})

describe("ExpirySweep", () => {
  it.effect("ends all tokens whose end has come at its next look, in bounded pieces", () => {
    const world = newWorld()
    return sweeping(
      world,
      Effect.gen(function* () {
        yield* TestClock.adjust("10 millis")
        world.ended = [...tokensOf("a", 7_000), ...tokensOf("b", 30)]
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(world.ended, [])
        assert.isTrue(world.pieces.every(({ size }) => size <= 100))
      })
    )
  })

  it.effect("is not held up by a tenant that fails, however many of its tokens stand in front", () => {
    const world = newWorld()
    world.ended = [...tokensOf("broken", 5_000), ...tokensOf("fine", 10)]
    world.failing.add("broken")
    return sweeping(
      world,
      Effect.gen(function* () {
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(world.ended.length, 5_000)
        // Once for each look, though there are several pages of it.
        assert.isAtMost(world.failures, 3)
        world.failing.clear()
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(world.ended, [])
      })
    )
  })

  it.effect("leaves the tokens to the process that has the claim, though it was given the same replica id", () => {
    const world = newWorld()
    world.holder = other.process
    world.ended = tokensOf("a", 3)
    return sweeping(
      world,
      Effect.gen(function* () {
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(world.ended.length, 3)
        world.holder = one.process
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(world.ended, [])
      })
    )
  })

  it.effect("gives up its claims when it ends, so that nobody waits for them", () => {
    const world = newWorld()
    return Effect.andThen(
      sweeping(world, TestClock.adjust("2 seconds")),
      Effect.sync(() => assert.include(world.released, one.process))
    )
  })

  it.effect("goes on when the database was away", () => {
    const world = newWorld()
    world.storeFailures = 10
    world.ended = tokensOf("a", 3)
    return sweeping(
      world,
      Effect.gen(function* () {
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(world.ended, [])
      })
    )
  })
})

describe("RemovalSweep", () => {
  it.effect("purges orphaned tokens, then what stood above them, and old answers", () => {
    const world = newWorld()
    world.orphaned = tokensOf("gone", 450)
    world.oldAnswers = 12_000
    return sweeping(
      world,
      Effect.gen(function* () {
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(world.orphaned, [])
        assert.isAbove(world.purged, 0)
        assert.strictEqual(world.oldAnswers, 0)
      })
    )
  })
})
