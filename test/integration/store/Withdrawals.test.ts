/** How far it was announced that an application is out of service, when it goes out again meanwhile; and what a tenant that begins anew is told. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { PlatformStore } from "../../../src/store/PlatformStore.ts"
import { TenantStore } from "../../../src/store/TenantStore.ts"
import { aName, aTenant, aToken, insert, transact } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const move = (tenantId: string, appName: string, out: boolean) =>
  transact(tenantId, { appNames: [appName] }, ({ now }) => ({
    applicationsMoved: [{ appName, outOfService: out ? "absent" : null, decidedAt: now }]
  }))
const withdrawalOf = (name: string) =>
  Effect.gen(function* () {
    const store = yield* PlatformStore
    return (yield* store.withdrawals("", 1_000)).find(({ appName }) => appName === name)
  })

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("withdrawals", (it) => {
  it.effect("progress of the first one does not end, nor shorten, the second one", () =>
    Effect.gen(function* () {
      const { appName, tenantId } = yield* aTenant
      const [one, two] = [aToken(tenantId, appName), aToken(tenantId, appName)]
      yield* insert([one, two])
      yield* move(tenantId, appName, true)
      const first = (yield* withdrawalOf(appName))!
      yield* transact(tenantId, {}, () => ({ withdrawals: [{ of: first, afterTokenId: one.tokenId }] }))
      const later = (yield* withdrawalOf(appName))!
      assert.deepStrictEqual(later, { ...first, afterTokenId: one.tokenId })

      yield* move(tenantId, appName, false)
      yield* move(tenantId, appName, true)
      const second = (yield* withdrawalOf(appName))!
      assert.isAbove(second.takenAt, first.takenAt)
      for (const of of [first, later]) {
        for (const afterTokenId of [two.tokenId, null]) {
          yield* transact(tenantId, {}, () => ({ withdrawals: [{ of, afterTokenId }] }))
          assert.deepStrictEqual(yield* withdrawalOf(appName), second)
        }
      }
      yield* transact(tenantId, {}, () => ({ withdrawals: [{ of: second, afterTokenId: null }] }))
      assert.isUndefined(yield* withdrawalOf(appName))
    })
  )

  it.effect("tokens that were made since are not announced", () =>
    Effect.gen(function* () {
      const store = yield* PlatformStore
      const { appName, tenantId } = yield* aTenant
      yield* move(tenantId, appName, true)
      const withdrawal = (yield* withdrawalOf(appName))!
      const [before, since] = [0, 1].map((later) =>
        aToken(tenantId, appName, { createdAt: withdrawal.takenAt + later })
      ) as [ReturnType<typeof aToken>, ReturnType<typeof aToken>]
      yield* insert([before, since])
      assert.deepStrictEqual(yield* store.tokensAfter(withdrawal, 10), [before.tokenId])
    })
  )

  it.effect("what was configured for a tenant is forgotten with it, so that it is news for the next of its name", () =>
    Effect.gen(function* () {
      const [platform, store] = [yield* PlatformStore, yield* TenantStore]
      const tenantId = aName("tenant")
      const refused = { refused: null, refusedAt: null }
      const row = { tenantId, settings: "{}", since: 1, readAt: 1, ...refused }
      yield* platform.saveSettings([
        { kind: "tenant", name: tenantId, ...row },
        { kind: "application", name: tenantId, ...row }
      ])
      yield* store.createTenant(tenantId, null)
      assert.deepStrictEqual(yield* platform.settingsOf("tenant", [tenantId]), [])
      assert.lengthOf(yield* platform.settingsOf("application", [tenantId]), 1)
    })
  )
})
