/** What every `RefreshStore` promises. Each test has tenants and lanes of its own. */
import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, type Layer } from "effect"
import { answerVersionBase, type Credential, isAnswer } from "../../src/domain/Credential.ts"
import { newRefresh, type Refresh } from "../../src/domain/Refresh.ts"
import { RefreshStore } from "../../src/store/RefreshStore.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../support/credentialRows.ts"

let tenants = 0
const newTenant = Effect.gen(function* () {
  const tenantId = `rt${++tenants}`
  yield* TenantStore.use((store) => store.createTenant(tenantId, null))
  return tenantId
})
const write = (tenantId: string, changes: Parameters<typeof changesOf>[0], ids: ReadonlyArray<string> = []) =>
  TenantStore.use((store) =>
    store.transact(tenantId, loadOf({ ids }), () => ({ changes: changesOf(changes), result: undefined }))
  )
const refreshed = (over: Partial<Refresh> = {}): Refresh => ({
  ...newRefresh({
    provider: "acme",
    lane: "ab".repeat(16),
    version: 1,
    grant: "g",
    nextRefreshAt: null,
    grantExpiresAt: null
  }),
  ...over
})
const picked = (limit: number, of: ReadonlyArray<Credential>, againMs = 60_000) =>
  Effect.map(
    RefreshStore.use((store) => store.pick(limit, againMs, [])),
    (refs) => refs.map(({ credentialId }) => credentialId).filter((id) => of.some((one) => one.credentialId === id))
  )

export const refreshStoreSuite = (name: string, stores: Layer.Layer<TenantStore | RefreshStore, unknown>) =>
  layer(stores, { excludeTestServices: true })(`RefreshStore (${name})`, (it) => {
    it.effect("gives out what is due once, what is nearest to its final end first", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const now = yield* Clock.currentTimeMillis
        const of = (dueIn: number | null, finalIn: number | null, serviceName: string) =>
          credentialRow({
            tenantId,
            serviceName,
            refresh: refreshed({ grantExpiresAt: finalIn === null ? null : now + finalIn }),
            refreshDueAt: dueIn === null ? null : now + dueIn
          })
        const [long, soon, later, final, never] = [
          of(-60_000, null, "a"),
          of(-1_000, null, "b"),
          of(60_000, 1_000, "c"),
          of(-2_000, 3_600_000, "d"),
          of(null, null, "e")
        ]
        yield* write(tenantId, { inserted: [long, soon, later, final, never] })
        const all = [long, soon, later, final, never]
        assert.deepStrictEqual(yield* picked(2, all), [final.credentialId, long.credentialId])
        assert.deepStrictEqual(yield* picked(100, all), [soon.credentialId])
        assert.deepStrictEqual(yield* picked(100, all), [])
      })
    )

    it.effect("gives each of those that are due to one of those who ask at once", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const now = yield* Clock.currentTimeMillis
        const inserted = Array.from({ length: 40 }, (_, index) =>
          credentialRow({ tenantId, serviceName: `s${index}`, refresh: refreshed(), refreshDueAt: now - 1_000 })
        )
        yield* write(tenantId, { inserted })
        const given = (yield* Effect.all(
          Array.from({ length: 4 }, () => picked(20, inserted)),
          { concurrency: 4 }
        )).flat()
        const rest = yield* picked(100, inserted)
        assert.strictEqual(new Set([...given, ...rest]).size, 40)
        assert.strictEqual(given.length + rest.length, 40)
      })
    )

    it.effect("keeps an answer, once, until a transaction deletes it, and none of what was revoked", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const credential = credentialRow({ tenantId, refresh: refreshed() })
        const revoked = credentialRow({ tenantId, state: "revoked" })
        const version = versionRow(credential)
        yield* write(tenantId, { inserted: [credential, revoked], versions: [version] })
        const answer = { ...version, version: answerVersionBase + 3, state: "answer" as const }
        assert.isTrue(yield* store.putAnswer(tenantId, answer))
        assert.isTrue(yield* store.putAnswer(tenantId, { ...answer, sealed: new Uint8Array([9]) }))
        assert.isFalse(yield* store.putAnswer(tenantId, { ...answer, credentialId: revoked.credentialId }))
        assert.isFalse(yield* store.putAnswer("another", { ...answer, version: answerVersionBase + 4 }))
        const standing = yield* store.standing(tenantId, credential.credentialId)
        assert.deepStrictEqual(standing?.versions.filter(isAnswer), [answer])
        assert.deepStrictEqual(standing?.credential.refresh, credential.refresh)
        assert.isTrue(standing?.serviceActive)
        assert.strictEqual(yield* store.standing("another", credential.credentialId), undefined)
        yield* write(tenantId, { versionsDeleted: [answer] }, [credential.credentialId])
        const after = yield* store.standing(tenantId, credential.credentialId)
        assert.deepStrictEqual(after?.versions, [version])
      })
    )

    it.effect("counts turns of a lane in a minute and at a time, and those of no other", () =>
      Effect.gen(function* () {
        const store = yield* RefreshStore
        const lane = randomBytes(16).toString("hex")
        const take = (ratePerMinute: number, parallel: number, of = lane) =>
          store.takeTurn({ lane: of, ratePerMinute, parallel, holdMs: 60_000 })
        const turns = yield* Effect.all(
          Array.from({ length: 6 }, () => take(100, 2)),
          { concurrency: 6 }
        )
        const taken = turns.filter((turn) => turn._tag === "Taken")
        assert.lengthOf(taken, 2)
        assert.strictEqual((yield* take(100, 2, randomBytes(16).toString("hex")))._tag, "Taken")
        yield* store.endTurn(taken[0]!.turnId)
        assert.strictEqual((yield* take(100, 2))._tag, "Taken")
        yield* store.endTurn(taken[1]!.turnId)
        const full = yield* take(3, 2)
        assert.strictEqual(full._tag, "Full")
        assert.isAbove(full._tag === "Full" ? full.retryAfterMs : 0, 1_000)
      })
    )

    it.effect("reads a tenant's providers and those of global with what is sealed for them", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        yield* TenantStore.use((tenants) => tenants.createTenant("global", null))
        const entry = (of: string, called: string) => ({
          tenantId: of,
          name: called,
          providerId: nextId(),
          version: 1,
          definition: { name: called, token_url: "https://provider.example/token" },
          clientId: "id",
          secrets: 1,
          hasKey: false,
          updatedAt: 5
        })
        const [own, global] = [entry(tenantId, "mine"), entry("global", `ours-${tenants}`)]
        const sealed = { ...versionRow(credentialRow({ tenantId })), credentialId: own.providerId, version: 1 }
        yield* write(tenantId, { providers: [own], versions: [sealed] })
        yield* write("global", { providers: [global] })
        const all = yield* store.providers(tenantId, null)
        assert.deepInclude(all, { entry: own, sealed: sealed.sealed! })
        assert.deepInclude(all, { entry: global, sealed: undefined })
        assert.deepStrictEqual(
          (yield* store.providers(tenantId, "mine")).map(({ entry }) => entry),
          [own]
        )
        yield* write(tenantId, { providersDeleted: ["mine"] })
        assert.deepStrictEqual(yield* store.providers(tenantId, "mine"), [])
      })
    )
  })
