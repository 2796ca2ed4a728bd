/** Verifies: R-SEC-5, R-SEC-9, R-INP-4, R-LIM-4. */

import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { StoreRequest } from "../../../../src/actors/credentials/Credentials.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Consumer } from "../../../../src/domain/Access.ts"
import { servicesSwitchedMax, versionsKeptMax } from "../../../../src/domain/Credential.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { events } from "../../../../src/schema/EventJson.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"
import { sleepingAtLeast } from "../../../support/longSleeps.ts"

const day = 86_400_000
const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const mail: Consumer = { by: "subject", name: "mail" }
const read = { consumer: mail, sealTo: null, minTtlMs: null }
const request = (over: Partial<StoreRequest> = {}): StoreRequest => ({
  serviceName: "outlook",
  type: "basic",
  owner: { level: "tenant" },
  secret: Redacted.make({ username: "u", password: "p" }),
  scopes: [],
  expiresAt: null,
  allowedConsumers: ["mail"],
  metadata: {},
  rotation: null,
  ...over
})

const shapes = new Map(events.map(({ schema, type }) => [type, schema as Schema.Codec<unknown>]))
/** Every event is what is published of its type, and nothing more. */
const checkEvents = (world: Effect.Success<typeof credentialWorld>) => {
  for (const { body, headers, subject } of world.events()) {
    const type = headers["ce-type"] ?? ""
    assert.strictEqual(subject, `cm.events.v1.${body.tenant_id}.${type}`)
    const shape = shapes.get(type)
    if (shape === undefined) throw new Error(`${type} is not described`)
    Schema.decodeUnknownSync(shape, { onExcessProperty: "error" })(body)
  }
}

describe("LiveCredentials", () => {
  it.effect("announces each change in the shape that is published", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials, sweeps } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request({ expiresAt: day, scopes: ["s"] }), caller)
      const secret = Redacted.make<unknown>({ username: "u", password: "q" })
      const rotation = { credentialId, secret, overlapMs: 1_000, expectedVersion: null, expiresAt: undefined }
      yield* credentials.rotate("demo", rotation, caller)
      yield* sweeps.notify
      yield* sweeps.checkpoint
      yield* credentials.revoke("demo", { credentialId, reason: "leaked", expectedVersion: null }, caller)
      yield* credentials.store("demo", request({ expiresAt: day }), caller)
      yield* TestClock.adjust("1 day")
      yield* sweeps.expire
      const types = new Set(world.events().map(({ headers }) => headers["ce-type"]))
      const all = ["stored", "rotated", "expiring", "revoked", "expired"].map((type) => `credential.${type}`)
      assert.deepStrictEqual(types, new Set([...all, "audit.checkpoint", "notification"]))
      checkEvents(world)
    })
  )

  it.effect("gives each notice once, over two replicas and a restart, and one more after a new end", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const replica = (name: string) => sleepingAtLeast("1 hour")(world.replica(name))
      let [one, two] = [yield* replica("one"), yield* replica("two")]
      const { credentialId } = yield* one.credentials.store("demo", request({ expiresAt: 8 * day }), caller)
      const given = () => world.events().filter(({ body }) => body.event_type === "credential.expiring")
      const days = () => given().map(({ body }) => body.within_days)
      for (let today = 0; today < 8; today++) {
        yield* Effect.all([one.sweeps.notify, two.sweeps.notify], { concurrency: 2 })
        if (today === 3) one = yield* replica("one")
        yield* TestClock.adjust("1 day")
      }
      assert.deepStrictEqual(days(), [14, 7, 1])
      yield* Effect.all([one.sweeps.expire, two.sweeps.expire], { concurrency: 2 })
      two = yield* replica("two")
      yield* two.sweeps.expire
      yield* two.sweeps.notify
      const ended = world.events().filter(({ body }) => body.event_type === "credential.expired")
      assert.strictEqual(ended.length, 1)
      const secret = Redacted.make<unknown>({ username: "u", password: "q" })
      const rotation = { credentialId, secret, overlapMs: 0, expectedVersion: null }
      yield* two.credentials.rotate("demo", { ...rotation, expiresAt: 13 * day }, caller)
      yield* one.sweeps.notify
      yield* two.sweeps.notify
      assert.deepStrictEqual(days(), [14, 7, 1, 7])
    })
  )

  it.effect("keeps so many versions of a credential for overlaps, and no more", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request(), caller)
      const [first] = world.tables.credentials.versionsOf(credentialId)
      const versions = Array.from({ length: versionsKeptMax - 2 }, (_, at) => ({
        ...first!,
        version: 1_000 + at,
        state: "overlapping" as const,
        validUntil: day
      }))
      world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
      const secret = Redacted.make<unknown>({ username: "u", password: "q" })
      const rotate = (overlapMs: number) =>
        credentials.rotate(
          "demo",
          { credentialId, secret, overlapMs, expectedVersion: null, expiresAt: undefined },
          caller
        )
      yield* rotate(1_000)
      const refused = yield* Effect.flip(rotate(1_000))
      assert.deepInclude(refused, { _tag: "LimitReached", limit: "versionsKept", max: versionsKeptMax })
      yield* rotate(0)
    })
  )

  it.effect("refuses a credential from the very moment of its end, before any sweep", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request({ expiresAt: 5_000 }), caller)
      yield* TestClock.adjust("4999 millis")
      yield* credentials.get("demo", { credentialId }, read, caller)
      yield* TestClock.adjust("1 millis")
      const error = yield* Effect.flip(credentials.get("demo", { credentialId }, read, caller))
      assert.strictEqual(error._tag, "CredentialExpired")
    })
  )

  it.effect("hands out no secret whose audit row was not committed", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request(), caller)
      const rows = () => (world.tables.audit.get("demo") ?? []).filter((row) => row.action === "credential.read").length
      for (let n = 1; n <= 3; n++) {
        yield* credentials.get("demo", { credentialId }, read, caller)
        assert.strictEqual(rows(), n)
      }
      // The chain cannot grow: nothing is committed, nothing is handed out.
      const counters = world.tables.counters.get("demo")!
      world.tables.counters.set("demo", Object.freeze({ ...counters }))
      const exit = yield* Effect.exit(credentials.get("demo", { credentialId }, read, caller))
      const why = Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit.value
      assert.match(String(why), /^TypeError: Cannot assign to read only property/u)
      assert.strictEqual(rows(), 3)
      // And nothing else was in the way.
      world.tables.counters.set("demo", counters)
      yield* credentials.get("demo", { credentialId }, read, caller)
      assert.strictEqual(rows(), 4)
    })
  )

  it.effect("writes a repeated refusal once, and its number when it was counted long enough", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials, sweeps } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request({ allowedConsumers: [] }), caller)
      const ask = Effect.exit(credentials.get("demo", { credentialId }, read, caller))
      const rows = () => (world.tables.audit.get("demo") ?? []).filter((row) => row.action === "credential.refused")
      for (let n = 0; n < 100; n++) yield* ask
      assert.strictEqual(rows().length, 1)
      yield* sweeps.writeRefusals({ all: false })
      assert.strictEqual(rows().length, 1)
      yield* TestClock.adjust("30 seconds")
      yield* sweeps.writeRefusals({ all: false })
      assert.deepStrictEqual(
        rows().map((row) => JSON.parse(row.diff ?? "null")),
        [{ reason: "ConsumerNotAllowed" }, { reason: "ConsumerNotAllowed", count: 99 }]
      )
      yield* ask
      assert.strictEqual(rows().length, 3)
    })
  )

  it.effect("shows in an audit diff that a field changed, and never what to", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      const { credentialId } = yield* credentials.store("demo", request(), caller)
      const rotate = (password: string) =>
        credentials.rotate(
          "demo",
          {
            credentialId,
            secret: Redacted.make<unknown>({ username: "u", password }),
            expiresAt: undefined,
            overlapMs: 0,
            expectedVersion: null
          },
          caller
        )
      yield* rotate("q")
      yield* rotate("p")
      const diffs = (world.tables.audit.get("demo") ?? [])
        .filter((row) => row.action === "credential.rotated")
        .map((row) => JSON.parse(row.diff ?? "null").credentials)
      const [[first, second], [again, third]] = diffs
      assert.strictEqual(first.username, second.username)
      assert.notStrictEqual(first.password, second.password)
      assert.deepStrictEqual([again, third], [second, first])
      assert.match(first.password, /^[0-9a-f]{32}$/u)
    })
  )

  it.effect("describes from the bucket what it has read, and never past a change", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const [one, two] = [yield* world.replica("one"), yield* world.replica("two")]
      const { credentialId } = yield* one.credentials.store("demo", request(), caller)
      const name = { serviceName: "outlook", owner: { level: "tenant" } } as const
      const version = (replica: typeof one) =>
        Effect.map(replica.credentials.describe("demo", name), (seen) => seen.version)
      assert.strictEqual(yield* version(one), 1)
      // Behind the service's back: the bucket answers, not the database.
      const row = world.tables.credentials.get(credentialId)!
      world.tables.credentials.apply({
        inserted: [],
        updated: [world.tagged({ ...row, version: 9 })],
        deleted: [],
        versions: [],
        services: []
      })
      assert.strictEqual(yield* version(two), 1)
      const scopes = {
        credentialId,
        scopes: ["s"],
        allowedConsumers: undefined,
        expiresAt: undefined,
        metadata: undefined
      }
      yield* two.credentials.update("demo", { ...scopes, expectedVersion: null }, caller)
      assert.strictEqual(yield* version(one), 10)
      yield* TestClock.adjust("31 seconds")
      world.tables.credentials.apply({
        inserted: [],
        updated: [world.tagged({ ...row, version: 12 })],
        deleted: [],
        versions: [],
        services: []
      })
      assert.strictEqual(yield* version(one), 12)
    })
  )

  describe("a service that nothing was stored for", () => {
    it.effect("may be disabled in advance, and stays so when something is stored for it, until it is enabled", () =>
      Effect.gen(function* () {
        const world = yield* credentialWorld
        const { credentials } = yield* world.replica("one")
        const off = yield* credentials.disableService("demo", "outlook", "not here", caller)
        assert.deepInclude(off, { serviceName: "outlook", isActive: false, reason: "not here" })
        const { credentialId } = yield* credentials.store("demo", request(), caller)
        const refused = yield* Effect.flip(credentials.get("demo", { credentialId }, read, caller))
        assert.strictEqual(refused._tag, "ServiceInactive")
        yield* credentials.enableService("demo", "outlook", caller)
        yield* credentials.get("demo", { credentialId }, read, caller)
      })
    )

    it.effect(`is switched only while there are fewer than ${servicesSwitchedMax} services, in one group, too`, () =>
      Effect.gen(function* () {
        const world = yield* credentialWorld
        const { credentials } = yield* world.replica("one")
        yield* credentials.store("demo", request({ serviceName: "stored" }), caller)
        const many = Array.from({ length: servicesSwitchedMax - 2 }, (_, at) => ({
          tenantId: "demo",
          serviceName: `s${at}`,
          isActive: true,
          reason: null,
          updatedAt: 1
        }))
        world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions: [], services: many })
        const switches = ["x", "y", "z"].map((name) =>
          Effect.exit(credentials.disableService("demo", name, null, caller))
        )
        const ended = yield* Effect.all(switches, { concurrency: "unbounded" })
        const refusals = ended.filter(Exit.isFailure)
        assert.lengthOf(refusals, 2)
        for (const exit of refusals) {
          const error = Option.getOrThrow(Cause.findErrorOption(exit.cause))
          assert.deepInclude(error, { _tag: "LimitReached", limit: "servicesPerTenant", max: servicesSwitchedMax })
        }
        assert.strictEqual(
          (yield* Effect.flip(credentials.enableService("demo", "another", caller)))._tag,
          "LimitReached"
        )
        // What is there goes on being switched, and other tenants have room of their own.
        assert.isFalse((yield* credentials.disableService("demo", "stored", null, caller)).isActive)
        assert.isFalse((yield* credentials.disableService("demo", "s1", null, caller)).isActive)
        assert.isFalse((yield* credentials.disableService("global", "x", null, caller)).isActive)
        yield* credentials.store("demo", request({ serviceName: "one-more" }), caller)
      })
    )
  })
})

describe("an id that is none of ours", () => {
  const nothingElse = { allowedConsumers: undefined, expiresAt: undefined, metadata: undefined }
  const wrongIds = ["", "x".repeat(257), "y".repeat(4_000_000), "\ud800", "planted-secret"]

  it.effect("is unknown before anything waits; only a refused reading has a transaction, for its row", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      world.fates.set("demo", ["dies"])
      for (const credentialId of wrongIds) {
        const own = { credentialId, expectedVersion: null }
        const secret = Redacted.make<unknown>({ username: "u", password: "q" })
        const refused = yield* Effect.all([
          Effect.flip(credentials.describe("demo", { credentialId })),
          Effect.flip(credentials.history("demo", credentialId)),
          Effect.flip(credentials.rotate("demo", { ...own, secret, overlapMs: 0, expiresAt: undefined }, caller)),
          Effect.flip(credentials.update("demo", { ...own, ...nothingElse, scopes: ["s"] }, caller)),
          Effect.flip(credentials.revoke("demo", { ...own, reason: null }, caller)),
          Effect.flip(credentials.delete("demo", own, caller))
        ])
        assert.deepStrictEqual(
          refused.map(({ _tag }) => _tag),
          Array(6).fill("CredentialNotFound")
        )
        assert.isBelow(JSON.stringify(refused).length, 2_000)
      }
    })
  )

  it.effect("stands in the audit as what it is, and never as what it says", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials } = yield* world.replica("one")
      for (const credentialId of wrongIds) {
        const refused = yield* Effect.flip(credentials.get("demo", { credentialId }, read, caller))
        assert.strictEqual(refused._tag, "CredentialNotFound")
      }
      const rows = (world.tables.audit.get("demo") ?? []).filter(({ action }) => action === "credential.refused")
      assert.deepStrictEqual(
        rows.map(({ actor, entityId }) => [actor, entityId]),
        [["bus", "not-an-id"]]
      )
    })
  )
})
