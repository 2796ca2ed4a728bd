// Verifies R-AUD-5.
/** Who read an audit or a secret of `global`, looked at the settings or stopped a replica: what stands where. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import type { StoreRequest } from "../../../../src/actors/credentials/Credentials.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>

const auditor = { principal: "OPERATOR/eve", known: busPrincipal.known, correlationId: "c-9", idempotency: null }
const all = { entityId: null, from: null, to: null, limit: 100, after: null }
const whole = { from: null, to: null }
const started = Effect.gen(function* () {
  const world = yield* credentialWorld
  return { world, replica: yield* world.replica("one") }
})
const rowsOf = (world: World, tenantId: string, action: string) =>
  (world.tables.audit.get(tenantId) ?? []).filter((row) => row.action === action)
const told = (world: World, tenantId: string, action: string) =>
  rowsOf(world, tenantId, action).map(({ actor, correlationId, diff, entityId }) => [
    ...[actor, correlationId, entityId],
    diff === null ? null : JSON.parse(diff)
  ])

describe("the audit of global", () => {
  it.effect("says who read and who verified which tenant's audit: the first at once, the others by their number", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      for (let n = 0; n < 4; n++) {
        yield* replica.audit.list("demo", all, auditor)
        yield* replica.audit.verify("demo", whole, auditor)
      }
      for (const action of ["audit.listed", "audit.verified"]) {
        assert.deepStrictEqual(told(world, "global", action), [["OPERATOR/eve", "c-9", "demo", null]])
        assert.isEmpty(rowsOf(world, "demo", action))
      }
      yield* TestClock.adjust("31 seconds")
      yield* replica.sweeps.writeRefusals({ all: false })
      assert.deepStrictEqual(told(world, "global", "audit.listed")[1], ["OPERATOR/eve", "c-9", "demo", { count: 3 }])
    })
  )

  it.effect("gives no rows of an audit before it says so", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      world.fates.set("global", ["is not done"])
      for (const read of [replica.audit.list, replica.audit.listAny]) {
        assert.strictEqual((yield* Effect.flip(read("demo", all, auditor)))._tag, "Unavailable")
      }
      world.fates.delete("global")
      yield* replica.audit.list("demo", all, auditor)
      assert.lengthOf(rowsOf(world, "global", "audit.listed"), 1)
    })
  )

  it.effect("has each of its secrets that another tenant was handed, and none is handed without", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      const request: StoreRequest = {
        ...{ serviceName: "outlook", type: "api_key", owner: { level: "tenant" }, scopes: [], expiresAt: null },
        ...{ secret: Redacted.make({ api_key: "k" }), allowedConsumers: ["mail"], metadata: {}, rotation: null }
      }
      const { credentialId } = yield* replica.credentials.store("global", request, auditor)
      const options = { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: null } as const
      const mail = { ...auditor, principal: "mail", known: { ...auditor.known, by: "subject" as const } }
      const get = (tenantId: string) =>
        replica.credentials.get(tenantId, { serviceName: "outlook", owner: { level: "tenant" } }, options, mail)
      for (const tenantId of ["demo", "demo", "global"]) yield* get(tenantId)
      const read = (asking?: string) => [
        ...["mail", "c-9", credentialId],
        { version: 1, by: "subject", ...(asking === undefined ? {} : { tenant_id: asking }) }
      ]
      assert.deepStrictEqual(told(world, "global", "credential.read"), [read("demo"), read("demo"), read()])
      assert.lengthOf(rowsOf(world, "demo", "credential.read"), 2)
      world.fates.set("global", ["is not done"])
      assert.strictEqual((yield* Effect.flip(get("demo")))._tag, "Unavailable")
    })
  )

  it.effect("says what an operator did to a replica, which is done without a database, too", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      const act = { action: "replica.drained", entityType: "replica", entityId: "one", diff: null }
      yield* replica.audit.tell(act, auditor)
      assert.deepStrictEqual(told(world, "global", "replica.drained"), [["OPERATOR/eve", "c-9", "one", null]])
      world.fates.set("global", ["is not done"])
      yield* replica.audit.tell({ ...act, entityId: "two" }, auditor)
      assert.lengthOf(rowsOf(world, "global", "replica.drained"), 1)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("an auditor of the platform", () => {
  it.effect("reads the audit of a tenant that was removed, and of one that had its name before; both are told", () =>
    Effect.gen(function* () {
      const { replica, world } = yield* started
      yield* world.append("demo", 3)
      yield* replica.audit.listAny("demo", all, auditor)
      assert.lengthOf(rowsOf(world, "demo", "audit.listed"), 1)
      yield* world.removeTenant("demo")
      world.tables.pending.clear()
      yield* world.sweeps.purgeRemoved
      assert.strictEqual((yield* Effect.flip(replica.audit.list("demo", all, auditor)))._tag, "TenantNotFound")
      const { content } = yield* replica.audit.listAny("demo", all, auditor)
      assert.strictEqual(content.length, world.tables.audit.get("demo")?.length)
      assert.isAbove(content.length, 3)
      assert.lengthOf(rowsOf(world, "global", "audit.listed"), 1)
      const page = yield* replica.audit.listAny("demo", { ...all, limit: 2, after: "1" }, auditor)
      assert.deepStrictEqual(
        page.content.map(({ seq }) => seq),
        [2, 3]
      )
      assert.strictEqual((yield* Effect.flip(replica.audit.listAny("nobody", all, auditor)))._tag, "TenantNotFound")
    })
  )
})
