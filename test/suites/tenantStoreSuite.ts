/** What every `TenantStore` promises. Run it against each layer that claims to be one. */

import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Layer } from "effect"
import { eventBytesMax } from "../../src/domain/Names.ts"
import { noSettings, type TenantSettings } from "../../src/domain/Tenant.ts"
import { type AuditRow, genesisHash, linkHash } from "../../src/store/AuditChain.ts"
import { Outbox } from "../../src/store/Outbox.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { TokenUse } from "../../src/store/TokenUse.ts"
import { auditedBy } from "../support/auditedBy.ts"
import {
  aHash,
  aMessage,
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

const entry = (action: string) => ({
  ...auditedBy("bus"),
  action,
  entityType: "token",
  entityId: "one",
  diff: { status: ["Active", "Suspended"], späß: "ü" }
})

export const tenantStoreSuite = <R>(
  name: string,
  stores: Layer.Layer<TenantStore | Outbox | TokenUse | R, unknown>,
  auditRows: (tenantId: string) => Effect.Effect<ReadonlyArray<AuditRow>, unknown, R>
) =>
  layer(stores, { excludeTestServices: true })(`TenantStore (${name})`, (it) => {
    it.effect("creates a tenant once, and says so in its audit", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const tenantId = aName("tenant")
        assert.strictEqual(yield* store.createTenant(tenantId, "Acme"), "created")
        assert.strictEqual(yield* store.createTenant(tenantId, "Other"), "exists")
        const [tenant] = yield* store.findTenants([tenantId, "nobody"])
        assert.strictEqual(tenant?.name, "Acme")
        assert.strictEqual(tenant?.removedAt, null)
        assert.deepStrictEqual(
          (yield* auditRows(tenantId)).map((row) => [row.seq, row.action]),
          [[1, "tenant.created"]]
        )
      })
    )

    it.effect("creates a tenant in the transaction that asks for it, with all that comes with it or not at all", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const [taken, tenantId] = [yield* aTenant, aName("tenant")]
        const creating = (appName: string, load = { createsTenant: true }) =>
          transact(tenantId, load, () => ({
            tenantCreated: { name: "Acme" },
            applicationsInserted: [appName],
            audit: [entry("tenant.created")]
          }))
        const nothing = Effect.gen(function* () {
          assert.deepStrictEqual(yield* store.findTenants([tenantId]), [])
          assert.deepStrictEqual(yield* auditRows(tenantId), [])
        })
        const unasked = yield* Effect.exit(creating(aName("app"), { createsTenant: false }))
        assert.isTrue(Exit.isFailure(unasked) && Cause.hasDies(unasked.cause))
        yield* nothing
        assert.strictEqual((yield* Effect.flip(creating(taken.appName)))._tag, "StatementRejected")
        yield* nothing

        const appName = aName("app")
        yield* creating(appName)
        assert.strictEqual((yield* store.findTenants([tenantId]))[0]?.name, "Acme")
        assert.strictEqual((yield* store.findApplications([appName]))[0]?.tenantId, tenantId)
        assert.strictEqual((yield* auditRows(tenantId)).length, 1)
        const again = yield* Effect.exit(creating(aName("app")))
        assert.isTrue(Exit.isFailure(again) && Cause.hasDies(again.cause))
      })
    )

    it.effect("keeps what is configured for a tenant, and an issuer for one living tenant only", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const [one, two, three] = [aName("tenant"), aName("tenant"), aName("tenant")]
        const issuer = { issuer: `https://${one}.example`, audience: "cm", jwksUri: null }
        const settings = { issuer, retentionMs: 86_400_000, limits: { tokens: 5, batchItems: 10 } }
        const configure = (tenantId: string, name: string | null, wanted: TenantSettings) =>
          transact(tenantId, {}, () => ({ tenantConfigured: { name, settings: wanted } }))
        const settingsIn = (tenantId: string) =>
          Effect.map(store.findTenants([tenantId]), ([tenant]) => tenant?.settings ?? null)
        yield* store.createTenant(one, null)
        yield* store.createTenant(two, "Two")
        assert.isNull(yield* settingsIn(one))

        yield* configure(one, "One", settings)
        assert.deepStrictEqual(yield* settingsIn(one), settings)
        assert.strictEqual((yield* store.findTenantByIssuer(issuer.issuer))?.tenantId, one)
        assert.isUndefined(yield* store.findTenantByIssuer(issuer.issuer.toUpperCase()))
        assert.strictEqual((yield* Effect.flip(configure(two, "Two", settings)))._tag, "StatementRejected")
        assert.isNull(yield* settingsIn(two))
        const created = transact(three, { createsTenant: true }, () => ({ tenantCreated: { name: null, settings } }))
        assert.strictEqual((yield* Effect.flip(created))._tag, "StatementRejected")
        yield* configure(one, "One", { ...settings, issuer: { ...issuer, jwksUri: "https://a.example/k" } })

        // A tenant that is being removed keeps what was its own, and its issuer may be another's.
        yield* transact(one, {}, () => ({ tenantRemoved: true }))
        assert.strictEqual((yield* settingsIn(one))?.issuer?.jwksUri, "https://a.example/k")
        assert.isUndefined(yield* store.findTenantByIssuer(issuer.issuer))
        yield* created
        assert.deepStrictEqual(yield* settingsIn(three), settings)
        yield* configure(three, null, noSettings)
        assert.isNull(yield* settingsIn(three))
        yield* configure(two, "Two", settings)
        assert.strictEqual((yield* store.findTenantByIssuer(issuer.issuer))?.tenantId, two)
      })
    )

    it.effect("creates a tenant once, however many ask at once", () =>
      Effect.gen(function* () {
        const tenantId = aName("tenant")
        const ask = TenantStore.use((store) => store.createTenant(tenantId, null))
        const answers = yield* Effect.all(
          Array.from({ length: 8 }, () => ask),
          { concurrency: 8 }
        )
        assert.strictEqual(answers.filter((answer) => answer === "created").length, 1)
        assert.strictEqual((yield* auditRows(tenantId)).length, 1)
      })
    )

    it.effect("lists tenants in pages, without removed ones", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const made = ["page-a", "page-b", "page-c", "page-d"].map((prefix) => aName(prefix)).toSorted()
        for (const tenantId of made) yield* store.createTenant(tenantId, null)
        yield* transact(made[1] ?? "", {}, () => ({ tenantRemoved: true }))
        const first = yield* store.listTenants({ limit: 2, after: "page-" })
        assert.deepStrictEqual(
          first.content.map((tenant) => tenant.tenantId),
          [made[0], made[2]]
        )
        const second = yield* store.listTenants({ limit: 2, after: first.next })
        assert.strictEqual(second.content[0]?.tenantId, made[3])
        assert.notStrictEqual((yield* store.findTenants([made[1] ?? ""]))[0]?.removedAt, null)
      })
    )

    it.effect("shows an unknown tenant as missing, and writes nothing for it", () =>
      Effect.gen(function* () {
        const seen = yield* look(aName("nobody"))
        assert.strictEqual(seen.tenant, undefined)
        assert.strictEqual(seen.revocationSeq, 0)
        const exit = yield* Effect.exit(transact(aName("nobody"), {}, () => ({ audit: [entry("x")] })))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      })
    )

    it.effect("counts the tokens that are not Revoked, through every change", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const stock = Effect.map(look(tenantId), (loaded) => loaded.stock.tokens)
        const [a, b, c] = [aToken(tenantId, appName), aToken(tenantId, appName), aToken(tenantId, appName)]
        const gone = aToken(tenantId, appName, { status: "Revoked" })
        yield* insert([a, b, c, gone])
        assert.strictEqual(yield* stock, 3)
        const ids = [a, b, c, gone].map(({ tokenId }) => tokenId)
        yield* transact(tenantId, { tokenIds: ids }, () => ({
          tokensUpdated: [
            { ...a, status: "Revoked" },
            { ...b, status: "Suspended" },
            { ...gone, version: 2 }
          ]
        }))
        assert.strictEqual(yield* stock, 2)
        yield* transact(tenantId, { tokenIds: ids }, () => ({ tokensDeleted: [a.tokenId, c.tokenId, gone.tokenId] }))
        assert.strictEqual(yield* stock, 1)
        assert.strictEqual((yield* look(aName("nobody"))).stock.tokens, 0)
      })
    )

    it.effect("gives a token back as it was written, by id, by hash and by endpoint", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const full = aToken(tenantId, appName, {
          status: "Suspended",
          version: 4_000_000,
          tokenHint: "ä😀ß€",
          activatedAt: 3,
          lastUsedAt: 4,
          expiresAt: 4_102_444_800_000,
          overlapEndsAt: 1_764_000_000_123,
          endedBy: "rotated",
          reason: "r".repeat(256),
          description: "😀".repeat(256),
          createdBy: "https://issuer.example/|alice",
          updatedBy: "elce"
        })
        const bare = aToken(tenantId, appName, { tokenHint: null, status: "Inactive" })
        yield* insert([full, bare])
        assert.deepStrictEqual(yield* store.findToken(tenantId, full.tokenId), full)
        assert.deepStrictEqual(yield* store.findToken(tenantId, bare.tokenId), bare)
        for (const load of [
          { tokenIds: [full.tokenId] },
          { tokenHashes: [hex(full.hash), hex(aHash())] },
          { endpointIds: [full.endpointId] }
        ]) {
          const seen = yield* look(tenantId, load)
          assert.deepStrictEqual(Array.from(seen.tokens.values()), [full])
        }
      })
    )

    it.effect("answers a text that is no id, and another tenant's id, like one that does not exist", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const one = yield* aTenant
        const other = yield* aTenant
        const token = aToken(one.tenantId, one.appName)
        yield* insert([token])
        assert.strictEqual(yield* store.findToken(one.tenantId, "not-an-id"), undefined)
        assert.strictEqual(yield* store.findToken(other.tenantId, token.tokenId), undefined)
        const seen = yield* look(other.tenantId, {
          tokenIds: [token.tokenId, "not-an-id"],
          tokenHashes: [hex(token.hash)],
          endpointIds: [token.endpointId],
          endpointCounts: [token.endpointId],
          appNames: [one.appName]
        })
        assert.strictEqual(seen.tokens.size, 0)
        assert.strictEqual(seen.endpointCounts.get(token.endpointId), 0)
        assert.strictEqual(seen.applications.get(one.appName)?.tenantId, one.tenantId)
        assert.strictEqual(seen.applicationTokenCounts.size, 0)
      })
    )

    it.effect("loads and writes a group of a thousand", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const tokens = Array.from({ length: 1_000 }, () => aToken(tenantId, appName))
        yield* insert(tokens)
        const seen = yield* look(tenantId, {
          tokenHashes: tokens.map((token) => hex(token.hash)),
          endpointCounts: tokens.map((token) => token.endpointId)
        })
        assert.strictEqual(seen.tokens.size, 1_000)
        assert.strictEqual(seen.endpointCounts.size, 1_000)
        assert.isTrue(Array.from(seen.endpointCounts.values()).every((count) => count === 1))
        yield* transact(tenantId, { tokenIds: tokens.map((token) => token.tokenId) }, (loaded) => ({
          tokensUpdated: Array.from(loaded.tokens.values(), (token) => ({ ...token, version: 2 }))
        }))
        assert.strictEqual((yield* store.findToken(tenantId, tokens[999]?.tokenId ?? ""))?.version, 2)
        yield* transact(tenantId, { tokenIds: tokens.map((token) => token.tokenId) }, (loaded) => ({
          tokensDeleted: Array.from(loaded.tokens.keys())
        }))
        assert.strictEqual((yield* look(tenantId)).tenantTokenCount, 0)
      })
    )

    it.effect("counts the tokens of endpoints, applications and the tenant", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const otherApp = aName("app")
        const endpointId = aName("endpoint")
        yield* transact(tenantId, {}, () => ({ applicationsInserted: [otherApp] }))
        const tokens = [
          aToken(tenantId, appName, { endpointId }),
          aToken(tenantId, otherApp, { endpointId, status: "Revoked" }),
          aToken(tenantId, otherApp)
        ]
        yield* insert(tokens)
        const load = {
          endpointCounts: [endpointId],
          appNames: [appName, otherApp],
          tokenIds: [tokens[1]?.tokenId ?? ""]
        }
        const seen = yield* look(tenantId, load)
        assert.strictEqual(seen.endpointCounts.get(endpointId), 2)
        assert.strictEqual(seen.applicationTokenCounts.get(otherApp), 2)
        assert.strictEqual(seen.tenantTokenCount, 3)
        yield* transact(tenantId, load, () => ({ tokensDeleted: load.tokenIds }))
        const after = yield* look(tenantId, load)
        assert.strictEqual(after.endpointCounts.get(endpointId), 1)
        assert.strictEqual(after.applicationTokenCounts.get(otherApp), 1)
        assert.strictEqual(after.tenantTokenCount, 2)
      })
    )

    it.effect("never lets two transactions of one tenant overlap", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        const raise = transact(tenantId, { tokenIds: [token.tokenId] }, (loaded) => ({
          tokensUpdated: Array.from(loaded.tokens.values(), (row) => ({ ...row, version: row.version + 1 })),
          revocation: nextRevocation(tenantId, loaded)
        }))
        const seen = yield* Effect.all(Array(24).fill(raise) as Array<typeof raise>, { concurrency: 24 })
        assert.strictEqual((yield* store.findToken(tenantId, token.tokenId))?.version, 25)
        assert.deepStrictEqual(
          seen.map((loaded) => loaded.revocationSeq).toSorted((a, b) => a - b),
          Array.from({ length: 24 }, (_, index) => index)
        )
        const bySeq = seen.toSorted((a, b) => a.revocationSeq - b.revocationSeq).map((loaded) => loaded.now)
        assert.deepStrictEqual(
          bySeq,
          bySeq.toSorted((a, b) => a - b),
          "the clock ran backwards within a tenant"
        )
      })
    )

    it.effect("writes nothing when the decision fails", () =>
      Effect.gen(function* () {
        const { tenantId } = yield* aTenant
        const before = (yield* auditRows(tenantId)).length
        const exit = yield* Effect.exit(
          transact(tenantId, {}, () => {
            throw new Error("a bug in a decision")
          })
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.strictEqual((yield* auditRows(tenantId)).length, before)
        yield* transact(tenantId, {}, () => ({ audit: [entry("after")] }))
        assert.strictEqual((yield* auditRows(tenantId)).length, before + 1)
      })
    )

    it.effect("refuses a change of what was not loaded, as a bug", () =>
      Effect.gen(function* () {
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        for (const changes of [
          { tokensUpdated: [{ ...token, version: 2 }] },
          { tokensDeleted: [token.tokenId] },
          { tokensInserted: [aToken("another", appName)] },
          { revocation: { tenantId, seq: 7, targets: [] } },
          { outbox: [aMessage({ afterRevocation: true })] },
          // Beside one that fits, so that none goes by its neighbour.
          { outbox: [aMessage(), aMessage({ payload: new Uint8Array(eventBytesMax) })] }
        ]) {
          const exit = yield* Effect.exit(transact(tenantId, {}, () => changes))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        }
      })
    )

    it.effect("rejects a value that exists under another tenant, and undoes all of its group", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const outbox = yield* Outbox
        const one = yield* aTenant
        const other = yield* aTenant
        const token = aToken(one.tenantId, one.appName)
        yield* insert([token])
        const before = { audit: yield* auditRows(other.tenantId), depth: (yield* outbox.depth).rows }
        const innocent = aToken(other.tenantId, other.appName)
        const rejected = yield* transact(other.tenantId, {}, (loaded) => ({
          tokensInserted: [innocent, aToken(other.tenantId, other.appName, { hash: token.hash })],
          applicationsInserted: [aName("app")],
          revocation: nextRevocation(other.tenantId, loaded),
          outbox: [aMessage()],
          audit: [entry("provisioned")]
        })).pipe(Effect.flip)
        assert.strictEqual(rejected._tag, "StatementRejected")
        assert.strictEqual(rejected._tag === "StatementRejected" && rejected.constraint, "tokens.PRIMARY")
        assert.strictEqual(yield* store.findToken(other.tenantId, innocent.tokenId), undefined)
        assert.deepStrictEqual(yield* auditRows(other.tenantId), before.audit)
        assert.strictEqual((yield* outbox.depth).rows, before.depth)
        const seen = yield* look(other.tenantId, { appNames: [other.appName] })
        assert.strictEqual(seen.revocationSeq, 0)
        assert.strictEqual(seen.tenantTokenCount, 0)
        assert.strictEqual(seen.applicationTokenCounts.get(other.appName), 0)
      })
    )

    it.effect("gives an application name to one tenant", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const one = yield* aTenant
        const other = yield* aTenant
        const error = yield* transact(other.tenantId, {}, () => ({ applicationsInserted: [one.appName] })).pipe(
          Effect.flip
        )
        assert.strictEqual(error._tag, "StatementRejected")
        assert.strictEqual((yield* store.findApplications([one.appName]))[0]?.tenantId, one.tenantId)
      })
    )

    it.effect("deletes what is named of the tenant, and nothing of anybody else's", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const one = yield* aTenant
        const other = yield* aTenant
        const [gone, stays] = [aToken(one.tenantId, one.appName), aToken(one.tenantId, one.appName)]
        const foreign = aToken(other.tenantId, other.appName)
        yield* insert([gone, stays])
        yield* insert([foreign])
        yield* transact(one.tenantId, { tokenIds: [gone.tokenId] }, () => ({ tokensDeleted: [gone.tokenId] }))
        assert.strictEqual(yield* store.findToken(one.tenantId, gone.tokenId), undefined)
        assert.deepStrictEqual(yield* store.findToken(one.tenantId, stays.tokenId), stays)
        assert.deepStrictEqual(yield* store.findToken(other.tenantId, foreign.tokenId), foreign)
      })
    )

    it.effect("lets a value that is deleted be used again in the same group", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const old = aToken(tenantId, appName)
        yield* insert([old])
        const fresh = aToken(tenantId, appName, { hash: old.hash })
        yield* transact(tenantId, { tokenIds: [old.tokenId] }, () => ({
          tokensDeleted: [old.tokenId],
          tokensInserted: [fresh]
        }))
        assert.strictEqual(yield* store.findToken(tenantId, old.tokenId), undefined)
        assert.deepStrictEqual(yield* store.findToken(tenantId, fresh.tokenId), fresh)
      })
    )

    it.effect("compares every name byte by byte", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const base = aName("x")
        const tenants = [`${base}t`, `${base}T`, `${base}t `]
        for (const tenantId of tenants) assert.strictEqual(yield* store.createTenant(tenantId, null), "created")
        const [tenantId = ""] = tenants
        const appName = aName("app")
        yield* transact(tenantId, {}, () => ({ applicationsInserted: [appName, `${appName} `] }))
        const ends = [`${base}e`, `${base}E`, `${base}e `, `${base}é`, `${base}e\u0301`]
        yield* insert(ends.map((endpointId) => aToken(tenantId, appName, { endpointId })))
        for (const endpointId of ends) {
          const seen = yield* look(tenantId, { endpointIds: [endpointId], endpointCounts: [endpointId] })
          assert.deepStrictEqual(
            Array.from(seen.tokens.values(), (token) => token.endpointId),
            [endpointId]
          )
          assert.strictEqual(seen.endpointCounts.get(endpointId), 1)
          const page = yield* store.listTokens(tenantId, {
            appName: null,
            endpointId,
            statuses: [],
            order: "ASC",
            limit: 10,
            after: null
          })
          assert.strictEqual(page.content.length, 1)
        }
        assert.deepStrictEqual(yield* store.tenantsOfEndpoint(`${base}E`), [tenantId])
        assert.deepStrictEqual(yield* store.tenantsOfEndpoint(`${base}E `), [])
      })
    )

    it.effect("keeps pages right while rows come and go", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const tokens = Array.from({ length: 10 }, () => aToken(tenantId, appName))
        yield* insert(tokens)
        const ids = tokens.map((token) => token.tokenId)
        const query = { appName, endpointId: null, statuses: [], order: "DESC" as const, limit: 4 }
        const first = yield* store.listTokens(tenantId, { ...query, after: null })
        assert.deepStrictEqual(
          first.content.map((token) => token.tokenId),
          ids.slice(6).reverse()
        )
        // The row that the cursor names goes, one further on goes, and a newer one comes.
        const gone = [ids[6] ?? "", ids[3] ?? ""]
        yield* transact(tenantId, { tokenIds: gone }, () => ({
          tokensDeleted: gone,
          tokensInserted: [aToken(tenantId, appName)]
        }))
        const second = yield* store.listTokens(tenantId, { ...query, after: first.next })
        assert.deepStrictEqual(
          second.content.map((token) => token.tokenId),
          [ids[5], ids[4], ids[2], ids[1]]
        )
        const third = yield* store.listTokens(tenantId, { ...query, after: second.next })
        assert.deepStrictEqual(
          third.content.map((token) => token.tokenId),
          [ids[0]]
        )
        assert.strictEqual(third.next, null)
      })
    )

    it.effect("lists by application, endpoint and status; an ended token is Revoked", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const endpointId = aName("endpoint")
        const active = aToken(tenantId, appName, { endpointId })
        const ended = aToken(tenantId, appName, { endpointId, expiresAt: 1 })
        const suspendedAndEnded = aToken(tenantId, appName, { status: "Suspended", expiresAt: 1 })
        const revoked = aToken(tenantId, appName, { status: "Revoked" })
        const later = aToken(tenantId, appName, { status: "Inactive", expiresAt: 4_102_444_800_000 })
        yield* insert([active, ended, suspendedAndEnded, revoked, later])
        const list = (
          statuses: ReadonlyArray<"Active" | "Inactive" | "Suspended" | "Revoked">,
          of: string | null = null
        ) =>
          Effect.map(
            store.listTokens(tenantId, { appName, endpointId: of, statuses, order: "ASC", limit: 100, after: null }),
            (page) => page.content.map((token) => token.tokenId)
          )
        assert.deepStrictEqual(yield* list(["Active"]), [active.tokenId])
        assert.deepStrictEqual(yield* list(["Suspended"]), [])
        assert.deepStrictEqual(
          yield* list(["Revoked"]),
          [ended, suspendedAndEnded, revoked].map((token) => token.tokenId)
        )
        assert.deepStrictEqual(yield* list(["Revoked", "Inactive"], endpointId), [ended.tokenId])
        assert.deepStrictEqual(yield* list(["Inactive", "Active"]), [active.tokenId, later.tokenId])
        assert.strictEqual((yield* list([])).length, 5)
      })
    )

    it.effect("lists applications in pages, each once and in order", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const names = [appName, ...["a", "b", "c", "d"].map((end) => `${appName}-${end}`)]
        yield* transact(tenantId, {}, () => ({ applicationsInserted: names.slice(1) }))
        const seen: Array<string> = []
        let after: string | null = null
        do {
          const page: { readonly content: ReadonlyArray<{ readonly appName: string }>; readonly next: string | null } =
            yield* store.listApplications(tenantId, { limit: 2, after })
          seen.push(...page.content.map((one) => one.appName))
          after = page.next
        } while (after !== null && seen.length < 20)
        assert.deepStrictEqual(seen, names)
      })
    )

    it.effect("removes an application by a mark, once; it is listed no more and still found", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const { appName, tenantId } = yield* aTenant
        const other = `${appName}-b`
        yield* transact(tenantId, {}, () => ({ applicationsInserted: [other] }))
        yield* transact(tenantId, {}, () => ({ applicationsRemoved: [appName] }))
        const [removed] = yield* store.findApplications([appName])
        assert.isNumber(removed?.removedAt)
        yield* transact(tenantId, {}, () => ({ applicationsRemoved: [appName] }))
        assert.deepStrictEqual(yield* store.findApplications([appName]), removed === undefined ? [] : [removed])
        const page = yield* store.listApplications(tenantId, { limit: 10, after: null })
        assert.deepStrictEqual(
          page.content.map((application) => application.appName),
          [other]
        )
        assert.strictEqual(
          (yield* look(tenantId, { appNames: [appName] })).applications.get(appName)?.removedAt,
          removed?.removedAt
        )
      })
    )

    it.effect("keeps answers for idempotency keys, one tenant's apart from another's", () =>
      Effect.gen(function* () {
        const one = yield* aTenant
        const other = yield* aTenant
        const keyHash = hex(aHash())
        const answer = {
          keyHash,
          fingerprint: hex(aHash()),
          sealedAnswer: new Uint8Array([1, 0, 255]),
          revocationSeq: 3,
          createdAt: 1_700_000_000_000
        }
        const load = { idempotencyKeyHashes: [keyHash] }
        yield* transact(one.tenantId, load, () => ({ idempotent: [answer] }))
        assert.deepStrictEqual((yield* look(one.tenantId, load)).idempotent.get(keyHash), answer)
        assert.strictEqual((yield* look(other.tenantId, load)).idempotent.size, 0)
        const newer = { ...answer, revocationSeq: null, createdAt: 1_800_000_000_000 }
        yield* transact(one.tenantId, load, () => ({ idempotent: [newer] }))
        assert.deepStrictEqual((yield* look(one.tenantId, load)).idempotent.get(keyHash), newer)
      })
    )

    it.effect("links the audit of a tenant without a gap", () =>
      Effect.gen(function* () {
        const { tenantId } = yield* aTenant
        yield* transact(tenantId, {}, () => ({ audit: [entry("a"), { ...entry("b"), diff: null }] }))
        yield* transact(tenantId, {}, () => ({ audit: [entry("c")] }))
        const rows = yield* auditRows(tenantId)
        assert.deepStrictEqual(
          rows.map((row) => row.seq),
          [1, 2, 3, 4]
        )
        let previous = genesisHash(tenantId)
        for (const row of rows) {
          assert.strictEqual(row.prevHash, previous)
          assert.strictEqual(row.hash, linkHash(row))
          previous = row.hash
        }
      })
    )

    it.effect("never takes a later last use back", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const use = yield* TokenUse
        const { appName, tenantId } = yield* aTenant
        const token = aToken(tenantId, appName)
        yield* insert([token])
        yield* use.record([{ tokenId: token.tokenId, usedAt: 500 }])
        yield* transact(tenantId, { tokenIds: [token.tokenId] }, () => ({
          tokensUpdated: [{ ...token, version: 2, lastUsedAt: null }]
        }))
        assert.strictEqual((yield* store.findToken(tenantId, token.tokenId))?.lastUsedAt, 500)
        yield* transact(tenantId, { tokenIds: [token.tokenId] }, () => ({
          tokensUpdated: [{ ...token, version: 3, lastUsedAt: 700 }]
        }))
        assert.strictEqual((yield* store.findToken(tenantId, token.tokenId))?.lastUsedAt, 700)
      })
    )

    it.effect("names every application that has tokens of an endpoint, however many tokens there are", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const one = yield* aTenant
        const other = yield* aTenant
        const second = aName("app")
        yield* transact(one.tenantId, { appNames: [second] }, () => ({ applicationsInserted: [second] }))
        const endpointId = aName("endpoint")
        const many = Array.from({ length: 1_050 }, () => aToken(one.tenantId, one.appName, { endpointId }))
        yield* insert(many)
        yield* insert([aToken(one.tenantId, second, { endpointId, status: "Revoked" })])
        yield* insert([aToken(other.tenantId, other.appName, { endpointId })])
        assert.deepStrictEqual(
          yield* store.applicationsOfEndpoint(one.tenantId, endpointId),
          [one.appName, second].toSorted()
        )
        assert.deepStrictEqual(yield* store.applicationsOfEndpoint(one.tenantId, anId()), [])
      })
    )

    it.effect("names the tenants that have tokens of an endpoint, revoked ones included", () =>
      Effect.gen(function* () {
        const store = yield* TenantStore
        const one = yield* aTenant
        const other = yield* aTenant
        const endpointId = aName("endpoint")
        yield* insert([
          aToken(one.tenantId, one.appName, { endpointId }),
          aToken(one.tenantId, one.appName, { endpointId })
        ])
        yield* insert([aToken(other.tenantId, other.appName, { endpointId, status: "Revoked" })])
        assert.deepStrictEqual(yield* store.tenantsOfEndpoint(endpointId), [one.tenantId, other.tenantId].toSorted())
        assert.deepStrictEqual(yield* store.tenantsOfEndpoint(anId()), [])
      })
    )
  })
