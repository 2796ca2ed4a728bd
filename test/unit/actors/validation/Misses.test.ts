// Verifies R-BUS-9, R-DUR-2, R-TOK-3, R-ACT-5, R-LIM-3.
/** Places of those who wait: each is given back, whoever joined whom. */
import { assert, describe, it } from "vitest"
import { settled, World } from "../../../support/validationWorld.ts"

describe("requests for the same token", () => {
  it("that joined one statement give back a place each: the tenant's next ones are taken", async () => {
    const world = new World({ missesPerTenantMax: 8, missesMax: 100 })
    world.add(1)
    await world.answer("app", "warm")
    for (let round = 0; round < 4; round++) {
      world.hold = true
      const value = `unknown${round}`
      const asked = Array.from({ length: 8 }, () => world.ask("app", value))
      assert.strictEqual(world.ask("app", value).statusCode, 429, "the ninth is over the tenant's limit")
      await settled()
      world.hold = false
      for (const sent of world.sent.splice(0)) await sent.answer()
      assert.deepStrictEqual([...new Set(asked.map(({ statusCode }) => statusCode))], [404])
      assert.strictEqual(world.beliefs.tenant("acme").waiting, 0)
      assert.strictEqual(world.path.inFlight(), 0)
    }
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 200)
  })

  it("cost the tenant's rate once", async () => {
    const world = new World({ missesPerSecond: () => 3 })
    world.add(1)
    await world.answer("app", "warm")
    world.monotonic += 1_000
    world.hold = true
    const joined = Array.from({ length: 10 }, () => world.ask("app", "value1"))
    const others = [world.ask("app", "a"), world.ask("app", "b"), world.ask("app", "c")]
    assert.deepStrictEqual(
      others.map(({ statusCode }) => statusCode),
      [0, 0, 429]
    )
    await settled()
    world.hold = false
    for (const sent of world.sent.splice(0)) await sent.answer()
    assert.deepStrictEqual([...new Set(joined.map(({ statusCode }) => statusCode))], [200])
  })

  it("are a use when one of them is, whoever comes last, and of their own tenant", async () => {
    const world = new World()
    world.add(1, { status: "Inactive" })
    await world.answer("app", "warm")
    world.hold = true
    const used = world.validate("acme", "app", "value1")
    const dry = world.validate("acme", "app", "value1", true)
    const foreign = world.validate("else", "app", "value1")
    await settled()
    world.hold = false
    for (const sent of world.sent.splice(0)) await sent.answer()
    assert.deepStrictEqual([used.answer?.statusCode, dry.answer?.statusCode], [200, 200])
    assert.strictEqual(foreign.answer?.statusCode, 404)
    assert.lengthOf(world.firstUsed, 1)
    assert.strictEqual(world.beliefs.uses.count, 1)
  })
})

it("one tenant waits in half of all places at most, however many it may have", async () => {
  const world = new World({ missesPerTenantMax: 100, missesMax: 6 })
  world.add(1)
  await world.answer("app", "warm")
  world.hold = true
  const asked = ["a", "b", "c", "d"].map((value) => world.ask("app", value))
  assert.deepStrictEqual(
    asked.map(({ statusCode }) => statusCode),
    [0, 0, 0, 429]
  )
  await settled()
  world.hold = false
  for (const sent of world.sent.splice(0)) await sent.answer()
})

it("whose row is met by a bug is told 500, each who waits for it once, and gives its place back", async () => {
  const world = new World()
  world.add(1)
  await world.answer("app", "warm")
  world.beliefs.keep = () => {
    throw new Error("a bug")
  }
  const first = world.ask("app", "value1")
  const second = await world.answer("app", "value1")
  assert.deepStrictEqual([first.count, first.statusCode, second.statusCode], [1, 500, 500])
  assert.deepStrictEqual([world.bugs.length, world.path.inFlight()], [1, 0])
})

describe("a request whose application is looked for", () => {
  it("gives its place back, found or not, and is waited for at the end", async () => {
    const world = new World({ missesMax: 4, missesPerTenantMax: 4 })
    world.add(1)
    world.holdNames = true
    const asked = [world.ask("app", "value1"), world.ask("gone", "value1")]
    let isQuiet = false
    // Never fails.
    void world.path.quiet().then(() => {
      isQuiet = true
    })
    await settled()
    assert.isFalse(isQuiet)
    for (const names of world.askedNames.splice(0)) await names.answer()
    for (let turn = 0; turn < 5; turn++) await settled()
    assert.deepStrictEqual(
      asked.map(({ statusCode }) => statusCode),
      [200, 404]
    )
    assert.isTrue(isQuiet)
    assert.strictEqual(world.path.inFlight(), 0)
  })
})

describe("a refusal of what is over a limit", () => {
  it("is held, whichever limit it is, and keeps the correlation id of its request alone", async () => {
    const held: Array<{ readonly bytes: number; readonly tell: () => void }> = []
    const world = new World({
      missesMax: 3,
      missesPerTenantMax: 2,
      refusals: (bytes, tell) => void held.push({ bytes, tell })
    })
    world.add(1)
    await world.answer("app", "warm")
    world.hold = true
    world.holdNames = true
    const open = [world.ask("app", "a"), world.ask("app", "b")]
    const overTenant = world.ask("app", "c")
    const inNames = world.ask("unknown", "d")
    const overAll = world.ask("else", "e")
    assert.deepStrictEqual(
      held.map(({ bytes }) => bytes),
      ["c-1", "c-1"].map((id) => id.length)
    )
    for (const one of [overTenant, overAll, inNames]) assert.strictEqual(one.count, 0)
    for (const { tell } of held) tell()
    for (const one of [overTenant, overAll]) assert.deepInclude(one.reply, { statusCode: 429, correlationId: "c-1" })
    // Held, they have no place.
    assert.strictEqual(world.path.inFlight(), 3)
    await settled()
    for (const names of world.askedNames.splice(0)) await names.answer()
    for (const sent of world.sent.splice(0)) await sent.answer()
    assert.deepStrictEqual(
      [...open, inNames].map(({ statusCode }) => statusCode),
      [404, 404, 404]
    )
  })
})

describe("whose application it is", () => {
  it("is known when it was asked for, which asking does, and null of what nobody has", async () => {
    const world = new World()
    world.add(1)
    for (let time = 0; time < 2; time++) {
      assert.strictEqual(world.path.tenantOfUnsafe("app"), time === 0 ? null : "acme")
      assert.isNull(world.path.tenantOfUnsafe("nobodys"))
      assert.isNull(world.path.tenantOfUnsafe("No Name"))
      await settled()
    }
    assert.strictEqual(world.path.inFlight(), 0)
  })
})

describe("a row that is not what the asker may have", () => {
  it("because it was changed outside of the service, answers 500 and is kept by nobody", async () => {
    const world = new World({ kvCache: true, kvFirstMax: 0 })
    world.add(1)
    world.rowsHold = false
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 500)
    assert.match(String(world.bugs[0]), /does not hold/u)
    assert.deepStrictEqual([world.beliefs.hotCount(), world.kv.size], [0, 0])
  })

  it("because it is another tenant's by now, is unknown to the tenant that asks", async () => {
    const world = new World()
    world.add(1)
    await world.answer("app", "warm")
    const row = world.add(1)
    world.rows.set(row.cacheKey, { ...row, tenantId: "else" })
    const asked = world.validate("acme", "app", "value1")
    await settled()
    assert.deepInclude(asked.answer, { statusCode: 404, tokenId: null })
  })

  it("is not taken from the shared cache either", async () => {
    const world = new World({ kvCache: true, kvFirstMax: 16 })
    world.add(1)
    await world.answer("app", "value1")
    world.add(2)
    const row = world.add(2)
    world.kv.set(`acme.${row.cacheKey}`, { ...row, tenantId: "else", tokenId: "of-somebody-else" })
    assert.deepInclude((await world.answer("app", "value2")).reply, { statusCode: 200, tokenId: row.tokenId })
    assert.strictEqual(world.beliefs.disbelieved, 1)
  })
})
