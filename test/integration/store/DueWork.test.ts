// Verifies R-RUN-16.
/** The one look of MariaDB: of each kind of work it says that there is some once there is, and not before. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { CredentialStore } from "../../../src/store/CredentialStore.ts"
import { type Work, works } from "../../../src/store/DueWork.ts"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import * as MariaDueWork from "../../../src/store/maria/MariaDueWork.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { PlatformStore } from "../../../src/store/PlatformStore.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"
import { changesOf, credentialRow, versionRow } from "../../support/credentialRows.ts"
import { anId, aTenant, aToken, hashKeyId, insert, transact } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const dayMs = 86_400_000
const later = 4_102_444_800_000
const ages = {
  ...{ answersMs: dayMs, retentionMs: dayMs, noticeMs: 30 * dayMs },
  ...{ masterKeyId: "m", sealUsesMax: 1_000 }
}

const run = (sql: string) => Mariadb.use((database) => database.query("test", (session) => session.command(sql)))
const [moved, erased] = ["rows or keys to be moved", "erased keys that rows need"] as const
const others = works.filter((work) => work !== moved && work !== erased)
const foundOf = (work: ReadonlyArray<Work>) => Mariadb.use((database) => MariaDueWork.look(database)(work, ages))
const found = foundOf(others)
const key = (id: number, own: string) =>
  run(`INSERT INTO data_keys SET key_id = UNHEX(REPEAT('${id.toString(16).padStart(2, "0")}', 16)), purpose = 'seal', ${own.includes("master_key_id") ? "" : "master_key_id = 'm',"}
    wrapped = 'w', created_at = 1, ${own}`)
const answer = (name: string, createdAt: string) =>
  run(
    `INSERT INTO idempotency SET tenant_id = 't', key_hash = '${name}', fingerprint = 'f', sealed_answer = 'a', created_at = ${createdAt}`
  )
const population = (id: string, finishedAt: string) =>
  run(`INSERT INTO revoke_all SET tenant_id = 't', operation_id = REPEAT('${id}', 16), population = '{"of":"tenant"}', asker = '{}', correlation_id = 'c',
    matched = 0, at_least = 0, done = 0, street = 0, started_at = 1, finished_at = ${finishedAt}, mac = ''`)
const nowMs = "ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)"

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("a look for all work", (it) => {
  it.effect(
    "tells of keys that have to be moved, or their rows, or brought back or erased, and of none that rest",
    () =>
      Effect.gen(function* () {
        const due = Effect.map(foundOf([moved, erased]), (work) => Array.from(work))
        const isDue = Effect.map(due, (work) => work.includes(moved))
        const { appName, tenantId } = yield* aTenant
        const idOf = (id: string) => `UNHEX('${id.replaceAll("-", "")}')`
        const drop = run("DELETE FROM data_keys WHERE active_for IS NULL OR active_for <> 'token-hash/'")
        yield* insert([aToken(tenantId, appName)])
        yield* run(`INSERT INTO data_keys SET key_id = ${idOf(anId())}, purpose = 'token-hash', state = 'active',
        master_key_id = 'm', wrapped = 'w', created_at = 1`)
        yield* key(1, "state = 'active', uses = 999")
        yield* key(2, "state = 'retired'")
        yield* run("UPDATE data_keys SET wrapped = '' WHERE state = 'retired'")
        yield* run("REPLACE INTO key_rotation SET id = 1, started_at = 1, total = 1, moved = 1, ended_at = 2")
        assert.isFalse(yield* isDue)

        yield* run("UPDATE key_rotation SET ended_at = NULL")
        assert.isTrue(yield* isDue)
        yield* run("UPDATE key_rotation SET ended_at = 2")
        yield* run("UPDATE data_keys SET uses = 1000 WHERE active_for = 'seal/'")
        assert.isTrue(yield* isDue)
        for (const others of [
          "state = 'retiring'",
          "state = 'retired'",
          "tenant_id = 't', state = 'active', master_key_id = 'n'"
        ]) {
          yield* drop
          assert.isFalse(yield* isDue)
          yield* key(3, others)
          assert.isTrue(yield* isDue, others)
        }
        yield* drop
        yield* run(`INSERT INTO data_keys SET key_id = ${idOf(hashKeyId)}, purpose = 'token-hash', state = 'retired',
        master_key_id = 'm', wrapped = '', created_at = 1`)
        assert.deepStrictEqual(yield* due, [erased], "a row needs it")
        yield* run("UPDATE data_keys SET wrapped = 'w'")
        assert.deepStrictEqual(yield* due, [moved])
        yield* run("DELETE FROM data_keys")
        yield* run("DELETE FROM tokens")
        assert.deepStrictEqual(yield* due, [])
      })
  )

  it.effect("tells of each kind once there is some, and of none that may come later", () =>
    Effect.gen(function* () {
      const [sweeps, credentials, keys] = [yield* Sweeps, yield* CredentialStore, yield* KeyRotationStore]
      const [platform, refreshes] = [yield* PlatformStore, yield* RefreshStore]
      const { appName, tenantId } = yield* aTenant
      const credential = (over: Parameters<typeof credentialRow>[0], version = {}) => {
        const row = credentialRow({ tenantId, serviceName: `s${Math.abs(over?.expiresAt ?? 0)}`, ...over })
        const written = changesOf({ inserted: [row], versions: [versionRow(row, version)] })
        return Effect.as(
          transact(tenantId, {}, () => written),
          row
        )
      }

      // Of nothing here the time has come.
      yield* insert([aToken(tenantId, appName), aToken(tenantId, appName, { expiresAt: later })])
      yield* insert([aToken(tenantId, appName, { expiresAt: 1, status: "Revoked" })])
      yield* credential({ expiresAt: later }, { state: "overlapping" as const, validUntil: later })
      const { credentialId } = yield* credential({ expiresAt: null })
      const one = `WHERE credential_id = UNHEX('${credentialId.replaceAll("-", "")}')`
      yield* run(`UPDATE credentials SET refresh_due_at = ${later}, refresh_urgency = ${later} ${one}`)
      yield* answer("young", nowMs)
      yield* population("a", "2")
      yield* key(1, "state = 'active'")
      yield* key(2, `tenant_id = 'gone', state = 'retiring', ended_at = ${nowMs}`)
      yield* key(3, "tenant_id = 'gone', state = 'retiring', ended_at = 1, ended_retention = 4102444800000")
      yield* key(4, "state = 'retired'")
      assert.deepStrictEqual(yield* found, new Set())
      assert.lengthOf(yield* sweeps.endedTokens(1), 0)

      const isDue = Effect.fnUntraced(function* <R>(work: Work, make: Effect.Effect<unknown, unknown, R>) {
        const before = yield* found
        yield* Effect.orDie(make)
        assert.deepStrictEqual(yield* found, new Set([...before, work]))
      })
      yield* isDue("tokens that ended", insert([aToken(tenantId, appName, { expiresAt: 1 })]))
      assert.lengthOf(yield* sweeps.endedTokens(1), 1)
      yield* isDue("answers that are too old", answer("old", "1"))
      yield* isDue("open revocations of populations", population("b", "NULL"))
      yield* isDue("keys of removed tenants", key(5, "tenant_id = 'gone', state = 'retiring', ended_at = 1"))
      assert.lengthOf(yield* keys.endedKeys(ages.retentionMs, 10), 1)
      yield* isDue("keys of the service that were followed", key(6, "state = 'retiring'"))
      yield* isDue("numbers that ran away", run(`ALTER TABLE provider_turns AUTO_INCREMENT = ${2 ** 52 + 10}`))
      assert.deepStrictEqual(yield* sweeps.putNumbersBack, ["provider_turns"])
      assert.isFalse((yield* found).has("numbers that ran away"))
      yield* isDue("credentials that ended", credential({ expiresAt: 1 }))
      assert.lengthOf(yield* credentials.ended(1, null), 1)
      yield* isDue(
        "overlaps that are over",
        credential({ expiresAt: 4 }, { state: "overlapping" as const, validUntil: 1 })
      )
      assert.lengthOf(yield* credentials.overlapsOver(1, null), 1)
      const soon = Date.now() + 20 * dayMs
      yield* isDue("notices to be given", credential({ expiresAt: soon }))
      assert.lengthOf(yield* credentials.noticesDue([30 * dayMs], 1), 1)
      yield* run(`UPDATE credentials SET expires_at = ${later} WHERE expires_at = ${soon}`)
      assert.isFalse((yield* found).has("notices to be given"))
      const grant = `refresh_noticed_ms = 9007199254740991, refresh_final_at = ${soon}`
      yield* isDue("notices to be given", run(`UPDATE credentials SET ${grant} ${one}`))
      assert.lengthOf(yield* credentials.noticesDue([30 * dayMs], 1), 1)
      yield* isDue("refreshes that are due", run(`UPDATE credentials SET refresh_due_at = 1 ${one}`))
      yield* Effect.orDie(refreshes.pick(1))
      const out = transact(tenantId, { appNames: [appName] }, ({ now }) => ({
        applicationsMoved: [{ appName, outOfService: "absent", decidedAt: now }]
      }))
      yield* isDue("applications out of service", out)
      assert.lengthOf(yield* platform.withdrawals("", 1), 1)
      yield* isDue("applications or tenants that were removed", run("UPDATE applications SET removed_at = 1"))
      assert.lengthOf(yield* sweeps.orphanedTokens(1), 1)
      yield* run("UPDATE applications SET removed_at = NULL")
      yield* isDue("applications or tenants that were removed", run("UPDATE tenants SET removed_at = 1"))
      assert.lengthOf(yield* sweeps.orphanedTokens(1), 1)
      assert.deepStrictEqual(
        others.filter((work) => work !== "numbers that ran away" && work !== "refreshes that are due").toSorted(),
        Array.from(yield* found)
          .filter((work) => work !== "refreshes that are due")
          .toSorted()
      )
    })
  )
})
