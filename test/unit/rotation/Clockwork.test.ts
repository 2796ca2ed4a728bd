// Verifies P2.
/** Sweeps that replicas share: one replica does a kind of work at a time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import * as Clockwork from "../../../src/rotation/Clockwork.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"

const unused = () => Effect.die(new Error("not asked for"))

describe("a sweep", () => {
  it.effect("is done piece by piece by the replica that has its claim, and not at all by another", () => {
    const own = replicaOf("cm", "one")
    let claimedBy = "another"
    let left = 3
    const asked: Array<string> = []
    const sweeps = Sweeps.of({
      claim: unused,
      hold: (sweep, by) =>
        Effect.sync(() => {
          asked.push(sweep)
          return by === claimedBy
        }),
      release: unused,
      endedTokens: unused,
      orphanedTokens: unused,
      purgeRemoved: unused(),
      purgeIdempotent: unused,
      putNumbersBack: unused()
    })
    const parts = Layer.merge(Layer.succeed(Sweeps, sweeps), Layer.succeed(Replica, own))
    return Effect.gen(function* () {
      const { swept } = yield* Clockwork.make("clients")
      const turn = swept(
        "removed",
        Effect.sync(() => (left > 0 ? left-- : 0))
      )
      yield* turn
      assert.strictEqual(left, 3)
      claimedBy = own.process
      yield* turn
      assert.strictEqual(left, 0)
      assert.deepStrictEqual(asked, ["clients.removed", "clients.removed"])
    }).pipe(Effect.provide(parts))
  })
})
