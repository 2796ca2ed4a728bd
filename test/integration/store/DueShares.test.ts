// Verifies R-REF-14.
/** One tenant's backlog behind more queues than a look reads whole, on MariaDB, and what is due of another one beside it. */
import { createHash } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { lookMax } from "../../../src/store/maria/DuePick.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

/** All of one queue, and nearer to their end the longer they are due. */
const insert = (tenantId: string, from: number, count: number, dueMs: number) =>
  Mariadb.use((database) =>
    database.query("test", (session) =>
      session.run(
        `INSERT INTO credentials (credential_id, tenant_id, service_name, type, owner_key, state, version, secret_version,
            scopes, allowed_consumers, metadata, noticed_ms, created_at, updated_at, created_by, updated_by,
            refresh, refresh_due_at, refresh_provider, refresh_queue, refresh_urgency)
          SELECT UNHEX(LPAD(HEX(seq), 32, '0')), ?, CONCAT('s', seq), 'oauth', '', 0, 1, 1, '[]', '[]', '{}', 0, 0, 0,
            't', 't', '{"lane":"x"}', UNIX_TIMESTAMP() * 1000 - ?, 'p', UNHEX(MD5(?)), UNIX_TIMESTAMP() * 1000 - ?
          FROM seq_${from}_to_${from + count - 1}`,
        [tenantId, dueMs, tenantId, dueMs]
      )
    )
  )

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("a backlog of one tenant", (it) => {
  it.effect("gives that one nothing beyond its share, and others what is theirs", () =>
    Effect.gen(function* () {
      const store = yield* RefreshStore
      for (const tenantId of ["crowd", "few"]) {
        const key = createHash("md5").update(tenantId).digest("hex")
        const route = { queue: key, lane: key, circuit: key, provider: `${tenantId}/p` }
        yield* store.knowQueue({ ...route, ratePerMinute: 60, parallel: 4 })
      }
      yield* insert("crowd", 1, lookMax + 1, 60_000)
      yield* insert("few", 900_001, 2, 1_000)
      const { more, refs } = yield* store.pick(3, new Map([["crowd", 40]]))
      assert.deepStrictEqual([more, refs.map(({ tenantId }) => tenantId)], [true, ["few", "few"]])
      // With room it has its share again.
      const next = yield* store.pick(8, new Map())
      assert.strictEqual(
        next.refs.filter(({ tenantId }) => tenantId === "crowd").length,
        4,
        "as many as its provider takes"
      )
    })
  )
})
