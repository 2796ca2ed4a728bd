// Verifies R-BUS-2, R-BUS-3, R-INP-2, R-LIM-3.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit } from "effect"
import { afterAll, beforeAll } from "vitest"
import { heldBytesMax, holdMs } from "../../../src/actors/tenant/HeldRefusals.ts"
import type { ChangeError } from "../../../src/actors/tenant/Tenants.ts"
import * as errors from "../../../src/domain/errors.ts"
import { prometheusText } from "../../../src/observability/Metrics.ts"
import { checkTransition, transitionAnswer } from "../../../src/protocols/Ecap.ts"
import { pressedMax, stuckMs, waitsMax } from "../../../src/protocols/Turns.ts"
import {
  EndpointTokenValidationResponse,
  EndpointTokenStatusTransitionRequest as Request
} from "../../../src/schema/Ecap.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type ProtocolWorld, protocolWorld, requestInfo } from "../../support/protocolWorld.ts"

const subject = "kaa.v1.service.cm.ecap.ep-token-status-transition-request"
const right = { correlationId: "c-1", timestamp: 0n, timeout: 0n, appName: "app", token: "t", targetStatus: "Revoked" }

const verdict = {
  correlationId: "c",
  timestamp: 7n,
  timeout: 0n,
  tokenId: null,
  endpointId: null,
  statusCode: 404,
  reasonPhrase: null
}

it("a service that is stopped waits for the validations it has taken", async () => {
  let isAsked = false
  const all = Promise.withResolvers<void>()
  const world = await protocolWorld({
    drained: () => {
      isAsked = true
      return all.promise
    }
  })
  let isClosed = false
  const closing = world.close().then(() => {
    isClosed = true
  })
  await eventually(
    () => isAsked,
    (asked) => asked
  )
  for (let turn = 0; turn < 100; turn++) await new Promise((done) => setImmediate(done))
  assert.isFalse(isClosed)
  all.resolve()
  await closing
})

describe("16/ECAP status transition", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld({ config: { requestsInFlightMax: 1 } })
  })
  afterAll(() => world.close())

  let asked = 0
  const throughImport = { reply: "_R_.admin", headers: { "Nats-Request-Info": requestInfo("ADMIN", "anna") } }
  const request = async (
    payload: Uint8Array,
    from: { readonly reply: string; readonly headers?: Record<string, string> } = throughImport
  ) => {
    const reply = `${from.reply}.${asked++}`
    world.bus.publish(subject, payload, { ...from, reply })
    const [answer] = await eventually(
      () => world.bus.sent.filter((sent) => sent.subject === reply),
      ({ length }) => length === 1,
      { everyMs: 1, limitMs: 20_000, what: "an answer" }
    )
    assert.isUndefined(answer?.headers)
    return ecap.TransitionResponse.fromBuffer(Buffer.from(answer?.data ?? [])) as {
      correlationId: string
      timestamp: number
      timeout: number
      statusCode: number
      reasonPhrase: string | null
    }
  }
  const transition = (fields: Partial<typeof right>) => request(Request.encode({ ...right, ...fields }))

  it("hands on the application, the value and the status, in any case; answers with the request's id", async () => {
    for (const [text, target] of [
      ["active", "Active"],
      ["SUSPENDED", "Suspended"],
      ["Revoked", "Revoked"]
    ] as const) {
      world.tenants.calls.length = 0
      world.tenants.script.transitionByValue = () => Effect.void
      const answer = await transition({ targetStatus: text })
      assert.deepInclude(answer, { correlationId: "c-1", timeout: 0, statusCode: 200, reasonPhrase: null })
      assert.isAbove(answer.timestamp, 1_700_000_000_000)
      assert.deepStrictEqual(world.tenants.calls, [
        {
          method: "transitionByValue",
          args: [
            "app",
            "t",
            target,
            {
              principal: "ADMIN/anna",
              known: { by: "import", account: "ADMIN", user: "anna", client: null },
              correlationId: "c-1",
              idempotency: null
            }
          ]
        }
      ])
    }
  })

  it.each([
    ["a caller within the service's account", 403, { reply: "kaa.v1.replica.comms.ecap" }],
    ["one that names itself there", 403, { ...throughImport, reply: "_INBOX.comms.a" }],
    ["an account without its user", 403, { reply: "_R_.a", headers: { "Nats-Request-Info": requestInfo("ADMIN") } }],
    [
      "one that passes for another",
      401,
      { reply: "_R_.a", headers: { "nats-request-info": requestInfo("ADMIN", "anna") } }
    ],
    ["one whom the server does not name", 401, { reply: "_R_.a" }]
  ] as const)("%s is answered %i, and nothing is asked", async (_, statusCode, from) => {
    world.tenants.calls.length = 0
    assert.strictEqual((await request(Request.encode(right), from)).statusCode, statusCode)
    assert.deepStrictEqual(world.tenants.calls, [])
  })

  const far = 2n ** 62n
  const refused: ReadonlyArray<readonly [string, Partial<typeof right>, number, string | null]> = [
    ["an application name outside its pattern", { appName: "App" }, 400, null],
    ["a token text outside its pattern", { token: "a.b" }, 400, null],
    ["an empty token", { token: "" }, 400, null],
    ["a token of 257 characters", { token: "x".repeat(257) }, 400, null],
    ["a negative timeout", { timeout: -1n }, 400, null],
    ["a status that there is not", { targetStatus: "Inactive" }, 400, "Unknown target status"],
    ["a request that has expired", { timestamp: 1n, timeout: 1n }, 408, null],
    ["a request that expired long ago, at the edge of 64 bits", { timestamp: -far * 2n, timeout: far }, 408, null]
  ]
  for (const [name, fields, statusCode, reasonPhrase] of refused) {
    it(`${name} is answered ${statusCode}, and nothing is asked`, async () => {
      world.tenants.calls.length = 0
      assert.deepInclude(await transition(fields), { correlationId: "c-1", statusCode, reasonPhrase })
      assert.deepStrictEqual(world.tenants.calls, [])
    })
  }

  it("times of all 64 bits are added exactly: far in the future is not expired", async () => {
    world.tenants.script.transitionByValue = () => Effect.void
    const end = 2n ** 63n - 1n
    assert.strictEqual((await transition({ timestamp: end, timeout: end })).statusCode, 200)
    assert.strictEqual((await transition({ timestamp: 0n, timeout: end })).statusCode, 200)
    assert.strictEqual((await transition({ timestamp: -end, timeout: 0n })).statusCode, 200)
  })

  it("the last millisecond counts at the edge of 64 bits too", () => {
    const at = (end: bigint) => checkTransition({ ...right, timestamp: -far, timeout: far + end }, 1_000)
    assert.deepStrictEqual(at(1_000n), { target: "Revoked" })
    assert.deepStrictEqual(at(999n), { answer: { statusCode: 408, reasonPhrase: null } })
  })

  it("what does not decode is answered 400 with an empty id", async () => {
    const good = Request.encode(right)
    const notUtf8 = Uint8Array.from(good)
    notUtf8[1] = 0xff
    for (const bad of [
      new Uint8Array(),
      good.subarray(1),
      good.subarray(0, -1),
      Buffer.concat([good, good]),
      notUtf8
    ]) {
      assert.deepInclude(await request(bad), { correlationId: "", statusCode: 400, reasonPhrase: null })
    }
  })

  it("a correlation id of any length is echoed; what is kept of it are its first 256 characters (R-INP-2)", async () => {
    world.tenants.script.transitionByValue = () => Effect.void
    for (const character of ["a", "é", "😀"]) {
      for (const length of [0, 1, 255, 256, 257, 511, 512, 513, 65_535, 1_000_000]) {
        world.tenants.calls.length = 0
        const correlationId = character.repeat(length)
        const bytes = ecap.TransitionRequest.toBuffer({ ...right, timestamp: 0, timeout: 0, correlationId })
        const answer = await request(bytes)
        assert.strictEqual(answer.statusCode, 200)
        assert.isTrue(answer.correlationId === correlationId, `${length} of ${character}`)
        const caller = world.tenants.calls[0]?.args.at(-1) as { readonly correlationId: string }
        assert.strictEqual(caller.correlationId, character.repeat(Math.min(length, 256)))
      }
    }
    // So long that the answer would be larger than a message: it comes without.
    const largest = "a".repeat(8_388_608 - 20)
    const bytes = ecap.TransitionRequest.toBuffer({ ...right, timestamp: 0, timeout: 0, correlationId: largest })
    world.tenants.script.transitionByValue = () => Effect.fail(new errors.TokenNotFound({ tokenId: null }))
    assert.deepInclude(await request(bytes), { correlationId: "", statusCode: 404, reasonPhrase: "Token not found" })
  })

  it("requests with long correlation ids wait with so many bytes of them, one more is 429, and others wait (R-INP-2)", async () => {
    const end = Deferred.makeUnsafe<void>()
    world.tenants.script.transitionByValue = () => Deferred.await(end)
    world.tenants.calls.length = 0
    const ask = (mebibytes: number, token: string, less = 0) =>
      transition({ correlationId: "a".repeat(mebibytes * 1_048_576 - less), token })
    const waiting = [ask(7, "a"), ask(7, "b"), ask(2, "c", 1_000)]
    const refused = await ask(2, "d").catch((unanswered) => {
      Deferred.doneUnsafe(end, Effect.void)
      throw unanswered
    })
    assert.deepStrictEqual([refused.statusCode, refused.correlationId.length], [429, 2_097_152])
    const short = transition({ correlationId: "a".repeat(1_024), token: "e" })
    await eventually(
      () => world.tenants.calls.length,
      (count) => count === 4,
      { limitMs: 20_000, what: "four that were begun" }
    ).finally(() => Deferred.doneUnsafe(end, Effect.void))
    for (const { statusCode } of await Promise.all([...waiting, short])) assert.strictEqual(statusCode, 200)
    assert.strictEqual((await ask(7, "f")).statusCode, 200)
  })

  const failures: ReadonlyArray<readonly [ChangeError, number, string | null]> = [
    [new errors.TokenNotFound({ tokenId: null }), 404, "Token not found"],
    [new errors.ApplicationNotFound({ appName: "app" }), 404, "Application not found"],
    [new errors.TransitionNotAllowed({ from: "Revoked", to: "Active" }), 409, "Revoked does not become Active"],
    [new errors.TooManyRequests({ limit: "mailbox" }), 429, null],
    [new errors.Unavailable({ part: "database", committed: null }), 503, null],
    [new errors.NotYetInForce({}), 503, null]
  ]
  for (const [error, statusCode, reasonPhrase] of failures) {
    it(`${error._tag} is answered ${statusCode}`, async () => {
      world.tenants.script.transitionByValue = () => Effect.fail(error)
      assert.deepInclude(await transition({}), { statusCode, reasonPhrase })
    })
  }

  it("what was interrupted, as at a stop, is answered 503", () => {
    assert.deepStrictEqual(transitionAnswer(Exit.interrupt(1)), { statusCode: 503, reasonPhrase: null })
    assert.deepStrictEqual(transitionAnswer(Exit.die(new Error("planted"))), { statusCode: 500, reasonPhrase: null })
    assert.deepStrictEqual(transitionAnswer(Exit.void), { statusCode: 200, reasonPhrase: null })
  })

  it("a bug is answered 500 without detail and logged", async () => {
    const told = () => world.logged.filter((line) => line.includes("met a bug")).length
    world.tenants.script.transitionByValue = () => Effect.die(new Error("planted"))
    assert.deepInclude(await transition({}), { statusCode: 500, reasonPhrase: null })
    assert.strictEqual(told(), 1)
    world.tenants.script.transitionByValue = () => Effect.fail(new errors.TokenNotFound({ tokenId: null }))
    await transition({})
    assert.strictEqual(told(), 1, "a refusal is none")
  })

  it("one more than may be in flight is answered 429", async () => {
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    world.tenants.script.transitionByValue = () => Effect.promise(() => gate)
    const held = transition({})
    assert.strictEqual((await transition({ targetStatus: "Active" })).statusCode, 429)
    // What takes a right away has places of its own.
    const revoking = transition({ targetStatus: "Revoked" })
    release()
    assert.strictEqual((await held).statusCode, 200)
    assert.strictEqual((await revoking).statusCode, 200)
  })
})

describe("many 16/ECAP status transitions of one tenant", () => {
  /** Two applications of one tenant, one of another, and what nobody knows. */
  const tenantOf = (appName: string) => (appName.startsWith("loud") ? "loud" : appName === "quiet" ? "quiet" : null)
  const setup = async (requestsInFlight: number) => {
    const world = await protocolWorld({
      standsStill: true,
      tenantOf,
      limits: { requestsInFlight },
      config: { requestsInFlightMax: 1_000 }
    })
    const begun: Array<string> = []
    const ends: Array<() => void> = []
    world.tenants.script.transitionByValue = (appName) =>
      Effect.callback((resume) => {
        begun.push(appName)
        ends.push(() => resume(Effect.void))
      })
    const statuses: Array<number> = []
    let asked = 0
    const ask = (appName: string, targetStatus = "Active", user = "anna", { correlationId } = right) =>
      world.bus.publish(subject, Request.encode({ ...right, appName, targetStatus, correlationId }), {
        reply: `_R_.many.${asked++}`,
        headers: { "Nats-Request-Info": requestInfo("ADMIN", user) }
      })
    const turn = async () => {
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve))
      for (const { data } of world.bus.sent.splice(0)) {
        statuses.push(ecap.TransitionResponse.fromBuffer(Buffer.from(data)).statusCode)
      }
    }
    const of = (name: string) => begun.filter((one) => one.startsWith(name)).length
    const close = async () => {
      world.tenants.script.transitionByValue = () => Effect.void
      for (const end of ends.splice(0)) end()
      await world.close()
    }
    return { ask, begun, close, ends, of, statuses, turn, world }
  }

  it("have its places, whatever the application, and what is over them is 429 a moment later", async () => {
    const { ask, close, of, statuses, turn, world } = await setup(20)
    for (let n = 0; n < 30; n++) ask(`loud${n % 2}`)
    for (let n = 0; n < 30; n++) ask(`nobodys${n}`)
    for (let n = 0; n < 30; n++) ask(`nobodys${n}`, "Active", "berta")
    ask("quiet")
    await turn()
    // All applications that are not known are of who asks for them.
    assert.deepStrictEqual([of("loud"), of("nobodys"), of("quiet")], [20, 40, 1])
    assert.isEmpty(statuses)
    await world.pass(holdMs)
    await turn()
    assert.deepStrictEqual(statuses, Array(30).fill(429))
    await close()
  })

  it("are refused at once where much would be kept of them until then, which is their correlation id", async () => {
    const { ask, close, statuses, turn, world } = await setup(1)
    ask("loud")
    await turn()
    // As many bytes, whatever the characters are made of.
    for (const correlationId of ["a".repeat(heldBytesMax), "😀".repeat(heldBytesMax / 4)]) {
      ask("loud", "Active", "anna", { ...right, correlationId })
      await turn()
      assert.deepStrictEqual(statuses.splice(0), [429])
    }
    ask("loud", "Active", "anna", { ...right, correlationId: "a".repeat(heldBytesMax - 100) })
    await turn()
    assert.isEmpty(statuses)
    await world.pass(holdMs)
    await turn()
    assert.deepStrictEqual(statuses, [429])
    await close()
  })

  it("begin a few at a time while more of it are refused, and another tenant's and what takes away at once", async () => {
    const { ask, close, ends, of, turn } = await setup(2 * pressedMax)
    for (let n = 0; n < 4 * pressedMax; n++) ask("loud")
    await turn()
    assert.strictEqual(of("loud"), 2 * pressedMax)
    for (const end of ends.splice(0)) end()
    await turn()
    for (let n = 0; n < 2 * pressedMax; n++) ask("loud2")
    ask("quiet")
    ask("loud3", "Suspended")
    await turn()
    assert.deepStrictEqual([of("loud2"), of("quiet"), of("loud3")], [pressedMax, 1, 1])
    ends.shift()!()
    await turn()
    assert.strictEqual(of("loud2"), pressedMax + 1)
    await close()
  })

  it("are refused when they have waited for ten seconds, and their places are free again", async () => {
    const places = 8 * pressedMax
    const { ask, close, ends, of, statuses, turn, world } = await setup(places)
    const refused = () => statuses.filter((status) => status === 429).length
    for (let n = 0; n < 2 * places; n++) ask("loud")
    await turn()
    for (const end of ends.splice(0)) end()
    await turn()
    for (let n = 0; n < places; n++) ask("loud")
    await turn()
    assert.strictEqual(of("loud"), places + pressedMax)
    let refusedAtOnce = places
    let seconds = 0
    for (; refused() <= refusedAtOnce; seconds++) {
      assert.isBelow(seconds, 4 * waitsMax, "nobody is refused")
      ends.shift()!()
      await turn()
      // One that has the place which became free, and one that is refused, so that the line stays pressed.
      ask("loud")
      ask("loud")
      refusedAtOnce++
      await turn()
      await world.pass(stuckMs - 1)
      await turn()
    }
    assert.isAtLeast(seconds, waitsMax)
    await world.pass("5 seconds")
    for (await turn(); ends.length > 0; await turn()) for (const end of ends.splice(0)) end()
    assert.lengthOf(statuses, 3 * places + 2 * seconds)
    const before = of("loud")
    for (let n = 0; n < places; n++) ask("loud")
    await turn()
    assert.strictEqual(of("loud"), before + places)
    await close()
  })

  it("end in the order in which they came, and all that were refused are told at the end", async () => {
    const { ask, begun, ends, statuses, turn, world } = await setup(4)
    for (let n = 0; n < 6; n++) ask(`loud${n}`)
    await turn()
    assert.deepStrictEqual(begun, ["loud0", "loud1", "loud2", "loud3"])
    const closing = world.close()
    await turn()
    assert.deepStrictEqual(statuses, [429, 429])
    for (const end of ends.splice(0)) end()
    await closing
    await turn()
    assert.deepStrictEqual(statuses, [429, 429, 200, 200, 200, 200])
  })
})

describe("what cannot be taken or answered is counted, and answered as far as it can be", () => {
  const dropped = async (reason: string): Promise<number> => {
    const lines = (await Effect.runPromise(prometheusText)).split("\n")
    const counted = lines.find(
      (line) => /^cm_messages_dropped_total\{.*protocol="ecap"/.test(line) && line.includes(`reason="${reason}"`)
    )
    return Number(counted?.split(" ").at(-1) ?? 0)
  }
  const planted = () => {
    throw new Error("planted")
  }
  const kinds = {
    "a validation": ["kaa.v1.service.cm.ecap.ep-token-request", Uint8Array.of(9), ecap.ValidationResponse],
    "a transition": [subject, Request.encode(right), ecap.TransitionResponse]
  } as const

  for (const [kind, [to, payload, answer]] of Object.entries(kinds)) {
    const from = (reply: string) => ({ reply, headers: { "Nats-Request-Info": requestInfo("ADMIN", "anna") } })
    /** What is counted for one such message, and what it is answered. */
    const outcome = async (
      reason: string,
      given: { readonly reply?: string; readonly isUnreadable?: boolean },
      maxPayload?: number
    ) => {
      const world = await protocolWorld({
        answerUnsafe: planted,
        tenantOf: planted,
        ...(maxPayload === undefined ? {} : { maxPayload })
      })
      const before = await dropped(reason)
      world.bus.publish(to, payload, { ...from("_R_.a"), ...given })
      const counted = (await dropped(reason)) - before
      const answers = world.bus.sent.map(({ data, subject: at }) => {
        const { correlationId, statusCode } = answer.fromBuffer(Buffer.from(data))
        return [at, correlationId, statusCode]
      })
      await world.close()
      return [counted, answers]
    }

    it(`${kind} whose headers break the rules, or that met a bug`, async () => {
      const broken = { isUnreadable: true }
      assert.deepStrictEqual(await outcome("headers_unreadable", broken), [1, [["_R_.a", "", 400]]])
      assert.deepStrictEqual(await outcome("bug", {}), [1, [["_R_.a", "", 500]]])
      // Nobody is answered whom the service does not answer otherwise.
      const stranger = { ...broken, reply: "kaa.v1.service.other" }
      assert.deepStrictEqual(await outcome("headers_unreadable", stranger), [1, []])
    })

    it(`${kind} whose answer cannot be sent, and is not even without an id`, async () => {
      assert.deepStrictEqual(await outcome("answer_not_sent", { isUnreadable: true }, 2), [1, []])
      const world = await protocolWorld({
        maxPayload: 2,
        validator: () => ({ bytes: EndpointTokenValidationResponse.encode(verdict), statusCode: 404 })
      })
      const before = await dropped("answer_not_sent")
      world.tenants.script.transitionByValue = () => Effect.void
      world.bus.publish(to, payload, from("_R_.a"))
      await eventually(
        async () => (await dropped("answer_not_sent")) - before,
        (counted) => counted === 1,
        { everyMs: 1, what: "an answer that was not sent is counted" }
      )
      assert.isEmpty(world.bus.sent)
      await world.close()
    })
  }
})

describe("16/ECAP validation", () => {
  it("goes to the validator as bytes and back as bytes, and is counted by status", async () => {
    const asked: Array<Uint8Array> = []
    const world = await protocolWorld({
      validator: (request) => {
        asked.push(request)
        return { bytes: Uint8Array.of(1, 2, 3), statusCode: 404 }
      }
    })
    const counted = async () => {
      const { text } = await world.admin("metrics")
      return Number(/cm_requests_total\{.*operation="ecap-ep-token".*status="404".*\} (\d+)/.exec(text)?.[1] ?? 0)
    }
    // The process may have counted others before.
    const before = await counted()
    world.bus.sent.length = 0
    const reply = "kaa.v1.replica.comms.ecap.ep-token-response"
    world.bus.publish("kaa.v1.service.cm.ecap.ep-token-request", Uint8Array.of(9, 8), { reply })
    assert.deepStrictEqual(asked, [Uint8Array.of(9, 8)])
    assert.deepStrictEqual(world.bus.sent, [{ subject: reply, data: Uint8Array.of(1, 2, 3), headers: undefined }])
    assert.strictEqual(await counted(), before + 1)
    await world.close()
  })

  it("is answered without its correlation id where the answer would be larger than a message may be (R-INP-2)", async () => {
    const answer = { timestamp: 7n, timeout: 0n, tokenId: null, endpointId: null, statusCode: 404, reasonPhrase: null }
    const encode = (correlationId: string) => EndpointTokenValidationResponse.encode({ correlationId, ...answer })
    const world = await protocolWorld({
      maxPayload: 10_000,
      validator: () => ({ bytes: encode("a".repeat(10_000)), statusCode: 404 })
    })
    world.bus.publish("kaa.v1.service.cm.ecap.ep-token-request", Uint8Array.of(9, 8), { reply: "_INBOX.comms.a" })
    assert.deepStrictEqual(
      world.bus.sent.map(({ data }) => Buffer.from(data).toString("hex")),
      [Buffer.from(encode("")).toString("hex")]
    )
    await world.close()
  })

  it("that is answered later took the time from its turn to the turn of its answer, and is answered where it was asked", async () => {
    const waiting: Array<(bytes: Uint8Array, statusCode: number) => void> = []
    const world = await protocolWorld({
      standsStill: true,
      answerUnsafe: (_, respond, keepLittle) => {
        keepLittle?.()
        waiting.push(respond)
      }
    })
    const ask = (reply: string) =>
      world.bus.publish("kaa.v1.service.cm.ecap.ep-token-request", Uint8Array.of(9), { reply })
    const seconds = async () => {
      const { text } = await world.admin("metrics")
      return Number(/cm_request_processing_seconds_total\{.*operation="ecap-ep-token"\} (\S+)/.exec(text)?.[1])
    }
    const before = await seconds()
    ask("_INBOX.a")
    ask("_INBOX.b")
    await world.pass("100 millis")
    waiting[0]?.(Uint8Array.of(1), 200)
    await world.pass("100 millis")
    waiting[1]?.(Uint8Array.of(2), 200)
    assert.deepStrictEqual(
      world.bus.sent.flatMap(({ data, subject }) => (subject.startsWith("_INBOX.") ? [[subject, ...data]] : [])),
      [
        ["_INBOX.a", 1],
        ["_INBOX.b", 2]
      ]
    )
    // What other tests have counted before is there, too.
    assert.closeTo((await seconds()) - before, 0.3, 0.000_1)
    await world.close()
  })

  it("what is listened to of the platform protocols is no more and no less than what is provided", async () => {
    const world = await protocolWorld()
    const listened = world.bus.subjects().filter((subject) => subject.startsWith("kaa.v1.service."))
    assert.deepStrictEqual(listened.toSorted(), [
      "kaa.v1.service.cm.cap.basic-request",
      "kaa.v1.service.cm.cap.certificate-request",
      "kaa.v1.service.cm.ecap.client-certificate-request",
      "kaa.v1.service.cm.ecap.client-username-password-request",
      "kaa.v1.service.cm.ecap.ep-token-request",
      "kaa.v1.service.cm.ecap.ep-token-status-transition-request",
      "kaa.v1.service.cm.scmp.configuration.delete",
      "kaa.v1.service.cm.scmp.configuration.upsert"
    ])
    await world.close()
  })
})
