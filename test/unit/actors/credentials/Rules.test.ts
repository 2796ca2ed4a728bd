// Verifies R-SEC-8, R-SEC-9, R-SEC-10, R-SEC-30, R-ACT-5, R-BUS-4.
/** What the commands on credentials allow and what they leave, one rule a test. Time is the test's. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import type { StoreRequest } from "../../../../src/actors/credentials/Credentials.ts"
import { Limits } from "../../../../src/actors/tenant/Limits.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Consumer } from "../../../../src/domain/Access.ts"
import type { Credential } from "../../../../src/domain/Credential.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { defaultLimits } from "../../../../src/domain/TenantLimits.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

const day = 86_400_000
const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const mail: Consumer = { by: "subject", name: "mail" }
const reading = { consumer: mail, sealTo: null, minTtlMs: null }
const request = (over: Partial<StoreRequest> = {}): StoreRequest => ({
  serviceName: "outlook",
  type: "api_key",
  owner: { level: "tenant" },
  secret: Redacted.make({ api_key: "k" }),
  scopes: [],
  expiresAt: null,
  allowedConsumers: ["mail"],
  metadata: {},
  rotation: null,
  ...over
})
const newSecret = Redacted.make<unknown>({ api_key: "k2" })

const begun = Effect.fnUntraced(function* (over: Partial<StoreRequest> = {}) {
  const world = yield* credentialWorld
  const { credentials, sweeps } = yield* world.replica("one")
  const { credentialId } = yield* credentials.store("demo", request(over), caller)
  const row = () => world.tables.credentials.get(credentialId)!
  const put = (changed: Credential) =>
    world.tables.credentials.apply({ inserted: [], updated: [changed], deleted: [], versions: [], services: [] })
  const rotate = (changes: { readonly overlapMs?: number; readonly expiresAt?: number | null } = {}) =>
    credentials.rotate(
      "demo",
      { credentialId, secret: newSecret, overlapMs: 0, expectedVersion: null, expiresAt: undefined, ...changes },
      caller
    )
  const update = (changes: { readonly expectedVersion?: number; readonly expiresAt?: number | null } = {}) =>
    credentials.update(
      "demo",
      {
        credentialId,
        scopes: ["s"],
        allowedConsumers: undefined,
        metadata: undefined,
        expiresAt: undefined,
        expectedVersion: null,
        ...changes
      },
      caller
    )
  const get = credentials.get("demo", { credentialId }, reading, caller)
  const notices = () => world.events().filter(({ body }) => body.event_type === "credential.expiring").length
  return { credentialId, credentials, get, notices, put, rotate, row, sweeps, update, world }
})
const refused = <A, E extends { readonly _tag: string }, R>(asked: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(asked), ({ _tag }) => _tag)
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

describe("a row that was changed outside of the service", () => {
  it.effect("hands nothing out and has no successor, until it is as it was", () =>
    Effect.gen(function* () {
      const { get, put, rotate, row, update } = yield* begun()
      const good = row()
      put({ ...good, allowedConsumers: ["mail", "mallory"] })
      assert.deepStrictEqual(
        [yield* refused(get), yield* refused(rotate()), yield* refused(update())],
        ["RowChanged", "RowChanged", "RowChanged"]
      )
      put(good)
      yield* get
      yield* rotate()
    }).pipe(quiet)
  )

  it.effect("which is the tenant's hands nothing out either", () =>
    Effect.gen(function* () {
      const { get, world } = yield* begun()
      const good = world.tables.tenantMacs.get("demo")!
      world.tables.tenantMacs.set("demo", new Uint8Array(good.length))
      assert.strictEqual(yield* refused(get), "RowChanged")
      world.tables.tenantMacs.set("demo", good)
      yield* get
    }).pipe(quiet)
  )
})

describe("an old secret", () => {
  it.effect("is overwritten when its overlap is over, and all are when the credential is revoked", () =>
    Effect.gen(function* () {
      const { credentialId, credentials, rotate, sweeps, world } = yield* begun()
      const held = () =>
        world.tables.credentials.versionsOf(credentialId).filter(({ sealed }) => sealed !== null).length
      yield* rotate({ overlapMs: 1_000 })
      assert.strictEqual(held(), 2)
      yield* TestClock.adjust("1 second")
      yield* sweeps.endOverlaps
      assert.strictEqual(held(), 1)
      yield* rotate({ overlapMs: 1_000 })
      assert.strictEqual(held(), 2)
      yield* credentials.revoke("demo", { credentialId, reason: null, expectedVersion: null }, caller)
      assert.strictEqual(held(), 0)
    })
  )

  it.effect("overlaps for 90 days at most", () =>
    Effect.gen(function* () {
      const { rotate } = yield* begun()
      assert.strictEqual(yield* refused(rotate({ overlapMs: 90 * day + 1 })), "InvalidRequest")
      yield* rotate({ overlapMs: 90 * day })
    })
  )
})

describe("a credential's end", () => {
  it.effect("does not lie in this moment or before it", () =>
    Effect.gen(function* () {
      const { credentials, rotate, update } = yield* begun()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* refused(update({ expiresAt: 60_000 })), "InvalidRequest")
      assert.strictEqual(yield* refused(rotate({ expiresAt: 60_000 })), "InvalidRequest")
      const another = request({ serviceName: "other", expiresAt: 60_000 })
      assert.strictEqual(yield* refused(credentials.store("demo", another, caller)), "InvalidRequest")
      yield* update({ expiresAt: 60_001 })
    })
  )

  it.effect("ends its changes in that moment, before any sweep", () =>
    Effect.gen(function* () {
      const { update } = yield* begun({ expiresAt: 60_000 })
      yield* TestClock.adjust("59999 millis")
      yield* update()
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* refused(update()), "CredentialExpired")
    })
  )

  it.effect("is told once, and again when it was moved; a change of something else tells nothing again", () =>
    Effect.gen(function* () {
      const { credentialId, credentials, notices, rotate, sweeps, update } = yield* begun({ expiresAt: 5 * day })
      yield* sweeps.notify
      assert.strictEqual(notices(), 1)
      yield* sweeps.notify
      yield* update()
      yield* sweeps.notify
      assert.strictEqual(notices(), 1)
      yield* update({ expiresAt: 6 * day })
      yield* sweeps.notify
      assert.strictEqual(notices(), 2)
      yield* rotate()
      yield* sweeps.notify
      assert.strictEqual(notices(), 3)
      yield* update({ expiresAt: 4 * day })
      yield* credentials.revoke("demo", { credentialId, reason: null, expectedVersion: null }, caller)
      yield* sweeps.notify
      assert.strictEqual(notices(), 3)
    })
  )
})

describe("a change", () => {
  it.effect("is of the version that it names, and of no older or newer one", () =>
    Effect.gen(function* () {
      const { update } = yield* begun()
      yield* update({ expectedVersion: 1 })
      assert.strictEqual(yield* refused(update({ expectedVersion: 1 })), "VersionConflict")
      assert.strictEqual(yield* refused(update({ expectedVersion: 3 })), "VersionConflict")
      yield* update({ expectedVersion: 2, expiresAt: day })
    })
  )

  it.effect("stores no more than the tenant may have", () =>
    Effect.gen(function* () {
      const { credentials } = yield* begun()
      for (const serviceName of ["two", "three"]) yield* credentials.store("demo", request({ serviceName }), caller)
      assert.strictEqual(
        yield* refused(credentials.store("demo", request({ serviceName: "four" }), caller)),
        "LimitReached"
      )
    }).pipe(Effect.provideService(Limits, { get: () => ({ ...defaultLimits, credentials: 3 }), setUnsafe: () => {} }))
  )

  it.effect("is described to the owner who asks, and to no other by what was kept for one", () =>
    Effect.gen(function* () {
      const { credentialId, credentials } = yield* begun()
      const own = { level: "user", userId: "anna" } as const
      const users = yield* credentials.store("demo", request({ owner: own }), caller)
      const described = (owner: StoreRequest["owner"]) =>
        Effect.map(credentials.describe("demo", { serviceName: "outlook", owner }), (seen) => seen.credentialId)
      for (let time = 0; time < 2; time++) {
        assert.strictEqual(yield* described({ level: "tenant" }), credentialId)
        assert.strictEqual(yield* described(own), users.credentialId)
      }
    })
  )
})
