// Verifies R-TOK-2, R-BUS-35.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scheduler } from "effect"
import type { ValidationAnswer } from "../../../../src/actors/tenant/Tenants.ts"
import { validateAll, writeAll } from "../../../../src/actors/tokens/validateAll.ts"
import type { Validator } from "../../../../src/actors/validation/Validator.ts"
import { encodeTail } from "../../../../src/schema/EcapReply.ts"
import { type PlainItems, readPlainItems } from "../../../../src/schema/PlainItems.ts"
import { seededRandom } from "../../../support/seededRandom.ts"

const answerOf = (token: string): ValidationAnswer => ({
  statusCode: 200,
  reasonPhrase: null,
  tokenId: `id of ${token}`,
  endpointId: null,
  status: "Active"
})
const itemsOf = (count: number) => Array.from({ length: count }, (_, n) => ({ appName: "app", token: `t${n}` }))

/** A validator that is asked by texts only. */
const asked = (validateUnsafe: Validator["Service"]["validateUnsafe"]): Validator["Service"] => ({
  answerUnsafe: () => assert.fail("asked in bytes"),
  validateUnsafe,
  writeUnsafe: () => assert.fail("asked where an item lies"),
  tenantOfUnsafe: () => assert.fail("asked whose it is"),
  drained: () => Promise.resolve(),
  inFlight: () => 0
})
const atOnce = asked((_tenantId, _appName, token, _dryRun, done) => done(answerOf(token)))

describe("validations of one request", () => {
  for (const count of [0, 1, 127, 128, 129, 1_000]) {
    it.live(`${count} of them are answered in their order`, () =>
      Effect.gen(function* () {
        const answers = yield* validateAll(atOnce, "acme", itemsOf(count), false)
        assert.deepStrictEqual(
          answers,
          itemsOf(count).map(({ token }) => answerOf(token))
        )
      })
    )
  }

  for (const count of [1, 2]) {
    for (const isDry of [true, false]) {
      it.live(`${count} of them, dry ${isDry}, are asked so`, () =>
        Effect.gen(function* () {
          const dry: Array<boolean> = []
          const noting = asked((_tenantId, _appName, token, dryRun, done) => {
            dry.push(dryRun)
            done(answerOf(token))
          })
          yield* validateAll(noting, "acme", itemsOf(count), isDry)
          assert.deepStrictEqual(dry, new Array(count).fill(isDry))
        })
      )
    }
  }

  it.live("are in the order of the items, however late and in whatever order each is answered", () =>
    Effect.gen(function* () {
      const waiting: Array<() => void> = []
      const late = asked((_tenantId, _appName, token, _dryRun, done) => {
        waiting.push(() => done(answerOf(token)))
        if (waiting.length === 300) for (const answer of waiting.toReversed()) answer()
      })
      const answers = yield* validateAll(late, "acme", itemsOf(300), false)
      assert.deepStrictEqual(
        answers.map(({ tokenId }) => tokenId),
        itemsOf(300).map(({ token }) => `id of ${token}`)
      )
    })
  )

  it.live("are had, whichever two steps of the request the last answer comes between", () =>
    Effect.gen(function* () {
      const turn = Effect.promise(() => new Promise((next) => setImmediate(next)))
      const answerIn = (left: number, answer: () => void): unknown =>
        left === 0 ? answer() : setImmediate(answerIn, left - 1, answer)
      for (let steps = 3; steps < 12; steps++) {
        for (let turns = 0; turns < 12; turns++) {
          const late = asked((_tenantId, _appName, token, _dryRun, done) => {
            answerIn(turns, () => done(answerOf(token)))
          })
          const asking = validateAll(late, "acme", itemsOf(2), false)
          const fiber = yield* Effect.forkChild(Effect.provideService(asking, Scheduler.MaxOpsBeforeYield, steps))
          for (let left = 30; left > 0; left--) yield* turn
          assert.isDefined(fiber.pollUnsafe(), `left after ${steps} steps, answered after ${turns} turns`)
        }
      }
    })
  )

  it.live("other requests have their turns between the pieces of a large one", () =>
    Effect.gen(function* () {
      let given = 0
      const counting = asked((_tenantId, _appName, token, _dryRun, done) => {
        given++
        done(answerOf(token))
      })
      const seen: Array<number> = []
      const look = () => {
        seen.push(given)
        if (given < 1_000) setImmediate(look)
      }
      setImmediate(look)
      yield* validateAll(counting, "acme", itemsOf(1_000), true)
      const steps = seen.map((now, at) => now - (seen[at - 1] ?? 0))
      assert.isAtMost(Math.max(...steps), 256)
    })
  )

  it.live("what throws in a later piece is this request's defect, and nobody's else", () =>
    Effect.gen(function* () {
      const failing = asked((_tenantId, _appName, token, _dryRun, done) => {
        if (token === "t200") throw new Error("a bug")
        done(answerOf(token))
      })
      const exit = yield* Effect.exit(validateAll(failing, "acme", itemsOf(300), false))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.live("nothing more is asked for a request that was given up", () =>
    Effect.gen(function* () {
      let given = 0
      const silent = asked(() => void given++)
      const fiber = yield* Effect.forkChild(validateAll(silent, "acme", itemsOf(1_000), false), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      const before = given
      yield* Effect.promise(() => new Promise((turn) => setImmediate(() => setImmediate(turn))))
      assert.strictEqual(given, before)
      assert.isBelow(given, 1_000)
    })
  )
})

/** The same items, read where they lie. */
const plainOf = (count: number): PlainItems =>
  readPlainItems(Buffer.from(JSON.stringify({ items: itemsOf(count) }))) ?? assert.fail("not plain")
const activeOf = (token: string) => {
  const [tokenId, endpointId] = [token.padEnd(36, "."), `of-${token}`]
  const tail = encodeTail({ tokenId, endpointId, statusCode: 200, reasonPhrase: null })
  return { answer: { ...answerOf(token), tokenId, endpointId }, tail }
}
/** Of those that are hot the verdict is written; the others are told, when `validateUnsafe` likes. */
const written = (isHot: (token: string) => boolean, validateUnsafe: Validator["Service"]["validateUnsafe"]) => ({
  ...asked(validateUnsafe),
  writeUnsafe: ((tenantId, items, item, verdicts) => {
    assert.strictEqual(tenantId, "acme")
    return isHot(items.token(item)) && verdicts.putActive(activeOf(items.token(item)).tail, 0)
  }) satisfies Validator["Service"]["writeUnsafe"]
})
const joined = ({ others, written: verdicts }: Effect.Success<ReturnType<typeof writeAll>>) =>
  JSON.parse(Buffer.from(verdicts.join(others.map((other) => JSON.stringify(other)))).toString()).results

describe("validations of one request that were read where they lie", () => {
  const { random, seed } = seededRandom("validations of one request")

  it.live("are in the order of the items, whichever are hot, and in whatever order the others are answered", () =>
    Effect.gen(function* () {
      for (const [count, share] of [
        [1, 0],
        [1, 1],
        [300, 0],
        [300, 0.5],
        [1_000, 0.9],
        [1_000, 1]
      ] as const) {
        const hot = new Set(itemsOf(count).flatMap(({ token }) => (random() < share ? [token] : [])))
        const waiting: Array<() => void> = []
        const late = written(
          (token) => hot.has(token),
          (_tenantId, appName, token, dryRun, done) => {
            assert.deepStrictEqual([appName, dryRun], ["app", false])
            const answer = () => done(answerOf(token))
            if (random() < 0.3) answer()
            else waiting.push(answer)
          }
        )
        let isOver = false
        const tell = () => {
          for (const answer of waiting.splice(0).toReversed()) answer()
          if (!isOver) setImmediate(tell)
        }
        setImmediate(tell)
        const results = joined(yield* writeAll(late, "acme", plainOf(count)))
        isOver = true
        const expected = itemsOf(count).map(({ token }) => (hot.has(token) ? activeOf(token).answer : answerOf(token)))
        assert.deepStrictEqual(results, expected, `SEED=${seed}`)
      }
    })
  )
})
