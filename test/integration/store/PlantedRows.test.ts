// Verifies R-LIM-4.
/** What a change loads is bounded, whatever somebody else has written: too much of it is refused to whoever asked for it, and to nobody else. */
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { inject } from "vitest"
import { tokensPerEndpointMax } from "../../../src/domain/Names.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { tokenColumnNames } from "../../../src/store/maria/TokenRow.ts"
import { emptyLoad, type Load, noChanges, TenantStore } from "../../../src/store/TenantStore.ts"
import { changesOf, credentialRow, loadOf, versionRow } from "../../support/credentialRows.ts"
import { aTenant, aToken, insert } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const run = (sql: string, values: ReadonlyArray<string | number | Uint8Array> = []) =>
  Mariadb.use((database) => database.query("plant", (session) => session.run(sql, values)))
const bytesOf = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex")
const loading = (tenantId: string, load: Partial<Load>) =>
  TenantStore.use((store) =>
    store.transact(tenantId, { ...emptyLoad, ...load }, ({ credentials, tokens }) => {
      const versions = Array.from(credentials?.versions.values() ?? []).flat().length
      return { changes: noChanges, result: tokens.size + versions }
    })
  )
const refusedFor = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? Cause.pretty(exit.cause) : "not refused"

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true, timeout: 120_000 })(
  "what a change loads",
  (it) => {
    it.effect("is a bounded number of tokens of an endpoint", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const [full, other] = [aToken(tenantId, appName), aToken(tenantId, appName)]
        yield* insert([full, other])
        const plant = (from: number, count: number) => {
          const planted = tokenColumnNames.map((name) => {
            if (name === "token_id") return "UNHEX(CONCAT('10', LPAD(HEX(seq), 30, '0')))"
            return name === "hash" ? `UNHEX(SHA2(CONCAT('${tenantId}', seq), 256))` : name
          })
          return run(
            `INSERT INTO tokens (${tokenColumnNames.join(", ")}) SELECT ${planted.join(", ")}
              FROM tokens, seq_${from}_to_${from + count - 1} WHERE tenant_id = ? AND token_id = ?`,
            [tenantId, bytesOf(full.tokenId)]
          )
        }
        yield* plant(1, tokensPerEndpointMax - 1)
        const endpointIds = [full.endpointId, other.endpointId]
        assert.strictEqual(yield* loading(tenantId, { endpointIds }), tokensPerEndpointMax + 1)
        yield* plant(5_000, tokensPerEndpointMax)
        const refused = yield* Effect.exit(loading(tenantId, { endpointIds: [full.endpointId] }))
        assert.include(refusedFor(refused), "the database holds more than may be: 1000 tokens an endpoint")
        assert.strictEqual(yield* loading(tenantId, { endpointIds: [other.endpointId] }), 1)
        assert.strictEqual(yield* loading(tenantId, { tokenIds: [full.tokenId] }), 1)
      })
    )

    it.effect("is a bounded number of versions of a credential", () =>
      Effect.gen(function* () {
        const { tenantId } = yield* aTenant
        const [full, other] = [credentialRow({ tenantId }), credentialRow({ tenantId, serviceName: "other" })]
        yield* TenantStore.use((store) =>
          store.transact(tenantId, loadOf({}), () => ({
            changes: changesOf({ inserted: [full, other], versions: [versionRow(full), versionRow(other)] }),
            result: undefined
          }))
        )
        const columns = `state, key_id, sealed, fingerprints, expires_at, valid_until, reason, created_at, created_by`
        yield* run(
          `INSERT INTO credential_versions (tenant_id, credential_id, version, ${columns})
            SELECT tenant_id, credential_id, seq, ${columns} FROM credential_versions, seq_1000_to_3100
            WHERE credential_id = ? AND version = 1`,
          [bytesOf(full.credentialId)]
        )
        const ofIds = (...ids: ReadonlyArray<string>) => loadOf({ ids })
        const inSlots = (slot: string) => loadOf({ slots: [slot] })
        for (const load of [ofIds(full.credentialId), inSlots("outlook/")]) {
          const refused = yield* Effect.exit(loading(tenantId, load))
          assert.include(refusedFor(refused), "1000 versions of a credential whose secrets are kept")
        }
        for (const load of [ofIds(other.credentialId), inSlots("other/")]) {
          assert.strictEqual(yield* loading(tenantId, load), 1)
        }
      })
    )
  }
)
