// Verifies R-TOK-12.
/** A population of tokens that is revoked, by two replicas over one database whose barriers end when the test says so. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { revokeAllsMax } from "../../../../src/actors/tokens/commands/revokeAll.ts"
import type { TokenPopulation } from "../../../../src/domain/TokenPopulation.ts"
import { operator, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

const tenantId = "acme"
const anybody: TokenPopulation = {
  applications: ["app"],
  endpointIds: null,
  createdBefore: null,
  createdBy: null,
  unusedSince: null
}

const world = Effect.gen(function* () {
  const all = yield* tenantWorld
  const [one, two] = [yield* all.replica("one"), yield* all.replica("two")]
  yield* one.tenants.createTenant({ tenantId, name: null }, operator)
  yield* one.tenants.registerApplication(tenantId, "app", operator)
  const provision = Effect.fnUntraced(function* (count: number, endpoint = "e") {
    const items = Array.from({ length: count }, (_, n) => ({
      endpointId: `${endpoint}${n}`,
      token: null,
      expiresAt: null,
      description: null
    }))
    const made = yield* one.tenants.provisionTokens(tenantId, "app", items, operator)
    return made.map((item) => Result.getOrThrow(item).record.tokenId)
  })
  const begin = (population: Partial<TokenPopulation> = {}, caller = operator) =>
    one.tenants.revokeAll(tenantId, { population: { ...anybody, ...population }, reason: null }, caller)
  const statusOf = (operationId: string) => two.tenants.findRevokeAll(tenantId, operationId)
  const rowOf = Effect.map(one.ender.openRevokeAlls(10), (open) => open[0]!)
  const revoked = Effect.sync(() =>
    Array.from(all.tables.tokens.values())
      .filter(({ status }) => status === "Revoked")
      .map(({ tokenId }) => tokenId)
  )
  return { all, one, two, provision, begin, statusOf, rowOf, revoked }
})

describe("a population of tokens", () => {
  it.effect("says done when all of it is in force, and not before", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, rowOf, statusOf, two } = yield* world
      const tokenIds = yield* provision(5)
      const { matched, operationId } = yield* begin()
      assert.strictEqual(matched, 5)
      all.state.hold = true
      const piece = yield* Effect.forkScoped(one.ender.revokeAllPiece(yield* rowOf, 10))
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(all.held, 1)
      // Whoever goes on finds nothing left to do, and all of it pending.
      const end = yield* Effect.forkScoped(two.ender.revokeAllPiece(yield* rowOf, 10))
      yield* TestClock.adjust("1 second")
      assert.isNull((yield* statusOf(operationId)).finishedAt)
      all.state.hold = false
      yield* all.release
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(piece), 5)
      yield* Fiber.join(end)
      const status = yield* statusOf(operationId)
      assert.isNotNull(status.finishedAt)
      assert.strictEqual(status.done, 5)
      assert.strictEqual((yield* two.tenants.getToken(tenantId, tokenIds[0]!)).status, "Revoked")
      assert.isEmpty(yield* one.ender.openRevokeAlls(10))
    }).pipe(Effect.scoped)
  )

  it.effect("is gone on with from where it is: a replica that was slow does nothing", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, revoked, rowOf, two } = yield* world
      yield* provision(10)
      yield* begin()
      const stale = yield* rowOf
      assert.strictEqual(yield* one.ender.revokeAllPiece(stale, 4), 4)
      const next = yield* rowOf
      assert.strictEqual(next.done, 4)
      assert.strictEqual(yield* two.ender.revokeAllPiece(stale, 4), 0)
      assert.deepStrictEqual(yield* rowOf, next)
      assert.lengthOf(yield* revoked, 4)
      const audited = all.tables.audit.get(tenantId)!.filter(({ action }) => action === "token.revoked")
      assert.strictEqual(new Set(audited.map(({ entityId }) => entityId)).size, audited.length)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves none good where a page of them is answered as if there were no more", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, revoked, rowOf, statusOf } = yield* world
      const { listTokens } = all.store
      yield* provision(10)
      for (const shown of [0, 2]) {
        // Each first reading is cut short, or each second.
        for (const cut of [0, 1]) {
          const tokenIds = yield* provision(3, `f${shown}${cut}`)
          const { operationId } = yield* begin({ createdBefore: null })
          let readings = 0
          all.faults.listTokens = (...args) =>
            Effect.map(listTokens(...args), (page) =>
              readings++ % 2 === cut ? { content: page.content.slice(0, shown), next: null } : page
            )
          while ((yield* one.ender.openRevokeAlls(10)).length > 0) yield* one.ender.revokeAllPiece(yield* rowOf, 20)
          delete all.faults.listTokens
          assert.isNotNull((yield* statusOf(operationId)).finishedAt)
          assert.includeMembers(yield* revoked, tokenIds)
        }
      }
      assert.lengthOf(yield* revoked, 22)
    }).pipe(Effect.scoped)
  )

  it.effect("goes on behind a page that is empty and not the last, however it is answered", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, revoked, rowOf } = yield* world
      const { listTokens } = all.store
      const tokenIds = yield* provision(3)
      yield* begin()
      let readings = 0
      all.faults.listTokens = (owner, query) =>
        query.after === null
          ? Effect.succeed({ content: [], next: readings++ % 2 === 0 ? null : tokenIds[0]! })
          : listTokens(owner, { ...query, after: null })
      while ((yield* one.ender.openRevokeAlls(10)).length > 0) yield* one.ender.revokeAllPiece(yield* rowOf, 20)
      assert.sameMembers(yield* revoked, tokenIds)
    }).pipe(Effect.scoped)
  )

  it.effect("has none that was used in time meanwhile", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, revoked, rowOf } = yield* world
      const tokenIds = yield* provision(3)
      yield* TestClock.adjust("10 seconds")
      yield* begin({ unusedSince: 5_000 })
      const token = all.tables.tokens.get(tokenIds[1]!)!
      // Between what was listed and what is locked.
      const { transact } = all.store
      all.faults.transact = (...args) => {
        all.tables.tokens.set(token.tokenId, { ...token, lastUsedAt: 11_000 })
        return transact(...args)
      }
      yield* one.ender.revokeAllPiece(yield* rowOf, 10)
      assert.deepStrictEqual(yield* revoked, [tokenIds[0]!, tokenIds[2]!])
    }).pipe(Effect.scoped)
  )

  it.effect("is of the moment at which it is named", () =>
    Effect.gen(function* () {
      const { begin, one, provision, revoked, rowOf } = yield* world
      const tokenIds = yield* provision(2)
      yield* begin()
      yield* TestClock.adjust("1 second")
      yield* provision(3, "later")
      yield* one.ender.revokeAllPiece(yield* rowOf, 10)
      assert.deepStrictEqual(yield* revoked, tokenIds)
    }).pipe(Effect.scoped)
  )

  it.effect("is what was counted: what is made while that goes on is later than its start", () =>
    Effect.gen(function* () {
      const { all, begin, one, provision, revoked, rowOf, statusOf } = yield* world
      const tokenIds = yield* provision(2)
      let times = 0
      all.faults.aroundCount = Effect.suspend(() => {
        if (times === 2) return Effect.void
        times++
        return Effect.andThen(TestClock.adjust("50 millis"), Effect.orDie(provision(3, `later-${times}-`)))
      })
      const { matched, operationId } = yield* begin()
      yield* one.ender.revokeAllPiece(yield* rowOf, 10)
      const { done, startedAt } = yield* statusOf(operationId)
      assert.deepStrictEqual([matched, done, yield* revoked], [2, 2, tokenIds])
      for (const { createdAt, status } of all.tables.tokens.values()) {
        assert.strictEqual(status === "Revoked", createdAt <= startedAt)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is begun once for a key, is one of a few, and goes with its tenant", () =>
    Effect.gen(function* () {
      const { all, begin, one, rowOf } = yield* world
      const asked = withKey("k", "token.revoke-all")
      const first = yield* begin({}, asked)
      assert.deepStrictEqual(yield* begin({}, asked), first)
      assert.lengthOf(yield* one.ender.openRevokeAlls(10), 1)
      for (let n = 1; n < revokeAllsMax; n++) yield* begin()
      const refused = yield* Effect.flip(begin())
      assert.strictEqual(refused._tag, "LimitReached")
      const unknown = yield* Effect.flip(begin({ applications: ["other"] }))
      assert.strictEqual(unknown._tag, "ApplicationNotFound")
      const row = yield* rowOf
      yield* one.tenants.removeTenant(tenantId, operator)
      yield* one.ender.revokeAllPiece(row, 10)
      assert.strictEqual(all.tables.revokeAlls.size, 0)
    }).pipe(Effect.scoped)
  )
})
