/** What every `ClientStore` promises, with the part of `TenantStore` that writes client credentials. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { ClientCredential, ClientName } from "../../src/domain/ClientCredential.ts"
import {
  type ClientChanges,
  type ClientQuery,
  ClientStore,
  noClients,
  uniqueNameConstraint
} from "../../src/store/ClientStore.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { aName, anId, look, nextRevocation, transact } from "../support/storeFixtures.ts"

const newTenant = Effect.gen(function* () {
  const tenantId = aName("clients")
  yield* TenantStore.use((store) => store.createTenant(tenantId, null))
  return tenantId
})
const aClient = (tenantId: string, changes: Partial<ClientCredential> = {}): ClientCredential => ({
  credentialId: anId(),
  tenantId,
  clientId: null,
  name: { kind: "basic", username: aName("user") },
  passwordHash: "$argon2id$",
  status: "Inactive",
  version: 1,
  reason: null,
  description: null,
  createdAt: 1,
  updatedAt: 2,
  createdBy: "bus",
  updatedBy: "bus",
  ...changes
})
const write = (tenantId: string, changes: Partial<ClientChanges>) =>
  transact(
    tenantId,
    {
      clients: {
        ...noClients,
        ids: [...(changes.updated ?? []).map(({ credentialId }) => credentialId), ...(changes.deleted ?? [])]
      }
    },
    () => ({ clients: { inserted: [], updated: [], deleted: [], ...changes } })
  )
const byNames = (names: ReadonlyArray<ClientName>) =>
  ClientStore.use((store) => Effect.promise(() => store.byNames(names)))
const all: ClientQuery = { clientId: null, statuses: [], kind: null, limit: 10, after: null }
const list = (tenantId: string, query: Partial<ClientQuery>) =>
  ClientStore.use((store) => store.list(tenantId, { ...all, ...query }))
const find = (tenantId: string, credentialId: string) => ClientStore.use((store) => store.find(tenantId, credentialId))

export const clientStoreSuite = (name: string, stores: Layer.Layer<TenantStore | ClientStore | Sweeps, unknown>) =>
  layer(stores, { excludeTestServices: true })(`ClientStore (${name})`, (it) => {
    it.effect("gives back what was written, field by field, to its tenant only", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const basic = aClient(tenantId, {
          clientId: "c ",
          reason: "r",
          description: "d",
          status: "Suspended",
          version: 7
        })
        const certificate = aClient(tenantId, {
          name: { kind: "certificate", issuer: `${"é".repeat(1_023)} `, serialNumber: "9".repeat(78) },
          passwordHash: null
        })
        yield* write(tenantId, { inserted: [basic, certificate] })
        assert.deepStrictEqual(yield* find(tenantId, basic.credentialId), basic)
        assert.deepStrictEqual(yield* find(tenantId, certificate.credentialId), certificate)
        assert.isUndefined(yield* find(yield* newTenant, basic.credentialId))
        assert.isUndefined(yield* find(tenantId, "not-an-id"))
        const changed: ClientCredential = {
          ...basic,
          passwordHash: "$x",
          status: "Revoked",
          version: 8,
          reason: null,
          updatedAt: 3,
          updatedBy: "x"
        }
        yield* write(tenantId, { updated: [changed], deleted: [certificate.credentialId] })
        assert.deepStrictEqual(yield* find(tenantId, basic.credentialId), changed)
        assert.isUndefined(yield* find(tenantId, certificate.credentialId))
      })
    )

    it.effect("finds many by name, each in its place and byte by byte, with the tenant's sequence", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const username = aName("Ä-user")
        const issuer = aName("CN=x")
        const basic = aClient(tenantId, { name: { kind: "basic", username } })
        const certificate = aClient(tenantId, {
          name: { kind: "certificate", issuer, serialNumber: "10" },
          passwordHash: null
        })
        yield* write(tenantId, { inserted: [basic, certificate] })
        yield* transact(tenantId, {}, (loaded) => ({ revocation: nextRevocation(tenantId, loaded) }))
        const others: ReadonlyArray<ClientName> = [
          { kind: "basic", username: `${username} ` },
          { kind: "basic", username: username.toLowerCase() },
          { kind: "basic", username: `10 ${issuer}` },
          { kind: "certificate", issuer, serialNumber: "1" },
          { kind: "certificate", issuer: `${issuer} `, serialNumber: "10" }
        ]
        assert.deepStrictEqual(yield* byNames([...others, certificate.name, basic.name, basic.name]), [
          ...others.map(() => undefined),
          { credential: certificate, readSeq: 1 },
          { credential: basic, readSeq: 1 },
          { credential: basic, readSeq: 1 }
        ])
        const many = Array.from({ length: 300 }, (_, n) =>
          aClient(tenantId, { name: { kind: "certificate", issuer, serialNumber: String(1_000 + n) } })
        )
        yield* write(tenantId, { inserted: many })
        const found = yield* byNames(many.map((one) => one.name))
        assert.deepStrictEqual(
          found.map((one) => one?.credential.credentialId),
          many.map((one) => one.credentialId)
        )
      })
    )

    it.effect("a name is one platform-wide, until its holder is gone", () =>
      Effect.gen(function* () {
        const [tenantId, other] = [yield* newTenant, yield* newTenant]
        const holder = aClient(tenantId)
        yield* write(tenantId, { inserted: [holder] })
        const loaded = yield* look(other, { clients: { ...noClients, names: [holder.name] } })
        assert.deepStrictEqual(Array.from(loaded.clients!.namesTaken.values()), [holder.credentialId])
        assert.strictEqual(loaded.clients!.credentials.size, 0)
        const second = aClient(other, { name: holder.name })
        const refused = yield* Effect.flip(write(other, { inserted: [second] }))
        assert.deepInclude(refused, { _tag: "StatementRejected", constraint: uniqueNameConstraint })
        assert.isUndefined(yield* find(other, second.credentialId))
        // In one transaction with its end.
        const next = aClient(tenantId, { name: holder.name })
        yield* write(tenantId, { deleted: [holder.credentialId], inserted: [next] })
        assert.deepStrictEqual((yield* byNames([next.name]))[0]?.credential, next)
      })
    )

    it.effect("a transaction touches only what it loaded of its own tenant", () =>
      Effect.gen(function* () {
        const [tenantId, other] = [yield* newTenant, yield* newTenant]
        const client = aClient(tenantId)
        yield* write(tenantId, { inserted: [client] })
        assert.isTrue((yield* Effect.exit(write(other, { deleted: [client.credentialId] })))._tag === "Failure")
        assert.isTrue((yield* Effect.exit(write(other, { inserted: [aClient(tenantId)] })))._tag === "Failure")
        assert.deepStrictEqual(yield* find(tenantId, client.credentialId), client)
      })
    )

    it.effect("counts those that are not Revoked, through every change", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const stock = Effect.map(look(tenantId), (loaded) => loaded.stock.clients)
        const [a, b, c] = [aClient(tenantId), aClient(tenantId), aClient(tenantId)]
        const gone = aClient(tenantId, { status: "Revoked" })
        yield* write(tenantId, { inserted: [a, b, c, gone] })
        assert.strictEqual(yield* stock, 3)
        yield* write(tenantId, {
          updated: [
            { ...a, status: "Revoked" },
            { ...b, status: "Suspended" },
            { ...gone, version: 2 }
          ]
        })
        assert.strictEqual(yield* stock, 2)
        yield* write(tenantId, { deleted: [a.credentialId, c.credentialId, gone.credentialId] })
        assert.strictEqual(yield* stock, 1)
        assert.strictEqual((yield* look(aName("nobody"))).stock.clients, 0)
      })
    )

    it.effect("lists by client, status and kind, newest first, in pages that stay right", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const clients = Array.from({ length: 6 }, (_, n) =>
          aClient(tenantId, {
            clientId: n < 4 ? "mine" : null,
            status: n % 2 === 0 ? "Active" : "Revoked",
            ...(n === 0 ? { name: { kind: "certificate" as const, issuer: aName("i"), serialNumber: "1" } } : {})
          })
        )
        yield* write(tenantId, { inserted: clients })
        const places = (content: ReadonlyArray<ClientCredential>) =>
          content.map(({ credentialId }) => clients.findIndex((one) => one.credentialId === credentialId))
        const first = yield* list(tenantId, { limit: 4 })
        assert.deepStrictEqual(places(first.content), [5, 4, 3, 2])
        const second = yield* list(tenantId, { limit: 4, after: first.next })
        assert.deepStrictEqual([places(second.content), second.next], [[1, 0], null])
        assert.deepStrictEqual(places((yield* list(tenantId, { clientId: "mine" })).content), [3, 2, 1, 0])
        assert.deepStrictEqual(places((yield* list(tenantId, { clientId: "mine ", limit: 1 })).content), [])
        assert.deepStrictEqual(places((yield* list(tenantId, { statuses: ["Active"] })).content), [4, 2, 0])
        assert.deepStrictEqual(places((yield* list(tenantId, { kind: "certificate" })).content), [0])
        assert.deepStrictEqual((yield* list(yield* newTenant, {})).content, [])
      })
    )

    it.effect("of a removed tenant nothing is found by name, and its row stays until they are gone", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const client = aClient(tenantId)
        yield* write(tenantId, { inserted: [client] })
        yield* transact(tenantId, {}, () => ({ tenantRemoved: true }))
        assert.deepStrictEqual(yield* byNames([client.name]), [undefined])
        const ref = { tenantId, credentialId: client.credentialId }
        assert.deepInclude(yield* ClientStore.use((store) => store.orphaned(100)), ref)
        yield* Sweeps.use((sweeps) => sweeps.purgeRemoved)
        const isThere = TenantStore.use((store) => Effect.map(store.findTenants([tenantId]), (found) => found.length))
        assert.strictEqual(yield* isThere, 1)
        yield* write(tenantId, { deleted: [client.credentialId] })
        assert.notDeepInclude(yield* ClientStore.use((store) => store.orphaned(100)), ref)
      })
    )
  })
