/** What every `TokenLookup` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { TenantStore } from "../../src/store/TenantStore.ts"
import { TokenLookup } from "../../src/store/TokenLookup.ts"
import { aHash, aName, aTenant, aToken, hex, insert, nextRevocation, transact } from "../support/storeFixtures.ts"

const byHash = (hashes: ReadonlyArray<Uint8Array>) =>
  TokenLookup.use((lookup) => Effect.promise(() => lookup.byHash(hashes)))
const applications = (appNames: ReadonlyArray<string>) =>
  TokenLookup.use((lookup) => Effect.promise(() => lookup.applications(appNames)))

export const tokenLookupSuite = (name: string, stores: Layer.Layer<TenantStore | TokenLookup, unknown>) =>
  layer(stores, { excludeTestServices: true })(`TokenLookup (${name})`, (it) => {
    it.effect("finds a token by its hash, with everything a validation needs", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName, {
          status: "Suspended",
          version: 7,
          expiresAt: 4_102_444_800_000,
          overlapEndsAt: 4_102_444_700_000,
          reason: "because"
        })
        yield* insert([token])
        yield* transact(tenantId, {}, (loaded) => ({ revocation: nextRevocation(tenantId, loaded) }))
        assert.deepStrictEqual(yield* byHash([aHash(), token.hash]), [
          undefined,
          {
            tenantId,
            appName,
            tokenId: token.tokenId,
            endpointId: token.endpointId,
            status: "Suspended",
            version: 7,
            endsAt: 4_102_444_700_000,
            ending: "rotated",
            readSeq: 1,
            cacheKey: hex(token.hash)
          }
        ])
      })
    )

    it.effect("answers any number of hashes, each in its place", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const tokens = Array.from({ length: 600 }, () => aToken(tenantId, appName))
        yield* insert(tokens)
        for (const count of [0, 1, 2, 16, 17, 64, 65, 256, 257, 600]) {
          const asked = tokens.slice(0, count).map((token) => token.hash)
          const found = yield* byHash(asked)
          assert.deepStrictEqual(
            found.map((token) => token?.cacheKey),
            asked.map(hex),
            `${count} hashes`
          )
        }
        const [first, second] = tokens.map((token) => token.hash)
        // One that differs in its last byte only, and one that is asked for twice.
        const alike = Uint8Array.from(first!)
        alike[31]! ^= 1
        const found = yield* byHash([second!, alike, first!, aHash(), second!])
        assert.deepStrictEqual(
          found.map((token) => token?.cacheKey),
          [hex(second!), undefined, hex(first!), undefined, hex(second!)]
        )
      })
    )

    it.effect("does not find what belongs to a removed application", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const other = aName("app")
        yield* transact(tenantId, {}, () => ({ applicationsInserted: [other] }))
        const [gone, stays] = [aToken(tenantId, appName), aToken(tenantId, other)]
        yield* insert([gone, stays])
        yield* transact(tenantId, {}, () => ({ applicationsRemoved: [appName] }))
        assert.deepStrictEqual(
          (yield* byHash([gone.hash, stays.hash])).map((token) => token?.tokenId),
          [undefined, stays.tokenId]
        )
        assert.deepStrictEqual(yield* applications([appName, other, "none"]), [{ appName: other, tenantId }])
      })
    )

    it.effect("does not find what belongs to an application out of service, until it is back", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        const found = Effect.map(byHash([token.hash]), ([one]) => one?.tokenId)
        const move = (outOfService: "absent" | null) =>
          transact(tenantId, { appNames: [appName] }, () => ({
            applicationsMoved: [{ appName, outOfService, decidedAt: 4_102_444_800_000 }]
          }))
        yield* move("absent")
        assert.isUndefined(yield* found)
        assert.deepStrictEqual(yield* applications([appName]), [])
        yield* move(null)
        assert.strictEqual(yield* found, token.tokenId)
      })
    )

    it.effect("does not find what belongs to a removed tenant", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        assert.strictEqual((yield* applications([appName])).length, 1)
        yield* transact(tenantId, {}, (loaded) => ({
          tenantRemoved: true,
          revocation: nextRevocation(tenantId, loaded)
        }))
        assert.deepStrictEqual(yield* byHash([token.hash]), [undefined])
        assert.deepStrictEqual(yield* applications([appName]), [])
      })
    )

    it.effect("gives the tenant's sequence as it is in the snapshot of the row", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        // Whoever reads the version must read the sequence that was raised with it.
        const writes = Effect.forEach(
          Array.from({ length: 20 }),
          () =>
            transact(tenantId, { tokenIds: [token.tokenId] }, (loaded) => ({
              tokensUpdated: Array.from(loaded.tokens.values(), (row) => ({ ...row, version: row.version + 1 })),
              revocation: nextRevocation(tenantId, loaded)
            })),
          { discard: true }
        )
        const reads = Effect.forEach(Array.from({ length: 60 }), () => byHash([token.hash]))
        const [, seen] = yield* Effect.all([writes, reads], { concurrency: 2 })
        for (const row of seen.flat()) assert.strictEqual(row?.version, (row?.readSeq ?? 0) + 1)
        assert.strictEqual((yield* byHash([token.hash]))[0]?.version, 21)
      })
    )
  })
