/** What every `Sweeps` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { ProviderEntry } from "../../src/domain/ProviderEntry.ts"
import type { RotatorEntry } from "../../src/domain/Rotator.ts"
import { replicaOf } from "../../src/observability/Replica.ts"
import { Outbox } from "../../src/store/Outbox.ts"
import { RefreshStore } from "../../src/store/RefreshStore.ts"
import { claimMsMax, Sweeps } from "../../src/store/Sweeps.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { changesOf, loadOf } from "../support/credentialRows.ts"
import { eventually } from "../support/eventually.ts"
import {
  aHash,
  aName,
  anId,
  aTenant,
  aToken,
  hex,
  insert,
  look,
  nextRevocation,
  transact
} from "../support/storeFixtures.ts"

const ttlMs = 60_000

export const sweepsSuite = (name: string, stores: Layer.Layer<TenantStore | Outbox | RefreshStore | Sweeps, unknown>) =>
  layer(stores, { excludeTestServices: true })(`Sweeps (${name})`, (it) => {
    it.effect("hands a sweep to one replica until its time is over", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const sweep = aName("sweep")
        assert.isTrue(yield* sweeps.claim(sweep, "one", 30))
        assert.isTrue(yield* sweeps.claim(sweep, "one", 30))
        assert.isTrue(yield* sweeps.claim(aName("sweep"), "two", ttlMs))
        yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(sweeps.claim(sweep, "two", ttlMs)),
            (claimed) => claimed
          )
        )
        assert.isFalse(yield* sweeps.claim(sweep, "one", ttlMs))
        assert.isFalse(yield* sweeps.hold(sweep, "one", ttlMs))
      })
    )

    it.effect("lets a process hold what it has claimed, and nobody else until its time is over", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const [sweep, short] = [aName("sweep"), aName("sweep")]
        for (let look = 0; look < 3; look += 1) assert.isTrue(yield* sweeps.hold(sweep, "one", ttlMs))
        assert.isFalse(yield* sweeps.hold(sweep, "two", ttlMs))
        assert.isFalse(yield* sweeps.claim(sweep, "two", ttlMs))
        assert.isTrue(yield* sweeps.hold(short, "one", 30))
        yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(sweeps.hold(short, "two", ttlMs)),
            (held) => held
          )
        )
        assert.isFalse(yield* sweeps.hold(short, "one", ttlMs))
        yield* sweeps.release("one")
        assert.isTrue(yield* sweeps.hold(sweep, "two", ttlMs))
        assert.isFalse(yield* sweeps.hold(sweep, "one", ttlMs))
      })
    )

    it.effect("takes a claim for nobody's that ends later than any may", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const sweep = aName("sweep")
        assert.isTrue(yield* sweeps.claim(sweep, "one", claimMsMax - ttlMs))
        assert.isFalse(yield* sweeps.hold(sweep, "two", ttlMs))
        assert.isTrue(yield* sweeps.claim(sweep, "one", claimMsMax + ttlMs))
        assert.isTrue(yield* sweeps.hold(sweep, "two", ttlMs))
      })
    )

    it.effect("hands a sweep on at once when its process gives up what it has claimed, and nobody else's", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const [sweep, another, theirs] = [aName("sweep"), aName("sweep"), aName("sweep")]
        const [one, two] = [replicaOf("cm", "same").process, replicaOf("cm", "same").process]
        for (const name of [sweep, another]) assert.isTrue(yield* sweeps.claim(name, one, ttlMs))
        assert.isTrue(yield* sweeps.claim(theirs, two, ttlMs))
        for (const name of [sweep, another]) assert.isFalse(yield* sweeps.claim(name, two, ttlMs))
        yield* sweeps.release(one)
        for (const name of [sweep, another]) assert.isTrue(yield* sweeps.claim(name, two, ttlMs))
        assert.isFalse(yield* sweeps.claim(theirs, one, ttlMs))
      })
    )

    it.effect("lets one of many claim at once", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const sweep = aName("sweep")
        const claims = Array.from({ length: 12 }, (_, n) => sweeps.claim(sweep, `replica-${n}`, ttlMs))
        const claimed = yield* Effect.all(claims, { concurrency: 12 })
        assert.strictEqual(claimed.filter((mine) => mine).length, 1)
      })
    )

    it.effect("finds tokens whose end has come, oldest end first, and no others", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const { appName, tenantId } = yield* aTenant
        const ended = [30, 10, 20].map((expiresAt) => aToken(tenantId, appName, { expiresAt }))
        yield* insert([
          ...ended,
          aToken(tenantId, appName, { expiresAt: 5, status: "Revoked" }),
          aToken(tenantId, appName, { expiresAt: 4_102_444_800_000 }),
          aToken(tenantId, appName)
        ])
        const places = (yield* sweeps.endedTokens(10_000)).filter((token) => token.tenantId === tenantId)
        assert.deepStrictEqual(
          places.map(({ place }) => place),
          [1, 2, 0].map((n) => `${appName}/${ended[n]?.endpointId}`)
        )
        const mine = Effect.map(sweeps.endedTokens(10_000), (found) =>
          found.filter((token) => token.tenantId === tenantId).map((token) => token.tokenId)
        )
        assert.deepStrictEqual(yield* mine, [ended[1]?.tokenId, ended[2]?.tokenId, ended[0]?.tokenId])
        assert.isAtMost((yield* sweeps.endedTokens(1)).length, 1)
        const first = ended[1]?.tokenId ?? ""
        yield* transact(tenantId, { tokenIds: [first] }, (loaded) => ({
          tokensUpdated: Array.from(loaded.tokens.values(), (token) => ({ ...token, status: "Revoked" as const }))
        }))
        assert.deepStrictEqual(yield* mine, [ended[2]?.tokenId, ended[0]?.tokenId])
      })
    )

    it.effect("finds tokens under a removed application or tenant", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const one = yield* aTenant
        const other = yield* aTenant
        const kept = aName("app")
        yield* transact(one.tenantId, {}, () => ({ applicationsInserted: [kept] }))
        const [gone, stays] = [aToken(one.tenantId, one.appName), aToken(one.tenantId, kept)]
        const orphan = aToken(other.tenantId, other.appName)
        yield* insert([gone, stays])
        yield* insert([orphan])
        yield* transact(one.tenantId, {}, () => ({ applicationsRemoved: [one.appName] }))
        yield* transact(other.tenantId, {}, () => ({ tenantRemoved: true }))
        const orphans = yield* sweeps.orphanedTokens(10_000)
        const found = orphans.map((token) => token.tokenId)
        assert.includeMembers(found, [gone.tokenId, orphan.tokenId])
        for (const { appName, endpointId, tokenId } of [gone, orphan]) {
          assert.strictEqual(orphans.find((token) => token.tokenId === tokenId)?.place, `${appName}/${endpointId}`)
        }
        assert.notInclude(found, stays.tokenId)
        assert.strictEqual((yield* sweeps.orphanedTokens(1)).length, 1)
      })
    )

    it.effect("frees a removed application's name when its tokens are gone and nothing is pending", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const store = yield* TenantStore
        const outbox = yield* Outbox
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        const isKnown = Effect.map(store.findApplications([appName]), (found) => found.length > 0)
        yield* transact(tenantId, {}, (loaded) => ({
          applicationsRemoved: [appName],
          revocation: nextRevocation(tenantId, loaded)
        }))
        yield* sweeps.purgeRemoved
        assert.isTrue(yield* isKnown, "purged while a token stands")
        yield* transact(tenantId, { tokenIds: [token.tokenId] }, () => ({ tokensDeleted: [token.tokenId] }))
        yield* sweeps.purgeRemoved
        assert.isTrue(yield* isKnown, "purged before its removal is in force")
        yield* outbox.markInForce([{ tenantId, seq: 1 }])
        const purged = yield* sweeps.purgeRemoved
        assert.isAtLeast(purged.applications, 1)
        assert.isFalse(yield* isKnown)
        const other = yield* aTenant
        yield* transact(other.tenantId, {}, () => ({ applicationsInserted: [appName] }))
        assert.strictEqual((yield* store.findApplications([appName]))[0]?.tenantId, other.tenantId)
      })
    )

    it.effect("takes a removed tenant's providers and rotators away, and nobody else's", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const store = yield* RefreshStore
        const tenants = [yield* aTenant, yield* aTenant] as const
        for (const { tenantId } of tenants) {
          const provider: ProviderEntry = {
            ...{ tenantId, name: "own", providerId: anId(), version: 1, clientId: null, secrets: 0, hasKey: false },
            ...{ definition: { name: "own", token_url: "https://provider.example/token" }, updatedAt: 5 }
          }
          const rotator = { tenantId, name: "own", version: 1, definition: { name: "own", seal_to: "X" }, updatedAt: 5 }
          const changes = changesOf({ providers: [provider], rotators: [rotator as RotatorEntry] })
          yield* TenantStore.use(({ transact: change }) =>
            change(tenantId, loadOf({}), () => ({ changes, result: undefined }))
          )
        }
        const [gone, stays] = tenants
        const entries = Effect.forEach(tenants, ({ tenantId }) =>
          Effect.map(Effect.all([store.providers(tenantId, "own"), store.rotators(tenantId, "own")]), (found) =>
            found.map(({ length }) => length)
          )
        )
        yield* sweeps.purgeRemoved
        assert.deepStrictEqual(yield* entries, [
          [1, 1],
          [1, 1]
        ])
        yield* transact(gone.tenantId, {}, (loaded) => ({
          tenantRemoved: true,
          revocation: nextRevocation(gone.tenantId, loaded)
        }))
        yield* sweeps.purgeRemoved
        assert.deepStrictEqual(
          yield* entries,
          [
            [0, 0],
            [1, 1]
          ],
          `${stays.tenantId} is there`
        )
      })
    )

    it.effect("frees a removed tenant's name and never starts its sequences again", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const store = yield* TenantStore
        const outbox = yield* Outbox
        const { appName, tenantId } = yield* aTenant
        const live = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        yield* transact(tenantId, {}, (loaded) => ({
          tenantRemoved: true,
          revocation: nextRevocation(tenantId, loaded)
        }))
        yield* outbox.markInForce([{ tenantId, seq: 1 }])
        yield* sweeps.purgeRemoved
        assert.strictEqual(yield* store.createTenant(tenantId, null), "exists")
        yield* transact(tenantId, { tokenIds: [token.tokenId] }, () => ({ tokensDeleted: [token.tokenId] }))
        const purged = yield* sweeps.purgeRemoved
        assert.isAtLeast(purged.tenants, 1)
        assert.deepStrictEqual(yield* store.findTenants([tenantId]), [])
        assert.deepStrictEqual(yield* store.findApplications([appName]), [])
        assert.strictEqual((yield* store.findTenants([live.tenantId])).length, 1)
        assert.strictEqual((yield* store.findApplications([live.appName])).length, 1)
        assert.strictEqual(yield* store.createTenant(tenantId, null), "created")
        assert.strictEqual((yield* look(tenantId)).revocationSeq, 1)
      })
    )

    it.effect("forgets answers that are older than asked, oldest first, no more than asked", () =>
      Effect.gen(function* () {
        const sweeps = yield* Sweeps
        const { tenantId } = yield* aTenant
        const { now } = yield* look(tenantId)
        const hour = 3_600_000
        const answers = [30, 26, 25, 1].map((hours) => ({
          keyHash: hex(aHash()),
          fingerprint: "f",
          sealedAnswer: new Uint8Array([1]),
          revocationSeq: null,
          createdAt: now - hours * hour
        }))
        yield* transact(tenantId, {}, () => ({ idempotent: answers }))
        const kept = Effect.map(
          look(tenantId, { idempotencyKeyHashes: answers.map((answer) => answer.keyHash) }),
          (loaded) => answers.filter((answer) => loaded.idempotent.has(answer.keyHash)).length
        )
        assert.strictEqual(yield* sweeps.purgeIdempotent(24 * hour, 2), 2)
        assert.strictEqual(yield* kept, 2)
        assert.strictEqual(yield* sweeps.purgeIdempotent(24 * hour, 100), 1)
        assert.strictEqual(yield* sweeps.purgeIdempotent(24 * hour, 100), 0)
        assert.strictEqual(yield* kept, 1)
      })
    )
  })
