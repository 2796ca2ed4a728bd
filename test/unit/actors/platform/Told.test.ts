// Verifies R-PLT-5.
/** What `config.show` tells of other systems: when each was read last, what was wrong since, and what was refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { TestClock } from "effect/testing"
import * as Told from "../../../../src/actors/platform/Told.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

describe("a system of the platform", () => {
  it.effect("was read when everything was read last, whatever has failed since", () =>
    Effect.gen(function* () {
      const { outcome, reportOf } = yield* Told.make
      const report = () => reportOf("tekton", "http://tekton")
      assert.deepStrictEqual(report(), { url: "http://tekton", readAt: null, problem: null })
      yield* TestClock.adjust(7)
      yield* outcome("tekton", null)
      yield* TestClock.adjust(3)
      yield* outcome("tekton", "TimedOut")
      assert.deepStrictEqual(report(), { url: "http://tekton", readAt: 7, problem: "TimedOut" })
      yield* outcome("tekton", null)
      assert.deepStrictEqual(report(), { url: "http://tekton", readAt: 10, problem: null })
      assert.strictEqual(reportOf("tenant-manager", "http://tm").readAt, null)
    }).pipe(quietly)
  )

  it.effect("has said what is refused until a later reading of all of it does not say so any more", () =>
    Effect.gen(function* () {
      const { forget, refusals, refuse } = yield* Told.make
      yield* refuse("tekton", "wrong_value", { tenantId: "a", appName: "old" })
      yield* refuse("tenant-manager", "unknown_status", { tenantId: "a" })
      yield* TestClock.adjust(5)
      yield* refuse("tekton", "wrong_value", { tenantId: "a", appName: "new" })
      yield* forget("tekton", 5)
      assert.deepStrictEqual(
        refusals().map(({ appName, at, system }) => [system, appName, at]),
        [
          ["tenant-manager", null, 0],
          ["tekton", "new", 5]
        ]
      )
    }).pipe(quietly)
  )
})
