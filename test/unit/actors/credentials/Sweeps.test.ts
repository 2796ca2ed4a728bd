/** What the sweeps of credentials do while the database fails. Verifies: R-SEC-13, R-SEC-14, R-SEC-30. */

import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Metric, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { StoreRequest } from "../../../../src/actors/credentials/Credentials.ts"
import { others, servicesShownMax } from "../../../../src/actors/credentials/Sweeps.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { credentialWorld, type TransactionFate } from "../../../support/credentialWorld.ts"

type World = Effect.Success<typeof credentialWorld>
type Replica = Effect.Success<ReturnType<World["replica"]>>

const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const asMallory = { consumer: { by: "subject", name: "mallory" }, sealTo: null, minTtlMs: null } as const
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

const refuse = Effect.fnUntraced(function* (replica: Replica, credentialId: string, times: number) {
  for (let n = 0; n < times; n++) {
    const error = yield* Effect.flip(replica.credentials.get("demo", { credentialId }, asMallory, caller))
    assert.strictEqual(error._tag, "ConsumerNotAllowed")
  }
})
/** The rows of refusals, each as the number that it tells of. */
const told = (world: World): ReadonlyArray<number> =>
  (world.tables.audit.get("demo") ?? [])
    .filter((row) => row.action === "credential.refused")
    .map((row) => JSON.parse(row.diff ?? "null").count ?? 1)

/** Ten refusals, of which nine are counted and their while is over. */
const nineCounted = Effect.gen(function* () {
  const world = yield* credentialWorld
  const replica = yield* world.replica("one")
  const { credentialId } = yield* replica.credentials.store("demo", request(), caller)
  yield* refuse(replica, credentialId, 10)
  yield* TestClock.adjust("30 seconds")
  return { world, replica, credentialId, write: replica.sweeps.writeRefusals({ all: false }) }
})

describe("notices", () => {
  it.effect("are given by no row that was changed, which stands before nobody and is told of once an hour", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials, sweeps } = yield* world.replica("one")
      const day = 86_400_000
      const { credentialId: good } = yield* credentials.store("demo", request({ expiresAt: 5 * day }), caller)
      const row = (id: string) => world.tables.credentials.get(id)!
      // A whole piece of them, all nearer to their end than the good one.
      const others = Array.from(
        { length: 500 },
        (_, index) => `01900000-0000-7000-8000-${String(index).padStart(12, "0")}`
      )
      for (const [index, credentialId] of others.entries()) {
        const planted = { credentialId, serviceName: `s${index}`, expiresAt: 4 * day + index }
        world.tables.credentials.put({ ...row(good), ...planted })
      }
      const before = others.map(row)
      const told = () => world.events().filter(({ body }) => body.event_type === "credential.expiring")
      const changedLines = () => lines.filter((line) => line.includes("was changed outside of the service")).length
      assert.strictEqual(yield* sweeps.notify, 500)
      assert.strictEqual(yield* sweeps.notify, 1)
      assert.strictEqual(yield* sweeps.notify, 0)
      assert.deepStrictEqual(
        told().map(({ body }) => body.credential_id),
        [good]
      )
      assert.deepStrictEqual(others.map(row), before)
      assert.strictEqual(changedLines(), 1)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* sweeps.notify, 0)
      // Put right, it is told of as any other.
      world.tables.credentials.put(world.tagged({ ...row(others[0]!), scopes: [] }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* sweeps.notify, 500)
      assert.lengthOf(told(), 2)
      assert.strictEqual(changedLines(), 2)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })
})

describe("ends and overlaps", () => {
  it.effect("are not kept waiting by any number of rows that nothing can be done with", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const { credentials, sweeps } = yield* world.replica("one")
      const { credentialId: good } = yield* credentials.store("demo", request({ expiresAt: 5_000 }), caller)
      const { credentials: rows } = world.tables
      const version = rows.versionsOf(good)[0]!
      yield* TestClock.adjust("1 minute")
      // Two pieces of rows that came to their end before, of a tenant that there is none of.
      for (let index = 0; index < 1_000; index++) {
        const credentialId = `01900000-0000-7000-8000-${String(index).padStart(12, "0")}`
        rows.put({ ...rows.get(good)!, credentialId, tenantId: "nobody", serviceName: `s${index}`, expiresAt: 1 })
        rows.putVersion({ ...version, credentialId, state: "overlapping", validUntil: 1 })
      }
      rows.putVersion({ ...version, version: 7, state: "overlapping", validUntil: 2 })
      for (const [sweep, isDone] of [
        [sweeps.endOverlaps, () => rows.versionsOf(good).every(({ state }) => state !== "overlapping")],
        [sweeps.expire, () => rows.get(good)!.state === "expired"]
      ] as const) {
        assert.deepStrictEqual([yield* sweep, yield* sweep, isDone()], [500, 500, false])
        assert.deepStrictEqual([yield* sweep, isDone()], [1, true])
        // From the beginning, and to the end: an empty last piece ends the turn.
        assert.deepStrictEqual([yield* sweep, yield* sweep, yield* sweep], [500, 500, 0])
      }
    })
  )
})

describe("counted refusals", () => {
  const histories: ReadonlyArray<{ readonly ends: ReadonlyArray<TransactionFate> }> = [
    { ends: ["is not done"] },
    { ends: ["is committed, answer lost"] },
    { ends: ["is not done, answer lost"] },
    { ends: ["dies"] },
    { ends: ["is committed, answer lost", "is not done"] },
    { ends: ["is not done, answer lost", "is not done", "is committed, answer lost"] },
    { ends: ["is not done", "is committed, answer lost", "dies", "is not done"] }
  ]
  it.effect.each(histories)(
    "are told of once, with those that came meanwhile, whatever became of transactions: %j",
    ({ ends }) =>
      Effect.gen(function* () {
        const { credentialId, replica, world, write } = yield* nineCounted
        for (const fate of ends) {
          world.fates.set("demo", [fate])
          assert.strictEqual(yield* write, 0)
        }
        world.fates.delete("demo")
        yield* refuse(replica, credentialId, 4)
        yield* write
        yield* TestClock.adjust("30 seconds")
        yield* write
        assert.strictEqual(
          told(world).reduce((a, b) => a + b, 0),
          14
        )
        const rows = told(world).length
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* write, 0)
        assert.lengthOf(told(world), rows)
      })
  )

  it.effect("are written when their while is over and not before, and how many were is answered", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const replica = yield* world.replica("one")
      const { credentialId } = yield* replica.credentials.store("demo", request(), caller)
      yield* refuse(replica, credentialId, 10)
      const write = replica.sweeps.writeRefusals({ all: false })
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual([yield* write, told(world)], [0, [1]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* write, told(world)], [1, [1, 9]])
    })
  )

  it.effect("that wait, or whose tenant is gone, are told of; those of a removed tenant are written still", () => {
    const lines: Array<string> = []
    const collect = Logger.make(({ message }) => void lines.push(JSON.stringify(message)))
    return Effect.gen(function* () {
      const { world, write } = yield* nineCounted
      world.fates.set("demo", ["is not done"])
      assert.strictEqual(yield* write, 0)
      assert.lengthOf(
        lines.filter((line) => /counted refusals wait for the next turn.*"batches":1/u.test(line)),
        1
      )
      world.fates.delete("demo")
      yield* world.removeTenant("demo")
      assert.strictEqual(yield* write, 1)
      assert.deepStrictEqual(told(world), [1, 9])

      const gone = yield* nineCounted
      gone.world.tables.tenants.delete("demo")
      assert.strictEqual(yield* gone.write, 1)
      const ofGone = () => lines.filter((line) => /of a tenant that is gone.*"tenantId":"demo","rows":1/u.test(line))
      assert.lengthOf(ofGone(), 1)
      // Nobody counts them any more.
      assert.strictEqual(yield* gone.write, 0)
      assert.lengthOf(ofGone(), 1)
    }).pipe(Effect.provide(Logger.layer([collect])))
  })

  it.effect("are neither lost nor told of twice when their writing is interrupted", () =>
    Effect.gen(function* () {
      const { world, write } = yield* nineCounted
      const writing = yield* Effect.forkChild(write, { startImmediately: true })
      yield* Fiber.interrupt(writing)
      yield* TestClock.adjust("30 seconds")
      yield* write
      assert.deepStrictEqual(told(world), [1, 9])
    })
  )
  it.effect("are written by an orderly stop, before their while is over", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const scope = yield* Scope.make()
      const replica = yield* Scope.provide(world.replica("one"), scope)
      const { credentialId } = yield* replica.credentials.store("demo", request(), caller)
      yield* refuse(replica, credentialId, 10)
      world.fates.set("demo", ["is not done", "is committed, answer lost", "succeeds"])
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(told(world), [1, 9])
    })
  )
  it.effect("that cannot be written before the end are told of in the log, and hold the stop up no longer", () => {
    const lines: Array<string> = []
    const collect = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Error") lines.push(JSON.stringify(message))
    })
    return Effect.gen(function* () {
      const world = yield* credentialWorld
      const scope = yield* Scope.make()
      const replica = yield* Scope.provide(world.replica("one"), scope)
      const { credentialId } = yield* replica.credentials.store("demo", request(), caller)
      yield* refuse(replica, credentialId, 10)
      world.fates.set("demo", ["is not done"])
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(told(world), [1])
      assert.lengthOf(lines, 1)
      assert.match(lines[0]!, /counted refusals could not be written before the end.*"refusals":9/u)
    }).pipe(Effect.provide(Logger.layer([collect])))
  })
})

const secret = Redacted.make<unknown>({ api_key: "k2" })
/** Each kind of sweep: what makes a tenant due for it, and what tells that its work was done. */
const kinds = {
  expire: {
    expiresAt: 5_000,
    prepare: () => Effect.void,
    isDone: (world: World, tenantId: string) => announced(world, "credential.expired", tenantId)
  },
  endOverlaps: {
    expiresAt: null,
    prepare: (replica: Replica, tenantId: string, credentialId: string) =>
      replica.credentials.rotate(
        tenantId,
        { credentialId, secret, overlapMs: 1_000, expectedVersion: null, expiresAt: undefined },
        caller
      ),
    isDone: (world: World, tenantId: string) => audited(world, "credential.overlap-ended", tenantId)
  },
  notify: {
    expiresAt: 86_400_000,
    prepare: () => Effect.void,
    isDone: (world: World, tenantId: string) => announced(world, "credential.expiring", tenantId)
  },
  checkpoint: {
    expiresAt: null,
    prepare: () => Effect.void,
    isDone: (world: World, tenantId: string) => announced(world, "audit.checkpoint", tenantId)
  },
  purge: {
    expiresAt: null,
    prepare: (_: Replica, tenantId: string, __: string, world: World) => world.removeTenant(tenantId),
    isDone: (world: World, tenantId: string) => audited(world, "credential.deleted", tenantId)
  }
}
const announced = (world: World, type: string, tenantId: string): boolean =>
  world.events().some(({ body, headers }) => headers["ce-type"] === type && body.tenant_id === tenantId)
const audited = (world: World, action: string, tenantId: string): boolean =>
  (world.tables.audit.get(tenantId) ?? []).some((row) => row.action === action)

describe("a sweep", () => {
  const failures: ReadonlyArray<TransactionFate> = ["is not done", "is not done, answer lost", "dies"]
  const cases = Object.keys(kinds).flatMap((kind) =>
    failures.map((fate) => ({ kind: kind as keyof typeof kinds, fate }))
  )
  it.effect.each(cases)(
    "($kind) does the work of others when a tenant's transaction $fate, and its own later",
    ({ fate, kind }) =>
      Effect.gen(function* () {
        const world = yield* credentialWorld
        yield* world.addTenant("acme")
        const replica = yield* world.replica("one")
        const { expiresAt, isDone, prepare } = kinds[kind]
        for (const tenantId of ["acme", "demo"]) {
          const { credentialId } = yield* replica.credentials.store(tenantId, request({ expiresAt }), caller)
          yield* prepare(replica, tenantId, credentialId, world)
        }
        yield* TestClock.adjust("5 seconds")
        world.fates.set("acme", [fate])
        yield* replica.sweeps[kind]
        assert.deepStrictEqual([isDone(world, "acme"), isDone(world, "demo")], [false, true])
        world.fates.delete("acme")
        yield* replica.sweeps[kind]
        assert.isTrue(isDone(world, "acme"))
      })
  )
})

describe("the gauge of active credentials", () => {
  it.effect("has a bounded number of series, however many services come and go, and loses no credential", () =>
    Effect.gen(function* () {
      const world = yield* credentialWorld
      const replica = yield* world.replica("one")
      const series = Effect.map(Metric.snapshot, (all) =>
        all
          .filter(({ id }) => id === "credential_active_total")
          .map(
            ({ attributes, state }) => [attributes?.service ?? "", Number((state as { value: number }).value)] as const
          )
      )
      for (let round = 0; round < 3; round++) {
        const stored: Array<string> = []
        for (let n = 0; n < servicesShownMax - 50; n++) {
          const serviceName = `service-${round}-${n}`
          const { credentialId } = yield* replica.credentials.store("demo", request({ serviceName }), caller)
          stored.push(credentialId)
        }
        yield* replica.sweeps.measure
        const shown = yield* series
        assert.isAtMost(shown.length, servicesShownMax + 1)
        assert.strictEqual(
          shown.reduce((sum, [, count]) => sum + count, 0),
          stored.length
        )
        for (const credentialId of stored) {
          yield* replica.credentials.delete("demo", { credentialId, expectedVersion: null }, caller)
        }
      }
      assert.include(
        (yield* series).map(([service]) => service),
        others
      )
      // Of this world alone, whatever else the process has counted.
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
