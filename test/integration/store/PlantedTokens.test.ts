// Verifies R-SEC-30.
/** A token's row, or a tenant's sequence, that makes no sense takes nobody else's answer. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import type { Token } from "../../../src/domain/Token.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { TokenLookup } from "../../../src/store/TokenLookup.ts"
import { aTenant, aToken, insert } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const aTagged = Effect.gen(function* () {
  const { appName, tenantId } = yield* aTenant
  const token = aToken(tenantId, appName, { mac: new Uint8Array(16).fill(7) })
  yield* insert([token])
  return token
})

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("a look-up of many tenants", (it) => {
  it.effect("believes nothing of a row that makes no sense, and gives the others", () =>
    Effect.gen(function* () {
      const database = yield* Mariadb
      const lookup = yield* TokenLookup
      const [good, spoiled, ends, far] = [yield* aTagged, yield* aTagged, yield* aTagged, yield* aTagged]
      const write = (sql: string, { tenantId }: Token) =>
        database.query("plant", (session) => session.run(sql, [tenantId]))
      yield* write("UPDATE tokens SET status = 99 WHERE tenant_id = ?", spoiled)
      yield* write("UPDATE tokens SET expires_at = 9223372036854775807 WHERE tenant_id = ?", ends)
      yield* write("UPDATE tenant_counters SET revocation_seq = 18446744073709551615 WHERE tenant_id = ?", far)
      const asked = [good, spoiled, ends, far]
      const found = yield* Effect.promise(() => lookup.byHash(asked.map(({ hash }) => hash)))
      assert.deepStrictEqual(
        found.map((row) => row?.tokenId),
        asked.map(({ tokenId }) => tokenId)
      )
      assert.deepStrictEqual(
        found.map((row) => [row?.status, row?.tag?.expiresAt, row?.readSeq]),
        [
          [good.status, good.expiresAt, found[0]?.readSeq],
          ["Revoked", undefined, 0],
          [ends.status, Number.MAX_SAFE_INTEGER, found[2]?.readSeq],
          [far.status, far.expiresAt, Number.MAX_SAFE_INTEGER]
        ]
      )
    })
  )
})
