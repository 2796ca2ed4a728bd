/** What every `TokenUse` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Layer } from "effect"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { TokenUse, usesPerCallMax } from "../../src/store/TokenUse.ts"
import { anId, aTenant, aToken, insert } from "../support/storeFixtures.ts"

export const tokenUseSuite = (name: string, stores: Layer.Layer<TenantStore | TokenUse, unknown>) =>
  layer(stores, { excludeTestServices: true })(`TokenUse (${name})`, (it) => {
    it.effect("records last use, forward only, whatever the order in which it is told", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const use = yield* TokenUse
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        const { tokenId } = token
        yield* use.record([
          { tokenId, usedAt: 300 },
          { tokenId, usedAt: 200 }
        ])
        yield* use.record([{ tokenId, usedAt: 100 }])
        const seen = yield* store.findToken(tenantId, tokenId)
        assert.deepStrictEqual(seen, { ...token, lastUsedAt: 300 })
      })
    )

    it.effect("passes over ids that it does not know, and texts that are no ids", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const use = yield* TokenUse
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        yield* use.record([
          { tokenId: anId(), usedAt: 5 },
          { tokenId: "none", usedAt: 5 },
          { tokenId: token.tokenId, usedAt: 5 }
        ])
        yield* use.record([])
        assert.strictEqual((yield* store.findToken(tenantId, token.tokenId))?.lastUsedAt, 5)
      })
    )

    it.effect("records many at once, also while the same are recorded elsewhere", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const use = yield* TokenUse
        const { appName, tenantId } = yield* aTenant
        const tokens = Array.from({ length: usesPerCallMax }, () => aToken(tenantId, appName))
        yield* insert(tokens)
        const uses = (usedAt: number) => tokens.map(({ tokenId }) => ({ tokenId, usedAt }))
        yield* Effect.all([use.record(uses(10)), use.record(uses(30).reverse()), use.record(uses(20))], {
          concurrency: 3
        })
        for (const token of [tokens[0], tokens.at(-1)]) {
          assert.strictEqual((yield* store.findToken(tenantId, token?.tokenId ?? ""))?.lastUsedAt, 30)
        }
        const tooMany = yield* Effect.exit(use.record([...uses(40), ...uses(40)]))
        assert.isTrue(Exit.isFailure(tooMany) && Cause.hasDies(tooMany.cause))
      })
    )
  })
