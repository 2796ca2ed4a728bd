// Verifies R-INP-2, R-TOK-2, R-REV-4, R-REV-5, R-BUS-9, R-BUS-10, R-ACT-5.
import { assert, describe, it } from "@effect/vitest"
import { toldMax } from "../../../../src/actors/validation/FirstUse.ts"
import type { HotToken } from "../../../../src/domain/HotToken.ts"
import type { RevocationTarget } from "../../../../src/domain/Revocation.ts"
import { EndpointTokenValidationRequest } from "../../../../src/schema/Ecap.ts"
import * as ecap from "../../../support/ecap.ts"
import { seededRandom } from "../../../support/seededRandom.ts"
import { times } from "../../../support/times.ts"
import { hashOf, settled, tokenIdOf, World } from "../../../support/validationWorld.ts"

const ids = (number: number) => ({ tokenId: tokenIdOf(number), endpointId: `endpoint-${number}` })
const noIds = { tokenId: null, endpointId: null }

/** A world in which token 1 of `acme`'s application `app` is hot. */
const hotWorld = async (options: ConstructorParameters<typeof World>[0] = {}) => {
  const world = new World(options)
  world.add(1)
  await world.answer("app", "value1")
  assert.strictEqual(world.beliefs.hotCount(), options?.hotTokensMax === 0 ? 0 : 1)
  return world
}

/** What is asked after it is asked in another turn. */
const nextTurn = () => Promise.resolve()

describe("a validation's answer", () => {
  const rows: ReadonlyArray<
    readonly [string, Partial<HotToken>, { statusCode: number; reasonPhrase: string | null; ids: boolean }]
  > = [
    ["an Active token", { status: "Active" }, { statusCode: 200, reasonPhrase: null, ids: true }],
    ["an Inactive token", { status: "Inactive" }, { statusCode: 200, reasonPhrase: null, ids: true }],
    ["a Suspended token", { status: "Suspended" }, { statusCode: 403, reasonPhrase: "Token is suspended", ids: true }],
    [
      "a Revoked token",
      { status: "Revoked", ending: "revoked" },
      { statusCode: 410, reasonPhrase: "Token is revoked", ids: true }
    ],
    [
      "an expired token",
      { endsAt: 1_701_432_000_000 },
      { statusCode: 410, reasonPhrase: "Token is expired", ids: true }
    ],
    [
      "an expired Suspended token",
      { endsAt: 1, status: "Suspended" },
      { statusCode: 410, reasonPhrase: "Token is expired", ids: true }
    ],
    [
      "a token past its overlap",
      { endsAt: 1, ending: "rotated" },
      { statusCode: 410, reasonPhrase: "Token was rotated", ids: true }
    ]
  ]
  for (const [what, changes, { ids: hasIds, ...expected }] of rows) {
    it(`for ${what} is ${expected.statusCode}, from MariaDB and from memory alike`, async () => {
      const world = new World()
      world.add(1, changes)
      for (let time = 0; time < 2; time++) {
        const asked = await world.answer("app", "value1")
        const wanted = {
          correlationId: "c-1",
          timestamp: BigInt(world.now),
          timeout: 0n,
          ...(hasIds ? ids(1) : noIds),
          ...expected
        }
        assert.deepStrictEqual({ ...asked.reply }, wanted)
        assert.strictEqual(asked.statusCode, expected.statusCode)
      }
      assert.strictEqual(world.statements, 1)
    })
  }

  it("is 404 for an unknown token and for an unknown application, and says which", async () => {
    const world = await hotWorld()
    assert.deepInclude((await world.answer("app", "nope")).reply, {
      ...noIds,
      statusCode: 404,
      reasonPhrase: "Token not found"
    })
    assert.deepInclude((await world.answer("other", "value1")).reply, {
      ...noIds,
      statusCode: 404,
      reasonPhrase: "Application not found"
    })
  })

  it("is 408 without a reason when timestamp and timeout have passed, and only with a timeout", async () => {
    const world = await hotWorld()
    const now = BigInt(world.now)
    const late = await world.answer("app", "value1", { timestamp: now - 10n, timeout: 9n })
    assert.deepInclude(late.reply, { ...noIds, statusCode: 408, reasonPhrase: null, correlationId: "c-1" })
    assert.strictEqual((await world.answer("app", "value1", { timestamp: now - 10n, timeout: 0n })).statusCode, 200)
    assert.strictEqual((await world.answer("app", "value1", { timestamp: now - 10n, timeout: 11n })).statusCode, 200)
    const ends = { timestamp: 2n ** 63n - 1n, timeout: 2n ** 63n - 1n }
    assert.strictEqual((await world.answer("app", "value1", ends)).statusCode, 200)
    assert.strictEqual((await world.answer("app", "value1", { ...ends, timestamp: -(2n ** 63n) })).statusCode, 408)
  })

  it("is 400 for names outside their patterns and for a negative timeout", async () => {
    const world = await hotWorld()
    for (const [appName, token] of [
      ["App", "v"],
      ["", "v"],
      ["a".repeat(65), "v"],
      ["app", ""],
      ["app", "a+b"],
      ["app", "a/b"],
      ["app", "a".repeat(257)]
    ] as const) {
      const asked = await world.answer(appName, token)
      assert.deepInclude(asked.reply, { ...noIds, statusCode: 400, correlationId: "c-1" }, `${appName} ${token}`)
      assert.strictEqual(world.validate(null, appName, token).answer?.statusCode, 400)
    }
    assert.strictEqual((await world.answer("app", "value1", { timeout: -1n })).statusCode, 400)
    assert.strictEqual((await world.answer("app", "value1", { timeout: -(2n ** 63n) })).statusCode, 400)
  })

  it("is 400 with an empty correlation id for bytes that are no request", async () => {
    const world = await hotWorld()
    const good = EndpointTokenValidationRequest.encode({
      correlationId: "c",
      timestamp: 0n,
      timeout: 0n,
      appName: "app",
      token: "value1"
    })
    const notText = Buffer.from(good)
    notText[notText.length - 1] = 0xff
    for (const bytes of [new Uint8Array(0), good.subarray(0, 9), Buffer.concat([good, Buffer.of(0)]), notText]) {
      assert.deepInclude(world.askBytes(bytes).reply, { ...noIds, statusCode: 400, correlationId: "" })
    }
    // However late it is, and whatever its timeout.
    for (const [timestamp, timeout] of [
      [1n, 1n],
      [1n, -1n]
    ] as const) {
      const names = { correlationId: "c", appName: "app", token: "value1" }
      const odd = Buffer.from(EndpointTokenValidationRequest.encode({ ...names, timestamp, timeout }))
      odd[odd.length - 1] = 0xff
      assert.deepInclude(world.askBytes(odd).reply, { ...noIds, statusCode: 400, correlationId: "" })
    }
  })

  it("is 400 at once for names of any length, and tells text from what is none", async () => {
    const world = await hotWorld()
    const long = "a".repeat(4_000_000)
    assert.deepInclude(world.ask("app", long).reply, { statusCode: 400, correlationId: "c-1" })
    assert.deepInclude(world.ask(long, "value1").reply, { statusCode: 400, correlationId: "c-1" })
    const encoded = Buffer.from(
      EndpointTokenValidationRequest.encode({
        correlationId: "c",
        timestamp: 0n,
        timeout: 0n,
        appName: "app",
        token: "b".repeat(4_000)
      })
    )
    encoded[encoded.length - 1] = 0xff
    assert.deepInclude(world.askBytes(encoded).reply, { statusCode: 400, correlationId: "" })
  })

  const bytesOf = (correlationId: string, token = "value1", appName = "app") =>
    ecap.ValidationRequest.toBuffer({ correlationId, timestamp: 0, timeout: 0, appName, token })

  it("echoes a correlation id of any length, with a verdict of any kind, and the next one is right (R-INP-2)", async () => {
    const world = await hotWorld()
    for (const length of [0, 1, 63, 64, 127, 128, 129, 255, 256, 257, 4_096, 4_097, 65_535, 65_536, 1_200_000]) {
      for (const character of ["a", "é", "😀"]) {
        const correlationId = character.repeat(length)
        const isEchoed = async (bytes: Uint8Array, statusCode: number) => {
          const asked = world.askBytes(bytes)
          await settled()
          assert.isTrue(asked.reply?.correlationId === correlationId, `${statusCode}, ${length} of ${character}`)
          assert.strictEqual(asked.reply?.statusCode, statusCode)
        }
        await isEchoed(bytesOf(correlationId), 200)
        await isEchoed(bytesOf(correlationId, "a.b"), 400)
        await isEchoed(bytesOf(correlationId, `unknown${length}${character}`), 404)
        await isEchoed(bytesOf(correlationId, "value1", "elsewhere"), 404)
        assert.deepInclude(world.askBytes(bytesOf("c")).reply, { ...ids(1), statusCode: 200, correlationId: "c" })
      }
    }
    assert.deepStrictEqual(world.bugs, [])
  })

  it("to requests with long correlation ids waits with so many bytes of them, one more is 429, and others wait (R-INP-2)", async () => {
    const world = await hotWorld()
    world.hold = true
    const mebibytes = (count: number) => "a".repeat(count * 1_048_576)
    const long = [mebibytes(7), mebibytes(7), mebibytes(1)].map((id, at) => world.askBytes(bytesOf(id, `long${at}`)))
    const more = world.askBytes(bytesOf(mebibytes(2), "more"))
    assert.deepInclude({ ...more.reply, correlationId: "" }, { ...noIds, statusCode: 429, correlationId: "" })
    assert.isTrue(more.reply?.correlationId === mebibytes(2))
    const short = world.askBytes(bytesOf("a".repeat(1_024), "short"))
    assert.deepInclude(world.askBytes(bytesOf(mebibytes(7))).reply, { ...ids(1), statusCode: 200 })
    await settled()
    world.hold = false
    while (world.sent.length > 0) await world.sent.shift()!.answer()
    await settled()
    for (const { reply } of [...long, short]) assert.strictEqual(reply?.statusCode, 404)
    // What was answered has given its room back: as much fits again, and the first one always does.
    world.hold = true
    const again = [mebibytes(15), mebibytes(1)].map((id, at) => world.askBytes(bytesOf(id, `again${at}`)))
    assert.deepStrictEqual(
      again.map(({ reply }) => reply?.statusCode),
      [undefined, 429]
    )
    await settled()
    while (world.sent.length > 0) await world.sent.shift()!.answer()
    const alone = world.askBytes(bytesOf(mebibytes(17), "alone"))
    await settled()
    while (world.sent.length > 0) await world.sent.shift()!.answer()
    assert.strictEqual(alone.reply?.statusCode, 404)
  })

  it("takes longer encodings of the same lengths for the same request", async () => {
    const world = await hotWorld()
    // correlation id "c", no times, "app" and "value1" with lengths of two bytes.
    const bytes = Buffer.concat([
      Buffer.from("02630000", "hex"),
      Buffer.from("8600", "hex"),
      Buffer.from("app"),
      Buffer.from("8c00", "hex"),
      Buffer.from("value1")
    ])
    assert.deepInclude(world.askBytes(bytes).reply, { ...ids(1), statusCode: 200, correlationId: "c" })
  })

  it("for texts belongs to the tenant that asks, and is like for an unknown application otherwise", async () => {
    const world = await hotWorld()
    world.add(2)
    const foreign = { statusCode: 404, reasonPhrase: "Application not found", ...noIds, status: null }
    const own = { statusCode: 200, reasonPhrase: null, status: "Active", ...ids(1) }
    assert.deepStrictEqual<unknown>(world.validate("acme", "app", "value1").answer, own)
    assert.deepStrictEqual<unknown>(world.validate(null, "app", "value1").answer, own)
    assert.deepStrictEqual<unknown>(world.validate("else", "app", "value1").answer, foreign)
    const cold = world.validate("else", "app", "value2")
    await settled()
    assert.deepStrictEqual<unknown>(cold.answer, foreign)
  })

  it("is 503 for a row that was changed outside of the service, each time; nothing is kept of it", async () => {
    const world = new World({ kvCache: true })
    world.add(1)
    world.rowsHold = false
    for (let time = 0; time < 2; time++) {
      assert.notStrictEqual((await world.answer("app", "value1")).statusCode, 200)
    }
    assert.deepStrictEqual([world.beliefs.hotCount(), world.kv.size], [0, 0])
    assert.isNotEmpty(world.bugs.splice(0))
    world.rowsHold = true
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
  })

  it("finds tokens hashed under any key that is alive", async () => {
    const world = new World({ keys: ["k2", "k1"] })
    world.add(1, { keyId: "k1" })
    world.add(2, { keyId: "k2" })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })
})

describe("while a key may be missing", () => {
  it("a token that is not found is 503 and not unknown, and what is known goes on", async () => {
    const world = await hotWorld()
    world.add(2)
    world.keysCurrent = false
    assert.strictEqual((await world.answer("app", "value3")).statusCode, 503)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    world.keysCurrent = true
    assert.strictEqual((await world.answer("app", "value3")).statusCode, 404)
  })
})

describe("a hot token", () => {
  it("is answered inside the call, without a statement", async () => {
    const world = await hotWorld()
    const asked = world.ask("app", "value1")
    assert.deepInclude(asked.reply, { ...ids(1), statusCode: 200, timestamp: BigInt(world.now) })
    assert.strictEqual(world.statements, 1)
  })

  it("ends at its moment, without anyone being asked", async () => {
    const world = new World()
    world.add(1, { endsAt: world.now + 10, ending: "rotated" })
    await world.answer("app", "value1")
    world.now += 9
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    await nextTurn()
    world.now += 1
    assert.deepInclude(world.ask("app", "value1").reply, {
      ...ids(1),
      statusCode: 410,
      reasonPhrase: "Token was rotated"
    })
    assert.deepInclude(world.validate(null, "app", "value1").answer, { statusCode: 410, status: "Revoked" })
    assert.strictEqual(world.statements, 1)
  })

  it("is judged by one moment for all requests of a turn, and by a new one for those of the next", async () => {
    const world = new World()
    world.add(1, { endsAt: world.now + 10 })
    await world.answer("app", "value1")
    world.lease.trustedUntilMonotonicMs = world.monotonic + 10
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    world.now += 10
    world.monotonic += 10
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    await nextTurn()
    assert.strictEqual(world.ask("app", "value1").count, 0)
    world.monotonic -= 10
    await nextTurn()
    assert.strictEqual(world.ask("app", "value1").statusCode, 410)
  })

  it("is not believed once its revocation was applied or the lease was lost, in the same turn too", async () => {
    for (const end of [(world: World) => world.revoke(1), (world: World) => world.lapse()]) {
      const world = await hotWorld()
      assert.strictEqual(world.ask("app", "value1").statusCode, 200)
      end(world)
      assert.strictEqual(world.ask("app", "value1").count, 0)
    }
  })

  it("is not believed once its revocation was applied", async () => {
    const world = await hotWorld()
    world.revoke(1)
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
  })

  it("goes with its application, with its tenant, and not with another's", async () => {
    for (const target of [{ kind: "application", appName: "app" }, { kind: "tenant" }] as const) {
      const world = await hotWorld()
      world.beliefs.applyUnsafe({ tenantId: "other", seq: 9, targets: [target] })
      world.beliefs.applyUnsafe({ tenantId: "acme", seq: 9, targets: [{ kind: "application", appName: "another" }] })
      assert.strictEqual(world.ask("app", "value1").statusCode, 200)
      world.rows.clear()
      world.applications.clear()
      world.beliefs.applyUnsafe({ tenantId: "acme", seq: 10, targets: [target] })
      assert.deepInclude((await world.answer("app", "value1")).reply, {
        statusCode: 404,
        reasonPhrase: "Application not found"
      })
    }
  })

  it("of which nobody knows whether it was taken away is read once, and hot again when it was not", async () => {
    const token = { kind: "token", tokenId: tokenIdOf(1), appName: "app", cacheKey: "", version: 2, usableUntil: null }
    for (const target of [token, { kind: "application", appName: "app" }, { kind: "tenant" }] as const) {
      const world = await hotWorld()
      world.add(2, { appName: "another" })
      world.add(3, { tenantId: "else", appName: "elsewhere" })
      await world.answer("another", "value2")
      await world.answer("elsewhere", "value3")
      world.beliefs.dropUnsafe("acme", [target as RevocationTarget])
      assert.strictEqual(world.ask("elsewhere", "value3").statusCode, 200)
      if (target.kind !== "tenant") assert.strictEqual(world.ask("another", "value2").statusCode, 200)
      const reads = () => world.statementsDuring(() => world.answer("app", "value1"))
      assert.strictEqual(await reads(), 1, target.kind)
      assert.strictEqual(await reads(), 0, target.kind)
      assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    }
  })

  it("keeps the end that a rotation with overlap gave it", async () => {
    const world = await hotWorld()
    const endsAt = world.now + 50
    world.revoke(1, { endsAt, ending: "rotated" })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
    world.now = endsAt
    assert.strictEqual(world.ask("app", "value1").statusCode, 410)
  })

  it("is not replaced by an older state of it that was read before and came later", async () => {
    const world = new World()
    world.add(1)
    await world.answer("app", "other")
    world.hold = true
    world.ask("app", "value1")
    await settled()
    const endsAt = world.now + 50
    world.add(1, { version: 2, endsAt, ending: "rotated" })
    world.ask("app", "value1")
    await world.pass(20)
    const [older, newer] = world.sent
    await newer!.answer()
    await older!.answer()
    world.now = endsAt
    assert.strictEqual(world.ask("app", "value1").statusCode, 410)
  })
})

describe("the lease", () => {
  it("without it every validation is a MariaDB read, and right", async () => {
    const world = await hotWorld({ kvCache: true })
    world.lapse()
    world.commit(1, { status: "Suspended" })
    assert.strictEqual(
      await world.statementsDuring(async () => {
        assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
        assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
      }),
      2
    )
    assert.strictEqual(world.kvAsked, 0)
  })

  it("that ran out by either clock counts no more", async () => {
    for (const clock of ["monotonic", "now"] as const) {
      const world = await hotWorld()
      world.lease.trustedUntilMonotonicMs = world.monotonic + 10
      world.lease.trustedUntilWallMs = world.now + 10
      assert.strictEqual(world.ask("app", "value1").count, 1)
      await nextTurn()
      world[clock] += 10
      assert.strictEqual(await world.statementsDuring(() => world.answer("app", "value1")), 1, clock)
    }
  })

  it("renewed after a lapse, what was hot is read again before it is believed", async () => {
    const world = await hotWorld()
    world.lapse()
    world.commit(1, { status: "Suspended" })
    world.renew()
    assert.strictEqual(world.ask("app", "value1").count, 0)
    await settled()
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
  })

  it("renewed after a lapse in which nothing happened, one read covers all of the tenant's tokens", async () => {
    const world = await hotWorld()
    world.add(2)
    await world.answer("app", "value2")
    world.lapse()
    world.renew()
    assert.strictEqual(await world.statementsDuring(() => world.answer("app", "value1")), 1)
    assert.strictEqual(world.ask("app", "value2").statusCode, 200)
  })

  it("a statement sent before the renewal covers nothing", async () => {
    const world = await hotWorld()
    world.add(2)
    world.lapse()
    world.hold = true
    const early = world.ask("app", "value2")
    await settled()
    // It has its snapshot; then a revocation is answered without this replica, which is in no list.
    world.commit(1, { status: "Suspended" })
    world.renew()
    await world.sent.shift()!.answer()
    assert.strictEqual(early.statusCode, 200)
    world.hold = false
    assert.strictEqual(world.ask("app", "value1").count, 0)
    await settled()
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
  })

  it("a statement sent in a generation that has ended covers nothing", async () => {
    const world = await hotWorld()
    world.add(2)
    world.hold = true
    world.renew()
    world.ask("app", "value2")
    await settled()
    world.lapse()
    world.commit(1, { status: "Suspended" })
    world.renew()
    await world.sent.shift()!.answer()
    world.hold = false
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
  })
})

describe("a miss", () => {
  it("joins only a statement that has not been sent", async () => {
    const world = new World({ missStatementsMax: 4 })
    world.add(1)
    await world.answer("app", "other")
    world.hold = true
    const first = world.ask("app", "value1")
    const second = world.ask("app", "value1")
    await settled()
    assert.strictEqual(world.sent.length, 1)
    assert.strictEqual(world.sent[0]!.asked.length, 1)
    // The revocation is answered here; whoever asks from now on must not hear of the old state.
    world.revoke(1)
    const third = world.ask("app", "value1")
    await world.pass(20)
    assert.strictEqual(world.sent.length, 2)
    await world.sent[0]!.answer()
    assert.deepStrictEqual([first.statusCode, second.statusCode, third.count], [200, 200, 0])
    await world.sent[1]!.answer()
    assert.strictEqual(third.statusCode, 403)
  })

  it("that was read before a revocation was applied is answered and not kept", async () => {
    const world = await hotWorld()
    world.add(2)
    world.hold = true
    const asked = world.ask("app", "value2")
    await settled()
    world.revoke(2)
    await world.sent.shift()!.answer()
    assert.strictEqual(asked.statusCode, 200)
    world.hold = false
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 403)
  })

  it("that was read before its application went is not kept", async () => {
    const world = await hotWorld()
    world.add(2)
    world.hold = true
    world.ask("app", "value2")
    await settled()
    world.beliefs.applyUnsafe({ tenantId: "acme", seq: 1, targets: [{ kind: "application", appName: "app" }] })
    await world.sent.shift()!.answer()
    assert.strictEqual(world.beliefs.believesHot(world.beliefs.hot.findById(tokenIdOf(1)), true), false)
    assert.strictEqual(world.beliefs.hot.findById(tokenIdOf(2)), 0)
  })

  it("is asked together with all that wait, up to 256 hashes a statement and few statements at once", async () => {
    const world = new World({ missStatementsMax: 2 })
    for (let number = 0; number < 1_000; number++) world.add(number)
    await world.answer("app", "other")
    world.hold = true
    const asked = Array.from({ length: 1_000 }, (_, number) => world.ask("app", `value${number}`))
    await settled()
    assert.deepStrictEqual(
      world.sent.map(({ asked }) => asked.length),
      [256, 256]
    )
    await world.sent[0]!.answer()
    await world.sent[1]!.answer()
    assert.deepStrictEqual(
      world.sent.map(({ asked }) => asked.length),
      [256, 256, 256, 232]
    )
    await world.sent[2]!.answer()
    await world.sent[3]!.answer()
    assert.isTrue(asked.every(({ count, statusCode }) => count === 1 && statusCode === 200))
  })

  it("is answered 500 when the look-up has not a place for each hash, and the next one rightly", async () => {
    const world = await hotWorld()
    for (const number of [2, 3]) world.add(number)
    world.hold = true
    const asked = ["value2", "nope", "value3"].map((value) => world.ask("app", value))
    await settled()
    const rows = [2, 3].map((number) => world.read(hashOf("app", `value${number}`).toString("hex")))
    await world.sent.shift()!.answer(rows)
    assert.deepStrictEqual(
      asked.map(({ count, statusCode }) => [count, statusCode]),
      [
        [1, 500],
        [1, 500],
        [1, 500]
      ]
    )
    assert.strictEqual(world.bugs.length, 1)
    world.hold = false
    assert.strictEqual((await world.answer("app", "value3")).statusCode, 200)
  })

  it("is still read when revoked tokens are remembered no more one by one", async () => {
    const world = await hotWorld({ tombstonesPerTenantMax: 2, kvCache: true })
    for (const number of [2, 3, 4, 5]) world.add(number)
    const stale = world.read(hashOf("app", "value2").toString("hex"))!
    for (const number of [2, 3, 4, 5]) world.revoke(number)
    // The tombstone of token 2 is gone, so the KV's old entry must fall to the covered sequence.
    world.kv.set(`acme.${stale.cacheKey}`, stale)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 403)
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
  })
})

describe("a negative answer", () => {
  it("is remembered for a second at most", async () => {
    const world = await hotWorld()
    await world.answer("app", "nope")
    assert.strictEqual(world.ask("app", "nope").statusCode, 404)
    world.now += 999
    assert.strictEqual(world.ask("app", "nope").statusCode, 404)
    await nextTurn()
    world.now += 1
    assert.strictEqual(await world.statementsDuring(() => world.answer("app", "nope")), 1)
  })

  it("is forgotten at once when a token appears", async () => {
    const world = await hotWorld()
    await world.answer("app", "value2")
    const { cacheKey } = world.add(2)
    world.beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "token", cacheKey }] })
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })

  it("of a statement sent before the token appeared is not remembered", async () => {
    const world = await hotWorld()
    world.hold = true
    const early = world.ask("app", "value2")
    await settled()
    const { cacheKey } = world.add(2)
    world.beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "token", cacheKey }] })
    await world.sent.shift()!.answer()
    assert.strictEqual(early.statusCode, 404)
    world.hold = false
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })

  it("of an application is forgotten at once when it appears, also one still on its way", async () => {
    const world = new World()
    await world.answer("app", "value1")
    world.add(1)
    assert.strictEqual(world.ask("app", "value1").statusCode, 404)
    world.beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "application", appName: "app" }] })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)

    world.holdNames = true
    const early = world.ask("late", "value2")
    await settled()
    world.add(2, { appName: "late" })
    world.beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "application", appName: "late" }] })
    await world.askedNames.shift()!.answer()
    assert.strictEqual(early.statusCode, 404)
    world.holdNames = false
    assert.strictEqual((await world.answer("late", "value2")).statusCode, 200)
  })

  it("suspended is forgotten at once when the token is active again", async () => {
    const world = new World()
    const { cacheKey } = world.add(1, { status: "Suspended" })
    await world.answer("app", "value1")
    world.add(1, { status: "Active", version: 2 })
    assert.strictEqual(world.ask("app", "value1").statusCode, 403)
    world.beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "token", cacheKey }] })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
  })
})

describe("what is remembered", () => {
  it("of revoked tokens goes with the lapse after which they need no remembering", async () => {
    const world = await hotWorld()
    world.add(2)
    world.revoke(1)
    world.revoke(2)
    assert.strictEqual(world.beliefs.tombstones.count, 2)
    world.lapse()
    world.renew()
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
    assert.strictEqual(world.beliefs.tombstones.count, 0)
  })

  it("of refusals goes when it is over, though nobody asks again", async () => {
    const world = await hotWorld()
    await world.answer("app", "nope")
    const { negatives } = world.beliefs.tenant("acme")
    await world.pass(50)
    assert.strictEqual(negatives.count, 1)
    world.now += 1_000
    await world.pass(50)
    assert.strictEqual(negatives.count, 0)
  })
})

describe("limits", () => {
  it("one tenant's questions to MariaDB are so many a second, and more are 429", async () => {
    const world = new World({ missesPerSecond: (tenantId) => (tenantId === "calm" ? 1_000 : 10) })
    world.add(1, { tenantId: "calm", appName: "calm" })
    world.add(2)
    await world.answer("calm", "value1")
    await world.answer("app", "value2")
    const codes = async (appName: string, count: number) => {
      const asked = Array.from({ length: count }, (_, n) => world.ask(appName, `${appName}-${world.monotonic}-${n}`))
      await settled()
      return asked.filter(({ statusCode }) => statusCode === 429).length
    }
    assert.strictEqual(await codes("app", 30), 21)
    // What is known is answered from memory all the same, and another tenant has a rate of its own.
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
    assert.strictEqual(await codes("calm", 30), 0)
    world.monotonic += 500
    assert.strictEqual(await codes("app", 30), 25)
  })

  it("one tenant's misses beyond its limit are 429 and cost no other tenant anything", async () => {
    const world = new World({ missesPerTenantMax: 50, missesMax: 1_000 })
    world.add(1, { tenantId: "calm", appName: "calm" })
    world.add(2)
    await world.answer("calm", "warm")
    await world.answer("app", "warm")
    world.hold = true
    const flood = Array.from({ length: 200 }, (_, number) => world.ask("app", `flood${number}`))
    const calm = world.ask("calm", "value1")
    await settled()
    assert.strictEqual(flood.filter(({ statusCode }) => statusCode === 429).length, 150)
    assert.deepInclude(flood.at(-1)!.reply, { ...noIds, statusCode: 429 })
    // The calm tenant's token is in the first statement in spite of all that came before it.
    assert.include(world.sent[0]!.asked, hashOf("calm", "value1").toString("hex"))
    await world.sent[0]!.answer()
    assert.strictEqual(calm.statusCode, 200)
    world.hold = false
    for (const sent of world.sent.slice(1)) await sent.answer()
    assert.strictEqual(world.path.inFlight(), 0)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })

  it("tenants take turns in the statements", async () => {
    const world = new World({ missStatementsMax: 1, missesPerTenantMax: 5_000, missesMax: 10_000 })
    world.applications.set("big", "big")
    world.applications.set("small", "small")
    await world.answer("big", "warm")
    await world.answer("small", "warm")
    world.hold = true
    world.ask("big", "first")
    await settled()
    for (let number = 0; number < 1_000; number++) world.ask("big", `big${number}`)
    for (let number = 0; number < 5; number++) world.ask("small", `small${number}`)
    await world.sent[0]!.answer()
    for (let number = 0; number < 5; number++) {
      assert.include(world.sent[1]!.asked, hashOf("small", `small${number}`).toString("hex"))
    }
  })

  it("more than may wait in all is 429", async () => {
    const world = new World({ missesMax: 10, missesPerTenantMax: 10 })
    world.holdNames = true
    const asked = Array.from({ length: 12 }, (_, number) => world.ask(`app-${number}`, "value"))
    assert.deepStrictEqual(asked.map(({ statusCode }) => statusCode).filter((status) => status === 429).length, 2)
    await settled()
    await world.askedNames.shift()!.answer()
    assert.isTrue(asked.every(({ count }) => count === 1))
  })
})

describe("while MariaDB does not answer", () => {
  it("hot tokens are answered, others by the KV under the lease, the rest 503", async () => {
    const world = await hotWorld({ kvCache: true, kvFirstMax: 0 })
    const inKv = world.add(2)
    world.add(3)
    world.kv.set(`acme.${inKv.cacheKey}`, inKv)
    world.down = true
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
    assert.deepInclude((await world.answer("app", "value3")).reply, { ...noIds, statusCode: 503 })
    assert.strictEqual((await world.answer("unheard", "value3")).statusCode, 503)
    world.lapse()
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 503)
    world.down = false
    assert.strictEqual((await world.answer("app", "value3")).statusCode, 200)
  })

  it("the KV answers nothing of a tenant that is not covered in this generation", async () => {
    const world = await hotWorld({ kvCache: true })
    world.lapse()
    world.renew()
    world.down = true
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 503)
  })

  it("nothing hangs: after its time-out a request is answered by the KV or 503, also those behind it", async () => {
    const world = await hotWorld({ kvCache: true, kvFirstMax: 0, missStatementsMax: 1 })
    const inKv = world.add(2)
    world.kv.set(`acme.${inKv.cacheKey}`, inKv)
    world.hold = true
    const asked = [world.ask("app", "value2"), world.ask("app", "value3")]
    await settled()
    world.monotonic += 1_000
    const behind = world.ask("app", "value4")
    await settled()
    world.monotonic += 1_001
    world.path.sweep()
    await settled()
    assert.deepStrictEqual(
      asked.map(({ statusCode }) => statusCode),
      [200, 503]
    )
    world.monotonic += 2_001
    world.path.sweep()
    await settled()
    assert.strictEqual(behind.statusCode, 503)
    assert.strictEqual(world.path.inFlight(), 0)
    // The late answer of a statement given up on changes nothing.
    await world.sent[0]!.answer()
    assert.deepStrictEqual(
      asked.map(({ count }) => count),
      [1, 1]
    )
  })

  it("what fails by a bug is told, and is 500 and not 503, of the directory, too; hot tokens are answered", async () => {
    const world = await hotWorld()
    world.add(2)
    world.lookupBug = new Error("on purpose")
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    assert.deepInclude((await world.answer("app", "value2")).reply, { ...noIds, statusCode: 500 })
    assert.strictEqual((await world.answer("unheard", "value2")).statusCode, 500)
    assert.deepStrictEqual(world.bugs, [world.lookupBug, world.lookupBug])
    assert.strictEqual(world.path.inFlight(), 0)
    world.lookupBug = null
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })

  it("a directory that does not answer is 503 after the time-out", async () => {
    const world = new World()
    world.holdNames = true
    const asked = world.ask("app", "value1")
    await settled()
    world.monotonic += 2_001
    world.path.sweep()
    assert.strictEqual(asked.statusCode, 503)
  })
})

describe("the shared cache", () => {
  it("is asked first while few wait, and spares MariaDB what it knows", async () => {
    const world = await hotWorld({ kvCache: true })
    const inKv = world.add(2)
    world.kv.set(`acme.${inKv.cacheKey}`, inKv)
    assert.strictEqual(await world.statementsDuring(() => world.answer("app", "value2")), 0)
    assert.strictEqual(world.beliefs.hotCount(), 2)
  })

  it("is not believed from before a revocation that was applied", async () => {
    const world = await hotWorld({ kvCache: true })
    const old = world.read(hashOf("app", "value1").toString("hex"))!
    world.revoke(1)
    world.kv.set(`acme.${old.cacheKey}`, old)
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
    assert.strictEqual(world.beliefs.disbelieved, 1)
  })

  it("is not believed from before the covered sequence", async () => {
    const world = await hotWorld({ kvCache: true })
    const old = world.add(2)
    world.lapse()
    world.commit(2, { status: "Revoked" })
    world.renew()
    world.kv.set(`acme.${old.cacheKey}`, old)
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 410)
  })

  it("is not asked for what is not usable: a token may have become active again without a barrier", async () => {
    const world = await hotWorld({ kvCache: true })
    const suspended = { ...world.add(2), status: "Suspended" as const }
    world.kv.set(`acme.${suspended.cacheKey}`, suspended)
    assert.strictEqual((await world.answer("app", "value2")).statusCode, 200)
  })

  it("is not believed in what it gives as another tenant's", async () => {
    const world = await hotWorld({ kvCache: true })
    const own = world.add(2)
    // The other one is covered, too.
    world.add(3, { appName: "theirs", tenantId: "other" })
    assert.strictEqual((await world.answer("theirs", "value3")).statusCode, 200)
    // Under the right name, as no cache of ours answers: nobody is answered by it.
    world.kv.set(`acme.${own.cacheKey}`, { ...own, tenantId: "other", endpointId: "foreign" })
    const { reply, statusCode } = await world.answer("app", "value2")
    assert.deepStrictEqual([statusCode, reply?.endpointId], [200, "endpoint-2"])
    assert.strictEqual(world.beliefs.disbelieved, 1)
  })

  it("gets what was read from MariaDB", async () => {
    const world = await hotWorld({ kvCache: true })
    assert.sameMembers([...world.kv.keys()], [`acme.${hashOf("app", "value1").toString("hex")}`])
  })
})

describe("first use", () => {
  it("of an Inactive token is told once on this replica, hot or not", async () => {
    for (const hotTokensMax of [0, 100]) {
      const world = new World({ hotTokensMax })
      world.add(1, { status: "Inactive" })
      for (let time = 0; time < 3; time++) assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
      assert.deepStrictEqual(world.firstUsed, [`acme ${tokenIdOf(1)}`])
      world.firstUses.forget(tokenIdOf(1))
      await world.answer("app", "value1")
      assert.strictEqual(world.firstUsed.length, 2)
    }
  })

  it("of a hot token is told once, however many others were told since", async () => {
    const world = new World()
    world.add(1, { status: "Inactive" })
    for (let time = 0; time < 3; time++) await world.answer("app", "value1")
    for (let count = 0; count < toldMax; count++) world.firstUses.tell("acme", `other ${count}`)
    world.firstUsed.length = 0
    await world.answer("app", "value1")
    assert.deepStrictEqual(world.firstUsed, [])
    // One that is not hot is told again, and not more than are remembered are kept of them.
    world.firstUses.tell("acme", tokenIdOf(1))
    assert.deepStrictEqual(world.firstUsed, [`acme ${tokenIdOf(1)}`])
  })

  it("is not told for a dry run, a refusal, or another tenant's question", async () => {
    const world = new World()
    world.add(1, { status: "Inactive" })
    world.add(2, { status: "Suspended" })
    for (let time = 0; time < 2; time++) {
      world.validate("acme", "app", "value1", true)
      world.validate("else", "app", "value1")
      world.validate("acme", "app", "value2")
      await settled()
    }
    assert.deepStrictEqual(world.firstUsed, [])
    assert.strictEqual(world.beliefs.uses.count, 0)
    world.beliefs.hot.takeUses((tokenId) => assert.fail(tokenId))
  })
})

describe("last use", () => {
  it("is noted for every 200 that is no dry run, the newest of each token", async () => {
    const world = await hotWorld()
    world.now += 5
    world.ask("app", "value1")
    world.beliefs.hot.takeUses((tokenId, usedAt) => world.beliefs.uses.add(tokenId, usedAt))
    assert.deepStrictEqual(world.beliefs.uses.take(10), [{ tokenId: tokenIdOf(1), usedAt: world.now }])
    world.validate(null, "app", "value1", true)
    world.beliefs.hot.takeUses((tokenId) => assert.fail(tokenId))
  })
})

describe("the path", () => {
  it("becomes quiet when everything accepted has been answered", async () => {
    const world = await hotWorld()
    world.hold = true
    const asked = world.ask("app", "value2")
    let quiet = false
    // Never fails.
    void world.path.quiet().then(() => {
      quiet = true
    })
    await settled()
    assert.isFalse(quiet)
    assert.strictEqual(world.path.inFlight(), 1)
    await world.sent.shift()!.answer()
    await settled()
    assert.isTrue(quiet)
    assert.strictEqual(asked.count, 1)
  })

  it("calls each caller once, also when some of them throw", async () => {
    const world = await hotWorld()
    const called: Array<string> = []
    const request = (token: string) =>
      EndpointTokenValidationRequest.encode({ correlationId: "c", timestamp: 0n, timeout: 0n, appName: "app", token })
    const throwing = (name: string) => () => {
      called.push(name)
      throw new Error("the connection is gone")
    }
    world.path.answerUnsafe(request("value1"), throwing("hit"))
    world.path.answerUnsafe(request("value2"), throwing("miss"))
    world.path.answerUnsafe(Buffer.of(1), throwing("bad"))
    world.path.answerUnsafe(request("value2"), (_, statusCode) => called.push(`other ${statusCode}`))
    await settled()
    assert.deepStrictEqual(called, ["hit", "bad", "miss", "other 404"])
    assert.strictEqual(world.bugs.length, 3)
    assert.strictEqual(world.path.inFlight(), 0)
  })

  it("answers 500 once for a bug, and goes on", async () => {
    const world = await hotWorld()
    const { find } = world.beliefs.hot
    world.beliefs.hot.find = () => {
      throw new Error("a bug")
    }
    const asked = world.ask("app", "value1")
    assert.deepStrictEqual([asked.count, asked.statusCode, asked.reply?.tokenId], [1, 500, null])
    assert.strictEqual(world.validate(null, "app", "value1").answer?.statusCode, 500)
    world.beliefs.hot.find = find
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
    assert.strictEqual(world.bugs.length, 2)
  })

  it("answers every one of 10,000 hostile requests exactly once and never throws", async () => {
    const { random, seed } = seededRandom("hostile validations")
    const world = await hotWorld({ kvCache: true })
    const good = Buffer.from(
      EndpointTokenValidationRequest.encode({
        correlationId: "br7si8mg10l7an82que0",
        timestamp: BigInt(world.now),
        timeout: 10_000n,
        appName: "app",
        token: "value1"
      })
    )
    const statuses = new Map<number, number>()
    const all: Array<ReturnType<World["ask"]>> = []
    for (let run = 0; run < times(10_000); run++) {
      let bytes = Buffer.from(good)
      for (let changes = Math.floor(random() * 4); changes >= 0; changes--) {
        const at = Math.floor(random() * (bytes.length + 1))
        const roll = random()
        if (roll < 0.5 && at < bytes.length) bytes[at] = Math.floor(random() * 256)
        else if (roll < 0.7) bytes = bytes.subarray(0, at)
        else if (roll < 0.9)
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(Math.floor(random() * 256)), bytes.subarray(at)])
        else bytes = Buffer.concat([bytes, bytes.subarray(at)])
      }
      const request = new Uint8Array(bytes)
      all.push(world.askBytes(request))
      if (run % 100 === 0) await settled()
    }
    for (let turn = 0; turn < 10; turn++) await settled()
    for (const { count, reply, statusCode } of all) {
      assert.strictEqual(count, 1, `seed ${seed}`)
      assert.strictEqual(reply?.statusCode, statusCode, `seed ${seed}`)
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
    }
    assert.deepStrictEqual(world.bugs, [])
    assert.includeMembers([...statuses.keys()], [200, 400, 404])
    assert.strictEqual(world.path.inFlight(), 0)
    assert.strictEqual(world.ask("app", "value1").statusCode, 200)
  })
})

describe("an application that moves to another tenant", () => {
  it("takes nothing of the first one's beliefs with it, and its removal there still counts", async () => {
    const world = await hotWorld()
    world.rows.clear()
    world.beliefs.applyUnsafe({ tenantId: "acme", seq: 1, targets: [{ kind: "application", appName: "app" }] })
    world.add(2, { tenantId: "else", value: "value1" })
    const moved = await world.answer("app", "value1")
    assert.deepInclude(moved.reply, { ...ids(2), statusCode: 200 })
    world.beliefs.applyUnsafe({ tenantId: "acme", seq: 2, targets: [{ kind: "application", appName: "app" }] })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
    world.rows.clear()
    world.beliefs.applyUnsafe({ tenantId: "else", seq: 1, targets: [{ kind: "application", appName: "app" }] })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 404)
  })
})
