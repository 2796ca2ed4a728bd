// Verifies R-BUS-9.
/** What is read for one tenant counts against that tenant's share of the connections: of every store, every read. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { AuditStore } from "../../../../src/store/AuditStore.ts"
import { ClientStore } from "../../../../src/store/ClientStore.ts"
import { CredentialStore, noCredentials } from "../../../../src/store/CredentialStore.ts"
import * as MariaAuditStore from "../../../../src/store/maria/MariaAuditStore.ts"
import * as MariaClientStore from "../../../../src/store/maria/MariaClientStore.ts"
import * as MariaCredentialStore from "../../../../src/store/maria/MariaCredentialStore.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import * as MariaRefreshStore from "../../../../src/store/maria/MariaRefreshStore.ts"
import * as MariaTenantStore from "../../../../src/store/maria/MariaTenantStore.ts"
import { RefreshStore } from "../../../../src/store/RefreshStore.ts"
import { TenantStore } from "../../../../src/store/TenantStore.ts"

const id = "01890000-0000-7000-8000-000000000001"
const page = { limit: 1, after: null }
const tokens = { appName: null, endpointId: null, statuses: [], order: "ASC", ...page } as const

it.effect("each read that is asked for a tenant names it", () =>
  Effect.gen(function* () {
    const asked = new Map<string, string | null>()
    const note = (operation: string, _: unknown, tenantId: string | null = null) =>
      Effect.sync(() => {
        asked.set(operation, tenantId)
        return undefined as never
      })
    const database = Layer.succeed(Mariadb, {
      query: note,
      lookup: () => Promise.reject(new Error("nothing of it is looked up")),
      transaction: note
    })
    const context = yield* Layer.build(
      Layer.mergeAll(
        MariaTenantStore.layer,
        MariaClientStore.layer,
        MariaCredentialStore.layer,
        MariaAuditStore.layer,
        MariaRefreshStore.layer
      ).pipe(Layer.provide(database))
    )
    const [tenants, clients, credentials, audit, refresh] = [
      Context.get(context, TenantStore),
      Context.get(context, ClientStore),
      Context.get(context, CredentialStore),
      Context.get(context, AuditStore),
      Context.get(context, RefreshStore)
    ]
    yield* Effect.all([
      tenants.findTenants(["acme"]),
      tenants.listApplications("acme", page),
      tenants.findApplications(["app"], "acme"),
      tenants.findToken("acme", id),
      tenants.listTokens("acme", tokens),
      tenants.countTokens("acme", tokens),
      tenants.findRevokeAll("acme", id),
      tenants.applicationsOfEndpoint("acme", "e"),
      clients.find("acme", id),
      clients.list("acme", { clientId: null, statuses: [], kind: null, ...page }),
      credentials.find("acme", noCredentials),
      credentials.list("acme", { serviceName: null, isActive: null, expiringWithinMs: null, ...page }),
      credentials.versions("acme", id, 1),
      credentials.services("acme", page),
      audit.list("acme", { entityId: null, from: null, to: null, ...page }),
      audit.beginning("acme"),
      audit.head("acme"),
      audit.checkpoints("acme", 1, 1),
      audit.newestCheckpoint("acme"),
      refresh.standing("acme", id),
      refresh.providers("acme", null)
    ])
    assert.strictEqual(asked.size, 21)
    for (const [operation, tenantId] of asked) assert.strictEqual(tenantId, "acme", operation)
  }).pipe(Effect.scoped)
)
