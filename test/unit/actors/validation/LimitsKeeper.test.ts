// Verifies R-ACT-5, R-LIM-1.
import { assert, it } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { Limits, make } from "../../../../src/actors/tenant/Limits.ts"
import { HotState } from "../../../../src/actors/validation/HotState.ts"
import * as LimitsKeeper from "../../../../src/actors/validation/LimitsKeeper.ts"
import { Keyring } from "../../../../src/crypto/Keyring.ts"
import { defaultLimits } from "../../../../src/domain/TenantLimits.ts"
import { TenantStore } from "../../../../src/store/TenantStore.ts"
import { keyringWith, operator, tenantWorld } from "../../../support/tenantWorld.ts"

it.effect("a tenant's own limits hold on a replica from its start on, and when they are changed", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    const limits = make(defaultLimits)
    yield* replica.tenants.createTenant({ tenantId: "acme", name: null }, operator)
    const set = (tokens: number | null) => replica.tenants.configureTenant("acme", { limits: { tokens } }, operator)
    yield* set(7)
    assert.deepStrictEqual(limits.get("acme"), defaultLimits)
    yield* Layer.build(
      LimitsKeeper.layer.pipe(
        Layer.provide([
          Layer.succeed(Limits, limits),
          Layer.succeed(HotState, replica.beliefs),
          Layer.succeed(Keyring, keyringWith({ ids: ["k1"], isCurrent: true })),
          Layer.succeed(TenantStore, world.store)
        ])
      )
    )
    assert.deepStrictEqual(limits.get("acme"), { ...defaultLimits, tokens: 7 })
    yield* set(8)
    assert.strictEqual(limits.get("acme").tokens, 8)
    assert.strictEqual(limits.get("other").tokens, defaultLimits.tokens)
    yield* set(null)
    yield* TestClock.adjust("31 seconds")
    assert.deepStrictEqual(limits.get("acme"), defaultLimits)
  }).pipe(Effect.scoped)
)

it.effect("the limits of every tenant are read, however many pages there are", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    const limits = make(defaultLimits)
    for (const [at, tenantId] of ["acme", "beta", "coma"].entries()) {
      yield* replica.tenants.createTenant({ tenantId, name: null }, operator)
      yield* replica.tenants.configureTenant(tenantId, { limits: { tokens: at + 1 } }, operator)
    }
    const store = TenantStore.of({
      ...world.store,
      listTenants: (options) => world.store.listTenants({ ...options, limit: 1 })
    })
    yield* Layer.build(
      LimitsKeeper.layer.pipe(
        Layer.provide([
          Layer.succeed(Limits, limits),
          Layer.succeed(HotState, replica.beliefs),
          Layer.succeed(Keyring, keyringWith({ ids: ["k1"], isCurrent: true })),
          Layer.succeed(TenantStore, store)
        ])
      )
    )
    assert.deepStrictEqual(
      ["acme", "beta", "coma"].map((tenantId) => limits.get(tenantId).tokens),
      [1, 2, 3]
    )
  }).pipe(Effect.scoped)
)

it.effect("a change holds when it is applied, and nothing that is older undoes it", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    const limits = make(defaultLimits)
    yield* replica.tenants.createTenant({ tenantId: "acme", name: null }, operator)
    yield* replica.tenants.configureTenant("acme", { limits: { tokens: 7 } }, operator)
    const apply = (seq: number, tokens: number) =>
      replica.beliefs.applyUnsafe({ tenantId: "acme", seq, targets: [{ kind: "settings", limits: { tokens } }] })
    let duringRead = () => {}
    let reads = 0
    const store = TenantStore.of({
      ...world.store,
      // Nothing is asked of it that a change says itself.
      findTenants: () => Effect.never,
      listTenants: (options) =>
        Effect.tap(world.store.listTenants(options), () =>
          Effect.sync(() => {
            reads++
            const during = duringRead
            duringRead = () => {}
            during()
          })
        )
    })
    yield* Layer.build(
      LimitsKeeper.layer.pipe(
        Layer.provide([
          Layer.succeed(Limits, limits),
          Layer.succeed(HotState, replica.beliefs),
          Layer.succeed(Keyring, keyringWith({ ids: ["k1"], isCurrent: true })),
          Layer.succeed(TenantStore, store)
        ])
      )
    )
    yield* replica.tenants.configureTenant("acme", { limits: { tokens: 6 } }, operator)
    assert.strictEqual(limits.get("acme").tokens, 6)
    apply(12, 9)
    assert.strictEqual(limits.get("acme").tokens, 9)
    apply(11, 8)
    assert.strictEqual(limits.get("acme").tokens, 9)
    // The rows as they were before the change that is applied while they are on their way.
    reads = 0
    duringRead = () => {
      apply(13, 10)
      assert.strictEqual(limits.get("acme").tokens, 10)
    }
    const seen: Array<number> = []
    const recorded = limits.setUnsafe
    Object.assign(limits, {
      setUnsafe: (tenantId: string, own: { readonly tokens?: number }) => {
        if (tenantId === "acme") seen.push(own.tokens ?? 0)
        recorded(tenantId, own)
      }
    })
    yield* TestClock.adjust("31 seconds")
    assert.strictEqual(reads, 2)
    // The change, then the rows as they were read anew.
    assert.deepStrictEqual(seen, [10, 6])
  }).pipe(Effect.scoped)
)

it.effect("limits that somebody raised in the database are not taken: what was known holds, or the defaults", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    for (const tenantId of ["acme", "fresh"]) {
      yield* replica.tenants.createTenant({ tenantId, name: null }, operator)
      yield* replica.tenants.configureTenant(tenantId, { limits: { tokens: 7 } }, operator)
    }
    const raise = (tenantId: string) => {
      const row = world.tables.tenants.get(tenantId)!
      const before = row.settings
      world.tables.tenants.set(tenantId, { ...row, settings: { ...before!, limits: { tokens: 1_000_000 } } })
      return () => world.tables.tenants.set(tenantId, row)
    }
    const restore = raise("fresh")
    const limits = make(defaultLimits)
    yield* Layer.build(
      LimitsKeeper.layer.pipe(
        Layer.provide([
          Layer.succeed(Limits, limits),
          Layer.succeed(HotState, replica.beliefs),
          Layer.succeed(Keyring, keyringWith({ ids: ["k1"], isCurrent: true })),
          Layer.succeed(TenantStore, world.store)
        ])
      )
    )
    raise("acme")
    yield* TestClock.adjust("31 seconds")
    assert.deepStrictEqual([limits.get("acme").tokens, limits.get("fresh").tokens], [7, defaultLimits.tokens])
    restore()
    yield* TestClock.adjust("31 seconds")
    assert.strictEqual(limits.get("fresh").tokens, 7)
  }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))
)

it.effect("a bug in reading them keeps no replica from starting: the defaults hold", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    const limits = make(defaultLimits)
    const store = TenantStore.of({ ...world.store, listTenants: () => Effect.die(new Error("a row that cannot be")) })
    yield* Layer.build(
      LimitsKeeper.layer.pipe(
        Layer.provide([
          Layer.succeed(Limits, limits),
          Layer.succeed(HotState, replica.beliefs),
          Layer.succeed(Keyring, keyringWith({ ids: ["k1"], isCurrent: true })),
          Layer.succeed(TenantStore, store)
        ])
      )
    )
    assert.deepStrictEqual(limits.get("acme"), defaultLimits)
  }).pipe(Effect.scoped)
)
