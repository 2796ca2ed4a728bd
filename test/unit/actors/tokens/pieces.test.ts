// Verifies R-LIM-3.
/** A batch of a thousand, or a large group, leaves the thread to others, and is one transaction and one answer all the same. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { lightPieceMax, pieceMax } from "../../../../src/observability/Pieces.ts"
import { decided } from "../../../../src/store/TenantStore.ts"
import { operator, tenantWorld, withKey } from "../../../support/tenantWorld.ts"
import { turnsOfLoop } from "../../../support/turnsOfLoop.ts"

const count = 1_000
/** The turns of the loop that so many things take at least, when they are done in pieces. */
const turnsMin = Math.floor(count / pieceMax)
const values = Array.from({ length: count }, (_, n) => `value-${n}`)
const items = values.map((token, n) => ({ endpointId: `e${n}`, token, expiresAt: null, description: null }))
const revoke = { target: "Revoked", expectedVersion: null, reason: null } as const

const setup = Effect.gen(function* () {
  const world = yield* tenantWorld
  const { tenants } = yield* world.replica("one")
  for (const tenantId of ["acme", "else"]) {
    yield* tenants.createTenant({ tenantId, name: null }, operator)
    yield* tenants.registerApplication(tenantId, tenantId, operator)
  }
  const turns = turnsOfLoop()
  yield* Effect.addFinalizer(() => Effect.sync(turns.end))
  /** Of each transaction of the tenant: turns of the loop from its asking to its beginning, and those of its decision. */
  const seen: Array<{ readonly before: number; readonly deciding: number }> = []
  let askedAt = 0
  world.faults.transact = (tenantId, load, decide) => {
    const before = turns.now() - askedAt
    return world.store.transact(tenantId, load, (loaded) => {
      const from = turns.now()
      return Effect.map(decided(decide, loaded), (decision) => {
        if (tenantId === "acme") seen.push({ before, deciding: turns.now() - from })
        return decision
      })
    })
  }
  const asked = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      askedAt = turns.now()
      return effect
    })
  return { world, tenants, seen, asked, turns }
})

describe("a batch of a thousand tokens", () => {
  it.effect("is made, found to exist, and revoked in pieces, each in one transaction and in order", () =>
    Effect.gen(function* () {
      const { asked, seen, tenants, world } = yield* setup
      const made = yield* asked(tenants.provisionTokens("acme", "acme", items, withKey("k", "token.provision-batch")))
      assert.deepStrictEqual(
        made.map((one) => Result.getOrThrow(one).token),
        values
      )
      const tokenIds = made.map((one) => Result.getOrThrow(one).record.tokenId)
      const again = yield* asked(tenants.provisionTokens("acme", "acme", items, withKey("k", "token.provision-batch")))
      assert.deepStrictEqual(again, made)
      const exist = yield* asked(tenants.provisionTokens("acme", "acme", items, operator))
      for (const one of exist) assert.deepInclude(Result.isFailure(one) ? one.failure : {}, { _tag: "TokenExists" })
      // By id and by value in turns, one of them nobody's.
      const refs = tokenIds.map((tokenId, n) =>
        n === 500
          ? { appName: "acme", token: "nobodys" }
          : n % 2 === 0
            ? { tokenId }
            : { appName: "acme", token: values[n]! }
      )
      for (let time = 0; time < 2; time++) {
        const ended = yield* asked(tenants.transitionTokens("acme", refs, revoke, operator))
        assert.deepStrictEqual(
          ended.map((one) => (Result.isSuccess(one) ? one.success.tokenId : one.failure._tag)),
          tokenIds.with(500, "TokenNotFound")
        )
      }
      assert.strictEqual(
        Array.from(world.tables.tokens.values()).filter(({ status }) => status === "Revoked").length,
        999
      )
      assert.lengthOf(seen, 5)
      for (const [n, { before, deciding }] of seen.entries()) {
        if (n < 4) assert.isAtLeast(before, turnsMin / 2, `values are hashed in pieces, transaction ${n}`)
        // The repetition by its key decides nothing.
        if (n !== 1) assert.isAtLeast(deciding, turnsMin, `transaction ${n}`)
      }
      const audited = world.tables.audit.get("acme")!.filter(({ action }) => action === "token.revoked")
      assert.deepStrictEqual(
        audited.map(({ entityId }) => entityId),
        tokenIds.toSpliced(500, 1)
      )
    })
  )

  it.effect("that are one endpoint's are deleted in pieces", () =>
    Effect.gen(function* () {
      const { asked, seen, tenants, world } = yield* setup
      yield* tenants.provisionTokens(
        "acme",
        "acme",
        items.map((item) => ({ ...item, endpointId: "e" })),
        operator
      )
      seen.length = 0
      const deleted = yield* asked(tenants.deleteTokens("acme", { endpointId: "e" }, operator))
      assert.deepStrictEqual(deleted, { deleted: count })
      assert.strictEqual(world.tables.tokens.size, 0)
      assert.isAtLeast(seen[0]!.deciding, turnsMin)
    })
  )

  it.effect("lets another tenant's change through that comes behind it", () =>
    Effect.gen(function* () {
      const { tenants } = yield* setup
      const order: Array<string> = []
      const batch = yield* Effect.forkChild(
        Effect.tap(tenants.provisionTokens("acme", "acme", items, operator), () =>
          Effect.sync(() => order.push("batch"))
        ),
        { startImmediately: true }
      )
      yield* tenants.provisionTokens("else", "else", [items[0]!], operator)
      order.push("one")
      yield* Fiber.join(batch)
      assert.deepStrictEqual(order, ["one", "batch"])
    })
  )

  it.effect(
    "is validated in pieces: all are asked before the first that waits is answered, and answered in order",
    () =>
      Effect.gen(function* () {
        const { tenants, turns } = yield* setup
        yield* tenants.provisionTokens("acme", "acme", items, operator)
        const asked = values.map((token, n) => ({
          appName: n === 700 ? "nobodys" : "acme",
          token: n === 3 ? "none" : token
        }))
        for (let time = 0; time < 2; time++) {
          const from = turns.now()
          const answers = yield* tenants.validate("acme", asked, { dryRun: false })
          assert.deepStrictEqual(
            answers.map(({ endpointId, statusCode }) => (statusCode === 200 ? endpointId : statusCode)),
            items.map(({ endpointId }, n) => (n === 3 || n === 700 ? 404 : endpointId))
          )
          assert.isAtLeast(turns.now() - from, Math.floor(count / lightPieceMax))
        }
        assert.deepStrictEqual(yield* tenants.validate("acme", [], { dryRun: false }), [])
      })
  )
})

describe("a group of many changes", () => {
  it.effect("is decided in pieces, in one transaction and in order", () =>
    Effect.gen(function* () {
      const { seen, tenants, world } = yield* setup
      seen.length = 0
      const many = 2 * pieceMax
      const results = yield* Effect.all(
        items.slice(0, many).map((item) => tenants.provisionTokens("acme", "acme", [item], operator)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results.map(([one]) => Result.getOrThrow(one!).token),
        values.slice(0, many)
      )
      assert.strictEqual(world.tables.tokens.size, many)
      assert.isAbove(Math.max(...seen.map(({ deciding }) => deciding)), 0, JSON.stringify(seen))
    })
  )
})
