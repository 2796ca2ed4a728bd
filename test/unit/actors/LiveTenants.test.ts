// Verifies R-DUR-5.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import { createTenant, registerApplication } from "../../../src/actors/commands/applications.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { operator, tenantWorld, withKey } from "../../support/tenantWorld.ts"

const create = { tenantId: "acme", name: "Acme" }

describe("creating a tenant", () => {
  it.effect("names in the tenant's audit who asked for it", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      const created = yield* tenants.createTenant(create, operator)
      assert.deepInclude(created, { tenantId: "acme", name: "Acme", removedAt: null })
      assert.deepStrictEqual(
        world.tables.audit.get("acme")?.map(({ action, actor, seq }) => [seq, actor, action]),
        [[1, "alice", "tenant.created"]]
      )
      assert.deepStrictEqual(world.announced, [{ tenantId: "acme", targets: [{ kind: "tenant" }] }])
    })
  )

  it.effect("is one transaction: what is answered as not done was not begun", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      world.faults.transact = () => Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
      const refused = yield* Effect.flip(tenants.createTenant(create, withKey("k", "tenants.create")))
      assert.deepInclude(refused, { _tag: "Unavailable", committed: false })
      assert.deepStrictEqual(yield* world.store.findTenants(["acme"]), [])
      delete world.faults.transact
      yield* tenants.createTenant(create, withKey("k", "tenants.create"))
    })
  )

  it.effect("is refused when there is one, and repeated by its idempotency key", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      const caller = withKey("k", "tenants.create")
      const first = yield* tenants.createTenant(create, caller)
      assert.deepStrictEqual(yield* tenants.createTenant(create, caller), first)
      assert.strictEqual((yield* Effect.flip(tenants.createTenant(create, operator)))._tag, "TenantExists")
      assert.strictEqual(world.tables.audit.get("acme")?.length, 1)
    })
  )

  it.effect("creates it again after it was removed and purged, whatever was answered to its key before", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      const caller = withKey("k", "tenants.create")
      yield* tenants.createTenant(create, caller)
      yield* tenants.removeTenant("acme", operator)
      assert.strictEqual((yield* Effect.flip(tenants.createTenant(create, operator)))._tag, "TenantExists")
      world.tables.tenants.delete("acme")
      yield* tenants.createTenant(create, caller)
      assert.strictEqual((yield* world.store.findTenants(["acme"]))[0]?.removedAt, null)
    })
  )

  it.effect("lets what comes with it in one group use it", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { commit, tenants } = yield* world.replica("one")
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const asked = [createTenant("Acme", operator), registerApplication("app", operator)].map((command) => ({
        command,
        reply: (exit: Exit.Exit<unknown, unknown>) => void exits.push(exit)
      }))
      yield* commit.serve("acme", asked)
      assert.deepStrictEqual(
        exits.map((exit) => Exit.isSuccess(exit) && Result.isResult(exit.value) && Result.isSuccess(exit.value)),
        [true, true]
      )
      assert.strictEqual((yield* tenants.listApplications("acme", { limit: 5, after: null })).content.length, 1)
    })
  )
})
