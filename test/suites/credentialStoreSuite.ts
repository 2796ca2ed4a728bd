/**
 * What every `CredentialStore` promises, with the part of `TenantStore` that writes credentials. Run
 * it against each pair of layers that claims to be one. Each test has tenants of its own.
 */
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Layer } from "effect"
import { type Credential, ownerKey, type TenantService } from "../../src/domain/Credential.ts"
import type { Page } from "../../src/domain/Page.ts"
import {
  type CredentialChanges,
  type CredentialLoad,
  CredentialStore,
  noCredentials,
  slotKey,
  uniqueActiveConstraint
} from "../../src/store/CredentialStore.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../support/credentialRows.ts"

let tenants = 0
const newTenant = Effect.gen(function* () {
  const tenantId = `t${++tenants}`
  const store = yield* TenantStore
  yield* store.createTenant(tenantId, null)
  yield* store.createTenant("global", null)
  return tenantId
})

const write = (tenantId: string, changes: Partial<CredentialChanges>, load: Partial<CredentialLoad> = {}) =>
  TenantStore.use((store) =>
    store.transact(tenantId, loadOf(load), (loaded) => ({ changes: changesOf(changes), result: loaded }))
  )

const read = (tenantId: string, load: Partial<CredentialLoad>) =>
  Effect.map(
    TenantStore.use((store) =>
      store.transact(tenantId, loadOf(load), (loaded) => ({ changes: changesOf({}), result: loaded }))
    ),
    (loaded) => loaded.credentials!
  )

const ids = (credentials: ReadonlyMap<string, unknown>) => Array.from(credentials.keys()).toSorted()
const refIds = (refs: ReadonlyArray<{ readonly credentialId: string }>, among: ReadonlyArray<Credential>) =>
  refs.map((ref) => ref.credentialId).filter((id) => among.some((credential) => credential.credentialId === id))

export const credentialStoreSuite = (
  name: string,
  stores: Layer.Layer<TenantStore | CredentialStore | Sweeps, unknown>
) =>
  layer(stores, { excludeTestServices: true })(`CredentialStore (${name})`, (it) => {
    it.effect("gives back what was written, field by field", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const credential = credentialRow({
          tenantId,
          owner: { level: "user", userId: "u~1@x" },
          rotation: { every: "P30D" },
          expiresAt: 4_000_000_000_000,
          noticedMs: 86_400_000,
          reason: "because"
        })
        const version = versionRow(credential)
        const service = { tenantId, serviceName: "outlook", isActive: false, reason: "r", updatedAt: 5 }
        yield* write(tenantId, { inserted: [credential], versions: [version], services: [service] })
        const loaded = yield* read(tenantId, { ids: [credential.credentialId] })
        assert.deepStrictEqual(loaded.credentials.get(credential.credentialId), credential)
        assert.deepStrictEqual(loaded.versions.get(credential.credentialId), [version])
        assert.deepStrictEqual(loaded.services.get(`${tenantId}/outlook`), service)
      })
    )

    it.effect("finds the active one of a slot, else the newest ended one, and nobody else's", () =>
      Effect.gen(function* () {
        const [tenantId, other] = [yield* newTenant, yield* newTenant]
        const [older, newer, user, foreign] = [
          credentialRow({ tenantId, state: "revoked" }),
          credentialRow({ tenantId, state: "expired" }),
          credentialRow({ tenantId, owner: { level: "user", userId: "u1" } }),
          credentialRow({ tenantId: other })
        ]
        yield* write(tenantId, { inserted: [older, newer, user] })
        yield* write(other, { inserted: [foreign] })
        const slot = slotKey("outlook", "")
        assert.deepStrictEqual(ids((yield* read(tenantId, { slots: [slot] })).credentials), [newer.credentialId])
        const active = credentialRow({ tenantId })
        yield* write(tenantId, { inserted: [active] })
        assert.deepStrictEqual(ids((yield* read(tenantId, { slots: [slot] })).credentials), [active.credentialId])
        assert.deepStrictEqual(ids((yield* read(tenantId, { slots: [slotKey("outlook", "u1")] })).credentials), [
          user.credentialId
        ])
        assert.strictEqual((yield* read(tenantId, { slots: [slotKey("outlook", "U1")] })).credentials.size, 0)
        assert.strictEqual((yield* read(tenantId, { ids: [foreign.credentialId, "nonsense"] })).credentials.size, 0)
      })
    )

    it.effect("with an ended credential comes the active one of its slot", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const [ended, active] = [credentialRow({ tenantId, state: "expired" }), credentialRow({ tenantId })]
        yield* write(tenantId, { inserted: [ended, active] })
        assert.deepStrictEqual(
          ids((yield* read(tenantId, { ids: [ended.credentialId] })).credentials),
          [ended.credentialId, active.credentialId].toSorted()
        )
      })
    )

    it.effect("lets every tenant read global credentials with their services, and none change them", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const serviceName = `svc-${tenantId}`
        const global = credentialRow({ tenantId: "global", serviceName })
        const service = { tenantId: "global", serviceName, isActive: false, reason: null, updatedAt: 1 }
        yield* write("global", { inserted: [global], versions: [versionRow(global)], services: [service] })
        const loaded = yield* read(tenantId, { globalSlots: [slotKey(serviceName, "")] })
        assert.deepStrictEqual(ids(loaded.credentials), [global.credentialId])
        assert.deepStrictEqual(ids(loaded.services), [`global/${serviceName}`])
        assert.strictEqual((yield* read(tenantId, { ids: [global.credentialId] })).versions.size, 1)
        const exit = yield* Effect.exit(write(tenantId, { updated: [global] }, { ids: [global.credentialId] }))
        assert.strictEqual(exit._tag, "Failure")
      })
    )

    it.effect("refuses another tenant's credential in a change, as a bug, and writes nothing of it", () =>
      Effect.gen(function* () {
        const [tenantId, other] = [yield* newTenant, yield* newTenant]
        const [own, foreign] = [credentialRow({ tenantId }), credentialRow({ tenantId: other })]
        const exit = yield* Effect.exit(write(tenantId, { inserted: [own, foreign] }))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        for (const { credentialId, tenantId: of } of [own, foreign]) {
          assert.strictEqual((yield* read(of, { ids: [credentialId] })).credentials.size, 0)
        }
      })
    )

    it.effect("refuses a second active credential of one tenant, service and owner by its own constraint", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const first = credentialRow({ tenantId })
        yield* write(tenantId, { inserted: [first] })
        const error = yield* Effect.flip(write(tenantId, { inserted: [credentialRow({ tenantId })] }))
        assert.strictEqual(error._tag, "StatementRejected")
        assert.include("constraint" in error ? error.constraint : "", uniqueActiveConstraint)
        const store = yield* CredentialStore
        const { content } = yield* store.list(tenantId, { ...everything })
        assert.deepStrictEqual(
          content.map(({ credential }) => credential.credentialId),
          [first.credentialId]
        )
        yield* write(tenantId, {
          inserted: [
            credentialRow({ tenantId, owner: { level: "user", userId: "a" } }),
            credentialRow({ tenantId, owner: { level: "user", userId: "A" } }),
            credentialRow({ tenantId, serviceName: "slack" })
          ]
        })
      })
    )

    it.effect("frees a slot and takes it in one change", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const [active, ended] = [credentialRow({ tenantId }), credentialRow({ tenantId, state: "expired" })]
        yield* write(tenantId, { inserted: [active, ended] })
        const updated = [
          { ...ended, state: "active" as const, version: 2 },
          { ...active, state: "revoked" as const, version: 2 }
        ]
        yield* write(tenantId, { updated }, { ids: [active.credentialId, ended.credentialId] })
        const deleted = yield* write(
          tenantId,
          { deleted: [ended.credentialId], inserted: [credentialRow({ tenantId })] },
          {
            ids: [ended.credentialId]
          }
        )
        assert.strictEqual(deleted.credentials?.credentials.get(ended.credentialId)?.state, "active")
      })
    )

    it.effect("does not load a version without its secret, and shows all of them in the history without any", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const credential = credentialRow({ tenantId, secretVersion: 2 })
        const old = versionRow(credential, {
          version: 1,
          state: "superseded",
          sealed: null,
          keyId: null,
          reason: "rotated"
        })
        yield* write(tenantId, { inserted: [credential], versions: [old, versionRow(credential)] })
        const loaded = yield* read(tenantId, { ids: [credential.credentialId] })
        assert.deepStrictEqual(
          loaded.versions.get(credential.credentialId)?.map((version) => version.version),
          [2]
        )
        const store = yield* CredentialStore
        const { versions } = yield* store.versions(tenantId, credential.credentialId, 10)
        assert.deepStrictEqual(
          versions.map((version) => [version.version, version.state, version.sealed]),
          [
            [2, "current", null],
            [1, "superseded", null]
          ]
        )
        assert.strictEqual((yield* store.versions("nobody", credential.credentialId, 10)).versions.length, 0)
      })
    )

    it.effect("deletes a credential with its versions", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const credential = credentialRow({ tenantId })
        yield* write(tenantId, { inserted: [credential], versions: [versionRow(credential)] })
        yield* write(tenantId, { deleted: [credential.credentialId] }, { ids: [credential.credentialId] })
        const loaded = yield* read(tenantId, { ids: [credential.credentialId] })
        assert.strictEqual(loaded.credentials.size + loaded.versions.size, 0)
        const store = yield* CredentialStore
        assert.strictEqual((yield* store.versions(tenantId, credential.credentialId, 10)).versions.length, 0)
      })
    )

    it.effect("lists newest first, in pages, by service, by activity and by nearness of the end", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* CredentialStore
        const { now } = yield* store.list(tenantId, everything)
        const given = [
          credentialRow({ tenantId, serviceName: "a" }),
          credentialRow({ tenantId, serviceName: "b", expiresAt: now + 3_600_000 }),
          credentialRow({ tenantId, serviceName: "c", state: "revoked" }),
          credentialRow({ tenantId, serviceName: "d", expiresAt: now - 1_000 })
        ]
        yield* write(tenantId, { inserted: given })
        const names = (over: Partial<typeof everything>) =>
          Effect.map(store.list(tenantId, { ...everything, ...over }), ({ content, next }) => [
            content.map(({ credential }) => credential.serviceName).join(""),
            next
          ])
        assert.deepStrictEqual(yield* names({}), ["dcba", null])
        assert.deepStrictEqual(yield* names({ isActive: true }), ["ba", null])
        assert.deepStrictEqual(yield* names({ isActive: false }), ["dc", null])
        assert.deepStrictEqual(yield* names({ serviceName: "b" }), ["b", null])
        assert.deepStrictEqual(yield* names({ expiringWithinMs: 7_200_000 }), ["b", null])
        assert.deepStrictEqual(yield* names({ expiringWithinMs: 1_000 }), ["", null])
        const [first, next] = yield* names({ limit: 3 })
        assert.strictEqual(first, "dcb")
        assert.deepStrictEqual(yield* names({ limit: 3, after: next as string }), ["a", null])
      })
    )

    it.effect("says whether the service is active for who asks", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const serviceName = `own-${tenantId}`
        const [own, global] = [
          credentialRow({ tenantId, serviceName, owner: { level: "user", userId: "u" } }),
          credentialRow({ tenantId: "global", serviceName })
        ]
        yield* write(tenantId, { inserted: [own] })
        yield* write("global", { inserted: [global] })
        const store = yield* CredentialStore
        const slots = [slotKey(serviceName, "u"), slotKey(serviceName, "")]
        const states = Effect.map(
          store.find(tenantId, { ...noCredentials, slots, globalSlots: [slotKey(serviceName, "")] }),
          ({ views }) =>
            views
              .map(({ credential, serviceActive }) => `${ownerKey(credential.owner) || "global"}:${serviceActive}`)
              .toSorted()
        )
        assert.deepStrictEqual(yield* states, ["global:true", "u:true"])
        const off = { serviceName, isActive: false, reason: null, updatedAt: 1 }
        yield* write("global", { services: [{ ...off, tenantId: "global" }] })
        assert.deepStrictEqual(yield* states, ["global:false", "u:true"])
        yield* write(tenantId, { services: [{ ...off, tenantId }] })
        assert.deepStrictEqual(yield* states, ["global:false", "u:false"])
        assert.deepStrictEqual(
          (yield* store.services(tenantId, { limit: 10, after: null })).content.map((service) => service.isActive),
          [false]
        )
      })
    )

    it.effect("finds what has ended, whose overlap is over and whom to notify, nearest end first", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* CredentialStore
        const { now } = yield* store.list(tenantId, everything)
        const day = 86_400_000
        const make = (
          serviceName: string,
          leftDays: number,
          noticedDays: number | null,
          over: Partial<Credential> = {}
        ) =>
          credentialRow({
            tenantId,
            serviceName,
            expiresAt: now + leftDays * day,
            noticedMs: noticedDays === null ? null : noticedDays * day,
            ...over
          })
        const ended = [make("a", -2, null), make("b", -1, 1)]
        const due = [make("c", 0.5, 7), make("d", 6, null), make("e", 6.5, 14), make("f", 13, 30)]
        const quiet = [
          make("g", 0.5, 1),
          make("h", 6, 7),
          make("i", 31, null),
          make("j", 6, null, { state: "revoked" }),
          make("k", -1, null, { state: "expired" }),
          credentialRow({ tenantId, serviceName: "l" })
        ]
        const over = versionRow(quiet[2]!, { version: 7, state: "overlapping", validUntil: now - 1 })
        const still = versionRow(quiet[3]!, { version: 7, state: "overlapping", validUntil: now + day })
        yield* write(tenantId, { inserted: [...ended, ...due, ...quiet], versions: [over, still] })
        const all = [...ended, ...due, ...quiet]
        const of = (some: ReadonlyArray<Credential>) => some.map((credential) => credential.credentialId)
        assert.deepStrictEqual(refIds(yield* store.ended(100), all), of(ended))
        assert.deepStrictEqual(refIds(yield* store.overlapsOver(100), all), [over.credentialId])
        for (const [find, whose] of [
          [store.ended, of(ended)],
          [store.overlapsOver, [over.credentialId]]
        ] as const) {
          const seen: Array<string> = []
          for (let [page] = [yield* find(1)]; page.length > 0; page = yield* find(1, page[0]!.place)) {
            seen.push(...refIds(page, all))
          }
          assert.deepStrictEqual(seen, whose, "one by one, each once")
        }
        const thresholds = [30 * day, 14 * day, 7 * day, day]
        assert.deepStrictEqual(refIds(yield* store.noticesDue(thresholds, 100), all).toSorted(), of(due).toSorted())
        assert.strictEqual((yield* store.noticesDue(thresholds, 2)).length, 2)
      })
    )

    it.effect("lists a tenant's services by name, page by page, and counts them when asked", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const other = yield* newTenant
        const names = ["b", "a-1", "c", "a", "B"]
        const rows = names.map((serviceName) => ({
          tenantId,
          serviceName,
          isActive: serviceName !== "c",
          reason: serviceName === "c" ? "why" : null,
          updatedAt: 5
        }))
        yield* write(tenantId, { services: rows })
        yield* write(other, { services: [{ ...rows[0]!, tenantId: other }] })
        const store = yield* CredentialStore
        const seen: Array<TenantService> = []
        let after: string | null = null
        do {
          const page: Page<TenantService> = yield* store.services(tenantId, { limit: 2, after })
          assert.isAtMost(page.content.length, 2)
          seen.push(...page.content)
          after = page.next
        } while (after !== null)
        assert.deepStrictEqual(
          seen,
          ["B", "a", "a-1", "b", "c"].map((name) => rows.find(({ serviceName }) => serviceName === name))
        )
        assert.deepStrictEqual((yield* store.services(tenantId, { limit: 5, after: null })).next, null)
        const counted = yield* read(tenantId, { countServices: true })
        assert.strictEqual(counted.serviceCount, 5)
        assert.isNull((yield* read(tenantId, {})).serviceCount)
      })
    )

    it.effect("finds what a removed tenant leaves, keeps its name until that is gone, and its services never", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const [store, tenantStore, sweeps] = [yield* CredentialStore, yield* TenantStore, yield* Sweeps]
        const credential = credentialRow({ tenantId, state: "revoked" })
        const services = [{ tenantId, serviceName: "outlook", isActive: false, reason: null, updatedAt: 1 }]
        yield* write(tenantId, { inserted: [credential], services })
        assert.deepStrictEqual(refIds(yield* store.orphaned(1_000), [credential]), [])
        yield* tenantStore.transact(tenantId, loadOf({}), () => ({
          changes: changesOf({}, { tenantRemoved: true }),
          result: null
        }))
        assert.deepStrictEqual(refIds(yield* store.orphaned(1_000), [credential]), [credential.credentialId])
        yield* sweeps.purgeRemoved
        assert.strictEqual(yield* tenantStore.createTenant(tenantId, null), "exists")
        yield* write(tenantId, { deleted: [credential.credentialId] }, { ids: [credential.credentialId] })
        yield* sweeps.purgeRemoved
        assert.strictEqual(yield* tenantStore.createTenant(tenantId, null), "created")
        const rest = yield* store.services(tenantId, { limit: 10, after: null })
        assert.deepStrictEqual(rest, { content: [], next: null })
      })
    )

    it.effect("counts the active ones by service over all tenants", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* newTenant, yield* newTenant]
        const serviceName = `counted-${one}`
        yield* write(one, { inserted: [credentialRow({ tenantId: one, serviceName })] })
        yield* write(two, {
          inserted: [
            credentialRow({ tenantId: two, serviceName }),
            credentialRow({ tenantId: two, serviceName, state: "revoked" })
          ]
        })
        const store = yield* CredentialStore
        const counts = yield* store.activeCounts(1_000)
        assert.strictEqual(counts.find((count) => count.serviceName === serviceName)?.count, 2)
      })
    )

    it.effect("writes nothing at all when one part of a change is refused", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const credential = credentialRow({ tenantId })
        yield* write(tenantId, { inserted: [credential], versions: [versionRow(credential)] })
        const updated = [{ ...credential, version: 2, scopes: [] }]
        const inserted = [credentialRow({ tenantId, credentialId: nextId() })]
        yield* Effect.flip(write(tenantId, { updated, inserted }, { ids: [credential.credentialId] }))
        const loaded = yield* read(tenantId, { ids: [credential.credentialId] })
        assert.deepStrictEqual(loaded.credentials.get(credential.credentialId), credential)
      })
    )
  })

const everything = {
  serviceName: null as string | null,
  isActive: null as boolean | null,
  expiringWithinMs: null as number | null,
  limit: 100,
  after: null as string | null
}
