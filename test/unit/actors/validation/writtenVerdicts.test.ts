// Verifies R-TOK-2, R-REV-4, R-REV-5, R-INP-2.
/** The verdict of a batch's item that is written from memory is the one that is told to who asks for it by its texts. */
import { assert, describe, it } from "vitest"
import { readPlainItems } from "../../../../src/schema/PlainItems.ts"
import { VerdictsWriter } from "../../../../src/schema/VerdictsJson.ts"
import { seededRandom } from "../../../support/seededRandom.ts"
import { times } from "../../../support/times.ts"
import { World } from "../../../support/validationWorld.ts"

const { random, seed } = seededRandom("written verdicts")
const below = (end: number) => Math.floor(random() * end)
const among = <A>(choices: ReadonlyArray<A>): A => choices[below(choices.length)]!

const itemsOf = (...items: ReadonlyArray<{ readonly appName: string; readonly token: string }>) =>
  readPlainItems(Buffer.from(JSON.stringify({ items }))) ?? assert.fail("not plain")

/** What is written for the tenant's item; undefined where nothing is. */
const written = (world: World, tenantId: string, appName: string, token: string): unknown => {
  const verdicts = new VerdictsWriter(2)
  const isWritten = world.path.writeUnsafe(
    tenantId,
    itemsOf({ appName: "other", token: "x" }, { appName, token }),
    1,
    verdicts
  )
  assert.strictEqual(verdicts.active, isWritten ? 1 : 0)
  return isWritten ? JSON.parse(Buffer.from(verdicts.join([])).toString()).results[0] : undefined
}

describe("the verdict of an item that lies in its request", () => {
  it("is the one that is told for its texts, and is written for each token that is hot and Active", async () => {
    const seen = { written: 0, told: 0 }
    for (let round = 0; round < times(60); round++) {
      const world = new World({ hotTokensMax: among([4, 1_000]) })
      const tokens = Array.from({ length: 12 }, (_, number) => {
        const tenantId = among(["acme", "beta"])
        return world.add(number, {
          tenantId,
          appName: `${tenantId}-${below(2)}`,
          status: among(["Active", "Active", "Active", "Inactive", "Suspended", "Revoked"] as const),
          ending: among(["expired", "rotated", "revoked"] as const),
          endsAt: random() < 0.3 ? world.now + below(4) : null
        })
      })
      let answered = 0
      const steps = [
        () => {
          answered = below(tokens.length)
          return world.answer(tokens[answered]!.appName, `value${answered}`)
        },
        () =>
          world.revoke(
            below(tokens.length),
            among([{ status: "Suspended" }, { status: "Active" }, { endsAt: world.now }])
          ),
        () => world.lapse(),
        ...Array.from({ length: 3 }, () => () => world.renew()),
        () => void world.now++
      ]
      for (let step = 0; step < 40; step++) {
        await (random() < 0.6 ? steps[0] : among(steps))!()
        // Requests of one turn are judged by one moment.
        await Promise.resolve()
        // Of all others few are hot: another look at the one that was answered last nearly always finds it.
        const number = random() < 0.5 ? answered : below(tokens.length)
        const [token, value] = [
          tokens[number]!,
          random() < 0.8 ? `value${number}` : among(["value", "a/b", "", "x".repeat(256)])
        ]
        const appName = random() < 0.8 ? token.appName : among(["nobody's", "App", ""])
        const tenantId = random() < 0.8 ? token.tenantId : among(["acme", "beta", "gamma"])
        const statements = world.statements
        const found = written(world, tenantId, appName, value)
        assert.strictEqual(world.statements, statements)
        const { answer } = world.validate(tenantId, appName, value, true)
        const isAtOnce = answer?.statusCode === 200 && answer.status === "Active"
        assert.deepStrictEqual(found, isAtOnce ? answer : undefined, `SEED=${seed} round ${round} step ${step}`)
        seen[found === undefined ? "told" : "written"]++
        await world.pass(0)
      }
      assert.deepStrictEqual(world.bugs, [])
    }
    assert.isAbove(Math.min(seen.written, seen.told), times(60) / 3)
  })

  it("is a use of the token where it is written, and none of another tenant's or of one that is Inactive", async () => {
    const world = new World()
    world.add(1)
    world.add(2, { status: "Inactive" })
    world.add(3, { endsAt: world.now + 10 })
    for (const number of [1, 2, 3]) await world.answer("app", `value${number}`)
    world.beliefs.hot.takeUses(() => {})
    const first = world.firstUsed.length
    await Promise.resolve()
    world.now += 10
    assert.isUndefined(written(world, "beta", "app", "value1"))
    assert.isUndefined(written(world, "acme", "app", "value2"))
    assert.isUndefined(written(world, "acme", "app", "value3"))
    assert.deepStrictEqual([world.beliefs.hot.usesNoted, world.path.hits], [0, 0])
    assert.isDefined(written(world, "acme", "app", "value1"))
    const uses: Array<readonly [string, number]> = []
    world.beliefs.hot.takeUses((tokenId, at) => uses.push([tokenId, at]))
    assert.deepStrictEqual(uses, [[world.add(1).tokenId, world.now]])
    assert.deepStrictEqual([world.path.hits, world.firstUsed.length], [1, first])
  })

  it("is left to who asks by its texts where an id could look otherwise in JSON", async () => {
    const world = new World()
    for (const [number, endpointId] of ['a"b', "a\\b", "ü", "\u2028", "x".repeat(129)].entries()) {
      world.add(number, { endpointId })
      await world.answer("app", `value${number}`)
      await Promise.resolve()
      const { hits } = world.path
      world.beliefs.hot.takeUses(() => {})
      assert.isUndefined(written(world, "acme", "app", `value${number}`), endpointId)
      // Where it is asked for by its texts it is a use, and nowhere else.
      assert.deepStrictEqual([world.beliefs.hot.usesNoted, world.path.hits], [0, hits], endpointId)
      assert.strictEqual(world.validate("acme", "app", `value${number}`).answer?.endpointId, endpointId)
    }
  })

  it("is not written when the lease has run out by either clock, though nobody has said so", async () => {
    const world = new World()
    world.add(1)
    await world.answer("app", "value1")
    const { generation } = world.lease
    for (const clock of ["trustedUntilMonotonicMs", "trustedUntilWallMs"] as const) {
      await Promise.resolve()
      assert.isDefined(written(world, "acme", "app", "value1"))
      await Promise.resolve()
      world.lease[clock] = 0
      assert.isUndefined(written(world, "acme", "app", "value1"), clock)
      world.lease[clock] = Number.POSITIVE_INFINITY
    }
    assert.strictEqual(world.lease.generation, generation)
  })

  it("is left to who asks by its texts where a bug is met, which is told", async () => {
    const world = new World()
    world.add(1)
    await world.answer("app", "value1")
    await Promise.resolve()
    const holds = world.lease.holds
    world.lease.holds = () => {
      throw new Error("a bug")
    }
    assert.isUndefined(written(world, "acme", "app", "value1"))
    assert.strictEqual(world.bugs.length, 1)
    world.lease.holds = holds
    assert.isDefined(written(world, "acme", "app", "value1"))
  })

  it("is answered once where it was written, though a bug is met when its use is noted", async () => {
    const world = new World()
    world.add(1)
    await world.answer("app", "value1")
    await Promise.resolve()
    world.beliefs.hot.use = () => {
      throw new Error("a bug")
    }
    assert.isDefined(written(world, "acme", "app", "value1"))
    assert.strictEqual(world.bugs.length, 1)
  })
})
