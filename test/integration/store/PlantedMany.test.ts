// Verifies R-SEC-30.
/** Rows that make no sense, written by somebody else, in what is read for many tenants at once: the others are read. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { nameHash } from "../../../src/domain/ClientCredential.ts"
import { AuditStore } from "../../../src/store/AuditStore.ts"
import { ClientStore } from "../../../src/store/ClientStore.ts"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import { KeyStore } from "../../../src/store/KeyStore.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import type { Value } from "../../../src/store/maria/MariadbConnection.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { PlatformStore } from "../../../src/store/PlatformStore.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { TenantStore } from "../../../src/store/TenantStore.ts"
import { aName, aTenant } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const beyond = "9223372036854775807"
const plant = (sql: string, values: ReadonlyArray<Value> = []) =>
  Mariadb.use((database) => database.query("plant", (session) => session.run(sql, values)))

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("what is read for many tenants", (it) => {
  it.effect("is the head of each one's audit", () =>
    Effect.gen(function* () {
      const store = yield* AuditStore
      const [good, spoiled] = [yield* aTenant, yield* aTenant]
      yield* plant("UPDATE tenant_counters SET audit_seq = ?, audit_hash = REPEAT('x', 32) WHERE tenant_id = ?", [
        "18446744073709551615",
        spoiled.tenantId
      ])
      const point = `INSERT INTO audit_checkpoints (tenant_id, seq, hash, at, key_id, signature)
        VALUES (?, ?, REPEAT('x', 32), 1, REPEAT('x', 16), REPEAT('x', 64))`
      yield* plant(point, [spoiled.tenantId, "18446744073709551615"])
      yield* plant("UPDATE tenant_counters SET audit_seq = 7, audit_hash = REPEAT('y', 32) WHERE tenant_id = ?", [
        good.tenantId
      ])
      const heads = new Map((yield* store.heads("", 100)).map((head) => [head.tenantId, [head.seq, head.signedSeq]]))
      assert.deepStrictEqual(heads.get(good.tenantId), [7, 0])
      assert.deepStrictEqual(heads.get(spoiled.tenantId), [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
    })
  )

  it.effect("is each name that a client logs in by; of a row that makes no sense nothing is believed", () =>
    Effect.gen(function* () {
      const store = yield* ClientStore
      const [{ tenantId }, far] = [yield* aTenant, yield* aTenant]
      const of = (username: string) => ({ kind: "basic" as const, username })
      const names = ["good", "late", "unknown state", "unknown kind", "of nobody", "far"].map((name) => of(aName(name)))
      for (const [at, name] of names.entries()) {
        yield* plant(
          `INSERT INTO client_credentials (credential_id, tenant_id, kind, name_hash, username, password_hash, status, version,
            created_at, updated_at, created_by, updated_by, mac) VALUES (?, ?, 0, ?, ?, 'h', 1, 1, 1, 1, 'x', 'x', 'm')`,
          [Buffer.alloc(16, at + 1), at === 5 ? far.tenantId : tenantId, Buffer.from(nameHash(name)), name.username]
        )
      }
      const spoil = (at: number, change: string) =>
        plant(`UPDATE client_credentials SET ${change} WHERE credential_id = ?`, [Buffer.alloc(16, at + 1)])
      yield* spoil(1, `created_at = ${beyond}, updated_at = ${beyond}`)
      yield* spoil(2, "status = 99")
      yield* spoil(3, "kind = 99")
      yield* spoil(4, "username = NULL")
      yield* plant("UPDATE tenant_counters SET revocation_seq = 18446744073709551615 WHERE tenant_id = ?", [
        far.tenantId
      ])
      const found = yield* Effect.promise(() => store.byNames(names))
      assert.deepStrictEqual(
        found.map((one) => one?.credential.name),
        names
      )
      assert.deepStrictEqual(
        found.map((one) => one?.credential.mac === undefined),
        [false, false, true, true, true, false]
      )
      assert.strictEqual(found[5]?.readSeq, Number.MAX_SAFE_INTEGER)
    })
  )

  it.effect("is each key, whatever stands for its moments", () =>
    Effect.gen(function* () {
      const [keys, rotation] = [yield* KeyStore, yield* KeyRotationStore]
      const row = `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at, ended_at,
        ended_retention) VALUES (?, ?, ?, ?, 'm', 'w', ?, ?, ?)`
      const moments = [beyond, "-9223372036854775808", 1]
      for (const [at, moment] of moments.entries()) {
        const end = moment === 1 ? [1, 1] : [moment, moment]
        yield* plant(row, [Buffer.alloc(16, 1 + at), "planted", `ended${at}`, "retiring", moment, ...end])
        yield* plant(row, [Buffer.alloc(16, 11 + at), "planted", null, "nonsense", moment, null, null])
      }
      const mine = (found: ReadonlyArray<{ readonly keyId: string; readonly purpose: string }>) =>
        found.filter(({ purpose }) => purpose === "planted").map(({ keyId }) => keyId.slice(0, 2))
      const ofService = ["0b", "0c", "0d"]
      assert.deepStrictEqual(mine(yield* keys.keys), ["01", "02", "03", ...ofService])
      assert.deepStrictEqual(mine(yield* rotation.serviceKeys).toSorted(), ofService)
      assert.deepStrictEqual(mine(yield* rotation.listKeys({ limit: 100, after: null })).length, 6)
      assert.includeMembers(
        (yield* rotation.endedKeys(1_000, 100)).map(({ tenantId }) => tenantId),
        ["ended2"]
      )
    })
  )

  it.effect("is each tenant, with no limits where they cannot be read", () =>
    Effect.gen(function* () {
      const store = yield* TenantStore
      const tenants = [yield* aTenant, yield* aTenant, yield* aTenant, yield* aTenant]
      const spoil = (at: number, change: string) =>
        plant(`UPDATE tenants SET ${change} WHERE tenant_id = ?`, [tenants[at]!.tenantId])
      yield* spoil(0, "limits = '{'")
      yield* spoil(1, "limits = 'null'")
      yield* spoil(2, `created_at = ${beyond}, retention = ${beyond}, issuer = 'https://x', audience = NULL`)
      yield* spoil(3, `limits = '{"tokens":3}'`)
      const { content } = yield* store.listTenants({ limit: 100, after: null })
      const limits = new Map(content.map(({ settings, tenantId }) => [tenantId, settings?.limits?.tokens]))
      assert.deepStrictEqual(
        tenants.map(({ tenantId }) => [limits.has(tenantId), limits.get(tenantId)]),
        [
          [true, undefined],
          [true, undefined],
          [true, undefined],
          [true, 3]
        ]
      )
    })
  )

  it.effect("is what is configured for each application, and no moment to come hides what is changed later", () =>
    Effect.gen(function* () {
      const store = yield* PlatformStore
      const now = yield* store.now
      const row = "INSERT INTO platform_settings (kind, name, tenant_id, settings, since, read_at, changed_at) VALUES"
      yield* plant(`${row} ('application', 'late', 'acme', NULL, ${beyond}, ${beyond}, ${beyond})`)
      yield* plant(`${row} ('nothing', 'known', 'acme', NULL, 1, 1, ?)`, [now])
      yield* plant(`${row} ('application', 'good', 'acme', NULL, 1, 1, ?)`, [now])
      const found = yield* store.settingsSince(now)
      assert.deepStrictEqual(found.map(({ name }) => name).toSorted(), ["good", "late"])
      const until = (yield* store.now) + 1
      assert.isTrue(found.every(({ changedAt }) => changedAt <= until))
    })
  )

  it.effect("is what the platform said of tenants and applications, and where its inbox was seen", () =>
    Effect.gen(function* () {
      const store = yield* PlatformStore
      const [good, spoiled] = [yield* aTenant, yield* aTenant]
      const mark = "INSERT INTO platform_tenants (tenant_id, ended_at, named_at, end_done) VALUES (?, ?, ?, 1)"
      yield* plant(mark, [spoiled.tenantId, beyond, beyond])
      yield* plant(mark, [good.tenantId, 1, 2])
      const marks = new Map((yield* store.tenants(null)).map(({ mark, tenantId }) => [tenantId, mark]))
      assert.strictEqual(marks.get(good.tenantId), "named_again")
      assert.strictEqual(marks.get(spoiled.tenantId), "ended")
      const withdrawal = "INSERT INTO application_withdrawals VALUES (?, 'demo', REPEAT('x', 16), ?)"
      yield* plant(withdrawal, ["aaa", beyond])
      yield* plant(withdrawal, ["bbb", 1])
      assert.deepStrictEqual(
        (yield* store.withdrawals("", 10)).map(({ appName }) => appName),
        ["aaa", "bbb"]
      )
      assert.deepStrictEqual(
        (yield* store.withdrawals("aaa", 10)).map(({ appName }) => appName),
        ["bbb"]
      )
      yield* plant("REPLACE INTO platform_inbox (id, made_at, lost_up_to, seen_at) VALUES (1, ?, ?, ?)", [
        beyond,
        beyond,
        beyond
      ])
      const [seen, now] = [yield* store.inboxSeen, yield* store.now]
      assert.isAtMost(seen!.madeAt, now)
      assert.isAtMost(seen!.seenAt, now)
    })
  )

  it.effect("is how far rows were moved to other keys", () =>
    Effect.gen(function* () {
      const store = yield* KeyRotationStore
      for (const moment of [beyond, "-9223372036854775808"]) {
        yield* plant(
          `REPLACE INTO key_rotation (id, started_at, total, moved, moving_since, ended_at)
          VALUES (1, ?, 18446744073709551615, 18446744073709551615, ?, ?)`,
          [moment, moment, moment]
        )
        assert.isTrue((yield* store.mark)?.isOver)
      }
      yield* plant("DELETE FROM key_rotation")
    })
  )

  it.effect("is the relay's term: after one of any number comes one that no relay has", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* plant("UPDATE relay_term SET term = 18446744073709551615, replica_id = 'stranger', expires_at = 0")
      const first = yield* outbox.claimTerm("one", 60_000)
      yield* outbox.releaseTerm("one")
      const second = yield* outbox.claimTerm("two", 60_000)
      assert.isTrue(Number.isSafeInteger(second))
      yield* outbox.savePosition(second!, "events", 1)
      assert.strictEqual((yield* outbox.savePosition(first!, "events", 2).pipe(Effect.flip))._tag, "TermLost")
      yield* outbox.releaseTerm("two")
    })
  )

  it.effect("is what was set aside", () =>
    Effect.gen(function* () {
      const row = `INSERT INTO outbox_aside (id, tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at,
        reason, aside_at) VALUES (?, 'demo', REPEAT('e', 16), 0, 's', 'k', '{}', '', ?, 'r', ?)`
      yield* plant(row, ["18446744073709551615", beyond, beyond])
      yield* plant(row, [5, beyond, beyond])
      const { content } = yield* (yield* Outbox).aside({ after: null, limit: 10 })
      assert.deepStrictEqual(
        content.map(({ id }) => id),
        [5]
      )
      yield* plant("DELETE FROM outbox_aside")
    })
  )

  it.effect("is what is due to be refreshed, where one looks for changed rows: each rests, whatever stands in it", () =>
    Effect.gen(function* () {
      const store = yield* RefreshStore
      const row = `INSERT INTO credentials (credential_id, tenant_id, service_name, type, owner_key, state, version, secret_version,
        scopes, allowed_consumers, metadata, noticed_ms, created_at, updated_at, created_by, updated_by, refresh, refresh_due_at)
        VALUES (?, 'planted', ?, 'oauth2', '', ?, 1, 1, '[]', '[]', '{}', 1, ?, 1, 'x', 'x', ?, ?)`
      for (const [at, [state, createdAt, refresh]] of [
        [0, 1, "{}"],
        [0, beyond, "{}"],
        [99, 1, "{}"],
        [0, 1, "{"]
      ].entries() as unknown as Iterable<[number, [number, Value, string]]>) {
        yield* plant(row, [Buffer.alloc(16, at + 1), `s${at}`, state, createdAt, refresh, at + 1])
      }
      const sifted = yield* store.sift({ after: null, limit: 10, holds: () => false, forMs: 60_000 })
      assert.deepStrictEqual(
        sifted.changed.map(({ credentialId }) => credentialId.slice(0, 2)),
        ["01", "02", "03", "04"]
      )
    })
  )

  it.effect("is each population that is being revoked; of a row that makes no sense nothing is believed", () =>
    Effect.gen(function* () {
      const store = yield* TenantStore
      const row = `INSERT INTO revoke_all (tenant_id, operation_id, population, asker, correlation_id, matched, at_least, done,
        street, started_at, mac) VALUES ('demo', ?, ?, '{"principal":"x"}', 'c', ?, 0, 0, 0, ?, 'm')`
      for (const [at, values] of [
        ["{", 1, 1],
        ["{}", "18446744073709551615", beyond],
        ["{}", 1, 2]
      ].entries()) {
        yield* plant(row, [Buffer.alloc(16, at + 1), ...values])
      }
      const open = yield* store.openRevokeAlls(10)
      assert.deepStrictEqual(
        open.map(({ mac, matched, operationId }) => [operationId.slice(0, 2), matched, mac === undefined]),
        [
          ["01", 0, true],
          ["03", 1, false],
          ["02", Number.MAX_SAFE_INTEGER, false]
        ]
      )
    })
  )
})
