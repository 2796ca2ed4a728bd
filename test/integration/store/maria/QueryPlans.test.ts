// Verifies R-RUN-16.
/** That what runs often, or over many rows, goes along an index and reads little. */

import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { AuditStore } from "../../../../src/store/AuditStore.ts"
import { works } from "../../../../src/store/DueWork.ts"
import { KeyRotationStore, sealedPageBytesMax } from "../../../../src/store/KeyRotationStore.ts"
import { KeyStore } from "../../../../src/store/KeyStore.ts"
import { byEndpointSql, byHashSql as byHashSqlOfLoad, byIdSql } from "../../../../src/store/maria/load/tokens.ts"
import * as MariaDueWork from "../../../../src/store/maria/MariaDueWork.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { hashedSql, sealedSql } from "../../../../src/store/maria/MariaKeyRotationStore.ts"
import { endedSql, orphansOfApplicationsSql, orphansOfTenantsSql } from "../../../../src/store/maria/MariaSweeps.ts"
import { byHashSql } from "../../../../src/store/maria/MariaTokenLookup.ts"
import { openSql } from "../../../../src/store/maria/RevokeAllRow.ts"
import { Outbox } from "../../../../src/store/Outbox.ts"
import { Sweeps } from "../../../../src/store/Sweeps.ts"
import { TenantStore } from "../../../../src/store/TenantStore.ts"
import { auditedBy } from "../../../support/auditedBy.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../../../support/credentialRows.ts"
import { eventually } from "../../../support/eventually.ts"
import {
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

/** The rows that the storage engine was asked for by a piece of work, on the one connection there is. */
const rowsRead = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Mariadb
    const reads = database.query("test", async (session) => {
      const rows = await session.rows("SHOW SESSION STATUS LIKE 'Handler_read%'")
      return rows.reduce((sum, row) => sum + Number(row[1]), 0)
    })
    const before = yield* reads
    yield* work
    const after = yield* reads
    return after - before
  })

/** How many bytes the server sent for it. */
const bytesSent = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Mariadb
    const sent = database.query("test", async (session) => {
      const rows = await session.rows("SHOW SESSION STATUS LIKE 'Bytes_sent'")
      return Number(rows[0]![1])
    })
    const before = yield* sent
    yield* work
    return (yield* sent) - before
  })

/** How many statements it was, of those that change or read rows. */
const statementsOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Mariadb
    const counted = database.query("test", async (session) => {
      const rows = await session.rows(
        "SHOW SESSION STATUS WHERE Variable_name IN ('Com_select', 'Com_update', 'Com_update_multi', 'Com_insert', 'Com_delete', 'Com_delete_multi')"
      )
      return rows.reduce((sum, row) => sum + Number(row[1]), 0)
    })
    const before = yield* counted
    yield* work
    return (yield* counted) - before
  })

/** Table to index, as the optimizer means to run it. */
const planOf = (sql: string, values: ReadonlyArray<string | number | Uint8Array>) =>
  Mariadb.use((database) =>
    database.query("test", async (session) => {
      const rows = await session.rows(`EXPLAIN ${sql}`, values)
      return new Map(rows.map((row) => [String(row[2]), String(row[5])]))
    })
  )

const filler = Effect.gen(function* () {
  const { appName, tenantId } = yield* aTenant
  for (let n = 0; n < 4; n += 1) {
    yield* insert(Array.from({ length: 1_000 }, () => aToken(tenantId, appName, { expiresAt: 4_102_444_800_000 })))
  }
  yield* insert(Array.from({ length: 1_000 }, () => aToken(tenantId, appName, { expiresAt: 1, status: "Revoked" })))
  const database = yield* Mariadb
  yield* database.query("test", (session) => session.command("ANALYZE TABLE tokens"))
  return { appName, tenantId }
})

layer(layerMariaStores(inject("databaseUrl"), { connections: 1 }), { excludeTestServices: true })(
  "query plans",
  (it) => {
    it.effect("a look-up by hashes reads the rows it finds and no others", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* filler
        const hashes = Array.from({ length: 64 }, () => aToken(tenantId, appName).hash)
        const plan = yield* planOf(byHashSql(hashes.map(() => "?").join(", ")), hashes)
        assert.strictEqual(plan.get("t"), "PRIMARY")
        assert.deepStrictEqual([plan.get("a"), plan.get("c"), plan.get("n")], ["PRIMARY", "PRIMARY", "PRIMARY"])
      })
    )

    it.effect("a transaction finds its tokens, and with each its application, along their own indexes", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* filler
        const marks = Array.from({ length: 64 }, () => "?").join(", ")
        const tokens = Array.from({ length: 64 }, () => aToken(tenantId, appName))
        const plans = [
          [byIdSql, tokens.map(({ tokenId }) => Buffer.from(tokenId.replaceAll("-", ""), "hex")), "uq_tokens_id"],
          [byHashSqlOfLoad, tokens.map(({ hash }) => hash), "PRIMARY"],
          [byEndpointSql, tokens.map(({ endpointId }) => endpointId), "ix_tokens_endpoint"]
        ] as const
        for (const [sql, values, index] of plans) {
          const plan = yield* planOf(sql(marks), [tenantId, ...values])
          assert.deepStrictEqual([plan.get("t"), plan.get("a")], [index, "PRIMARY"])
        }
      })
    )

    it.effect("sweeps of thousands of tokens with nothing to do read next to nothing", () =>
      Effect.gen(function* () {
        yield* filler
        const sweeps = yield* Sweeps
        assert.strictEqual((yield* planOf(endedSql, [100])).get("tokens"), "ix_tokens_due")
        const orphans = yield* planOf(orphansOfApplicationsSql, [100])
        assert.deepStrictEqual(
          [orphans.get("a"), orphans.get("t")],
          ["ix_applications_removed", "ix_tokens_application"]
        )
        const ofTenants = yield* planOf(orphansOfTenantsSql, [100])
        assert.deepStrictEqual([ofTenants.get("n"), ofTenants.get("t")], ["ix_tenants_removed", "ix_tokens_tenant"])
        const read = yield* rowsRead(
          Effect.all([sweeps.endedTokens(100), sweeps.orphanedTokens(100), sweeps.purgeRemoved])
        )
        // A few looks for each kind of thing that a removed tenant leaves, whatever there is of tokens.
        assert.isBelow(read, 300)
      })
    )

    it.effect("a look for all work that finds none is one statement, and reads next to nothing", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* filler
        // Ends that come later, thousands of them as of tokens.
        const ends = Array.from({ length: 500 }, () =>
          credentialRow({ tenantId, serviceName: aName("s"), expiresAt: 4_102_444_800_000 })
        )
        yield* transact(tenantId, {}, () => changesOf({ inserted: ends, versions: ends.map((one) => versionRow(one)) }))
        yield* insert([aToken(tenantId, appName, { expiresAt: 4_102_444_800_000 })])
        const look = MariaDueWork.look(yield* Mariadb)
        const noneYet = { answersMs: 86_400_000, retentionMs: 86_400_000, noticeMs: 86_400_000 }
        const ofTokens = yield* look(["tokens that ended"], noneYet)
        assert.strictEqual(ofTokens.size, 0)
        assert.strictEqual(yield* statementsOf(look(works, noneYet)), 1)
        assert.isBelow(yield* rowsRead(look(works, noneYet)), 100)
      })
    )

    it.effect("that no row needs a key that rests is seen without reading the rows of others", () =>
      Effect.gen(function* () {
        yield* filler
        const database = yield* Mariadb
        yield* database.query("test", async (session) => {
          for (let key = 1; key <= 3; key++) {
            await session.command(`INSERT INTO data_keys SET key_id = UNHEX(REPEAT('f${key}', 16)), purpose = 'token-hash',
              state = 'retired', master_key_id = 'm', wrapped = '', created_at = 1`)
          }
          await session.command("ANALYZE TABLE data_keys, tokens")
        })
        const look = MariaDueWork.look(database)(["rows or keys to be moved", "erased keys that rows need"], {
          masterKeyId: "m",
          sealUsesMax: 2 ** 30
        })
        yield* look
        assert.isBelow(yield* rowsRead(look), 100)
        yield* database.query("test", (session) =>
          session.command("DELETE FROM data_keys WHERE purpose = 'token-hash' AND wrapped = ''")
        )
      })
    )

    it.effect("a sweep that looks again, or finds nothing removed, does so for next to nothing", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const sweep = aName("sweep")
        assert.isTrue(yield* sweeps.hold(sweep, "one", 60_000))
        assert.strictEqual(yield* statementsOf(sweeps.hold(sweep, "one", 60_000)), 0)
        yield* sweeps.release("one")
        assert.isAbove(yield* statementsOf(sweeps.hold(sweep, "one", 60_000)), 0)
        // One look whether there is anything removed.
        assert.strictEqual(yield* statementsOf(sweeps.purgeRemoved), 1)
        const { tenantId } = yield* aTenant
        yield* transact(tenantId, {}, () => ({ tenantRemoved: true }))
        assert.isAbove(yield* statementsOf(sweeps.purgeRemoved), 1)
        assert.strictEqual(yield* statementsOf(sweeps.purgeRemoved), 1)
        const another = yield* aTenant
        yield* transact(another.tenantId, {}, () => ({ applicationsRemoved: [another.appName] }))
        assert.isAbove(yield* statementsOf(sweeps.purgeRemoved), 1)
      })
    )

    it.effect("sweeps that are another's are looked at by one read for all of them", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const names = Array.from({ length: 10 }, () => aName("sweep"))
        for (const sweep of names) assert.isTrue(yield* sweeps.claim(sweep, "one", 60_000))
        const round = Effect.forEach(names, (sweep) => sweeps.hold(sweep, "two", 60_000))
        yield* round
        const began = performance.now()
        const statements = yield* statementsOf(Effect.repeat(round, { times: 4 }))
        assert.isAtMost(statements, 1 + Math.ceil((performance.now() - began) / 1_000))
        yield* sweeps.release("one")
        yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(round),
            (held) => held.every(Boolean),
            { limitMs: 30_000, what: "the sweeps being taken over" }
          )
        )
      })
    )

    it.effect("a claim that is held is asked for again in time", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const database = yield* Mariadb
        const sweep = aName("sweep")
        assert.isTrue(yield* sweeps.hold(sweep, "one", 400))
        // By whoever changes rows: only who asks sees it.
        yield* database.query("test", (session) =>
          session.run(
            "UPDATE sweep_claims SET replica_id = 'two', expires_at = (UNIX_TIMESTAMP() + 300) * 1000 WHERE sweep = ?",
            [sweep]
          )
        )
        yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(sweeps.hold(sweep, "one", 400)),
            (held) => !held,
            { limitMs: 30_000, what: "the claim being asked for again" }
          )
        )
      })
    )

    it.effect("a page of rows under a key costs what it holds, wherever it begins", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* filler
        const key = anId()
        const tokens = Array.from({ length: 1_000 }, () => aToken(tenantId, appName, { hashKeyId: key }))
        yield* insert(tokens)
        const store = yield* KeyRotationStore
        const after = (yield* store.hashedRows(key, 900)).at(-1)!
        assert.isBelow(yield* rowsRead(store.hashedRows(key, 20, after)), 100)
        const [id, tenant] = [Buffer.alloc(16, 1), tenantId]
        assert.strictEqual((yield* planOf(hashedSql, [id, tenant, tenant, id, 20])).get("tokens"), "ix_tokens_hash_key")
        assert.strictEqual(
          (yield* planOf(sealedSql, [id, id, id, 1, 20])).get("credential_versions"),
          "ix_credential_versions_key"
        )
      })
    )

    it.effect("a page of secrets is moved by few statements, which read its rows and no others", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const [from, to] = [anId(), anId()]
        const written = Effect.fnUntraced(function* (keyId: string, count: number, bytes: number) {
          const credential = credentialRow({ tenantId, serviceName: aName("service"), credentialId: nextId() })
          const versions = Array.from({ length: count }, (_, n) =>
            versionRow(credential, { version: n + 1, keyId, sealed: new Uint8Array(bytes).fill(n) })
          )
          yield* transact(tenantId, loadOf({}), () => changesOf({ inserted: [credential], versions }))
        })
        const counts = { moved: 0, rows: 0, statements: 0 }
        const moving = Effect.gen(function* () {
          const rows = yield* store.sealedRows(from, 500)
          const moves = rows.map((row) => ({ ...row, newKeyId: to, newSealed: row.sealed.map((byte) => byte ^ 1) }))
          counts.statements = yield* statementsOf(
            Effect.gen(function* () {
              counts.rows = yield* rowsRead(
                Effect.gen(function* () {
                  counts.moved = yield* store.moveSealed(from, moves)
                })
              )
            })
          )
        })
        for (let n = 0; n < 4; n += 1) yield* written(n === 2 ? from : anId(), 500, 100)
        yield* moving
        assert.strictEqual(counts.moved, 500)
        assert.isBelow(counts.rows, 3 * 500)
        assert.isAtMost(counts.statements, 16)
        yield* written(from, 8, 600 * 1024)
        yield* moving
        assert.strictEqual(counts.moved, 8)
        assert.isAtLeast(counts.statements, 8, "large ones are not put into one statement")
      })
    )

    it.effect("of long secrets no more are sent than a page holds", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const keyId = anId()
        const credential = credentialRow({ tenantId, serviceName: aName("service"), credentialId: nextId() })
        const versions = Array.from({ length: 12 }, (_, n) =>
          versionRow(credential, { version: n + 1, keyId, sealed: new Uint8Array(sealedPageBytesMax / 8).fill(n) })
        )
        yield* transact(tenantId, loadOf({}), () => changesOf({ inserted: [credential] }))
        for (const version of versions) yield* transact(tenantId, loadOf({}), () => changesOf({ versions: [version] }))
        const sent = yield* bytesSent(store.sealedRows(keyId, 100))
        assert.isAtLeast(sent, sealedPageBytesMax)
        assert.isBelow(sent, 1.1 * sealedPageBytesMax)
      })
    )

    it.effect("the relay reads what it takes of a long outbox, and no more", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [one, other] = [yield* aTenant, yield* aTenant]
        yield* transact(one.tenantId, {}, (loaded) => ({
          revocation: nextRevocation(one.tenantId, loaded),
          outbox: [aMessage({ afterRevocation: true })]
        }))
        for (let n = 0; n < 3; n += 1) {
          yield* transact(other.tenantId, {}, () => ({ outbox: Array.from({ length: 1_000 }, () => aMessage()) }))
        }
        assert.isBelow(yield* rowsRead(outbox.unsent(20)), 200)
      })
    )

    it.effect("an audit is read in pages that cost what they hold, and its beginning costs next to nothing", () =>
      Effect.gen(function* () {
        const { tenantId } = yield* aTenant
        const store = yield* AuditStore
        // Rows that name the tenant, as refusals of what a stranger asks for may.
        const entry = {
          ...auditedBy("bus"),
          action: "credential.refused",
          entityType: "t",
          entityId: tenantId,
          diff: null
        }
        for (let n = 0; n < 4; n += 1) {
          yield* transact(tenantId, {}, () => ({ audit: Array.from({ length: 1_000 }, () => entry) }))
        }
        assert.strictEqual(yield* store.beginning(tenantId), 1)
        assert.isBelow(yield* rowsRead(store.beginning(tenantId)), 10)
        const middle = { entityId: null, from: null, limit: 20, after: "2000" }
        for (const to of [null, { seq: 3_000 }, { at: 4_102_444_800_000 }]) {
          const read = yield* rowsRead(store.list(tenantId, { ...middle, to }))
          assert.isBelow(read, 60, JSON.stringify(to))
        }
      })
    )

    it.effect("a page is read along the index of what it asks for", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* filler
        const store = yield* TenantStore
        const [first] = (yield* store.listTokens(tenantId, {
          appName,
          endpointId: null,
          statuses: [],
          order: "DESC",
          limit: 1,
          after: null
        })).content
        const query = { statuses: [], order: "DESC" as const, limit: 20, after: null }
        for (const [appNameAsked, endpointId] of [
          [null, null],
          [appName, null],
          [null, first?.endpointId ?? ""],
          [appName, first?.endpointId ?? ""],
          [aName("none"), null]
        ] as const) {
          const read = yield* rowsRead(store.listTokens(tenantId, { ...query, appName: appNameAsked, endpointId }))
          assert.isBelow(read, 60, `${appNameAsked} ${endpointId}`)
        }
        const sparse = yield* rowsRead(
          store.listTokens(tenantId, { ...query, appName: null, endpointId: null, statuses: ["Active"], limit: 10 })
        )
        assert.isBelow(sparse, 20_000 + 5_000)
        const open = yield* planOf(openSql, [100])
        assert.strictEqual(open.get("revoke_all"), "ix_revoke_all_open")
        assert.isBelow(yield* rowsRead(store.openRevokeAlls(100)), 10)
        const ofNobody = { ...query, appName: null, endpointId: null, createdBy: "ADMIN/nobody" }
        assert.isBelow(yield* rowsRead(store.listTokens(tenantId, ofNobody)), 2 * 20_000 + 5_000)
        assert.isBelow(yield* rowsRead(store.countTokens(tenantId, ofNobody)), 2 * 20_000 + 5_000)
      })
    )

    it.effect("counting what is to be moved to other keys ends at its limit, and finding nothing costs nothing", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const store = yield* KeyRotationStore
        const keys = yield* KeyStore
        const wrapped = new Uint8Array(32)
        const key = {
          keyId: anId(),
          purpose: "tenant-data" as const,
          tenantId,
          masterKeyId: "m",
          wrapped,
          createdAt: 1
        }
        yield* keys.ensureActive({ ...key, state: "active" })
        const token = () => aToken(tenantId, appName, { hashKeyId: key.keyId })
        for (let n = 0; n < 3; n += 1) yield* insert(Array.from({ length: 1_000 }, token))
        assert.isBelow(yield* rowsRead(store.movableKeys({ limit: 10, after: null })), 30)
        yield* store.demote(key.keyId)
        assert.isBelow(yield* rowsRead(store.movableKeys({ limit: 10, after: null })), 30)
        assert.isBelow(yield* rowsRead(store.countMovable(100)), 400)
        assert.isBelow(yield* rowsRead(store.countRows(key.keyId, 100)), 400)
        const answers = Array.from({ length: 1_000 }, () => ({
          ...{ keyHash: anId(), fingerprint: "f", sealedAnswer: new Uint8Array([1]), revocationSeq: null, createdAt: 1 }
        }))
        yield* transact(tenantId, {}, () => ({ idempotent: answers }))
        const ages = { youngest: 0, oldest: Number.MAX_SAFE_INTEGER }
        assert.isBelow(yield* rowsRead(store.countRemembered(ages, 100)), 400)
        assert.isBelow(yield* rowsRead(store.countRemembered({ youngest: 0, oldest: 1 }, 100)), 100)
        assert.isBelow(yield* rowsRead(store.countMovableUnder([key.keyId], 100)), 400)
        const middle = yield* store.countMovableSlice(key.keyId, null, 1_500)
        assert.strictEqual(middle.rows, 1_500)
        assert.isBelow(yield* rowsRead(store.countMovableSlice(key.keyId, middle.next, 100)), 200)
        assert.isBelow(yield* rowsRead(store.countMovableSlice(key.keyId, middle.next, 2_000)), 3_200)
      })
    )
  }
)
