// Verifies R-DUR-3, R-EVT-1, R-SEC-6, R-SEC-12, R-SEC-17, R-CLI-4.
/**
 * What the database itself has to refuse or to hold back: unique keys, row locks, the settings of a session.
 *
 * A lock is proven by somebody else who holds the row: ours waits until he has committed, and then sees what he wrote.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { Connection } from "mariadb"
import { inject } from "vitest"
import { KeyRotationStore } from "../../../../src/store/KeyRotationStore.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { StoreConfig } from "../../../../src/store/maria/StoreConfig.ts"
import { Outbox } from "../../../../src/store/Outbox.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../../../support/credentialRows.ts"
import { eventually } from "../../../support/eventually.ts"
import { connectSql } from "../../../support/freshDatabase.ts"
import {
  aHash,
  aMessage,
  aName,
  anId,
  aTenant,
  aToken,
  insert,
  nextRevocation,
  transact
} from "../../../support/storeFixtures.ts"
import { layerMariaStores } from "../../../support/storeLayers.ts"

/** What no second row may have. Columns in order; `PRIMARY` where rows lie. */
const uniqueKeys: ReadonlyArray<readonly [table: string, key: string, columns: string]> = [
  ["applications", "PRIMARY", "app_name"],
  ["audit", "PRIMARY", "tenant_id,seq"],
  ["client_credentials", "uq_client_credentials_name", "name_hash"],
  ["credential_versions", "PRIMARY", "credential_id,version"],
  ["credentials", "uq_credentials_active", "tenant_id,active_slot"],
  ["data_keys", "uq_data_keys_active", "active_for"],
  ["idempotency", "PRIMARY", "tenant_id,key_hash"],
  ["pending_revocations", "PRIMARY", "tenant_id,seq"],
  ["tenants", "PRIMARY", "tenant_id"],
  ["tenants", "uq_tenants_issuer", "issuer_claimed"],
  ["tokens", "PRIMARY", "hash"],
  ["tokens", "uq_tokens_id", "token_id"]
]

const indexesSql = `SELECT TABLE_NAME, INDEX_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) AS columns
  FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 GROUP BY TABLE_NAME, INDEX_NAME`
/** In this database: other suites' transactions wait on the same server. */
const waitingSql = `SELECT COUNT(*) AS waiting FROM information_schema.INNODB_TRX t
  JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
  WHERE t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()`

/** Another client of the same database. */
const stranger = Effect.acquireRelease(
  Effect.flatMap(StoreConfig, ({ databaseUrl }) => Effect.promise(() => connectSql(Redacted.value(databaseUrl)))),
  (connection) => Effect.promise(() => connection.end())
)
const run = (connection: Connection, sql: string, values: ReadonlyArray<unknown> = []) =>
  Effect.promise(() => connection.query(sql, [...values]))

/** `ours` begins while a stranger holds what `holds` changed; he commits once ours waits for him. Answers ours. */
const behindStranger = <A, E, R>(
  holds: { readonly sql: string; readonly values: ReadonlyArray<unknown> },
  ours: Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const [other, observer] = [yield* stranger, yield* stranger]
    yield* run(other, "START TRANSACTION")
    yield* run(other, holds.sql, holds.values)
    let isDone = false
    const under = yield* Effect.forkChild(
      Effect.ensuring(
        ours,
        Effect.sync(() => {
          isDone = true
        })
      )
    )
    yield* Effect.promise(() =>
      eventually(
        async () => isDone || Number((await observer.query(waitingSql))[0].waiting) > 0,
        (waits) => waits,
        // The server makes this table anew only when nobody has looked for 100 ms.
        { everyMs: 250, limitMs: 120_000, what: "ours waiting for the stranger's lock, or being done" }
      )
    )
    const waited = !isDone
    yield* run(other, "COMMIT")
    return { waited, answer: yield* Fiber.join(under) }
  }).pipe(Effect.scoped)

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("the database refuses", (it) => {
  it.effect("a second row of what there is once", () =>
    Effect.gen(function* () {
      const connection = yield* stranger
      const found: ReadonlyArray<Record<string, string>> = yield* run(connection, indexesSql)
      const unique = new Map(found.map((row) => [`${row.TABLE_NAME} ${row.INDEX_NAME}`, row.columns]))
      for (const [table, key, columns] of uniqueKeys) assert.strictEqual(unique.get(`${table} ${key}`), columns, table)
    }).pipe(Effect.scoped)
  )

  it.effect("in each session what is too long, several statements at once, and files of ours", () =>
    Mariadb.use((database) =>
      database.query("test", async (session) => {
        const [[isolation, mode] = []] = await session.rows("SELECT @@tx_isolation, @@sql_mode")
        assert.strictEqual(isolation, "READ-COMMITTED")
        assert.include(String(mode), "STRICT_ALL_TABLES")
        const refused = async (sql: string) =>
          session.command(sql).then(
            () => `${sql} was carried out`,
            () => "refused"
          )
        assert.strictEqual(await refused("SELECT 1; SELECT 2"), "refused")
        assert.strictEqual(
          await refused("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE schema_migrations (name)"),
          "refused"
        )
      })
    )
  )

  it.effect("nothing that finds its row, though it changes nothing of it", () =>
    Mariadb.use((database) =>
      database.query("test", async (session) => {
        assert.strictEqual(await session.run("UPDATE relay_term SET id = id WHERE id = 1"), 1)
        assert.strictEqual(await session.batch("UPDATE relay_term SET id = id WHERE id = ?", [[1], [2]]), 1)
      })
    )
  )
})

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("a lock holds back", (it) => {
  it.effect("a change of a tenant that somebody else is changing: it decides over what he wrote", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE tenant_counters SET revocation_seq = 41 WHERE tenant_id = ?", values: [tenantId] },
        transact(tenantId, {}, (loaded) => ({ revocation: nextRevocation(tenantId, loaded) }))
      )
      assert.deepStrictEqual([waited, answer.revocationSeq], [true, 41])
    })
  )

  it.effect("the relay, while its term is taken over: what it wanted to delete stays", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const { tenantId } = yield* aTenant
      yield* transact(tenantId, {}, () => ({ outbox: [aMessage()] }))
      const [row] = yield* outbox.unsent(10)
      const term = (yield* outbox.claimTerm("one", 60_000))!
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE relay_term SET term = term + 1, replica_id = 'two' WHERE id = 1", values: [] },
        Effect.flip(outbox.markSent(term, [row!.id]))
      )
      assert.isTrue(waited)
      assert.deepInclude(answer, { _tag: "TermLost", term })
      assert.deepStrictEqual(
        (yield* outbox.unsent(10)).map(({ id }) => id),
        [row!.id]
      )
    })
  )

  it.effect("nothing of the relay, when it marks what stands before a row that somebody is writing", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const { tenantId } = yield* aTenant
      for (const process of ["one", "two"]) yield* outbox.releaseTerm(process)
      const term = (yield* outbox.claimTerm("three", 60_000))!
      yield* transact(tenantId, {}, () => ({ outbox: Array.from({ length: 40 }, () => aMessage()) }))
      const ids = (yield* outbox.unsent(1_000)).filter((row) => row.tenantId === tenantId).map(({ id }) => id)
      assert.strictEqual(ids.at(-1)! - ids[0]!, 39, "the rows stand behind each other")
      const other = yield* stranger
      yield* run(other, "START TRANSACTION")
      yield* run(
        other,
        `INSERT INTO outbox (id, tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
          VALUES (?, ?, ?, 0, 'subject', 'entity', '{}', '', 0)`,
        [ids.at(-1)! + 1, tenantId, Buffer.alloc(16, 7)]
      )
      // It fails, with the time limit of the store, if it waits for him.
      yield* outbox.markSent(term, ids)
      yield* run(other, "COMMIT")
      assert.deepStrictEqual(
        (yield* outbox.unsent(1_000)).filter((row) => row.tenantId === tenantId).map(({ id }) => id),
        [ids.at(-1)! + 1]
      )
      yield* outbox.releaseTerm("three")
    })
  )

  it.effect("a token under a key that somebody retires: nobody would find it, so it is not there", () =>
    Effect.gen(function* () {
      const { appName, tenantId } = yield* aTenant
      const keyId = yield* aKey("retiring")
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE data_keys SET state = 'retired' WHERE key_id = UNHEX(?)", values: [keyId.replaceAll("-", "")] },
        Effect.exit(insert([aToken(tenantId, appName, { hashKeyId: keyId })]))
      )
      assert.deepStrictEqual([waited, answer._tag], [true, "Failure"])
      const connection = yield* stranger
      const [{ tokens }] = yield* run(connection, "SELECT COUNT(*) AS tokens FROM tokens WHERE tenant_id = ?", [
        tenantId
      ])
      assert.strictEqual(Number(tokens), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("who decides about a key that somebody else is deciding about", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const keyId = yield* aKey("retiring")
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE data_keys SET state = 'retired' WHERE key_id = UNHEX(?)", values: [keyId.replaceAll("-", "")] },
        transact(tenantId, { keys: { ids: [keyId], tenantKeys: false } }, () => ({}))
      )
      assert.deepStrictEqual([waited, answer.keys?.keys.get(keyId)?.state], [true, "retired"])
    })
  )

  it.effect("a tenant's key too, which is no key of the service", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const keyId = yield* aKey("retiring", tenantId)
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE data_keys SET state = 'retired' WHERE key_id = UNHEX(?)", values: [keyId.replaceAll("-", "")] },
        transact(tenantId, { keys: { ids: [keyId], tenantKeys: false } }, () => ({}))
      )
      assert.deepStrictEqual([waited, answer.keys?.keys.get(keyId)?.state], [true, "retired"])
    })
  )

  it.effect("whoever decides about the service's keys, though he names none", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const keyId = yield* aKey("retiring")
      const { answer, waited } = yield* behindStranger(
        { sql: "UPDATE data_keys SET state = 'retired' WHERE key_id = UNHEX(?)", values: [keyId.replaceAll("-", "")] },
        transact(tenantId, { keys: { ids: [], tenantKeys: false } }, () => ({}))
      )
      assert.deepStrictEqual([waited, answer.keys?.keys.get(keyId)?.state], [true, "retired"])
    })
  )

  it.effect("the mover of hashes, while the tenant is changed", () =>
    Effect.gen(function* () {
      const { appName, tenantId } = yield* aTenant
      const [from, to] = [yield* aKey("retiring"), yield* aKey("active")]
      const token = aToken(tenantId, appName, { hashKeyId: from })
      yield* insert([token])
      const store = yield* KeyRotationStore
      const [row] = yield* store.hashedRows(from, 10)
      const move = { ...row!, newHash: new Uint8Array(32).fill(9), newMac: undefined }
      const { answer, waited } = yield* behindStranger(
        { sql: "SELECT * FROM tenant_counters WHERE tenant_id = ? FOR UPDATE", values: [tenantId] },
        store.moveHashes(from, to, [move])
      )
      assert.deepStrictEqual([waited, answer], [true, 1])
    })
  )

  it.effect("the mover of secrets, while rows of its page are changed by hand: those stay as they were changed", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* aTenant
      const [from, to] = [yield* aKey("retiring", tenantId), yield* aKey("active", tenantId)]
      const bytes = (text: string) => new Uint8Array(Buffer.from(text))
      const rows = Array.from({ length: 69 }, () => {
        const credential = credentialRow({ tenantId, serviceName: aName("service"), credentialId: nextId() })
        return { credential, version: versionRow(credential, { keyId: from, sealed: aHash() }) }
      })
      const inserted = rows.map(({ credential }) => credential)
      const versions = rows.map(({ version }) => version)
      yield* transact(tenantId, loadOf({}), () => changesOf({ inserted, versions }))
      const store = yield* KeyRotationStore
      const moves = (yield* store.sealedRows(from, 100)).map((row) => ({
        ...row,
        newKeyId: to,
        newSealed: bytes(`moved ${row.credentialId}`)
      }))
      const ids = moves.map(({ credentialId }) => credentialId)
      // First, in the middle, last of a statement, first of the next one, last of all.
      const byHand = [0, 31, 63, 64, 68].map((place) => ids[place]!)
      const { answer, waited } = yield* behindStranger(
        {
          sql: `UPDATE credential_versions SET sealed = 'somewhat changed by hand'
            WHERE credential_id IN (${byHand.map(() => "?").join()})`,
          values: byHand.map((id) => Buffer.from(id.replaceAll("-", ""), "hex"))
        },
        store.moveSealed(from, moves)
      )
      assert.deepStrictEqual([waited, answer], [true, ids.length - byHand.length])
      const under = (keyId: string) =>
        Effect.map(store.sealedRows(keyId, 100), (found) =>
          found.map(({ credentialId, sealed }) => [credentialId, Buffer.from(sealed).toString()])
        )
      assert.deepStrictEqual(
        yield* under(from),
        byHand.map((id) => [id, "somewhat changed by hand"])
      )
      assert.deepStrictEqual(
        yield* under(to),
        ids.filter((id) => !byHand.includes(id)).map((id) => [id, `moved ${id}`])
      )
    })
  )
})

/** A key of the service, or of a tenant, in a state. */
const aKey = Effect.fnUntraced(function* (state: "active" | "retiring", tenantId: string | null = null) {
  const keyId = anId()
  const connection = yield* stranger
  yield* run(
    connection,
    `INSERT INTO data_keys (key_id, purpose, tenant_id, state, master_key_id, wrapped, created_at)
      VALUES (UNHEX(?), ?, ?, ?, 'm', 'x', 1)`,
    [keyId.replaceAll("-", ""), tenantId === null ? "token-hash" : "tenant-data", tenantId, state]
  )
  return keyId
}, Effect.scoped)
