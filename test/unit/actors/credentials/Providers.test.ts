// Verifies R-REF-13.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { credentialWorld } from "../../../support/credentialWorld.ts"

describe("the lane of a client at a provider", () => {
  it.effect("is one for all who have it, and stays when the fingerprint key is another one", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const laneAt = (replica: Effect.Success<ReturnType<typeof world.replica>>, clientId: string) =>
        Effect.map(
          replica.providers.setUp(
            "demo",
            { provider: "google", params: {} } as never,
            { client_id: clientId, client_secret: "s", refresh_token: "r" } as never
          ),
          ({ lane }) => lane
        )
      const before = yield* world.replica("one")
      const lane = yield* laneAt(before, "one client")
      assert.match(lane, /^[0-9a-f]{32}$/u)
      assert.notStrictEqual(yield* laneAt(before, "another client"), lane)
      // The first key is not even compared to any more.
      for (const [id, key] of world.tables.dataKeys) {
        if (key.purpose === "fingerprint") world.tables.dataKeys.set(id, { ...key, state: "retired" })
      }
      assert.strictEqual(yield* laneAt(yield* world.replica("two"), "one client"), lane)
      const active = Array.from(world.tables.dataKeys.values()).filter(
        ({ purpose, state }) => purpose === "fingerprint" && state === "active"
      )
      assert.lengthOf(active, 1, "a key of its own")
    })
  )
})
