// Verifies R-REV-9, R-SEC-30.
/** Rows of `pending_revocations` that somebody else wrote keep nobody's from being read. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("pending revocations", (it) => {
  it.effect("that make no sense are nobody's, or are given to who carries them as nothing that can be read", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const database = yield* Mariadb
      const plant = "INSERT INTO pending_revocations (tenant_id, seq, committed_at, targets) VALUES ('demo', ?, ?, ?)"
      for (const row of [
        ["18446744073709551615", 0, "[]"],
        [2, "-9223372036854775808", "not JSON"],
        [3, 1, '[{"kind":"tenant"}]'],
        // Nobody waits for a moment that is not theirs.
        [4, "9223372036854775807", "[]"]
      ]) {
        yield* database.query("plant", (session) => session.run(plant, row))
      }
      const read = yield* outbox.pendingRevocations({ minAgeMs: 0, limit: 10 })
      assert.deepStrictEqual(
        read.map(({ seq, targets }) => [seq, targets]),
        [
          [2, null],
          [3, [{ kind: "tenant" }]],
          [4, []]
        ]
      )
      assert.deepStrictEqual(yield* outbox.pendingOf("demo"), { oldest: 2, newest: 4 })
    })
  )
})
