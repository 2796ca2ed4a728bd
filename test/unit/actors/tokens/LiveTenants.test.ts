// Verifies R-DUR-5, R-REV-9, R-BUS-5, R-BUS-14, R-INP-4.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { createTenant, registerApplication } from "../../../../src/actors/tokens/commands/applications.ts"
import { takeOutOfService } from "../../../../src/actors/tokens/commands/service.ts"
import { globalTenantId } from "../../../../src/domain/Names.ts"
import { noSettings } from "../../../../src/domain/Tenant.ts"
import { encodeTenant } from "../../../../src/schema/TenantJson.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { operator, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

const create = { tenantId: "acme", name: "Acme" }

describe("a token that was used a moment ago", () => {
  it.effect("is changed only behind its first use, which is hurried into the mailbox before", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { firstUse, tenants } = yield* world.replica("one")
      yield* tenants.createTenant(create, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: "value-1", expiresAt: null, description: null }
      const [made] = yield* tenants.provisionTokens("acme", "app", [item], operator)
      const { tokenId } = Result.getOrThrow(made!).record
      const hurried: Array<string> = []
      firstUse.recordNow = (tenantId) => void hurried.push(`${tenantId} ${world.tables.tokens.get(tokenId)?.status}`)
      const target = { target: "Revoked", expectedVersion: null, reason: null } as const
      yield* tenants.transitionTokens("acme", [{ tokenId }], target, operator)
      assert.deepStrictEqual(hurried, ["acme Inactive"])
    })
  )
})

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

  it.effect("is refused with a key that was used for another tenant, whichever replica is asked", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
      const [acme, beta] = [withKey("k", "tenants.create", "acme"), withKey("k", "tenants.create", "beta")]
      const first = yield* one.tenants.createTenant(create, acme)
      for (const { tenants } of [one, two]) {
        const refused = yield* Effect.flip(tenants.createTenant({ tenantId: "beta", name: null }, beta))
        assert.strictEqual(refused._tag, "IdempotencyKeyReused")
        assert.deepStrictEqual(yield* tenants.createTenant(create, acme), first)
      }
      assert.deepStrictEqual(yield* world.store.findTenants(["beta"]), [])
      // Another operation, and another caller, are another key.
      yield* one.tenants.configureTenant("acme", { name: "A" }, withKey("k", "tenants.configure", "acme"))
      yield* one.tenants.createTenant({ tenantId: "beta", name: null }, { ...beta, principal: "bob" })
      const other = withKey("k", "tenants.configure", "beta")
      assert.strictEqual(
        (yield* Effect.flip(two.tenants.configureTenant("beta", { name: "B" }, other)))._tag,
        "IdempotencyKeyReused"
      )
      const remove = (tenantId: string) => two.tenants.removeTenant(tenantId, withKey("k", "tenants.remove", tenantId))
      assert.deepStrictEqual(yield* remove("acme"), { deleted: 0 })
      assert.strictEqual((yield* Effect.flip(remove("beta")))._tag, "IdempotencyKeyReused")
      assert.deepStrictEqual(yield* remove("acme"), { deleted: 0 })
    })
  )

  it.effect("is known by its key beside what the same key stands for with the platform's own tenant", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      const caller = withKey("k", "tenants.configure")
      const configured = yield* tenants.configureTenant(globalTenantId, { name: "Ours" }, caller)
      assert.deepInclude(configured, { tenantId: globalTenantId, name: "Ours" })
      const again = yield* tenants.configureTenant(globalTenantId, { name: "Ours" }, caller)
      assert.deepStrictEqual(encodeTenant(again), encodeTenant(configured))
      assert.strictEqual((yield* world.store.findTenants([globalTenantId]))[0]?.name, "Ours")
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

  it.effect("is configured once by a key, which is answered the same after it was removed and purged", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
      const caller = withKey("k", "tenants.configure")
      const configure = ({ tenants }: typeof one) =>
        Effect.map(tenants.configureTenant("acme", { name: "A" }, caller), encodeTenant)
      yield* one.tenants.createTenant(create, operator)
      const first = yield* configure(one)
      yield* one.tenants.removeTenant("acme", operator)
      for (const replica of [one, two]) assert.deepStrictEqual(yield* configure(replica), first)
      world.tables.tenants.delete("acme")
      for (const replica of [one, two]) assert.deepStrictEqual(yield* configure(replica), first)
      // Another body, another key and none are of a tenant that is gone.
      const refusedTo = (request: object, who: typeof caller) =>
        Effect.map(Effect.flip(one.tenants.configureTenant("acme", request, who)), ({ _tag }) => _tag)
      const other = withKey("k", "tenants.configure", "another body")
      assert.strictEqual(yield* refusedTo({ name: "B" }, other), "IdempotencyKeyReused")
      assert.strictEqual(yield* refusedTo({ name: "A" }, withKey("l", "tenants.configure")), "TenantNotFound")
      assert.strictEqual(yield* refusedTo({ name: "A" }, operator), "TenantNotFound")
      // Created again it is another one: what was answered of the first is nobody's.
      yield* TestClock.adjust("1 second")
      yield* one.tenants.createTenant(create, operator)
      assert.notStrictEqual((yield* configure(two)).createdDate, first.createdDate)
    })
  )

  it.effect("lets every replica serve it from the answer on, also one that was asked for it before", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
      const validate = ({ tenants }: typeof one) =>
        tenants.validate("acme", [{ appName: "app", token: "value123" }], { dryRun: true })
      for (const replica of [one, two]) {
        assert.strictEqual((yield* Effect.flip(validate(replica)))._tag, "TenantNotFound")
      }
      yield* one.tenants.createTenant(create, operator)
      for (const replica of [one, two]) assert.strictEqual((yield* validate(replica))[0]?.statusCode, 404)
      yield* two.tenants.removeTenant("acme", operator)
      assert.strictEqual((yield* Effect.flip(validate(two)))._tag, "TenantNotFound")
    })
  )

  it.effect("lets what comes with it in one group use it", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { commit, tenants } = yield* world.replica("one")
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const asked = [createTenant("Acme", noSettings, operator), registerApplication("app", operator)].map(
        (command) => ({
          command,
          reply: (exit: Exit.Exit<unknown, unknown>) => void exits.push(exit)
        })
      )
      yield* commit.serve("acme", asked)
      assert.deepStrictEqual(
        exits.map((exit) => Exit.isSuccess(exit) && Result.isResult(exit.value) && Result.isSuccess(exit.value)),
        [true, true]
      )
      assert.strictEqual((yield* tenants.listApplications("acme", { limit: 5, after: null })).content.length, 1)
    })
  )
})

describe("an answer that says that a right is gone", () => {
  /** One token that is usable and one whose change is committed and not in force. */
  const setup = Effect.gen(function* () {
    const world = yield* tenantWorld
    const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
    yield* one.tenants.createTenant(create, operator)
    yield* one.tenants.registerApplication("acme", "app", operator)
    const items = ["kept-value", "gone-value"].map((token) => ({
      endpointId: token,
      token,
      expiresAt: null,
      description: null
    }))
    const [kept, gone] = (yield* one.tenants.provisionTokens("acme", "app", items, operator)).map(
      (result) => Result.getOrThrow(result).record.tokenId
    ) as [string, string]
    world.state.hold = true
    const list = (statuses: ReadonlyArray<"Inactive" | "Revoked">) =>
      two.tenants.listTokens("acme", {
        appName: null,
        endpointId: null,
        statuses,
        order: "DESC",
        limit: 10,
        after: null
      })
    const start = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => TestClock.adjust(0))
    const isOver = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined
    return { world, commit: one.commit, one: one.tenants, two: two.tenants, kept, gone, list, start, isOver }
  })
  const revoke = { target: "Revoked", expectedVersion: null, reason: null } as const

  it.effect("a removed tenant is not found by a validation before its removal is in force", () =>
    Effect.gen(function* () {
      const { isOver, one, start, two, world } = yield* setup
      const first = yield* start(one.removeTenant("acme", operator))
      const validating = yield* start(
        Effect.flip(two.validate("acme", [{ appName: "app", token: "kept-value" }], { dryRun: true }))
      )
      assert.deepStrictEqual([first, validating].map(isOver), [false, false])
      yield* world.release
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Fiber.join(validating))._tag, "TenantNotFound")
      yield* Fiber.join(first)
    })
  )

  it.effect("comes from any replica when that is in force, at once", () =>
    Effect.gen(function* () {
      const { gone, isOver, list, one, start, two, world } = yield* setup
      const first = yield* start(one.transitionTokens("acme", [{ tokenId: gone }], revoke, operator))
      const others = [
        yield* start(two.transitionTokens("acme", [{ tokenId: gone }], revoke, operator)),
        yield* start(two.getToken("acme", gone)),
        yield* start(list([])),
        yield* start(list(["Revoked"]))
      ]
      assert.deepStrictEqual([first, ...others].map(isOver), [false, false, false, false, false])
      yield* world.release
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(others.map(isOver), [true, true, true, true])
      for (const fiber of others) yield* Fiber.join<unknown, unknown>(fiber)
    })
  )

  it.effect("that the tenant is gone, too, from any replica and whoever asks", () =>
    Effect.gen(function* () {
      const { gone, isOver, list, one, start, two, world } = yield* setup
      const removal = yield* start(one.removeTenant("acme", operator))
      const others: Array<Fiber.Fiber<unknown, unknown>> = [
        yield* start(Effect.flip(two.transitionTokens("acme", [{ tokenId: gone }], revoke, operator))),
        yield* start(Effect.flip(one.transitionTokens("acme", [{ tokenId: gone }], revoke, operator))),
        yield* start(Effect.flip(two.getToken("acme", gone))),
        yield* start(Effect.flip(list([]))),
        yield* start(Effect.flip(two.transitionByValue("app", "gone-value", "Revoked", operator)))
      ]
      assert.deepStrictEqual([removal, ...others].map(isOver), [false, false, false, false, false, false])
      yield* world.release
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(others.map(isOver), [true, true, true, true, true])
    })
  )

  it.effect("is waited for by no read that shows what is usable", () =>
    Effect.gen(function* () {
      const { gone, kept, list, one, start, two } = yield* setup
      yield* start(one.transitionTokens("acme", [{ tokenId: gone }], revoke, operator))
      assert.strictEqual((yield* two.getToken("acme", kept)).status, "Inactive")
      assert.strictEqual((yield* list(["Inactive"])).content.length, 1)
    })
  )

  it.effect("waits for a deletion, for the new end of a rotated token, and for the removal of an application", () =>
    Effect.gen(function* () {
      const { gone, isOver, kept, one, start, two, world } = yield* setup
      yield* start(one.deleteTokens("acme", { tokenId: gone }, operator))
      yield* start(one.rotateToken("acme", { tokenId: kept, overlapMs: 60_000, token: null }, operator))
      const byValue = Effect.flip(two.transitionByValue("app", "kept-value", "Revoked", operator))
      const reads: Array<Fiber.Fiber<unknown, unknown>> = [
        yield* start(Effect.flip(two.getToken("acme", gone))),
        yield* start(two.getToken("acme", kept))
      ]
      yield* start(one.removeApplication("acme", "app", operator))
      reads.push(yield* start(byValue))
      assert.deepStrictEqual(reads.map(isOver), [false, false, false])
      yield* world.release
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(reads.map(isOver), [true, true, true])
    })
  )

  it.effect("waits when it is a list without an application that was removed or went out of service", () =>
    Effect.gen(function* () {
      for (const end of ["removed", "out of service"]) {
        const { commit, isOver, one, start, two, world } = yield* setup
        const ended =
          end === "removed"
            ? one.removeApplication("acme", "app", operator)
            : commit.serve("acme", [
                { command: takeOutOfService("app", "deleted", Number.MAX_SAFE_INTEGER, operator), reply: () => {} }
              ])
        yield* start(Effect.asVoid<unknown, unknown, never>(ended))
        const page = { limit: 5, after: null }
        const lists = [
          yield* start(two.listApplications("acme", page)),
          yield* start(two.listApplications("acme", { ...page, among: ["app"] }))
        ]
        assert.deepStrictEqual(lists.map(isOver), [false, false], end)
        yield* world.release
        yield* TestClock.adjust(0)
        for (const answer of lists) assert.deepStrictEqual((yield* Fiber.join(answer)).content, [], end)
      }
    })
  )

  it.effect("is 503 after 10 s, and then says that the change is committed", () =>
    Effect.gen(function* () {
      const { gone, isOver, one, start, two } = yield* setup
      yield* start(one.transitionTokens("acme", [{ tokenId: gone }], revoke, operator))
      const read = yield* start(Effect.flip(two.getToken("acme", gone)))
      yield* TestClock.adjust("9900 millis")
      assert.isFalse(isOver(read))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(read))._tag, "NotYetInForce")
    })
  )
})

describe("an id that is none of ours", () => {
  it.effect("is unknown before anything waits or is asked, whatever it is", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant(create, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: null, expiresAt: null, description: null }
      const [made] = yield* tenants.provisionTokens("acme", "app", [item], operator)
      const { tokenId } = Result.getOrThrow(made!).record
      world.faults.transact = () => Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
      const transition = { target: "Revoked", expectedVersion: null, reason: null } as const
      for (const wrong of ["", "x".repeat(4_000_000), "\ud800", tokenId.toUpperCase(), `${tokenId} `]) {
        const tags = yield* Effect.all([
          Effect.flip(tenants.getToken("acme", wrong)),
          Effect.flip(tenants.rotateToken("acme", { tokenId: wrong, overlapMs: 0, token: null }, operator)),
          Effect.flip(tenants.deleteTokens("acme", { tokenId: wrong }, operator)),
          Effect.map(tenants.transitionTokens("acme", [{ tokenId: wrong }], transition, operator), ([one]) =>
            Result.getOrThrow(Result.flip(one!))
          )
        ])
        assert.deepStrictEqual(
          tags.map(({ _tag }) => _tag),
          Array(4).fill("TokenNotFound")
        )
        assert.isBelow(JSON.stringify(tags).length, 1_000)
        assert.strictEqual((yield* Effect.flip(tenants.getToken("nobody", wrong)))._tag, "TenantNotFound")
      }
      delete world.faults.transact
      const refs = [{ tokenId: "x" }, { tokenId }, { tokenId: "y" }]
      const results = yield* tenants.transitionTokens("acme", refs, transition, operator)
      assert.deepStrictEqual(results.map(Result.isSuccess), [false, true, false])
    })
  )

  it.effect("and a batch of none is answered with none", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant(create, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      assert.deepStrictEqual(yield* tenants.provisionTokens("acme", "app", [], operator), [])
      const refused = yield* Effect.flip(tenants.provisionTokens("acme", "other", [], operator))
      assert.strictEqual(refused._tag, "ApplicationNotFound")
    })
  )
})
