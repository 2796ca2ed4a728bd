// Verifies R-TOK-12.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { TokenEnder } from "../../../src/actors/tokens/TokenEnder.ts"
import { RowChanged } from "../../../src/domain/errors.ts"
import { busPrincipal } from "../../../src/domain/Principal.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import * as RevokeAllSweep from "../../../src/rotation/RevokeAllSweep.ts"
import { SweepConfig } from "../../../src/rotation/SweepConfig.ts"
import type { RevokeAll } from "../../../src/store/RevokeAll.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"

const rowOf = (operationId: string, startedAt: number): RevokeAll => ({
  ...{ tenantId: "demo", operationId, population: { appName: null, endpointIds: null, status: null } as never },
  ...{ reason: null, asker: busPrincipal, correlationId: "c", matched: 1, isAtLeast: false, done: 0 },
  ...{ place: { street: 0, after: null }, startedAt, finishedAt: null }
})

describe("RevokeAllSweep", () => {
  it.effect("comes to a population behind however many rows that do not hold", () => {
    const changed = Array.from({ length: 450 }, (_, n) => rowOf(`changed ${n}`, n))
    let lines = 0
    const logger = Logger.make<unknown, void>(() => {
      lines++
    })
    let open = [...changed, rowOf("good", 1_000)]
    const asked: Array<number> = []
    const unused = () => Effect.die(new Error("not asked for"))
    const parts = Layer.mergeAll(
      Layer.succeed(Sweeps, {
        claim: unused,
        hold: () => Effect.succeed(true),
        release: () => Effect.void,
        endedTokens: unused,
        orphanedTokens: unused,
        purgeRemoved: unused(),
        purgeIdempotent: unused,
        putNumbersBack: unused()
      }),
      Layer.succeed(TokenEnder, {
        endTokens: unused,
        purgeTokens: unused,
        openRevokeAlls: (limit) =>
          Effect.sync(() => {
            asked.push(limit)
            return open.slice(0, limit)
          }),
        revokeAllPiece: (one) =>
          Effect.suspend(() => {
            if (one.operationId === "changed 0") return Effect.die(new Error("a token that cannot be read"))
            if (one.operationId !== "good") {
              return Effect.fail(new RowChanged({ kind: "revoke-all", id: one.operationId }))
            }
            open = open.filter(({ operationId }) => operationId !== "good")
            return Effect.succeed(1)
          })
      }),
      Layer.succeed(Replica, replicaOf("cm", "one")),
      Layer.succeed(SweepConfig, {
        interval: Duration.seconds(1),
        pieceMax: 100,
        claimTtl: Duration.seconds(10)
      }),
      Logger.layer([logger])
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 millis")
      assert.lengthOf(open, 450)
      assert.isAtMost(Math.max(...asked), 200 + 450)
      assert.strictEqual(lines, 450)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(lines, 450, "each is told once")
    }).pipe(Effect.provide(RevokeAllSweep.layer.pipe(Layer.provide(parts))))
  })
})
