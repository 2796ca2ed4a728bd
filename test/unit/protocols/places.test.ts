// Verifies R-ACT-2, R-ACT-3, R-LIM-2, R-DUR-2.
/** Places of validations, and of who only waits, beside those of management. */
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { whileWaiting } from "../../../src/actors/tenant/WaitingPlace.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import {
  type Asking,
  make,
  type Places,
  validationBytesMax,
  validationBytesPerTenant,
  validationsPerTenant,
  waitingBytesMax,
  waitingPerTenant
} from "../../../src/protocols/Places.ts"
import { protocolWorld } from "../../support/protocolWorld.ts"
import { someToken, toldVerdicts, verdict } from "../../support/scriptedTenants.ts"

const asking = (tenant: string, changes: Partial<Asking> = {}): Asking => ({
  tenant,
  tenantMax: 2,
  asker: null,
  takesAway: false,
  always: false,
  validates: false,
  bytes: 100,
  ...changes
})
const validating = (tenant: string, bytes = 100) => asking(tenant, { validates: true, bytes })
const fill = (places: Places, one: Asking, times: number) =>
  Array.from({ length: times }, () => places.enter(one)).filter((place) => place !== null)

describe("places", () => {
  it("validations have their own, as many for each tenant, whatever its limit of management is", () => {
    const places = make(4_096)
    assert.lengthOf(fill(places, asking("one"), 10), 2)
    const taken = fill(places, validating("one"), 2 * validationsPerTenant)
    assert.lengthOf(taken, validationsPerTenant)
    assert.isTrue(places.isFull(validating("one")))
    assert.isFalse(places.isFull(validating("two")))
    assert.lengthOf(fill(places, asking("two"), 10), 2)
    assert.lengthOf(fill(places, validating("two"), 1), 1)
    taken[0]!.leave()
    assert.isFalse(places.isFull(validating("one")))
    assert.lengthOf(fill(places, validating("one"), 2), 1)
  })

  it("validations have so many bytes, of each tenant and of all; one alone may be larger", () => {
    const places = make(4_096)
    const half = validationBytesPerTenant / 2
    const taken = fill(places, validating("one", half), 10)
    assert.lengthOf(taken, 2)
    assert.isTrue(places.isFull(validating("one", half)))
    assert.isNull(places.enter(validating("one", 1)))
    taken[0]!.leave()
    assert.isNotNull(places.enter(validating("one", half)))
    assert.isNotNull(places.enter(validating("two", 3 * half)), "one alone")
    assert.isNull(places.enter(validating("two", 1)))
    for (let n = 0; n < 10; n++) fill(places, validating(`t${n}`, half), 10)
    assert.isNull(places.enter(validating("other", half)))
    assert.isFalse(places.isFull(validating("other", half)), "others have them")
    assert.isNotNull(places.enter(asking("other", { bytes: validationBytesMax })), "management's are not counted")
  })

  it("who only waits gives its place to another, and so many of a tenant may wait", () => {
    const places = make(4_096)
    const waiting = Array.from({ length: waitingPerTenant }, () => {
      const place = places.enter(asking("one"))
      assert.isTrue(place?.aside())
      assert.isTrue(place?.aside(), "it waits already")
      return place!
    })
    const [first, second] = fill(places, asking("one"), 10)
    assert.isFalse(first?.aside())
    assert.isNull(places.enter(asking("one")), "it has kept its place")
    waiting[0]!.leave()
    assert.isTrue(first?.aside())
    assert.isFalse(second?.aside())
    assert.isNotNull(places.enter(asking("one")))
    first?.leave()
    assert.isTrue(second?.aside())
  })

  it("what a request began takes none any more when the request is over", () => {
    const places = make(10)
    const place = places.enter(asking("one"))
    place?.leave()
    assert.isTrue(place?.aside())
    assert.lengthOf(fill(places, asking("one"), 10), 2, "a place was given back twice")
    assert.strictEqual(places.count(), 2)
  })

  it("a large request waits in the place that it has", () => {
    const places = make(10)
    const [little, large] = [waitingBytesMax, waitingBytesMax + 1].map((bytes) =>
      places.enter(asking("one", { bytes }))
    )
    assert.isFalse(large?.aside())
    assert.isTrue(little?.aside())
  })

  it("a request to read a secret is never too large to wait", () => {
    const places = make(10)
    const get = operations.find(({ name }) => name === "credential.get")
    assert.isTrue(places.enter(asking("one", { bytes: get!.bytesMax! }))?.aside())
  })

  it("are idle when nobody is worked on, validates or waits", async () => {
    const places = make(10)
    const [ordinary, waits, validates] = [asking("a"), asking("a"), validating("a")].map(places.enter)
    waits!.aside()
    let isIdle = false
    const idle = Effect.runPromise(places.idle).then(() => {
      isIdle = true
    })
    for (const place of [ordinary, validates, waits]) {
      for (let turns = 0; turns < 10; turns++) await new Promise((done) => setImmediate(done))
      assert.isFalse(isIdle)
      place!.leave()
    }
    await idle
    assert.strictEqual(places.count(), 0)
  })

  it("validations are known by their names", () => {
    assert.deepStrictEqual(operations.flatMap(({ name, validates }) => (validates ? [name] : [])).toSorted(), [
      "token.validate",
      "token.validate-batch"
    ])
  })
})

describe("a tenant that has all its requests in flight", () => {
  const busy = async () => {
    const world = await protocolWorld({ limits: { requestsInFlight: 1 }, config: { requestsInFlightMax: 4_096 } })
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const held = Effect.promise(() => gate)
    return { world, held, release: () => release() }
  }

  it("validates as ever, many at once", async () => {
    const { held, release, world } = await busy()
    Object.assign(world.tenants.script, {
      getToken: () => Effect.as(held, someToken()),
      validate: () => Effect.as(Effect.yieldNow, [verdict(200)]),
      validatePlain: () => Effect.map(Effect.yieldNow, () => toldVerdicts(verdict(200)))
    })
    const ordinary = world.tenant("token.get", { tokenId: "a" })
    const item = { appName: "app", token: "value" }
    const answers = await Promise.all([
      ...Array.from({ length: 40 }, () => world.tenant("token.validate", item)),
      ...Array.from({ length: 20 }, () => world.tenant("token.validate-batch", { items: [item] }))
    ])
    assert.deepStrictEqual(Array.from(new Set(answers.map(({ status }) => status))), [200])
    assert.strictEqual((await world.tenant("token.get", { tokenId: "b" })).status, 429)
    release()
    assert.strictEqual((await ordinary).status, 200)
    await world.close()
  })

  it("has its place again while one waits for a provider, and takes rights away from a place that is kept", async () => {
    const { held, release, world } = await busy()
    let count = 0
    const waits = whileWaiting(
      Effect.suspend(() => {
        count++
        return Effect.as(held, someToken())
      })
    )
    Object.assign(world.tenants.script, { getToken: () => waits })
    const waiting: Array<ReturnType<typeof world.tenant>> = []
    while (waiting.length < waitingPerTenant) {
      waiting.push(world.tenant("token.get", { tokenId: `w${waiting.length}` }))
      while (count < waiting.length) await new Promise((done) => setImmediate(done))
    }
    const beyond = await world.tenant("token.get", { tokenId: "b" })
    assert.deepStrictEqual([beyond.status, beyond.body.error.details.limit], [429, "requestsInFlight"])
    Object.assign(world.tenants.script, {
      getToken: () => Effect.succeed(someToken()),
      rotateToken: () => whileWaiting(Effect.succeed({ record: someToken(), token: "0123456789" }))
    })
    assert.strictEqual((await world.tenant("token.get", { tokenId: "c" })).status, 200)
    assert.strictEqual((await world.tenant("token.rotate", { tokenId: "c" })).status, 201)
    release()
    for (const one of waiting) assert.strictEqual((await one).status, 200)
    await world.close()
  })
})
