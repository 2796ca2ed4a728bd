// Verifies R-ACT-2, R-ACT-3, R-ACT-5, R-LIM-3.
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { operations } from "../../../src/protocols/OperationTable.ts"
import {
  alwaysPlaces,
  type Entering,
  keptPerAsker,
  keptPerTenant,
  keptPlaces,
  make
} from "../../../src/protocols/Shares.ts"
import { protocolWorld } from "../../support/protocolWorld.ts"

const entering = (tenant: string, changes: Partial<Entering> = {}): Entering => ({
  tenant,
  tenantMax: 10,
  asker: null,
  takesAway: false,
  always: false,
  ...changes
})
const fill = (shares: ReturnType<typeof make>, one: Entering, times: number) =>
  Array.from({ length: times }, () => shares.enter(one)).filter((place) => place !== null)

describe("shares of what is worked on at once", () => {
  it("a tenant has its own, and no other's; a place that is given back is free", () => {
    const shares = make(100)
    const places = fill(shares, entering("one"), 50)
    assert.lengthOf(places, 10)
    assert.lengthOf(fill(shares, entering("two"), 50), 10)
    places[0]!()
    assert.isNotNull(shares.enter(entering("one")))
    assert.isNull(shares.enter(entering("one")))
  })

  it("whoever is known by name has a quarter of all, over however many tenants", () => {
    const shares = make(400)
    let taken = 0
    for (let n = 0; n < 50; n++) taken += fill(shares, entering(`t${n}`, { asker: "mail" }), 10).length
    assert.strictEqual(taken, 100)
    assert.isNotNull(shares.enter(entering("other", { asker: "chat" })))
    assert.isNotNull(shares.enter(entering("t49")))
  })

  it("places are kept for what takes a right away, beyond every share, for each tenant", () => {
    const shares = make(20)
    for (let n = 0; n < 10; n++) fill(shares, entering(`t${n}`), 10)
    assert.isNull(shares.enter(entering("third")))
    assert.lengthOf(fill(shares, entering("t0", { takesAway: true }), 100), keptPerTenant)
    assert.isNotNull(shares.enter(entering("third", { takesAway: true })))
  })

  it("one that asks cannot take them all with tenants that it made up", () => {
    const shares = make(1)
    fill(shares, entering("t"), 1)
    let kept = 0
    for (let n = 0; n < 100; n++)
      kept += fill(shares, entering(`made-up-${n}`, { takesAway: true, asker: "a" }), 100).length
    assert.strictEqual(kept, keptPerAsker)
    assert.isNotNull(shares.enter(entering("real", { takesAway: true, asker: "b" })))
  })

  it("say whether a tenant has all of its own, whatever others have", () => {
    const shares = make(15)
    fill(shares, entering("loud"), 10)
    fill(shares, entering("quiet"), 5)
    assert.isNull(shares.enter(entering("quiet")), "there is no place for anybody")
    assert.deepStrictEqual([shares.isFull(entering("loud")), shares.isFull(entering("quiet"))], [true, false])
    const takesAway = entering("loud", { takesAway: true })
    assert.isFalse(shares.isFull(takesAway))
    fill(shares, takesAway, keptPerTenant)
    assert.isTrue(shares.isFull(takesAway))
    // A replica with fewer places than a tenant may have.
    const small = make(6)
    fill(small, entering("loud"), 3)
    assert.isFalse(small.isFull(entering("loud")), "there are places")
    fill(small, entering("quiet"), 2)
    fill(small, entering("loud"), 5)
    assert.deepStrictEqual([small.isFull(entering("loud")), small.isFull(entering("quiet"))], [true, false])
  })

  it("and they are bounded, too; what is always answered has more", () => {
    const shares = make(1)
    fill(shares, entering("t"), 1)
    let kept = 0
    for (let n = 0; n < 100; n++) kept += fill(shares, entering(`t${n}`, { takesAway: true }), 100).length
    assert.strictEqual(kept, keptPlaces)
    assert.lengthOf(fill(shares, entering("", { always: true }), 1_000), alwaysPlaces)
    assert.strictEqual(shares.count(), 1 + keptPlaces + alwaysPlaces)
  })

  it("whoever is known by name has the places again that were given back, kept ones too", () => {
    const shares = make(100)
    const mail = entering("a", { asker: "mail", tenantMax: 1_000 })
    const places = fill(shares, mail, 1_000)
    assert.isBelow(places.length, 100)
    places[0]!()
    assert.lengthOf(fill(shares, mail, 2), 1)
    const full = make(1)
    fill(full, entering("t"), 1)
    const takesAway = (n: number) => entering(`t${n}`, { takesAway: true, asker: "mail" })
    const kept = Array.from({ length: keptPerAsker }, (_, n) => full.enter(takesAway(n)))
    assert.isNull(full.enter(takesAway(0)))
    kept[0]!()
    assert.isNotNull(full.enter(takesAway(1)))
    assert.isNull(full.enter(takesAway(2)))
  })

  it("a tenant has its kept places again that were given back", () => {
    const shares = make(1)
    fill(shares, entering("t"), 1)
    const takesAway = entering("t", { takesAway: true })
    const kept = fill(shares, takesAway, 100)
    assert.lengthOf(kept, keptPerTenant)
    for (const leave of kept) leave()
    assert.lengthOf(fill(shares, takesAway, 100), keptPerTenant)
  })

  it("are not idle while a kept place is taken, though all others were given back", async () => {
    const shares = make(1)
    const [ordinary, kept] = [shares.enter(entering("a")), shares.enter(entering("a", { takesAway: true }))]
    let isIdle = false
    const idle = Effect.runPromise(shares.idle).then(() => {
      isIdle = true
    })
    ordinary!()
    await new Promise((done) => setImmediate(done))
    assert.isFalse(isIdle)
    kept!()
    await idle
  })

  it("are not idle while one of any kind is taken, however many of another are", async () => {
    const shares = make(5)
    const kinds = [entering("a"), entering("b", { takesAway: true }), entering("", { always: true })]
    for (const left of kinds) {
      for (const other of kinds) {
        const [stays, leaves] = [shares.enter(left), [shares.enter(other), shares.enter(other)]]
        let isIdle = false
        const idle = Effect.runPromise(shares.idle).then(() => {
          isIdle = true
        })
        for (const leave of leaves) leave!()
        await new Promise((done) => setImmediate(done))
        assert.isFalse(isIdle)
        stays!()
        await idle
      }
    }
  })

  it("are idle when every place was given back", async () => {
    const shares = make(5)
    const places = [entering("a"), entering("a", { takesAway: true }), entering("", { always: true })].map(shares.enter)
    let isIdle = false
    const idle = Effect.runPromise(shares.idle).then(() => {
      isIdle = true
    })
    for (const leave of places) {
      assert.isFalse(isIdle)
      leave!()
    }
    await idle
    assert.strictEqual(shares.count(), 0)
  })

  it("what takes a right away is known by its verb", () => {
    const named = operations.filter(({ takesAway }) => takesAway).map(({ name }) => name)
    for (const name of ["token.revoke", "token.suspend", "token.delete", "application.remove", "tenants.remove"]) {
      assert.include(named, name)
    }
    for (const name of ["credential.revoke", "credential.delete", "service.disable", "token.transition-batch"]) {
      assert.include(named, name)
    }
    for (const name of ["token.provision", "credential.get", "token.list", "credential.store"]) {
      assert.notInclude(named, name)
    }
  })
})

describe("a batch", () => {
  it("of more items than the tenant may have is 400, and nothing is done", async () => {
    const world = await protocolWorld({ limits: { batchItems: 2 } })
    const items = [1, 2, 3].map((n) => ({ endpointId: `e${n}`, appName: "app", token: "value" }))
    const asked: ReadonlyArray<readonly [string, string, object]> = [
      ["token.provision-batch", "items", { appName: "app", items: items.map(({ endpointId }) => ({ endpointId })) }],
      ["token.transition-batch", "tokenIds", { tokenIds: ["a", "b", "c"], targetStatus: "Revoked" }],
      ["token.validate-batch", "items", { items: items.map(({ appName, token }) => ({ appName, token })) }]
    ]
    for (const [operation, path, body] of asked) {
      const { body: answer, status } = await world.ask(`cm.v1.demo.${operation}`, body)
      assert.deepStrictEqual([status, answer.error.details], [400, { path, reason: "must have at most 2 items" }])
    }
    assert.isEmpty(world.tenants.calls)
    await world.close()
  })
})
