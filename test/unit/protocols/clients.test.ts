// Verifies R-CLI-1, R-CLI-7, R-INP-2, R-LIM-3.
/** `client-credential.*` and the four questions of 16/ECAP and 22/CAP on a paper bus, with scripted actors. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import type { ClientRecord } from "../../../src/actors/clients/Clients.ts"
import { wireKeyOf } from "../../../src/actors/clients/HotClients.ts"
import { heldBytesMax, holdMs } from "../../../src/actors/tenant/HeldRefusals.ts"
import { type ClientAnswer, refusal } from "../../../src/domain/ClientCredential.ts"
import * as errors from "../../../src/domain/errors.ts"
import { refusedAtOnce } from "../../../src/protocols/ClientAuthentication.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { type Tail, wire } from "../../support/clientWire.ts"
import { eventually } from "../../support/eventually.ts"
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"
import { someTime } from "../../support/scriptedTenants.ts"

const id = "01939f2c-7a1b-7c3d-8e4f-0123456789ab"
const date = "2026-11-24T10:20:30.123Z"
const common = {
  credentialId: id,
  clientId: "c",
  status: "Active",
  version: 2,
  createdAt: someTime,
  updatedAt: someTime,
  createdBy: "bus",
  updatedBy: "bus",
  description: null
} as const
const basic: ClientRecord = { ...common, name: { kind: "basic", username: "u" } }
const certificate: ClientRecord = { ...common, name: { kind: "certificate", issuer: "CN=x", serialNumber: "7" } }
const shown = { credentialId: id, clientId: "c", status: "Active", version: 2, createdDate: date, updatedDate: date }
const by = { createdBy: "bus", updatedBy: "bus" }
const shownBasic = { ...shown, kind: "basic", username: "u", ...by }
const shownCertificate = { ...shown, kind: "certificate", issuer: "CN=x", serialNumber: "7", ...by }

const change = (target: string) => ["demo", id, { target, expectedVersion: null, reason: null }]
const cases = [
  {
    operation: "create-basic",
    ask: { username: "u", clientId: "c" },
    calls: "clientsCreateBasic",
    args: ["demo", { username: "u", password: null, clientId: "c", description: null }],
    gives: { record: basic, password: "made" },
    status: 201,
    body: { ...shownBasic, password: "made" }
  },
  {
    operation: "create-basic",
    ask: { username: "u", password: "given", description: "d" },
    calls: "clientsCreateBasic",
    args: ["demo", { username: "u", password: Redacted.make("given"), clientId: null, description: "d" }],
    gives: { record: { ...basic, description: "d" }, password: null },
    status: 201,
    body: { ...shownBasic, description: "d" }
  },
  {
    operation: "create-certificate",
    ask: { issuer: "CN=x", serialNumber: "7" },
    calls: "clientsCreateCertificate",
    args: ["demo", { issuer: "CN=x", serialNumber: "7", clientId: null }],
    gives: { record: certificate, password: null },
    status: 201,
    body: shownCertificate
  },
  {
    operation: "get",
    ask: { credentialId: id },
    calls: "clientsGet",
    args: ["demo", id],
    gives: basic,
    body: shownBasic
  },
  {
    operation: "list",
    ask: { clientId: "c", status: ["Active"], limit: 3 },
    calls: "clientsList",
    args: ["demo", { clientId: "c", statuses: ["Active"], kind: null, limit: 3, after: null }],
    gives: { content: [certificate, basic], next: null },
    body: { content: [shownCertificate, shownBasic] }
  },
  {
    operation: "list",
    ask: { kind: "certificate" },
    calls: "clientsList",
    args: ["demo", { clientId: null, statuses: [], kind: "certificate", limit: 20, after: null }],
    gives: { content: [certificate], next: null },
    body: { content: [shownCertificate] }
  },
  {
    operation: "transition",
    ask: { credentialId: id, targetStatus: "suspended", expectedVersion: 3, reason: "r" },
    calls: "clientsTransition",
    args: ["demo", id, { target: "Suspended", expectedVersion: 3, reason: "r" }],
    gives: basic,
    body: shownBasic
  },
  ...(
    [
      ["suspend", "Suspended"],
      ["activate", "Active"],
      ["revoke", "Revoked"]
    ] as const
  ).map(([operation, target]) => ({
    operation,
    ask: { credentialId: id },
    calls: "clientsTransition",
    args: change(target),
    gives: basic,
    body: shownBasic
  })),
  {
    operation: "delete",
    ask: { credentialId: id },
    calls: "clientsDelete",
    args: ["demo", { credentialId: id, expectedVersion: null }],
    gives: { deleted: 1 },
    body: { deleted: 1 }
  },
  {
    operation: "delete",
    ask: { credentialId: id, expectedVersion: 3 },
    calls: "clientsDelete",
    args: ["demo", { credentialId: id, expectedVersion: 3 }],
    gives: { deleted: 1 },
    body: { deleted: 1 }
  }
]

describe("client-credential.*", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
  })
  afterAll(() => world.close())

  for (const { args, ask, body, calls, gives, operation, status = 200 } of cases.map((one) => ({
    status: 200,
    ...one
  }))) {
    it(`${operation} ${JSON.stringify(ask)}`, async () => {
      Object.assign(world.tenants.script, { [calls]: () => Effect.succeed(gives) })
      world.tenants.calls.length = 0
      const answer = await world.tenant(`client-credential.${operation}`, ask)
      assert.deepStrictEqual([answer.status, answer.body], [status, body])
      const called = world.tenants.calls[0]!
      assert.strictEqual(called.method, calls)
      assert.deepStrictEqual(called.args.slice(0, args.length), args)
    })
  }

  it("all of them are tried", () => {
    const names = operations.map(({ name }) => name).filter((name) => name.startsWith("client-credential."))
    assert.sameMembers(names, Array.from(new Set(cases.map(({ operation }) => `client-credential.${operation}`))))
  })

  it.each([
    [new errors.ClientCredentialNotFound({ credentialId: id }), 404, "CREDENTIAL_NOT_FOUND", { credentialId: id }],
    [errors.ClientCredentialNotFound.ofId("a-password"), 404, "CREDENTIAL_NOT_FOUND", {}],
    [new errors.ClientCredentialExists({ kind: "basic" }), 409, "CREDENTIAL_EXISTS", { kind: "basic" }]
  ])("%s has its code", async (error, status, code, details) => {
    Object.assign(world.tenants.script, { clientsGet: () => Effect.fail(error) })
    const answer = await world.tenant("client-credential.get", { credentialId: id })
    assert.deepStrictEqual([answer.status, answer.body.error.code, answer.body.error.details], [status, code, details])
  })
})

const questions: ReadonlyArray<readonly [Tail, Readonly<Record<string, unknown>>]> = [
  ["ecap.client-username-password-request", { username: "u", password: "p" }],
  ["ecap.client-certificate-request", { issuer: "CN=x", serialNumber: "7" }],
  ["cap.basic-request", { tenantId: "demo", username: "u", password: "p" }],
  ["cap.certificate-request", { issuer: "CN=x", serialNumber: "7" }]
]
const envelope = { correlationId: "c", timestamp: 0, timeout: 0 }
const good: ClientAnswer = { statusCode: 200, tenantId: "demo", credentialId: id, clientId: "c" }

it("a login over a limit is answered 429 a moment later, with its id, and all of them at the end", async () => {
  const world = await protocolWorld({ standsStill: true })
  let hot: ClientAnswer | undefined
  Object.assign(world.tenants.script, {
    checksHotCertificateUnsafe: () => hot,
    checksPasswordUnsafe: (_: unknown, respond: (answer: ClientAnswer) => void) => respond(refusal(429)),
    checksCertificateUnsafe: (_1: unknown, _2: unknown, respond: (answer: ClientAnswer) => void) =>
      respond(refusal(429))
  })
  const ask = (tail: Tail, fields: Readonly<Record<string, unknown>>) =>
    world.bus.publish(`kaa.v1.service.cm.${tail}`, wire[tail].request.toBuffer({ ...envelope, ...fields }), {
      reply: `_INBOX.comms.${tail}`
    })
  const answered = () =>
    world.bus.sent.splice(0).map(({ data, subject }) => {
      const tail = subject.slice("_INBOX.comms.".length) as Tail
      const { correlationId, statusCode } = wire[tail].answer.fromBuffer(Buffer.from(data)) as Record<string, unknown>
      return [tail, correlationId, statusCode]
    })
  const wanted = questions.map(([tail]) => [tail, "c", 429])
  for (const value of [undefined, refusal(429)]) {
    hot = value
    for (const [tail, fields] of questions) ask(tail, fields)
    assert.isEmpty(answered())
    await world.pass(holdMs)
    const told = await eventually(
      () => world.bus.sent.length,
      (length) => length === questions.length,
      { what: "all refusals" }
    ).then(answered)
    assert.sameDeepMembers(told, wanted)
  }
  // Of so much nothing is kept: it is answered at once.
  hot = undefined
  const correlationId = "😀".repeat(heldBytesMax / 4)
  for (const [tail, fields] of questions) ask(tail, { ...fields, correlationId })
  for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.sameDeepMembers(
    answered(),
    wanted.map(([tail]) => [tail, correlationId, 429])
  )
  for (const [tail, fields] of questions) ask(tail, fields)
  assert.isEmpty(answered())
  await world.close()
  assert.sameDeepMembers(answered(), wanted)
})

describe("16/ECAP and 22/CAP about clients", () => {
  let world: ProtocolWorld
  let given: ClientAnswer = good
  let asked = 0
  let hot: ClientAnswer | undefined
  /** What was asked of the actors but whether a certificate is hot. */
  const calls = () => world.tenants.calls.filter(({ method }) => method !== "checksHotCertificateUnsafe")
  beforeAll(async () => {
    world = await protocolWorld()
    Object.assign(world.tenants.script, {
      checksHotCertificateUnsafe: () => hot,
      checksPasswordUnsafe: (_: unknown, respond: (answer: ClientAnswer) => void) => respond(given),
      checksCertificateUnsafe: (_1: unknown, _2: unknown, respond: (answer: ClientAnswer) => void) => respond(given)
    })
  })
  afterAll(() => world.close())

  const ask = async (tail: Tail, payload: Uint8Array, reply = `_INBOX.comms.${asked++}`) => {
    world.bus.publish(`kaa.v1.service.cm.${tail}`, payload, { reply })
    const [sent] = await eventually(
      () => world.bus.sent.filter(({ subject }) => subject === reply),
      ({ length }) => length > 0,
      { everyMs: 1, limitMs: 20_000, what: "an answer" }
    )
    return wire[tail].answer.fromBuffer(Buffer.from(sent!.data)) as Record<string, unknown>
  }

  it.each(questions)("%s is answered with its own names of the ids", async (tail, fields) => {
    given = good
    const answer = await ask(tail, wire[tail].request.toBuffer({ ...envelope, ...fields }))
    assert.deepInclude(answer, { correlationId: "c", timeout: 0, statusCode: 200, reasonPhrase: null, clientId: "c" })
    assert.strictEqual(answer[tail.startsWith("cap.") ? "credentialsId" : "credentialId"], id)
    if (tail === "cap.certificate-request") assert.strictEqual(answer.tenantId, "demo")
    for (const status of [401, 429, 500, 503] as const) {
      given = refusal(status)
      const refused = await ask(tail, wire[tail].request.toBuffer({ ...envelope, ...fields }))
      assert.deepInclude(refused, { statusCode: status, clientId: null, reasonPhrase: null })
    }
  })

  it.each(questions)("%s with bytes left over, cut off, or no text is 400 without a word", async (tail, fields) => {
    world.tenants.calls.length = 0
    const right = wire[tail].request.toBuffer({ ...envelope, ...fields })
    const notText = Buffer.from(right)
    notText[notText.length - 1] = 0xff
    for (const bytes of [Buffer.concat([right, Buffer.from([0])]), right.subarray(0, -1), notText, new Uint8Array()]) {
      assert.deepInclude(await ask(tail, bytes), { correlationId: "", statusCode: 400, clientId: null })
    }
    assert.deepStrictEqual(calls(), [])
  })

  it.each(questions.filter(([, fields]) => "issuer" in fields))(
    "%s about a hot certificate is answered alike, and asked about nowhere else",
    async (tail, fields) => {
      world.tenants.calls.length = 0
      const request = { ...envelope, ...fields, correlationId: "ä 🙂" }
      const bytes = wire[tail].request.toBuffer(request)
      given = good
      const slow = await ask(tail, bytes)
      hot = good
      for (let n = 0; n < 3; n++) {
        const quick = await ask(tail, bytes)
        assert.isAtLeast(Number(quick.timestamp), Number(slow.timestamp))
        assert.deepStrictEqual({ ...quick, timestamp: 0 }, { ...slow, timestamp: 0 })
      }
      hot = refusal(429)
      assert.deepInclude(await ask(tail, bytes), { correlationId: "ä 🙂", statusCode: 429, clientId: null })
      assert.lengthOf(calls(), 1)
      const [key] = world.tenants.calls.at(-1)!.args
      assert.strictEqual(key, wireKeyOf({ kind: "certificate", issuer: "CN=x", serialNumber: "7" }))
      hot = good
      // What must not be answered 200 is not asked whether it is hot.
      world.tenants.calls.length = 0
      for (const [change, status] of [
        [{ timestamp: 1, timeout: 1 }, 408],
        [{ timeout: -1 }, 400]
      ] as const) {
        const answer = await ask(tail, wire[tail].request.toBuffer({ ...request, ...change }))
        assert.strictEqual(answer.statusCode, status)
      }
      assert.deepStrictEqual(world.tenants.calls, [])
      hot = undefined
    }
  )

  it.each(questions)("%s with a correlation id of any length is answered with it (R-INP-2)", async (tail, fields) => {
    for (const [value, later] of [
      [undefined, good],
      [undefined, refusal(401)],
      [good, good]
    ] as const) {
      hot = value
      given = later
      for (const length of [255, 256, 257, 65_535, 65_536, 1_000_000]) {
        for (const character of ["a", "é", "😀"]) {
          const correlationId = character.repeat(length)
          const answer = await ask(tail, wire[tail].request.toBuffer({ ...envelope, ...fields, correlationId }))
          assert.isTrue(answer.correlationId === correlationId, `${length} of ${character}`)
          assert.strictEqual(answer.statusCode, later.statusCode)
        }
      }
    }
    hot = undefined
    given = good
    const correlationId = "a".repeat(8_388_608 - 30)
    const largest = wire[tail].request.toBuffer({ ...envelope, ...fields, correlationId })
    assert.deepInclude(await ask(tail, largest), { correlationId: "", statusCode: 200, clientId: "c" })
  })

  it.each(questions)(
    "%s waits with so many bytes of long correlation ids, one more is 429 (R-INP-2)",
    async (tail, fields) => {
      const waiting: Array<(answer: ClientAnswer) => void> = []
      const before = { ...world.tenants.script }
      Object.assign(world.tenants.script, {
        checksPasswordUnsafe: (_: unknown, respond: (answer: ClientAnswer) => void) => waiting.push(respond),
        checksCertificateUnsafe: (_1: unknown, _2: unknown, respond: (answer: ClientAnswer) => void) =>
          waiting.push(respond)
      })
      const of = (length: number) => {
        const correlationId = "a".repeat(length)
        return ask(tail, wire[tail].request.toBuffer({ ...envelope, ...fields, correlationId }))
      }
      const mebibyte = 1_048_576
      const first = [of(7 * mebibyte), of(7 * mebibyte), of(mebibyte)]
      const refused = await of(2 * mebibyte)
      assert.deepStrictEqual([refused.statusCode, String(refused.correlationId).length], [429, 2 * mebibyte])
      const all = [...first, of(1_024)]
      assert.lengthOf(waiting, 4)
      for (const respond of waiting.splice(0)) respond(good)
      for (const { statusCode } of await Promise.all(all)) assert.strictEqual(statusCode, 200)
      const again = of(7 * mebibyte)
      assert.lengthOf(waiting, 1)
      waiting[0]!(good)
      assert.strictEqual((await again).statusCode, 200)
      Object.assign(world.tenants.script, before)
    }
  )

  it.each(questions)("%s pointed at a subject of the service's own is not carried out", async (tail, fields) => {
    world.tenants.calls.length = 0
    const before = world.bus.sent.length
    const right = wire[tail].request.toBuffer({ ...envelope, ...fields })
    for (const reply of ["cm.admin.v1.drain", "$JS.API.STREAM.DELETE.X", "_INBOX.>", undefined]) {
      world.bus.publish(`kaa.v1.service.cm.${tail}`, right, reply === undefined ? {} : { reply })
    }
    await ask(tail, right, `_INBOX.comms.last${asked++}`)
    assert.strictEqual(world.bus.sent.length, before + 1)
    assert.strictEqual(calls().length, 1)
  })
})

it("a question is refused at once when its texts are wrong or it is late, exactly", () => {
  const at = (timestamp: bigint, timeout: bigint, isQuestion = true) =>
    refusedAtOnce({ correlationId: "", timestamp, timeout }, isQuestion, 1_000)?.statusCode ?? null
  assert.deepStrictEqual(
    [at(0n, 0n), at(0n, 1_000n), at(0n, 999n), at(0n, -1n), at(0n, 0n, false), at(2n ** 63n - 1n, 2n ** 63n - 1n)],
    [null, null, 408, 400, 400, null]
  )
})
