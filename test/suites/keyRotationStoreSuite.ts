/**
 * What every `KeyRotationStore` promises, with the stores whose rows it moves. Run it against each set
 * of layers that claims to be one.
 */
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Layer } from "effect"
import type { CredentialVersion } from "../../src/domain/Credential.ts"
import { AuditStore } from "../../src/store/AuditStore.ts"
import {
  type CountedSlice,
  type HashedPlace,
  type HashedRow,
  isSealedPageFull,
  KeyRotationStore,
  keyNeededConstraint,
  movePageMax,
  neededRowsMax,
  type SealedPlace,
  type SealedRow,
  sealedPageBytesMax
} from "../../src/store/KeyRotationStore.ts"
import { type KeyPurpose, KeyStore, type StoredKey } from "../../src/store/KeyStore.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { type Changes, TenantStore } from "../../src/store/TenantStore.ts"
import { auditedBy } from "../support/auditedBy.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../support/credentialRows.ts"
import { aHash, aName, anId, aTenant, aToken, hex, insert, look, transact } from "../support/storeFixtures.ts"

const aKey = (purpose: KeyPurpose, tenantId: string | null, createdAt = 1_700_000_000_000): StoredKey => ({
  keyId: anId(),
  purpose,
  tenantId,
  state: "active",
  masterKeyId: "master",
  wrapped: aHash(),
  createdAt
})
const ensured = (purpose: KeyPurpose, tenantId: string | null = null) =>
  KeyStore.use((store) => store.ensureActive(aKey(purpose, tenantId)))

/** A tenant's data key of its own, so that tests do not meet. */
const tenantKey = Effect.suspend(() => ensured("tenant-data", aName("tenant")))

/** An idempotent answer whose record names a key. */
const answerOf = (keyId: string) => {
  const sealedAnswer = new Uint8Array(
    Buffer.concat([Buffer.from([1]), Buffer.from(keyId.replaceAll("-", ""), "hex"), Buffer.alloc(40)])
  )
  return { keyHash: hex(aHash()), fingerprint: "f", sealedAnswer, revocationSeq: null, createdAt: 1 }
}
const answerUnder = (tenantId: string, keyId: string) =>
  transact(tenantId, {}, () => ({ idempotent: [answerOf(keyId)] }))

/** An audit row about a key. */
const said = (keyId: string) => ({
  ...auditedBy("bus"),
  action: "keys.rotated",
  entityType: "key",
  entityId: keyId,
  diff: null
})

/** A credential whose one version is sealed with a key. */
const versionUnder = Effect.fnUntraced(function* (tenantId: string, keyId: string) {
  const credential = credentialRow({ tenantId, serviceName: aName("service"), credentialId: nextId() })
  const version = versionRow(credential, { keyId, sealed: aHash() })
  yield* TenantStore.use((store) =>
    store.transact(tenantId, loadOf({}), () => ({
      changes: changesOf({ inserted: [credential], versions: [version] }),
      result: undefined
    }))
  )
  return version
})

/** What stands in a row that was changed, where it was. */
const changedTo = (over: Partial<CredentialVersion> | undefined, keyId: string) =>
  over === undefined ? {} : { keyId, ...over }

export const keyRotationStoreSuite = (
  name: string,
  stores: Layer.Layer<TenantStore | KeyStore | KeyRotationStore | AuditStore | Sweeps, unknown>
) =>
  layer(stores, { excludeTestServices: true })(`KeyRotationStore (${name})`, (it) => {
    it.effect("finds a key by its id and the active one of a purpose, as it was written", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        for (const found of [yield* store.findKey(key.keyId), yield* store.activeKey("tenant-data", key.tenantId)]) {
          const { ageMs, ...rest } = found!
          assert.deepStrictEqual(rest, key)
          assert.isAbove(ageMs, 86_400_000)
        }
        assert.isUndefined(yield* store.findKey(anId()))
        assert.isUndefined(yield* store.findKey("not-an-id"))
        assert.isUndefined(yield* store.activeKey("tenant-data", aName("nobody")))
        assert.isUndefined(yield* store.activeKey("tenant-data", null))
      })
    )

    it.effect("keeps the service's keys apart from the tenants', and lists all in pages", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const [service, tenant] = [yield* ensured("audit-signing"), yield* tenantKey]
        const ids = (yield* store.serviceKeys).map(({ keyId }) => keyId)
        assert.include(ids, service.keyId)
        assert.notInclude(ids, tenant.keyId)
        const listed: Array<string> = []
        for (let after: string | null = null; ; ) {
          const page: ReadonlyArray<StoredKey> = yield* store.listKeys({ limit: 2, after })
          listed.push(...page.map(({ keyId }) => keyId))
          if (page.length < 2) break
          after = page[1]!.keyId
        }
        assert.deepStrictEqual(listed, Array.from(new Set(listed)).toSorted())
        assert.includeMembers(listed, [service.keyId, tenant.keyId])
      })
    )

    it.effect("replaces an active key once, with an age of its own from that moment", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const first = yield* ensured("fingerprint")
        const candidates = [aKey("fingerprint", null), aKey("fingerprint", null)]
        const results = yield* Effect.forEach(candidates, (next) => store.replaceActive(first.keyId, next), {
          concurrency: 2
        })
        assert.deepStrictEqual(results.toSorted(), [false, true])
        const won = candidates[results.indexOf(true)]!
        const active = yield* store.activeKey("fingerprint", null)
        assert.strictEqual(active?.keyId, won.keyId)
        assert.isBelow(active!.ageMs, 60_000)
        assert.strictEqual((yield* store.findKey(first.keyId))?.state, "retiring")
        assert.isUndefined(yield* store.findKey(candidates[results.indexOf(false)]!.keyId))
      })
    )

    it.effect("lists all keys of a purpose, whatever became of them, with what links one to the one before it", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const first = yield* ensured("audit-signing")
        yield* tenantKey
        const next: StoredKey = { ...aKey("audit-signing", null), link: '{"key_id":"x","at":1}' }
        assert.isTrue(yield* store.replaceActive(first.keyId, next))
        assert.strictEqual(yield* store.retire(first.keyId), "retired")
        yield* store.eraseRetired(0)
        const keys = yield* store.keysOf("audit-signing")
        const seen = keys.map(({ keyId, link, state, wrapped }) => [keyId, state, link, wrapped.byteLength > 0])
        assert.deepInclude(seen, [first.keyId, "retired", undefined, false])
        assert.deepInclude(seen, [next.keyId, "active", next.link, true])
        assert.isTrue(keys.every(({ purpose, tenantId }) => purpose === "audit-signing" && tenantId === null))
      })
    )

    it.effect("demotes a key once, and makes room for the next active one", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        assert.deepStrictEqual([yield* store.demote(key.keyId), yield* store.demote(key.keyId)], [true, false])
        const next = yield* ensured("tenant-data", key.tenantId)
        assert.notStrictEqual(next.keyId, key.keyId)
        assert.include(
          (yield* store.retiringKeys(1_000)).map(({ keyId }) => keyId),
          key.keyId
        )
      })
    )

    it.effect("counts the rows of each kind that need a key, and retires none that one needs", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { appName, tenantId } = yield* aTenant
        const [hashing, sealing, answering, idle] = [
          yield* tenantKey,
          yield* tenantKey,
          yield* tenantKey,
          yield* tenantKey
        ]
        yield* insert([1, 2, 3].map(() => aToken(tenantId, appName, { hashKeyId: hashing.keyId })))
        yield* versionUnder(tenantId, sealing.keyId)
        yield* answerUnder(tenantId, answering.keyId)
        const all = [hashing, sealing, answering, idle].map(({ keyId }) => keyId)
        const counts = (limit: number) => Effect.forEach([...all, anId()], (keyId) => store.countRows(keyId, limit))
        assert.deepStrictEqual(yield* counts(10), [3, 1, 1, 0, 0])
        assert.deepStrictEqual(yield* counts(2), [2, 1, 1, 0, 0])
        assert.deepStrictEqual(yield* Effect.forEach(all, store.retire), ["active", "active", "active", "active"])
        yield* Effect.forEach(all, store.demote)
        assert.deepStrictEqual(yield* Effect.forEach(all, store.retire), ["inUse", "inUse", "inUse", "retired"])
        assert.strictEqual(yield* store.retire(idle.keyId), "retired")
        assert.deepStrictEqual([yield* store.retire(anId()), yield* store.retire("not-an-id")], ["unknown", "unknown"])
      })
    )

    it.effect("counts remembered answers by their age", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const { now } = yield* look(tenantId)
        // So old that nobody else's are.
        const year = 31_536_000_000
        const ages = [50, 51, 51, 52].map((years) => years * year)
        yield* transact(tenantId, {}, () => ({
          idempotent: ages.map((age) => ({
            ...{ keyHash: hex(aHash()), fingerprint: "f", sealedAnswer: new Uint8Array([1]), revocationSeq: null },
            createdAt: now - age
          }))
        }))
        const between = (from: number, to: number, limit = 100) =>
          store.countRemembered({ youngest: from * year, oldest: to * year }, limit)
        assert.strictEqual(yield* between(49.5, 52.5), 4)
        assert.strictEqual(yield* between(50.5, 51.5), 2)
        assert.strictEqual(yield* between(49.5, 52.5, 3), 3)
        assert.strictEqual(yield* between(48, 49.5), 0)
      })
    )

    it.effect("a retired key that a row needs after all is revived; one that none needs is erased in time", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const [late, idle] = [yield* tenantKey, yield* tenantKey]
        for (const { keyId } of [late, idle]) {
          yield* store.demote(keyId)
          yield* store.retire(keyId)
        }
        yield* answerUnder(tenantId, late.keyId)
        yield* store.eraseRetired(3_600_000)
        assert.isAbove((yield* store.findKey(idle.keyId))!.wrapped.byteLength, 0, "too early")
        yield* store.eraseRetired(0)
        assert.strictEqual((yield* store.findKey(idle.keyId))?.wrapped.byteLength, 0)
        assert.isAbove((yield* store.findKey(late.keyId))!.wrapped.byteLength, 0, "a row needs it")
        assert.isAtLeast(yield* store.reviveNeeded, 1)
        assert.strictEqual((yield* store.findKey(late.keyId))?.state, "retiring")
        assert.strictEqual((yield* store.findKey(idle.keyId))?.state, "retired")
      })
    )

    it.effect("no token begins to need a retired key, for nobody would find it", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { appName, tenantId } = yield* aTenant
        const [key, another] = [yield* tenantKey, yield* tenantKey]
        yield* store.demote(key.keyId)
        const under = (keyId: string) => aToken(tenantId, appName, { hashKeyId: keyId })
        yield* insert([under(another.keyId)])
        assert.strictEqual(yield* store.retire(key.keyId), "retired")
        const refused = yield* Effect.flip(insert([under(another.keyId), under(key.keyId)]))
        assert.deepInclude(refused, { _tag: "StoreUnavailable", outcome: "none" })
        assert.deepStrictEqual(
          [yield* store.countRows(key.keyId, 10), yield* store.countRows(another.keyId, 10)],
          [0, 1]
        )
      })
    )

    it.effect("adds up uses from several at once", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { keyId } = yield* tenantKey
        yield* Effect.forEach(Array.from({ length: 10 }), () => store.addUses(keyId, 7), { concurrency: 10 })
        assert.strictEqual(yield* store.addUses(keyId, 0), 70)
        assert.strictEqual(yield* store.addUses(anId(), 1), 0)
      })
    )

    it.effect("exchanges a key's wrapping only from what was read", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const next = { masterKeyId: "next", wrapped: aHash() }
        assert.isTrue(yield* store.rewrap(key, next))
        assert.isFalse(yield* store.rewrap(key, { masterKeyId: "third", wrapped: aHash() }))
        const found = yield* store.findKey(key.keyId)
        assert.deepStrictEqual([found?.masterKeyId, found?.wrapped], [next.masterKeyId, next.wrapped])
      })
    )

    it.effect("moves hashes of several tenants; they are found under the new hash and no longer the old", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const [from, to] = [yield* tenantKey, yield* tenantKey]
        const tenants = [yield* aTenant, yield* aTenant]
        const tokens = tenants.flatMap(({ appName, tenantId }) =>
          [1, 2].map(() => aToken(tenantId, appName, { hashKeyId: from.keyId, version: 7 }))
        )
        for (const { tenantId } of tenants) yield* insert(tokens.filter((token) => token.tenantId === tenantId))
        const page = yield* store.hashedRows(from.keyId, 100)
        assert.sameDeepMembers([...page], tokens)
        const moves = page.map((row) => ({ ...row, newHash: aHash(), newMac: undefined }))
        assert.strictEqual(yield* store.moveHashes(from.keyId, to.keyId, moves), 4)
        assert.strictEqual(yield* store.moveHashes(from.keyId, to.keyId, moves), 0, "a second time it does nothing")
        for (const { hash, newHash, tenantId, tokenId } of moves) {
          const before = tokens.find((token) => token.tokenId === tokenId)!
          const seen = yield* look(tenantId, { tokenHashes: [hex(newHash)] })
          assert.deepStrictEqual(Array.from(seen.tokens.values()), [{ ...before, hash: newHash, hashKeyId: to.keyId }])
          assert.strictEqual((yield* look(tenantId, { tokenHashes: [hex(hash)] })).tokens.size, 0)
        }
        assert.strictEqual((yield* store.hashedRows(from.keyId, 100)).length, 0)
      })
    )

    it.effect("does not move a row that changed meanwhile or is gone", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const [from, to] = [yield* tenantKey, yield* tenantKey]
        const { appName, tenantId } = yield* aTenant
        const [changed, gone] = [1, 2].map(() => aToken(tenantId, appName, { hashKeyId: from.keyId }))
        yield* insert([changed!, gone!])
        const moves = (yield* store.hashedRows(from.keyId, 100)).map((row) => ({
          ...row,
          newHash: aHash(),
          newMac: undefined
        }))
        const rehashed = { ...changed!, hash: aHash(), version: 2 }
        yield* transact(tenantId, { tokenIds: [changed!.tokenId, gone!.tokenId] }, () => ({
          tokensUpdated: [rehashed],
          tokensDeleted: [gone!.tokenId]
        }))
        assert.strictEqual(yield* store.moveHashes(from.keyId, to.keyId, moves), 0)
        const tokens = yield* TenantStore
        assert.deepStrictEqual(yield* tokens.findToken(tenantId, changed!.tokenId), rehashed)
      })
    )

    it.effect("moves sealed secrets only from what was read, and skips what was wiped", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const [from, to] = [yield* tenantKey, yield* tenantKey]
        const { tenantId } = yield* aTenant
        const version = yield* versionUnder(tenantId, from.keyId)
        const wiped = yield* versionUnder(tenantId, from.keyId)
        const page = yield* store.sealedRows(from.keyId, 100)
        assert.deepStrictEqual(
          page.map((row) => row.sealed),
          [version.sealed, wiped.sealed]
        )
        yield* TenantStore.use((tenants) =>
          tenants.transact(tenantId, loadOf({ ids: [wiped.credentialId] }), () => ({
            changes: changesOf({ versions: [{ ...wiped, state: "revoked", sealed: null, keyId: null }] }),
            result: undefined
          }))
        )
        const moves = page.map((row) => ({ ...row, newKeyId: to.keyId, newSealed: aHash() }))
        const misread = moves.map((move) => ({ ...move, sealed: aHash() }))
        assert.strictEqual(yield* store.moveSealed(from.keyId, misread), 0, "what stands there is not what was read")
        const ofAnotherTag = moves.map((move) => ({ ...move, sealed: move.sealed.with(-1, ~move.sealed.at(-1)!) }))
        assert.strictEqual(yield* store.moveSealed(from.keyId, ofAnotherTag), 0, "nor where its end alone is another")
        assert.strictEqual(yield* store.moveSealed(from.keyId, moves), 1)
        assert.strictEqual(yield* store.moveSealed(from.keyId, moves), 0)
        assert.deepStrictEqual(
          (yield* store.sealedRows(to.keyId, 100)).map(({ credentialId, sealed }) => [credentialId, sealed]),
          [[version.credentialId, moves[0]!.newSealed]]
        )
        assert.strictEqual((yield* store.sealedRows(from.keyId, 100)).length, 0)
      })
    )

    it.effect("moves each of many secrets to its own record; what changed meanwhile stays, wherever in the page", () =>
      Effect.gen(function* () {
        const [store, tenants] = [yield* KeyRotationStore, yield* TenantStore]
        const [from, to, another] = [yield* tenantKey, yield* tenantKey, yield* tenantKey]
        const { tenantId } = yield* aTenant
        const bytes = (length: number) => Uint8Array.from([...new Uint8Array(length), ...aHash()])
        const alike = (letter: string) => new Uint8Array(Buffer.from(letter.repeat(40)))
        // Ids that differ by a letter's case, if their bytes were letters; versions with one digit and two.
        const front = nextId().slice(0, -12).replace("7000", "7001") + hex(aHash()).slice(0, 10)
        const rows = ["41", "42", "61", "62", "63", "64"]
          .map((end) => credentialRow({ tenantId, serviceName: aName("service"), credentialId: `${front}${end}` }))
          .map((credential) => ({
            credential,
            versions: Array.from({ length: 12 }, (_, n) =>
              versionRow(credential, { version: n + 1, keyId: from.keyId, sealed: bytes(7 * n) })
            )
          }))
        const written = rows.flatMap(({ versions }) => versions)
        // Somebody copied one row's record into another row: each is told by its place all the same.
        written[5] = { ...written[5]!, sealed: written[44]!.sealed }
        written[30] = { ...written[30]!, sealed: alike("a") }
        const inserted = rows.map(({ credential }) => credential)
        yield* tenants.transact(tenantId, loadOf({}), () => ({
          changes: changesOf({ inserted, versions: written }),
          result: undefined
        }))
        const page = yield* store.sealedRows(from.keyId, 100)
        assert.deepStrictEqual(
          page.map(({ sealed }) => sealed),
          written.map(({ sealed }) => sealed)
        )
        const moves = page.map((row, n) => ({
          ...row,
          newKeyId: (n < 65 || n === 71 ? to : another).keyId,
          newSealed: bytes(200 - n)
        }))
        // First, last, in the middle, at the ends of statements; changed, wiped, moved by another one, and gone.
        const changed = new Map<number, Partial<CredentialVersion>>([
          [0, { sealed: bytes(3) }],
          [30, { sealed: alike("A") }],
          [63, { sealed: null, keyId: null, state: "revoked" }],
          [64, { sealed: bytes(3), keyId: another.keyId }],
          [71, { sealed: bytes(3) }]
        ])
        const gone = 40
        yield* tenants.transact(tenantId, loadOf({ ids: inserted.map(({ credentialId }) => credentialId) }), () => ({
          changes: changesOf({
            versions: Array.from(changed, ([n, over]) => ({ ...written[n]!, ...over })),
            versionsDeleted: [written[gone]!]
          }),
          result: undefined
        }))
        assert.strictEqual(yield* store.moveSealed(from.keyId, moves), moves.length - changed.size - 1)
        const placeOf = ({ credentialId, version }: Pick<SealedRow, "credentialId" | "version">) =>
          `${credentialId}/${version}`
        const expected = moves.flatMap(({ newKeyId, newSealed, ...row }, n) => {
          const { keyId, sealed } = { keyId: newKeyId, sealed: newSealed, ...changedTo(changed.get(n), from.keyId) }
          return n === gone || sealed === null ? [] : [[placeOf(row), keyId, hex(sealed)]]
        })
        const found: Array<ReadonlyArray<string>> = []
        for (const { keyId } of [from, to, another])
          for (const row of yield* store.sealedRows(keyId, 100)) found.push([placeOf(row), keyId, hex(row.sealed)])
        const byPlace = ([one = ""]: ReadonlyArray<string | null>, [other = ""]: ReadonlyArray<string | null>) =>
          one! < other! ? -1 : 1
        assert.deepStrictEqual(found.toSorted(byPlace), expected.toSorted(byPlace))
        assert.strictEqual(yield* store.moveSealed(from.keyId, moves), 0, "a second time it does nothing")
      })
    )

    it.effect("the pages of a key, each after the one before, hold each row once and in order", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const tenants = [yield* aTenant, yield* aTenant]
        for (const { appName, tenantId } of tenants) {
          yield* insert(Array.from({ length: 3 }, () => aToken(tenantId, appName, { hashKeyId: key.keyId })))
          const version = yield* versionUnder(tenantId, key.keyId)
          yield* TenantStore.use((stores) =>
            stores.transact(tenantId, loadOf({ ids: [version.credentialId] }), () => ({
              changes: changesOf({ versions: [2, 3].map((number) => ({ ...version, version: number })) }),
              result: undefined
            }))
          )
        }
        const hashed: Array<string> = []
        for (let after: HashedPlace = null; ; ) {
          const page: ReadonlyArray<HashedRow> = yield* store.hashedRows(key.keyId, 2, after)
          after = page.at(-1) ?? null
          if (after === null) break
          assert.isBelow(hashed.length, 6, "more rows than there are")
          hashed.push(...page.map(({ tenantId, tokenId }) => `${tenantId}/${tokenId}`))
        }
        assert.deepStrictEqual([hashed.length, hashed], [6, Array.from(new Set(hashed)).toSorted()])
        const sealed: Array<string> = []
        for (let after: SealedPlace = null; ; ) {
          const page: ReadonlyArray<SealedRow> = yield* store.sealedRows(key.keyId, 2, after)
          after = page.at(-1) ?? null
          if (after === null) break
          assert.isBelow(sealed.length, 6, "more rows than there are")
          sealed.push(...page.map(({ credentialId, version }) => `${credentialId}/${version}`))
        }
        assert.deepStrictEqual([sealed.length, sealed], [6, Array.from(new Set(sealed)).toSorted()])
      })
    )

    it.effect("ends a page of secrets with the one that brings it to its bytes, and goes on behind that", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const { tenantId } = yield* aTenant
        const version = yield* versionUnder(tenantId, key.keyId)
        const [half, small] = [new Uint8Array(sealedPageBytesMax / 8), new Uint8Array(100)]
        const versions = Array.from({ length: 12 }, (_, n) => ({
          ...version,
          version: n + 2,
          sealed: n % 3 === 2 ? small : half
        }))
        yield* TenantStore.use((stores) =>
          stores.transact(tenantId, loadOf({ ids: [version.credentialId] }), () => ({
            changes: changesOf({ versions }),
            result: undefined
          }))
        )
        const pages: Array<ReadonlyArray<number>> = []
        for (let [after, isFull]: [SealedPlace, boolean] = [null, true]; isFull; ) {
          const page: ReadonlyArray<SealedRow> = yield* store.sealedRows(key.keyId, 100, after)
          pages.push(page.map((row) => row.version))
          isFull = isSealedPageFull(page, 100)
          after = page.at(-1) ?? null
        }
        // The eighth of eight that are an eighth of a page each is the twelfth: of every three one is small.
        assert.deepStrictEqual(pages, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [13]])
      })
    )

    it.effect("gives no page longer than was asked for", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const { appName, tenantId } = yield* aTenant
        yield* insert(Array.from({ length: 5 }, () => aToken(tenantId, appName, { hashKeyId: key.keyId })))
        assert.strictEqual((yield* store.hashedRows(key.keyId, 3)).length, 3)
        assert.strictEqual((yield* store.hashedRows(key.keyId, movePageMax * 10)).length, 5)
      })
    )

    it.effect("counts what still has to move: rows under retiring keys, idempotent answers aside", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const { appName, tenantId } = yield* aTenant
        yield* insert([1, 2].map(() => aToken(tenantId, appName, { hashKeyId: key.keyId })))
        yield* versionUnder(tenantId, key.keyId)
        yield* answerUnder(tenantId, key.keyId)
        const before = yield* store.countMovable(1_000)
        yield* store.demote(key.keyId)
        assert.strictEqual((yield* store.countMovable(1_000)) - before, 3)
        assert.strictEqual(yield* store.countMovable(2), 2, "no further than it was asked to")
        assert.strictEqual(yield* store.countMovableUnder([key.keyId, anId()], 1_000), 3)
        assert.strictEqual(yield* store.countMovableUnder([key.keyId], 2), 2)
        assert.strictEqual(yield* store.countMovableUnder([], 2), 0)
      })
    )

    it.effect("counts the rows under one key in pieces of any size, each row once", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const key = yield* tenantKey
        const tenants = [yield* aTenant, yield* aTenant]
        for (const { appName, tenantId } of tenants) {
          yield* insert([1, 2, 3].map(() => aToken(tenantId, appName, { hashKeyId: key.keyId })))
          for (let n = 0; n < 2; n++) yield* versionUnder(tenantId, key.keyId)
        }
        for (const limit of [1, 2, 3, 4, 6, 10, 11]) {
          const pieces: Array<number> = []
          for (let after: string | null = null; ; ) {
            const piece: CountedSlice = yield* store.countMovableSlice(key.keyId, after, limit)
            pieces.push(piece.rows)
            if (piece.next === null) break
            after = piece.next
          }
          assert.strictEqual(
            pieces.reduce((sum, rows) => sum + rows, 0),
            10,
            `in pieces of ${limit}: ${pieces.join(", ")}`
          )
          assert.isAtMost(Math.max(...pieces), limit)
        }
        assert.deepStrictEqual((yield* store.countMovableSlice(anId(), null, 5)).rows, 0)
      })
    )

    it.effect("finds the retiring keys whose rows can be moved, in pages, and no others", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { appName, tenantId } = yield* aTenant
        const [active, hashing, sealing, answering, idle] = [
          yield* tenantKey,
          yield* tenantKey,
          yield* tenantKey,
          yield* tenantKey,
          yield* tenantKey
        ]
        yield* insert([active, hashing].map(({ keyId }) => aToken(tenantId, appName, { hashKeyId: keyId })))
        yield* versionUnder(tenantId, sealing.keyId)
        yield* answerUnder(tenantId, answering.keyId)
        for (const { keyId } of [hashing, sealing, answering, idle]) yield* store.demote(keyId)
        const found: Array<StoredKey> = []
        for (let after: string | null = null; ; ) {
          const page: ReadonlyArray<StoredKey> = yield* store.movableKeys({ limit: 1, after })
          if (page[0] === undefined) break
          found.push(page[0])
          after = page[0].keyId
        }
        const ids = found.map(({ keyId }) => keyId)
        assert.deepStrictEqual(ids, Array.from(new Set(ids)).toSorted())
        assert.deepStrictEqual(
          [active, hashing, sealing, answering, idle].map(({ keyId }) => ids.includes(keyId)),
          [false, true, true, false, false]
        )
      })
    )

    it.effect("keeps the run under way: what was left when it was counted, and each row that was moved", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { appName, tenantId } = yield* aTenant
        const [from, to] = [yield* tenantKey, yield* tenantKey]
        yield* insert([1, 2, 3].map(() => aToken(tenantId, appName, { hashKeyId: from.keyId })))
        const move = Effect.gen(function* () {
          const page = yield* store.hashedRows(from.keyId, 1)
          const moves = page.map((row) => ({ ...row, newHash: aHash(), newMac: undefined }))
          yield* store.moveHashes(from.keyId, to.keyId, moves)
          return yield* store.moveHashes(from.keyId, to.keyId, moves)
        })
        yield* store.beginMark
        const begun = (yield* store.mark)!
        assert.deepStrictEqual(begun, {
          startedAt: begun.startedAt,
          total: null,
          moved: 0,
          movingMs: null,
          isOver: false
        })
        yield* move
        yield* store.setLeft(begun.startedAt - 1, 99)
        yield* store.setLeft(begun.startedAt, 2)
        yield* store.setLeft(begun.startedAt, 77)
        yield* move
        const version = yield* versionUnder(tenantId, from.keyId)
        yield* store.moveSealed(from.keyId, [
          {
            tenantId,
            credentialId: version.credentialId,
            version: version.version,
            sealed: version.sealed!,
            newKeyId: to.keyId,
            newSealed: aHash()
          }
        ])
        const middle = (yield* store.mark)!
        assert.deepStrictEqual([middle.total, middle.moved, middle.isOver], [3, 3, false])
        assert.isBelow(middle.movingMs!, 60_000)
        yield* store.endMark(begun.startedAt - 1)
        assert.isFalse((yield* store.mark)!.isOver, "of another run")
        yield* store.endMark(begun.startedAt)
        assert.isTrue((yield* store.mark)!.isOver)
        yield* store.beginMark
        const next = (yield* store.mark)!
        assert.deepStrictEqual([next.total, next.moved, next.movingMs, next.isOver], [null, 0, null, false])
      })
    )

    // ---- in the transaction of whoever asked
    it.effect(
      "shows the keys of the service and those named, what they are needed for, and how many tenants have one",
      () =>
        Effect.gen(function* () {
          const store = yield* KeyRotationStore
          const { appName, tenantId } = yield* aTenant
          const [service, named, other] = [yield* ensured("audit-signing"), yield* tenantKey, yield* tenantKey]
          yield* insert([aToken(tenantId, appName, { hashKeyId: named.keyId })])
          yield* versionUnder(tenantId, named.keyId)
          yield* answerUnder(tenantId, named.keyId)
          const seen = yield* look(tenantId, { keys: { ids: [named.keyId, anId(), "not-an-id"], tenantKeys: true } })
          const { keys, rows, tenantKeys } = seen.keys!
          const { ageMs, ...rest } = keys.get(named.keyId)!
          assert.deepStrictEqual(rest, named)
          assert.isAbove(ageMs, 86_400_000)
          assert.deepStrictEqual(Array.from(rows), [[named.keyId, 3]])
          assert.deepStrictEqual([keys.has(service.keyId), keys.has(other.keyId)], [true, false])
          yield* store.demote(other.keyId)
          const fewer = (yield* look(tenantId, { keys: { ids: [], tenantKeys: true } })).keys!
          assert.strictEqual(fewer.tenantKeys, tenantKeys - 1)
          assert.strictEqual((yield* look(tenantId, { keys: { ids: [], tenantKeys: false } })).keys?.tenantKeys, 0)
          assert.isUndefined((yield* look(tenantId)).keys)
        })
    )

    it.effect("counts what needs a key up to a limit", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const { keyId } = yield* tenantKey
        yield* insert(Array.from({ length: neededRowsMax }, () => aToken(tenantId, appName, { hashKeyId: keyId })))
        yield* insert([aToken(tenantId, appName, { hashKeyId: keyId })])
        const { keys } = yield* look(tenantId, { keys: { ids: [keyId], tenantKeys: false } })
        assert.strictEqual(keys?.rows.get(keyId), neededRowsMax)
      })
    )

    /** A service's key is followed, every tenant's demoted, and it is said in the audit. */
    const rotateIn = (tenantId: string, from: string, successor: StoredKey, others: Partial<Changes> = {}) =>
      transact(tenantId, { keys: { ids: [], tenantKeys: true } }, ({ keys }) =>
        keys?.keys.get(from)?.state === "active"
          ? {
              keys: { replaced: [{ keyId: from, successor }], tenantKeysDemoted: true, retired: [] },
              audit: [said(successor.keyId)],
              ...others
            }
          : {}
      )
    /** What `rotateIn` leaves behind: the key, its successor, a tenant's key, the audit row, the run. */
    const traces = Effect.fnUntraced(function* (tenantId: string, from: string, successor: string, tenants: string) {
      const store = yield* KeyRotationStore
      const states = yield* Effect.forEach([from, successor, tenants], store.findKey)
      const page = yield* AuditStore.use((audit) =>
        audit.list(tenantId, { entityId: successor, from: null, to: null, limit: 10, after: null })
      )
      const mark = yield* store.mark
      return [...states.map((key) => key?.state), page.content.length, mark?.isOver]
    })
    /** A run that is over, so that the beginning of the next one shows. */
    const endedRun = Effect.gen(function* () {
      const store = yield* KeyRotationStore
      yield* store.beginMark
      yield* store.endMark((yield* store.mark)!.startedAt)
    })

    it.effect("replaces keys and demotes tenants' in the transaction of the audit row that says so", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const [first, tenants] = [yield* ensured("seal"), yield* tenantKey]
        const successor = aKey("seal", null, 1)
        yield* endedRun
        yield* rotateIn(tenantId, first.keyId, successor)
        assert.deepStrictEqual(yield* traces(tenantId, first.keyId, successor.keyId, tenants.keyId), [
          "retiring",
          "active",
          "retiring",
          1,
          false
        ])
        const active = yield* store.activeKey("seal", null)
        assert.strictEqual(active?.keyId, successor.keyId)
        assert.isBelow(active!.ageMs, 60_000, "its age begins with its use")
        assert.deepStrictEqual([active?.wrapped, active?.masterKeyId], [successor.wrapped, successor.masterKeyId])
      })
    )

    it.effect("does none of it when the transaction breaks a rule", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const other = yield* aTenant
        const [first, tenants] = [yield* ensured("seal"), yield* tenantKey]
        const successor = aKey("seal", null)
        yield* endedRun
        const error = yield* rotateIn(other.tenantId, first.keyId, successor, { applicationsInserted: [appName] }).pipe(
          Effect.flip
        )
        assert.strictEqual(error._tag, "StatementRejected")
        assert.deepStrictEqual(yield* traces(other.tenantId, first.keyId, successor.keyId, tenants.keyId), [
          "active",
          undefined,
          "active",
          0,
          true
        ])
        assert.strictEqual((yield* look(tenantId)).tenant?.tenantId, tenantId)
      })
    )

    it.effect("of many at once, whatever tenant they are in, one replaces a key", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const first = yield* ensured("seal")
        const tried = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () =>
          Effect.map(aTenant, ({ tenantId }) => ({ tenantId, successor: aKey("seal", null) }))
        )
        yield* Effect.forEach(tried, ({ successor, tenantId }) => rotateIn(tenantId, first.keyId, successor), {
          concurrency: 6
        })
        const found = yield* Effect.forEach(tried, ({ successor }) => store.findKey(successor.keyId))
        assert.strictEqual(found.filter((key) => key !== undefined).length, 1)
        assert.strictEqual((yield* store.findKey(first.keyId))?.state, "retiring")
      })
    )

    const retireIn = (tenantId: string, keyId: string, others: Partial<Changes> = {}) =>
      transact(tenantId, { keys: { ids: [keyId], tenantKeys: false } }, () => ({
        keys: { replaced: [], tenantKeysDemoted: false, retired: [keyId] },
        audit: [said(keyId)],
        ...others
      }))
    const retired = Effect.fnUntraced(function* (tenantId: string, keyId: string) {
      const page = yield* AuditStore.use((audit) =>
        audit.list(tenantId, { entityId: keyId, from: null, to: null, limit: 10, after: null })
      )
      return [(yield* KeyRotationStore.use((store) => store.findKey(keyId)))?.state, page.content.length]
    })

    it.effect("retires a key in the transaction of the audit row that says so, and erases it in time", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const { keyId } = yield* tenantKey
        yield* store.demote(keyId)
        yield* retireIn(tenantId, keyId)
        assert.deepStrictEqual(yield* retired(tenantId, keyId), ["retired", 1])
        yield* store.eraseRetired(3_600_000)
        assert.isAbove((yield* store.findKey(keyId))!.wrapped.byteLength, 0)
        yield* store.eraseRetired(0)
        assert.strictEqual((yield* store.findKey(keyId))?.wrapped.byteLength, 0)
      })
    )

    it.effect("keys of a removed tenant end with its retention, once, in the transaction that says so", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { tenantId } = yield* aTenant
        const auditor = yield* aTenant
        const { keyId } = yield* ensured("tenant-data", tenantId)
        const settings = { issuer: null, retentionMs: 0, limits: {} }
        yield* transact(tenantId, {}, () => ({ tenantConfigured: { name: null, settings } }))
        const due = (retentionMs: number) =>
          Effect.map(store.endedKeys(retentionMs, 1_000), (ended) => ended.filter((one) => one.tenantId === tenantId))
        assert.deepStrictEqual(yield* due(0), [], "its tenant lives")
        const destroyIn = (id: string) =>
          transact(auditor.tenantId, { keys: { ids: [id], tenantKeys: false } }, () => ({
            keys: { replaced: [], tenantKeysDemoted: false, retired: [], destroyed: [id] },
            audit: [said(id)]
          }))
        assert.strictEqual((yield* Effect.flip(destroyIn(keyId)))._tag, "StatementRejected")
        const { now } = yield* transact(tenantId, {}, () => ({ tenantRemoved: true }))
        assert.strictEqual((yield* store.findKey(keyId))?.state, "retiring")
        // Its own retention counts, not the default.
        assert.deepStrictEqual(yield* due(3_600_000), [{ keyId, tenantId, endedAt: now, retentionMs: 0 }])
        assert.strictEqual((yield* store.usableAmong([keyId, anId()])).size, 1)
        // One that somebody made meanwhile ends as well, before the name is free.
        const late = yield* ensured("tenant-data", tenantId)
        yield* Sweeps.use((sweeps) => sweeps.purgeRemoved)
        assert.deepStrictEqual(
          (yield* due(0)).map((one) => [one.keyId, one.endedAt]).toSorted(),
          [keyId, late.keyId].toSorted().map((id) => [id, now])
        )
        yield* destroyIn(late.keyId)
        // Who has the name now has a key of its own, and nothing of the other's end.
        const next = yield* ensured("tenant-data", tenantId)
        assert.notStrictEqual(next.keyId, keyId)
        assert.lengthOf(yield* due(0), 1)
        // While a row needs it, it stays.
        const token = aToken(auditor.tenantId, auditor.appName, { hashKeyId: keyId })
        yield* insert([token])
        assert.deepStrictEqual(yield* due(0), [])
        const load = { tokenIds: [token.tokenId] }
        yield* transact(auditor.tenantId, load, () => ({ tokensDeleted: [token.tokenId] }))
        // The common end of retired keys is not theirs.
        yield* store.retire(keyId)
        yield* store.eraseRetired(0)
        assert.isAbove((yield* store.findKey(keyId))!.wrapped.byteLength, 0)
        yield* destroyIn(keyId)
        const gone = yield* store.findKey(keyId)
        assert.deepStrictEqual([gone?.state, gone?.wrapped.byteLength], ["retired", 0])
        assert.deepStrictEqual(yield* retired(auditor.tenantId, keyId), ["retired", 1])
        assert.deepStrictEqual([yield* due(0), (yield* store.usableAmong([keyId])).size], [[], 0])
        assert.strictEqual((yield* Effect.flip(destroyIn(keyId)))._tag, "StatementRejected", "once")
        assert.strictEqual((yield* store.findKey(next.keyId))?.state, "active")
      })
    )

    it.effect("retires no key that a row of the same transaction needs, and writes nothing of it", () =>
      Effect.gen(function* () {
        const store = yield* KeyRotationStore
        const { appName, tenantId } = yield* aTenant
        const { keyId } = yield* tenantKey
        yield* store.demote(keyId)
        const credential = credentialRow({ tenantId, serviceName: aName("service"), credentialId: nextId() })
        const rows: ReadonlyArray<Partial<Changes>> = [
          { tokensInserted: [aToken(tenantId, appName, { hashKeyId: keyId })] },
          { idempotent: [answerOf(keyId)] },
          {
            credentials: {
              inserted: [credential],
              updated: [],
              deleted: [],
              versions: [versionRow(credential, { keyId, sealed: aHash() })],
              services: []
            }
          }
        ]
        for (const others of rows) {
          const error = yield* retireIn(tenantId, keyId, others).pipe(Effect.flip)
          assert.deepStrictEqual(
            [error._tag, error._tag === "StatementRejected" && error.constraint],
            ["StatementRejected", keyNeededConstraint]
          )
          assert.deepStrictEqual(yield* retired(tenantId, keyId), ["retiring", 0])
        }
        assert.strictEqual(yield* store.countRows(keyId, 10), 0)
      })
    )

    it.effect("a decision that replaces or retires what it did not see as it must be dies", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const [needed, tenants] = [yield* tenantKey, yield* tenantKey]
        const store = yield* KeyRotationStore
        yield* store.demote(needed.keyId)
        yield* insert([aToken(tenantId, appName, { hashKeyId: needed.keyId })])
        const replacing = (from: StoredKey, successor: StoredKey, ids: ReadonlyArray<string>) =>
          transact(tenantId, { keys: { ids, tenantKeys: false } }, () => ({
            keys: { replaced: [{ keyId: from.keyId, successor }], tenantKeysDemoted: false, retired: [] }
          }))
        const own = { ...aKey("tenant-data", tenants.tenantId) }
        for (const decision of [
          retireIn(tenantId, needed.keyId),
          replacing(tenants, own, []),
          replacing(tenants, aKey("tenant-data", aName("tenant")), [tenants.keyId]),
          replacing(needed, aKey("tenant-data", needed.tenantId), [needed.keyId])
        ]) {
          const exit = yield* Effect.exit(decision)
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        }
        yield* replacing(tenants, own, [tenants.keyId])
        assert.strictEqual((yield* store.activeKey("tenant-data", tenants.tenantId))?.keyId, own.keyId)
      })
    )
  })
