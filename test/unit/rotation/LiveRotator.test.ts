// Verifies R-ROT-10, R-SEC-30.
/** A rotation that is asked for at one replica and ended by another, over memory stores and a rotator on a bus of paper. */
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { createCurve } from "@nats-io/nkeys"
import { Clock, Effect, Fiber, Layer, Metric, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { rowsChanged } from "../../../src/actors/tenant/RowTagging.ts"
import type { Caller } from "../../../src/actors/tenant/Tenants.ts"
import { busPrincipal } from "../../../src/domain/Principal.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import { credentialWorldWith } from "../../support/credentialWorld.ts"
import { eventually } from "../../support/eventually.ts"

const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }

/** Two replicas, a credential, and a rotator that does every step, or what `answers` says for it. */
const beginWith = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const world = yield* credentialWorldWith(settings)
  const steps: Array<string> = []
  const during = new Map<string, () => Promise<unknown>>()
  const answers = new Map<string, object>()
  const request = (subject: string) => {
    const step = subject.slice(subject.lastIndexOf(".") + 1)
    steps.push(step)
    const answer = { data: new TextEncoder().encode(JSON.stringify(answers.get(step) ?? { ok: true })) }
    return Promise.resolve(during.get(step)?.()).then(() => answer)
  }
  const nats = Layer.succeed(Nats, { requests: { request } } as unknown as Nats["Service"])
  const { credentials, refresher, rotators } = yield* world.replica("one", true, nats)
  const other = yield* world.replica("two", true, nats)
  yield* rotators.put(
    "demo",
    {
      name: "crm",
      seal_to: createCurve().getPublicKey(),
      generate: { length: 32, alphabet: "abcdefghijklmnopqrstuvwxyz" }
    },
    caller
  )
  const { credentialId } = yield* credentials.store(
    "demo",
    {
      serviceName: "crm",
      type: "basic",
      owner: { level: "tenant" },
      secret: Redacted.make({ username: "app", password: "planted-first" }),
      scopes: [],
      expiresAt: null,
      allowedConsumers: ["mail"],
      metadata: {},
      rotation: { rotator: "crm", every: "P1D" }
    },
    caller
  )
  const row = () => world.tables.credentials.get(credentialId)!
  /** What the other replica does once the asked one has settled `set` and looks what is next. */
  const betweenSetAndTest = (does: Effect.Effect<unknown>) => {
    let isDone = false
    const look = Effect.suspend(() => {
      const { claim, underWay } = row().rotating!
      if (isDone || underWay?.step !== "test" || claim !== null) return Effect.void
      isDone = true
      return does
    })
    world.beforeTransactions.push(...Array<Effect.Effect<unknown>>(20).fill(look))
  }
  const rotateFor = (overlapMs: number) => refresher.refresh("demo", credentialId, caller, overlapMs)
  const rotate = refresher.refresh("demo", credentialId, caller)
  /** At the other replica. */
  const storeByHand = other.credentials.rotate(
    "demo",
    {
      credentialId,
      secret: Redacted.make({ username: "app", password: "planted-by-hand" }),
      overlapMs: null,
      expectedVersion: null,
      expiresAt: undefined
    },
    caller
  )
  const told = (type: string) =>
    world.events().flatMap(({ body, headers }) => (headers["ce-type"] === `credential.${type}` ? [body] : []))
  const asked = { betweenSetAndTest, credentialId, credentials, other, rotate, rotateFor, storeByHand }
  return { ...asked, answers, during, row, steps, told, world }
})
const begin = beginWith({})

describe("a rotation that another replica ends between two of our steps", () => {
  it.effect("is answered as what it came to, and not as one that may not begin", () =>
    Effect.gen(function* () {
      const { betweenSetAndTest, credentialId, other, rotate, row, steps } = yield* begin
      betweenSetAndTest(other.refresher.due("demo", credentialId))
      const { version } = yield* rotate
      assert.deepStrictEqual(steps, ["set", "test"])
      assert.deepStrictEqual([row().secretVersion, row().rotating?.generation], [version, 1])
    })
  )

  it.effect("is answered with why it failed for good, and is not begun anew", () =>
    Effect.gen(function* () {
      const { answers, betweenSetAndTest, credentialId, other, rotate, row, steps } = yield* begin
      answers.set("test", { ok: false, permanent: true, reason: "not taken" })
      betweenSetAndTest(other.refresher.due("demo", credentialId))
      const failed = yield* Effect.flip(rotate)
      assert.deepInclude(failed, { _tag: "RotatorFailed", permanent: true })
      assert.notInclude(steps.slice(steps.indexOf("test") + 1), "set")
      assert.strictEqual(row().rotating?.generation, 1)
    })
  )

  it.effect("is answered with the version that was stored by hand", () =>
    Effect.gen(function* () {
      const { betweenSetAndTest, rotate, row, steps, storeByHand } = yield* begin
      betweenSetAndTest(Effect.orDie(storeByHand))
      const { version } = yield* rotate
      assert.strictEqual(row().secretVersion, version)
      assert.notInclude(steps, "test")
      assert.strictEqual(row().rotating?.underWay, null)
    })
  )

  it.effect("is answered with it, too, when it was stored between the claim of a step and its question", () =>
    Effect.gen(function* () {
      const { rotate, row, steps, storeByHand, world } = yield* begin
      let isDone = false
      const look = Effect.suspend(() => {
        const { claim, underWay } = row().rotating!
        if (isDone || underWay?.step !== "set" || claim === null) return Effect.void
        isDone = true
        return Effect.orDie(storeByHand)
      })
      world.beforeLooks.push(...Array<Effect.Effect<void>>(20).fill(Effect.asVoid(look)))
      const { version } = yield* rotate
      assert.deepStrictEqual([row().secretVersion, isDone, steps], [version, true, []])
    })
  )

  it.effect.each(["set", "test"])(
    "is answered with it, too, when it was stored while the rotator was at its %s",
    (step) =>
      Effect.gen(function* () {
        const { during, rotate, row, steps, storeByHand } = yield* begin
        during.set(step, () => Effect.runPromise(storeByHand))
        const { version } = yield* rotate
        assert.strictEqual(row().secretVersion, version)
        assert.strictEqual(steps.at(-1), step)
      })
  )
})

describe("a rotation that has begun", () => {
  it.effect("is called undone by nobody when the database goes away", () =>
    Effect.gen(function* () {
      const { during, rotate, world } = yield* begin
      const goAway = async () => void world.fates.set("demo", ["is not done"])
      during.set("set", goAway)
      assert.deepInclude(yield* Effect.flip(rotate), { _tag: "Unavailable", committed: null })
      during.delete("set")
      world.fates.set("demo", ["succeeds"])
    })
  )

  it.effect("is called undone by nobody when the tenant has too much to do meanwhile", () =>
    Effect.gen(function* () {
      const { credentials, during, rotate, world } = yield* beginWith({ CM_MAILBOX_CAPACITY: "1" })
      const gate = Promise.withResolvers<void>()
      const changes: Array<Promise<unknown>> = []
      // One is under way, and another one waits for it: the tenant takes no more.
      during.set("set", async () => {
        world.beforeTransactions.push(Effect.promise(() => gate.promise))
        for (let n = 0; n < 2; n++) {
          changes.push(Effect.runPromise(credentials.enableService("demo", "crm", caller)))
          await setImmediate()
        }
      })
      const failed = yield* Effect.flip(rotate)
      gate.resolve()
      yield* Effect.promise(() => Promise.all(changes))
      assert.deepInclude(failed, { _tag: "Unavailable", committed: null })
    })
  )

  it.effect("is called undone when it could not begin", () =>
    Effect.gen(function* () {
      const { rotate, steps, world } = yield* begin
      world.fates.set("demo", ["is not done"])
      assert.deepInclude(yield* Effect.flip(rotate), { _tag: "Unavailable", committed: false })
      assert.deepStrictEqual(steps, [])
    })
  )
})

describe("a rotation that ends well", () => {
  it.effect("tells of the new secret and until when the old one is there, as an event, a row and a version", () =>
    Effect.gen(function* () {
      for (const [overlapMs, until, old] of [
        [0, null, {}],
        [90_000, "1970-01-01T00:01:30.000Z", { state: "spare", validUntil: 90_000, reason: "rotated" }]
      ] as const) {
        const { credentialId, rotateFor, told, world } = yield* begin
        const { version } = yield* rotateFor(overlapMs)
        assert.strictEqual(version, 2)
        const [event, ...others] = told("rotated")
        assert.deepInclude(event, { version, cause: "rotator", expires_at: null, overlap_until: until })
        assert.deepStrictEqual([others.length, told("recovered").length], [0, 0])
        const row = world.tables.audit.get("demo")?.find(({ action }) => action === "credential.rotated")
        const diff: object = JSON.parse(row?.diff ?? "{}")
        assert.deepInclude(diff, { cause: "rotator", rotator: "crm", generation: 1, version: [1, 2] })
        assert.deepInclude(
          world.tables.credentials.versionsOf(credentialId).find((one) => one.version === 1),
          old
        )
      }
    })
  )

  it.effect("tells that it has recovered where its failure was told, and not else", () =>
    Effect.gen(function* () {
      const { answers, rotate, told } = yield* begin
      answers.set("set", { ok: false, permanent: false, reason: "not now" })
      assert.deepInclude(yield* Effect.flip(rotate), { _tag: "RotatorFailed", permanent: false })
      answers.clear()
      const { version } = yield* rotate
      assert.deepStrictEqual([told("refresh_failed").length, told("rotated").length], [1, 1])
      assert.deepStrictEqual(
        told("recovered").map((event) => event.version),
        [version]
      )
    })
  )
})

describe("a secret that cannot be opened", () => {
  it.effect("is rotated by nobody, and told of", () =>
    Effect.gen(function* () {
      const { credentialId, rotate, steps, world } = yield* begin
      const held = world.tables.credentials.versionsOf(credentialId).find(({ sealed }) => sealed !== null)!
      const sealed = held.sealed!.map((byte, at) => (at === held.sealed!.length - 1 ? byte ^ 1 : byte))
      const versions = [{ ...held, sealed }]
      world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
      const told = Effect.map(Metric.value(Metric.withAttributes(rowsChanged, { kind: "credential" })), ({ count }) =>
        Number(count)
      )
      const before = yield* told
      assert.deepInclude(yield* Effect.flip(rotate), { _tag: "RowChanged", kind: "credential" })
      assert.strictEqual(yield* told, before + 1)
      assert.isEmpty(steps)
    })
  )
})

describe("the overlap of a rotation", () => {
  it.effect("is half of the time between two at most, asked for or usual", () =>
    Effect.gen(function* () {
      const { rotate, rotateFor, row } = yield* beginWith({ CM_ROTATOR_OVERLAP: "20 hours" })
      const [hour, now] = [3_600_000, yield* Clock.currentTimeMillis]
      const ends = () => row().rotating!.cleanups.map(({ dueAt }) => dueAt - now)
      yield* rotate
      assert.deepStrictEqual(ends(), [12 * hour])
      yield* TestClock.adjust("13 hours")
      yield* rotateFor(20 * hour)
      assert.deepStrictEqual(ends().at(-1), 25 * hour)
    })
  )
})

describe("rotations that nobody asked for", () => {
  it.effect("are under way a few at a time, of one tenant and of all, and who asks waits for none of them", () =>
    Effect.gen(function* () {
      const { credentials, during, other, steps, world } = yield* begin
      const tenants = ["demo", "two", "three", "four", "five"]
      const due: Array<readonly [tenantId: string, credentialId: string]> = []
      for (const tenantId of tenants) {
        if (tenantId !== "demo") {
          yield* world.addTenant(tenantId)
          const seal_to = createCurve().getPublicKey()
          const generate = { length: 32, alphabet: "abcdefghijklmnopqrstuvwxyz" }
          yield* other.rotators.put(tenantId, { name: "crm", seal_to, generate }, caller)
        }
        for (let index = 0; index < 6; index++) {
          const { credentialId } = yield* credentials.store(
            tenantId,
            {
              ...{ serviceName: `s${index}`, type: "basic", owner: { level: "tenant" }, scopes: [], expiresAt: null },
              ...{ allowedConsumers: ["mail"], metadata: {}, rotation: { rotator: "crm", every: "P1D" } },
              secret: Redacted.make({ username: "app", password: "planted-first" })
            },
            caller
          )
          due.push([tenantId, credentialId])
        }
      }
      const answered = Promise.withResolvers<void>()
      during.set("set", () => answered.promise)
      yield* TestClock.adjust("25 hours")
      const begun = (isOf: (tenantId: string) => boolean) =>
        Effect.forEach(due, ([tenantId, credentialId]) =>
          isOf(tenantId) ? Effect.forkChild(other.refresher.due(tenantId, credentialId)) : Effect.void
        )
      const asked = (count: number) =>
        Effect.promise(() =>
          eventually(
            () => steps.length,
            (seen) => seen >= count,
            { limitMs: 20_000, everyMs: 5, what: "the rotator is asked" }
          )
        )
      yield* begun((tenantId) => tenantId === "demo")
      yield* asked(4)
      yield* begun((tenantId) => tenantId !== "demo")
      yield* asked(16)
      for (let turn = 0; turn < 20; turn++) yield* Effect.promise(() => setImmediate())
      const atOnce = steps.length
      const [, last] = due[5]!
      const person = yield* Effect.forkChild(other.refresher.refresh("demo", last, caller))
      yield* asked(atOnce + 1)
      // Whatever came of it, so that the replica's end does not wait for them.
      answered.resolve()
      yield* Fiber.join(person)
      assert.strictEqual(atOnce, 16)
      // Each has given its place back.
      yield* Effect.promise(() =>
        eventually(
          () => steps.filter((step) => step === "test").length,
          (count) => count === 17,
          { limitMs: 20_000, everyMs: 5, what: "all that were under way" }
        )
      )
      for (const [tenantId, credentialId] of due) yield* other.refresher.due(tenantId, credentialId)
      assert.strictEqual(steps.filter((step) => step === "set").length, due.length)
    })
  )
})
