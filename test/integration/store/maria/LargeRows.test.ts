// Verifies R-EVT-5, R-REF-27.
/**
 * What somebody else wrote into the database may be as long as its columns, and say anything; what reads rows of many, or often, is
 * handed what the service itself may have written and no more.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { inject } from "vitest"
import { answerVersionBase, ownerKey } from "../../../../src/domain/Credential.ts"
import { eventBytesMax } from "../../../../src/domain/Names.ts"
import { slotKey } from "../../../../src/store/CredentialStore.ts"
import { KeyRotationStore } from "../../../../src/store/KeyRotationStore.ts"
import { sealedBytesMax } from "../../../../src/store/maria/CredentialRow.ts"
import { StoreConfig } from "../../../../src/store/maria/StoreConfig.ts"
import { Outbox } from "../../../../src/store/Outbox.ts"
import { RefreshStore } from "../../../../src/store/RefreshStore.ts"
import { TenantStore } from "../../../../src/store/TenantStore.ts"
import { changesOf, credentialRow, loadOf, versionRow } from "../../../support/credentialRows.ts"
import { connectSql } from "../../../support/freshDatabase.ts"
import { aTenant } from "../../../support/storeFixtures.ts"
import { layerMariaStores } from "../../../support/storeLayers.ts"

const length = 3_000_000

const query = (sql: string, values: ReadonlyArray<unknown>) =>
  Effect.flatMap(StoreConfig, ({ databaseUrl }) =>
    Effect.promise(async () => {
      const connection = await connectSql(Redacted.value(databaseUrl))
      return connection.query(sql, [...values]).finally(() => connection.end())
    })
  )

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("large rows", (it) => {
  it.effect("of the outbox are handed over without what they say, with their length, and may not leave", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const { tenantId } = yield* aTenant
      const rows: ReadonlyArray<readonly [string, number]> = [
        ["{}", length],
        [JSON.stringify({ "ce-type": "x".repeat(length) }), 2],
        ["{}", eventBytesMax - 1],
        ["{}", eventBytesMax - 2]
      ]
      for (const [headers, bytes] of rows) {
        yield* query(
          `INSERT INTO outbox (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
            VALUES (?, RANDOM_BYTES(16), 0, 'subject', 'entity', ?, REPEAT('x', ?), 1)`,
          [tenantId, headers, bytes]
        )
      }
      const found = (yield* outbox.unsent(10_000)).filter((row) => row.tenantId === tenantId)
      assert.deepStrictEqual(
        found.map(({ bytes, headers, payload, unreadable }) => [headers, payload.length, bytes, unreadable]),
        [
          [{}, 0, length, true],
          [{}, 0, 2, true],
          [{}, 0, eventBytesMax - 1, true],
          [{}, eventBytesMax - 2, undefined, undefined]
        ]
      )
    })
  )

  it.effect("in the place of an answer give way to it, though they say what the service never writes", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const store = yield* RefreshStore
      const version = answerVersionBase + 1
      const spoil = "UPDATE credentials SET refresh = ? WHERE credential_id = UNHEX(?)"
      const cases: ReadonlyArray<readonly [string, number, string | null]> = [
        ["unknown", 99, null],
        ["spoiled", 2, "{}"],
        ["nothing", 2, "[null]"]
      ]
      for (const [serviceName, state, refresh] of cases) {
        const credential = credentialRow({ tenantId, serviceName })
        const { credentialId } = credential
        const hex = credentialId.replaceAll("-", "")
        const slots = [slotKey(credential.serviceName, ownerKey(credential.owner))]
        yield* TenantStore.use(({ transact }) =>
          transact(tenantId, loadOf({ ids: [credentialId], slots }), () => ({
            changes: changesOf({ inserted: [credential], versions: [versionRow(credential)] }),
            result: null
          }))
        )
        const planted = `INSERT INTO credential_versions
          (credential_id, version, tenant_id, state, sealed, key_id, fingerprints, created_at, created_by)
          SELECT credential_id, ?, tenant_id, ?, 'planted', key_id, '{}', 1, 'x' FROM credential_versions
          WHERE credential_id = UNHEX(?) ORDER BY version LIMIT 1`
        yield* query(planted, [version, state, hex])
        yield* query(planted, [version + 1, 99, hex])
        if (refresh !== null) yield* query(spoil, [refresh, hex])
        const answer = { ...versionRow(credential), version, state: "answer" as const }
        assert.isTrue(yield* store.putAnswer(tenantId, answer), serviceName)
        if (refresh !== null)
          yield* query("UPDATE credentials SET refresh = NULL WHERE credential_id = UNHEX(?)", [hex])
        const standing = yield* store.standing(tenantId, credentialId)
        assert.deepStrictEqual(standing?.versions, [versionRow(credential), answer], serviceName)
      }
    })
  )

  it.effect("of versions are handed over empty to whoever reads many, and of many no more than a credential has", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const credential = credentialRow({ tenantId, serviceName: "large" })
      const { credentialId } = credential
      const version = versionRow(credential)
      const load = loadOf({ ids: [credentialId], slots: [slotKey(credential.serviceName, ownerKey(credential.owner))] })
      const decided = (changes: Parameters<typeof changesOf>[0]) =>
        TenantStore.use((store) =>
          store.transact(tenantId, load, (loaded) => ({
            changes: changesOf(changes),
            result: loaded.credentials?.versions.get(credentialId)
          }))
        )
      yield* decided({ inserted: [credential], versions: [version] })
      const plant = (from: number, to: number, bytes: number) =>
        query(
          `INSERT INTO credential_versions
              (credential_id, version, tenant_id, state, sealed, key_id, fingerprints, created_at, created_by)
            SELECT v.credential_id, n.seq, v.tenant_id, 6, REPEAT('x', ?), v.key_id, v.fingerprints, v.created_at, v.created_by
            FROM credential_versions v, seq_${from}_to_${to} n WHERE v.credential_id = ? AND v.version = ?`,
          [bytes, Buffer.from(credentialId.replaceAll("-", ""), "hex"), version.version]
        )
      const [longest, tooLong] = [answerVersionBase + 1, answerVersionBase + 2]
      yield* plant(longest, longest, sealedBytesMax)
      yield* plant(tooLong, tooLong, sealedBytesMax + 1)
      const lengths = [
        [version.version, version.sealed?.length],
        [longest, sealedBytesMax],
        [tooLong, 0]
      ]
      const standing = RefreshStore.use((store) => store.standing(tenantId, credentialId))
      const lengthsOf = (versions: ReadonlyArray<{ readonly version: number; readonly sealed: Uint8Array | null }>) =>
        versions.map((one) => [one.version, one.sealed?.length])
      assert.deepStrictEqual(lengthsOf((yield* standing)?.versions ?? []), lengths)
      assert.deepStrictEqual(lengthsOf((yield* decided({})) ?? []), lengths)
      const moved = yield* KeyRotationStore.use((store) => store.sealedRows(version.keyId ?? "", 100))
      assert.deepStrictEqual(lengthsOf(moved.filter((row) => row.credentialId === credentialId)), lengths)

      yield* plant(tooLong + 1, tooLong + 500, 100)
      assert.deepStrictEqual(
        (yield* standing)?.versions.map((one) => one.version),
        Array.from({ length: 128 }, (_, index) => tooLong + 373 + index)
      )
    })
  )
})
