// Verifies R-TOK-2, R-BUS-35.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scheduler } from "effect"
import type { ValidationAnswer } from "../../../../src/actors/tenant/Tenants.ts"
import { validateAll } from "../../../../src/actors/tokens/validateAll.ts"
import type { Validator } from "../../../../src/actors/validation/Validator.ts"

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
          const asking = validateAll(late, "acme", itemsOf(1), false)
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
