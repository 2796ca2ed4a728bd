// Verifies R-BUS-14, R-ACC-8.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ActorsConfig } from "../../../../src/actors/tenant/ActorsConfig.ts"
import { HotState } from "../../../../src/actors/validation/HotState.ts"
import { KnownTenants, knownForMs, knownMax } from "../../../../src/actors/validation/KnownTenants.ts"
import { LeaseView } from "../../../../src/coherence/Coherence.ts"
import { Keyring } from "../../../../src/crypto/Keyring.ts"
import { MemoryDatabase } from "../../../../src/store/memory/MemoryDatabase.ts"
import * as MemoryStores from "../../../../src/store/memory/MemoryStores.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { emptyLoad, noChanges, TenantStore } from "../../../../src/store/TenantStore.ts"
import { keyringOf } from "../../../support/validationWorld.ts"

const settings = {
  hotTokensMax: 10,
  kvCache: false,
  kvFirstMax: 0,
  missesPerTenantMax: 10,
  missesMax: 20,
  missStatementsMax: 1,
  missTimeout: Duration.seconds(2),
  lastUseInterval: Duration.seconds(5),
  tombstonesPerTenantMax: 10
}

/** A store whose answers may be held, after its snapshot was taken, or fail. */
const setup = Effect.gen(function* () {
  const database = yield* Layer.build(Layer.provideMerge(MemoryStores.layer, MemoryDatabase.layer))
  const store = Context.get(database, TenantStore)
  const state = { asked: 0, down: false, hold: false, changed: false }
  const held: Array<() => void> = []
  const findTenants = (tenantIds: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      state.asked++
      if (state.down) return Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
      return Effect.flatMap(store.findTenants(tenantIds), (rows) =>
        state.hold
          ? Effect.callback<typeof rows>((resume) => void held.push(() => resume(Effect.succeed(rows))))
          : Effect.succeed(rows)
      )
    })
  const context = yield* Layer.build(
    KnownTenants.layer.pipe(
      Layer.provideMerge(HotState.layer),
      Layer.provideMerge(
        Layer.mergeAll(
          LeaseView.layer,
          Layer.succeed(ActorsConfig, settings),
          Layer.succeed(Keyring, { ...keyringOf(["k"], () => true), rowHolds: () => !state.changed }),
          Layer.succeed(TenantStore, { ...store, findTenants })
        )
      )
    )
  )
  const known = Context.get(context, KnownTenants)
  const lease = Context.get(context, LeaseView)
  lease.trustedUntilMonotonicMs = Number.MAX_SAFE_INTEGER
  lease.trustedUntilWallMs = Number.MAX_SAFE_INTEGER
  const outcome = (tenantId: string) =>
    Effect.map(Effect.exit(known.require(tenantId)), (exit) =>
      Exit.isSuccess(exit)
        ? "known"
        : exit.cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error._tag : reason._tag)).join()
    )
  const start = (tenantId: string) => Effect.forkChild(outcome(tenantId), { startImmediately: true })
  const release = () => {
    state.hold = false
    for (const resume of held.splice(0)) resume()
  }
  const create = (tenantId: string) => store.createTenant(tenantId, null)
  /** Another replica's change, as far as the database knows it. */
  const configure = (tenantId: string, issuer: string) =>
    store.transact(tenantId, emptyLoad, () => ({
      changes: {
        ...noChanges,
        tenantConfigured: {
          name: null,
          settings: { issuer: { issuer, audience: "cm", jwksUri: null }, retentionMs: null, limits: {} }
        }
      },
      result: undefined
    }))
  const issuerOf = (tenantId: string) =>
    Effect.map(known.find(tenantId), (tenant) => tenant?.settings?.issuer?.issuer ?? null)
  const beliefs = Context.get(context, HotState)
  const apply = (tenantId: string) => beliefs.applyUnsafe({ tenantId, seq: 1, targets: [{ kind: "settings" }] })
  /** Its removal, as far as the database knows it; its row stays for a while. */
  const remove = (tenantId: string) =>
    store.transact(tenantId, emptyLoad, ({ revocationSeq }) => ({
      changes: {
        ...noChanges,
        tenantRemoved: true,
        revocation: { tenantId, seq: revocationSeq + 1, targets: [{ kind: "tenant" as const }] }
      },
      result: undefined
    }))
  const findsRow = (tenantId: string) => Effect.map(known.find(tenantId), (tenant) => tenant !== undefined)
  return { apply, beliefs, configure, create, findsRow, held, issuerOf, lease, outcome, release, remove, start, state }
})

describe("a tenant", () => {
  it.effect("whose row was changed is believed nothing of, and is asked for anew until it is put right", () =>
    Effect.gen(function* () {
      const { create, issuerOf, outcome, state } = yield* setup
      yield* create("acme")
      state.changed = true
      for (let time = 1; time <= 2; time++) {
        assert.deepInclude(yield* Effect.flip(issuerOf("acme")), { _tag: "RowChanged", kind: "tenant", id: "acme" })
        assert.strictEqual(state.asked, time)
      }
      assert.strictEqual(yield* outcome("acme"), "known", "it exists all the same")
      state.changed = false
      assert.isNull(yield* issuerOf("acme"))
    })
  )
  it.effect("that exists is asked for once a second", () =>
    Effect.gen(function* () {
      const { create, outcome, state } = yield* setup
      yield* create("acme")
      for (let time = 0; time < 5; time++) assert.strictEqual(yield* outcome("acme"), "known")
      assert.strictEqual(state.asked, 1)
      yield* TestClock.adjust(knownForMs)
      yield* outcome("acme")
      assert.strictEqual(state.asked, 2)
    })
  )

  it.effect("that did not exist a moment ago is there for the next request", () =>
    Effect.gen(function* () {
      const { create, outcome } = yield* setup
      assert.strictEqual(yield* outcome("acme"), "TenantNotFound")
      yield* create("acme")
      assert.strictEqual(yield* outcome("acme"), "known")
    })
  )

  it.effect("of which MariaDB did not say whether it exists is asked for again at once", () =>
    Effect.gen(function* () {
      const { create, outcome, state } = yield* setup
      yield* create("acme")
      state.down = true
      assert.strictEqual(yield* outcome("acme"), "Unavailable")
      state.down = false
      assert.strictEqual(yield* outcome("acme"), "known")
    })
  )

  it.effect("that is being asked for is asked for once by all who come, and a no is nobody's but the asker's", () =>
    Effect.gen(function* () {
      const { create, release, start, state } = yield* setup
      yield* create("acme")
      state.hold = true
      const first = yield* start("acme")
      const others = [yield* start("acme"), yield* start("acme")]
      // Read before it was created, answered after it.
      const early = yield* start("later")
      yield* create("later")
      const late = yield* start("later")
      release()
      for (const fiber of [first, ...others, late]) assert.strictEqual(yield* Fiber.join(fiber), "known")
      assert.strictEqual(yield* Fiber.join(early), "TenantNotFound")
      assert.strictEqual(state.asked, 3)
    })
  )

  it.effect("is asked for again by whoever waited for somebody who gave up", () =>
    Effect.gen(function* () {
      const { create, release, start, state } = yield* setup
      yield* create("acme")
      state.hold = true
      const first = yield* start("acme")
      const other = yield* start("acme")
      state.hold = false
      yield* Fiber.interrupt(first)
      release()
      assert.strictEqual(yield* Fiber.join(other), "known")
    })
  )

  it.effect("is not known any more when its removal was applied, nor by an answer from before it", () =>
    Effect.gen(function* () {
      const { beliefs, create, outcome, release, start, state } = yield* setup
      yield* create("acme")
      const remove = () => beliefs.applyUnsafe({ tenantId: "acme", seq: 1, targets: [{ kind: "tenant" }] })
      yield* outcome("acme")
      remove()
      state.hold = true
      const asking = yield* start("acme")
      remove()
      release()
      yield* Fiber.join(asking)
      assert.strictEqual(state.asked, 2)
      yield* outcome("acme")
      assert.strictEqual(state.asked, 3)
    })
  )

  it.effect("has another issuer for the next request when that was applied, whatever was read before it", () =>
    Effect.gen(function* () {
      const { apply, configure, create, issuerOf, release, state } = yield* setup
      yield* create("acme")
      yield* configure("acme", "https://one.example")
      assert.strictEqual(yield* issuerOf("acme"), "https://one.example")
      yield* configure("acme", "https://two.example")
      apply("acme")
      assert.strictEqual(yield* issuerOf("acme"), "https://two.example")

      // Read before the change, answered after it was applied: not kept.
      yield* TestClock.adjust(knownForMs)
      state.hold = true
      const slow = yield* Effect.forkChild(issuerOf("acme"), { startImmediately: true })
      yield* configure("acme", "https://three.example")
      apply("acme")
      release()
      yield* Fiber.join(slow)
      assert.strictEqual(yield* issuerOf("acme"), "https://three.example")
    })
  )

  it.effect("is asked for each time without the lease, and again after a lapse", () =>
    Effect.gen(function* () {
      const { create, lease, outcome, state } = yield* setup
      yield* create("acme")
      yield* outcome("acme")
      lease.generation++
      yield* outcome("acme")
      assert.strictEqual(state.asked, 2)
      lease.trustedUntilMonotonicMs = 0
      yield* outcome("acme")
      yield* outcome("acme")
      assert.strictEqual(state.asked, 4)
    })
  )

  it.effect("read in a generation of the lease that has ended is not kept for the next", () =>
    Effect.gen(function* () {
      const { create, lease, outcome, release, start, state } = yield* setup
      yield* create("acme")
      state.hold = true
      const asking = yield* start("acme")
      lease.generation++
      release()
      assert.strictEqual(yield* Fiber.join(asking), "known")
      yield* outcome("acme")
      assert.strictEqual(state.asked, 2)
    })
  )

  it.effect("that is being removed is served to nobody, though its row is there", () =>
    Effect.gen(function* () {
      const { create, findsRow, outcome, remove } = yield* setup
      yield* TestClock.adjust("1 hour")
      yield* create("acme")
      yield* remove("acme")
      assert.isTrue(yield* findsRow("acme"))
      assert.strictEqual(yield* outcome("acme"), "TenantNotFound")
    })
  )

  it.effect("is remembered among a bounded number of others", () =>
    Effect.gen(function* () {
      const { create, outcome, state } = yield* setup
      yield* create("acme")
      yield* outcome("acme")
      for (let number = 0; number < knownMax; number++) {
        yield* create(`t${number}`)
        yield* outcome(`t${number}`)
      }
      const asked = state.asked
      yield* outcome(`t${knownMax - 1}`)
      assert.strictEqual(state.asked, asked)
      yield* outcome("acme")
      assert.strictEqual(state.asked, asked + 1)
    })
  )
})
