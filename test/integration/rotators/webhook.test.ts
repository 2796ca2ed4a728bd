// Verifies R-ROT-3, R-ROT-4, R-ROT-5, R-ROT-6.
/**
 * A rotator on the bus, from outside: two replicas, a service that behaves and misbehaves, a client that knows the
 * contract only.
 */
import { createCurve } from "@nats-io/nkeys"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type RotatorStandIn, type RotatorStep, startRotator } from "../../support/standIns/rotator.ts"

const instance = "rot"
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
let rotator: RotatorStandIn
/** Due in a minute, which is seen at the end. */
let soon: { readonly id: string; readonly password: string }
const events: Array<Record<string, unknown>> = []

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)
const refusal = (answer: Answer) => [answer.status, answer.code]

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: { CM_REFRESH_INTERVAL: "100 millis", CM_ROTATOR_TIMEOUT: "10 seconds", CM_ROTATOR_OVERLAP: "10 seconds" }
  }
  const one = await startService(options)
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  client.nc.subscribe(`${instance}.events.v1.>`, { callback: (_, message) => void events.push(message.json()) })
  await client.nc.flush()
  rotator = await startRotator(inject("natsUrl"), instance, "crm")
  assert.strictEqual((await ask("rotator.put", { name: "crm", seal_to: rotator.sealTo })).status, 201)
  soon = await store({ rotation: { rotator: "crm", every: "PT1M" } })
})
afterAll(async () => {
  await rotator?.stop()
  await client?.close()
  await Promise.all(replicas?.map((replica) => replica.stop()) ?? [])
  await database?.drop()
})

let services = 0
const store = async (over: object = {}) => {
  const password = `first-${++services}-planted-secret-value`
  const answer = await ask("credential.store", {
    service_name: `svc${services}`,
    type: "basic",
    credentials: { username: "app", password },
    allowed_consumers: ["mail"],
    rotation: { rotator: "crm", every: "P1D", params: { account: "7" } },
    ...over
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  rotator.live.add(password)
  return { id: answer.body.credential_id as string, password }
}
const rotate = (id: string, over: object = {}) => ask("credential.rotate", { credential_id: id, ...over })
const passwordOf = async (id: string) =>
  (await ask("credential.get.mail", { credential_id: id })).body.credentials.password as string
const describeOf = async (id: string) =>
  (await ask("credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )
const stepsOf = (id: string) =>
  rotator.steps
    .filter(({ credential_id }) => credential_id === id)
    .map(({ generation, step }) => `${step} ${generation}`)
const eventsOf = (id: string, type: string) =>
  events.filter((one) => one.credential_id === id && one.event_type === `credential.${type}`)
const auditOf = async (id: string) =>
  ((await ask("audit.list", { limit: 1000 })).body.content as ReadonlyArray<Record<string, unknown>>).filter(
    ({ entityId }) => entityId === id
  )

describe("rotators of a tenant", () => {
  it("are put, shown with the built-in one, and not deleted while a credential names them", async () => {
    const own = createCurve().getPublicKey()
    const generate = { length: 32, alphabet: "abcdefghijkmnpqrstuvwxyz23456789" }
    assert.strictEqual((await ask("rotator.put", { name: "mine", seal_to: own })).status, 201)
    assert.strictEqual((await ask("rotator.put", { name: "mine", seal_to: own, generate })).status, 200)
    assert.deepStrictEqual((await ask("rotator.get", { name: "mine" })).body, {
      name: "mine",
      kind: "webhook",
      origin: "tenant",
      seal_to: own,
      generate
    })
    const names = (await ask("rotator.list")).body.content.map((one: { name: string; origin: string }) => [
      one.name,
      one.origin
    ])
    assert.deepStrictEqual(names, [
      ["crm", "tenant"],
      ["mariadb-user", "built_in"],
      ["mine", "tenant"]
    ])
    const { id } = await store({ rotation: { rotator: "mine", every: "P1D" } })
    assert.deepStrictEqual(refusal(await ask("rotator.delete", { name: "mine" })), [409, "ROTATOR_IN_USE"])
    await ask("credential.revoke", { credential_id: id })
    assert.deepStrictEqual((await ask("rotator.delete", { name: "mine" })).body, { deleted: 1 })
    assert.deepStrictEqual(refusal(await ask("rotator.get", { name: "mine" })), [404, "ROTATOR_NOT_FOUND"])
    assert.deepStrictEqual(refusal(await ask("rotator.delete", { name: "mariadb-user" })), [404, "ROTATOR_NOT_FOUND"])
  })

  it("are refused with a key that keeps nothing secret, or secrets that could be guessed", async () => {
    const seal_to = rotator.sealTo
    const bad = [
      { name: "bad", seal_to: "XAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
      { name: "bad", seal_to: "planted" },
      { name: "Bad", seal_to },
      { name: "a.b", seal_to },
      { name: "bad", seal_to, generate: { length: 4, alphabet: "0123456789" } },
      { name: "bad", seal_to, generate: { length: 64, alphabet: "aabb" } },
      { name: "bad", seal_to, generate: { length: 64, alphabet: "a\u0000b" } }
    ]
    for (const body of bad) assert.strictEqual((await ask("rotator.put", body)).status, 400, JSON.stringify(body))
  })

  it("are checked where a credential names one", async () => {
    const wrong = async (rotation: unknown, over: object = {}) => {
      const answer = await ask("credential.store", {
        service_name: "wrong",
        type: "basic",
        credentials: { username: "a", password: "b" },
        rotation,
        ...over
      })
      assert.strictEqual(answer.status, 400, JSON.stringify(answer.body))
      return answer.body.error.details?.path
    }
    assert.strictEqual(await wrong({ rotator: "nobody", every: "P1D" }), "rotation.rotator")
    assert.strictEqual(await wrong({ rotator: "crm" }), "rotation.every")
    assert.strictEqual(await wrong({ rotator: "crm", every: "PT1S" }), "rotation.every")
    assert.strictEqual(await wrong({ rotator: "crm", every: "P1D", extra: 1 }), "rotation")
    assert.strictEqual(await wrong({ rotator: "crm", every: "P1D", params: { a: 1 } }), "rotation.params")
  })
})

describe("a rotation", () => {
  it("goes from step to step, hands out what was tested, and retires the old one after its overlap", async () => {
    const { id, password } = await store()
    const answer = await rotate(id)
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    const fresh = await passwordOf(id)
    assert.notStrictEqual(fresh, password)
    assert.isTrue(rotator.live.has(fresh))
    assert.deepStrictEqual(stepsOf(id).slice(0, 3), ["prepare 1", "set 1", "test 1"])
    assert.isTrue(rotator.live.has(password), "the old one is promised for a while")
    const asked = stepsOf(id).length
    const promised = await rotate(id)
    assert.deepStrictEqual(refusal(promised), [502, "ROTATOR_FAILED"], "that is why none begins now")
    assert.deepInclude(promised.body.error.details, { reason: "rate_limited", permanent: false })
    assert.include(promised.body.error.reason ?? JSON.stringify(promised.body), "overlap")
    assert.strictEqual(stepsOf(id).length, asked, "the rotator is not asked")
    await eventually(
      () => stepsOf(id),
      (steps) => steps.includes("retire 0"),
      { what: "the old one is retired" }
    )
    assert.isFalse(rotator.live.has(password))
    const [rotated] = await eventually(
      () => eventsOf(id, "rotated"),
      (all) => all.length > 0,
      { what: "the event" }
    )
    assert.strictEqual(rotated?.cause, "rotator")
    const shown = await eventually(
      () => describeOf(id),
      (one) => one.refresh.state === "fresh",
      { what: "fresh" }
    )
    assert.deepStrictEqual(shown.retire_pending, [])
    const params = rotator.steps.find(({ credential_id }) => credential_id === id)?.params
    assert.deepStrictEqual(params, { account: "7" })
    const actions = (await auditOf(id)).map(({ action }) => action)
    for (const action of ["credential.rotation-begun", "credential.rotated", "credential.retired"]) {
      assert.include(actions, action)
    }
  })

  it("of a secret that leaked is run at once, whatever was promised, and what leaked is taken away", async () => {
    const { id, password } = await store()
    assert.strictEqual((await rotate(id, { overlap: "PT1H" })).status, 200)
    const leaked = await passwordOf(id)
    assert.deepStrictEqual(refusal(await rotate(id)), [502, "ROTATOR_FAILED"])
    const answer = await rotate(id, { overlap: "PT0S" })
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    const fresh = await passwordOf(id)
    await eventually(
      () => [password, leaked, fresh].map((one) => rotator.live.has(one)).join(),
      (live) => live === "false,false,true",
      { what: "both old ones are gone, and the new one works" }
    )
  })

  it("is one, however many ask", async () => {
    const { id } = await store()
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    rotator.on.misbehave = async ({ credential_id, step }) => {
      if (credential_id !== id || step !== "test") return false
      begun.resolve()
      await held.promise
      return false
    }
    const asked = Array.from({ length: 10 }, () => rotate(id))
    await begun.promise
    // That these are answered, by either replica, says that the ten have come before the first one ended.
    const behind = await Promise.all(Array.from({ length: 40 }, () => rotate(id, { expected_version: 7 })))
    for (const { status } of behind) assert.strictEqual(status, 409)
    held.resolve()
    const answers = await Promise.all(asked)
    rotator.on.misbehave = undefined
    assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.deepStrictEqual(new Set(answers.map(({ body }) => body.version)).size, 1)
    assert.strictEqual(stepsOf(id).filter((step) => step.startsWith("set")).length, 1)
  })

  it("ends a promise that is running when the request says that none is needed", async () => {
    const { id, password } = await store()
    assert.strictEqual((await rotate(id, { overlap: "PT12H" })).status, 200)
    const second = await passwordOf(id)
    assert.strictEqual((await rotate(id, { overlap: "PT0S" })).status, 200)
    await eventually(
      () => [password, second].filter((one) => rotator.live.has(one)),
      (left) => left.length === 0,
      { what: "both old ones are gone" }
    )
    assert.isTrue(rotator.live.has(await passwordOf(id)))
  })

  it("makes the secret itself when the entry says how", async () => {
    const seal_to = rotator.sealTo
    await ask("rotator.put", { name: "crm", seal_to, generate: { length: 40, alphabet: "abcdef0123456789" } })
    const { id } = await store()
    assert.strictEqual((await rotate(id)).status, 200)
    assert.match(await passwordOf(id), /^[a-f0-9]{40}$/u)
    assert.notInclude(stepsOf(id), "prepare 1")
    await ask("rotator.put", { name: "crm", seal_to })
  })
})

describe("a rotator that misbehaves", () => {
  const misbehaving = async (
    misbehave: NonNullable<RotatorStandIn["on"]["misbehave"]>,
    run: (credential: { readonly id: string; readonly password: string }) => Promise<void>
  ) => {
    const credential = await store()
    rotator.on.misbehave = (step, message) => step.credential_id === credential.id && misbehave(step, message)
    await run(credential)
    rotator.on.misbehave = undefined
  }
  const saying = (what: string) => (step: RotatorStep, message: { respond: (data: string) => boolean }) =>
    step.step === "set" && message.respond(what)

  it("by refusing for good: what may have been set is undone, and the old one stays", async () => {
    await misbehaving(
      ({ secrets, step }, message) => {
        if (step !== "test") return false
        assert.isTrue(rotator.live.has(secrets.new!.password!))
        // It repeats what it was sent.
        const reason = `no: ${secrets.new!.password} ${JSON.stringify(secrets)} ${"y".repeat(2_000)}`
        return message.respond(JSON.stringify({ ok: false, permanent: true, reason }))
      },
      async ({ id, password }) => {
        const answer = await rotate(id)
        assert.deepStrictEqual(refusal(answer), [502, "ROTATOR_FAILED"])
        assert.strictEqual(answer.body.error.details.permanent, true)
        await eventually(
          () => stepsOf(id),
          (steps) => steps.includes("undo 1"),
          { what: "it is undone" }
        )
        assert.strictEqual(await passwordOf(id), password)
        const failed = await eventually(
          () => eventsOf(id, "refresh_failed"),
          (all) => all.length > 0,
          { what: "the event" }
        )
        assert.strictEqual(failed[0]?.permanent, true)
        const undone = rotator.steps.find(({ credential_id, step }) => credential_id === id && step === "undo")
        const secret = undone!.secrets.new!.password!
        assert.isFalse(rotator.live.has(secret))
        const told = JSON.stringify([
          await auditOf(id),
          events,
          await describeOf(id),
          replicas.map((one) => one.output())
        ])
        assert.notInclude(told, secret)
        assert.notInclude(told, password)
        assert.include(JSON.stringify(await auditOf(id)), "[hidden]")
      }
    )
  })

  it.each([
    ["with garbage", "\u0000not json", "malformed_answer"],
    ["with no and yes", '{"ok":false,"permanent":true,"reason":"refused","ok":true}', "malformed_answer"],
    ["with an answer that is no answer", JSON.stringify({ fine: true }), "malformed_answer"],
    ["with a list", "[]", "malformed_answer"],
    ["with too much", JSON.stringify({ ok: true, padding: "z".repeat(70_000) }), "malformed_answer"],
    ["with a refusal without words", JSON.stringify({ ok: false }), "unknown"],
    ["with a refusal whose words are no text", JSON.stringify({ ok: false, permanent: "yes", reason: {} }), "unknown"]
  ])("%s: readers keep what works, and it is tried again", async (_, said, reason) => {
    await misbehaving(saying(said), async ({ id, password }) => {
      const answer = await rotate(id)
      assert.deepStrictEqual(refusal(answer), [502, "ROTATOR_FAILED"], JSON.stringify(answer.body))
      assert.deepInclude(answer.body.error.details, { reason, permanent: false })
      assert.strictEqual(await passwordOf(id), password)
      assert.strictEqual((await describeOf(id)).refresh.state, "failing")
      rotator.on.misbehave = undefined
      const again = await rotate(id)
      assert.strictEqual(again.status, 200, JSON.stringify(again.body))
      assert.isTrue(rotator.live.has(await passwordOf(id)))
      // The same new secret, set again.
      const sets = rotator.steps.filter(({ credential_id, step }) => credential_id === id && step === "set")
      assert.strictEqual(new Set(sets.map(({ secrets }) => secrets.new!.password)).size, 1)
      await eventually(
        () => eventsOf(id, "recovered").length,
        (count) => count === 1,
        { what: "its recovery is told" }
      )
    })
  })

  it("by saying nothing, though it did: the step is done again", async () => {
    let silent = 0
    await misbehaving(
      ({ secrets, step }) => {
        if (step !== "set" || silent++ > 0) return false
        rotator.live.add(secrets.new!.password!)
        return true
      },
      async ({ id }) => {
        const answer = await rotate(id)
        assert.deepInclude(answer.body.error.details, { reason: "timeout", permanent: false })
        await eventually(
          () => eventsOf(id, "rotated").length,
          (count) => count === 1,
          { limitMs: 120_000, what: "it goes on by itself" }
        )
        assert.isTrue(rotator.live.has(await passwordOf(id)))
      }
    )
  })

  it("with a new secret that is not sealed to who asked, or is of another shape", async () => {
    for (const made of ["foreign", "shape", "clear"] as const) {
      await misbehaving(
        ({ step }, message) => {
          if (step !== "prepare") return false
          const asker = message.json<{ secrets: { old: { sealed_by: string } } }>().secrets.old.sealed_by
          const ours = createCurve()
          const to = made === "foreign" ? createCurve().getPublicKey() : asker
          const value = made === "shape" ? { password: 1, planted: "x" } : { username: "app", password: "planted" }
          const sealed = Buffer.from(ours.seal(Buffer.from(JSON.stringify(value)), to)).toString("base64")
          const box = made === "clear" ? value : { sealed, sealed_by: ours.getPublicKey() }
          return message.respond(JSON.stringify({ ok: true, secrets: { new: box } }))
        },
        async ({ id, password }) => {
          const answer = await rotate(id)
          assert.deepInclude(answer.body.error.details, { reason: "malformed_answer", permanent: true }, made)
          assert.strictEqual(await passwordOf(id), password)
          assert.deepStrictEqual(stepsOf(id), ["prepare 1"], "nothing was set, so nothing is undone")
        }
      )
    }
  })

  it("by not taking the old one away: it stays on the list until it does", async () => {
    let refuses = true
    await misbehaving(
      ({ step }, message) =>
        step === "retire" && refuses && message.respond(JSON.stringify({ ok: false, reason: "busy" })),
      async ({ id, password }) => {
        assert.strictEqual((await rotate(id, { overlap: "PT0S" })).status, 200)
        const shown = await eventually(
          () => describeOf(id),
          (one) => one.retire_pending[0]?.reason !== undefined,
          { what: "it is on the list, and why" }
        )
        assert.lengthOf(shown.retire_pending, 1)
        assert.deepInclude(shown.retire_pending[0], { generation: 0, reason: "unknown" })
        assert.isTrue(rotator.live.has(password))
        refuses = false
        await eventually(
          () => describeOf(id),
          (one) => one.retire_pending.length === 0,
          { limitMs: 120_000, what: "it is taken away" }
        )
        assert.isFalse(rotator.live.has(password))
      }
    )
  }, 300_000)

  it("by being nobody: 502, and another time", async () => {
    await ask("rotator.put", { name: "absent", seal_to: rotator.sealTo })
    const { id, password } = await store({ rotation: { rotator: "absent", every: "P1D" } })
    const answer = await rotate(id)
    assert.deepInclude(answer.body.error.details, { reason: "provider_down", permanent: false })
    assert.strictEqual(await passwordOf(id), password)
  })
})

describe("a secret that is stored by hand", () => {
  it("wins over a rotation under way, whose own is undone", async () => {
    const { id } = await store()
    let held: (() => void) | undefined
    rotator.on.misbehave = async (step) => {
      if (step.credential_id === id && step.step === "test") {
        await new Promise<void>((resolve) => {
          held = resolve
        })
      }
      return false
    }
    const asked = rotate(id)
    await eventually(
      () => held,
      (there) => there !== undefined,
      { what: "it is at its test" }
    )
    const mine = "by-hand-planted-secret"
    rotator.live.add(mine)
    const stored = await rotate(id, { credentials: { username: "app", password: mine } })
    assert.strictEqual(stored.status, 200)
    held?.()
    // As whoever waits for a provider's refresh: with what is the new secret now.
    const answer = await asked
    assert.deepStrictEqual([answer.status, answer.body.version], [200, stored.body.version])
    assert.strictEqual(await passwordOf(id), mine)
    await eventually(
      () => stepsOf(id),
      (steps) => steps.includes("undo 1"),
      { limitMs: 120_000, what: "the other one is undone" }
    )
    rotator.on.misbehave = undefined
    assert.isTrue(rotator.live.has(mine))
  }, 300_000)
})

describe("a rotation whose time has come", () => {
  it("is begun by itself, once", async () => {
    await eventually(
      () => eventsOf(soon.id, "rotated").length,
      (count) => count > 0,
      { limitMs: 120_000, what: "rotated by itself" }
    )
    assert.deepStrictEqual(stepsOf(soon.id).slice(0, 3), ["prepare 1", "set 1", "test 1"])
    assert.notStrictEqual(await passwordOf(soon.id), soon.password)
  }, 300_000)
})
