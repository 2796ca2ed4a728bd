import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { concurrencyMax, Password, passwordBytesMax, waitingMax } from "../../../src/crypto/Password.ts"
import { eventually } from "../../support/eventually.ts"

const withPassword = <A, E>(use: (password: Password["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(Password, use).pipe(Effect.provide(Password.layer))
const of = (text: string) => Redacted.make(text)

describe("Password", () => {
  it.live("verifies the right password and no other, whatever its characters", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        for (const text of ["", "pässwörd–🔑", "x".repeat(passwordBytesMax)]) {
          const stored = yield* password.hash(of(text))
          assert.isTrue(yield* password.verify(of(text), stored))
          assert.isFalse(yield* password.verify(of(`${text.slice(1)}y`), stored))
        }
      })
    )
  )

  it.effect("measures what a hash takes behind the start, of which it would take a core", () => {
    const said: Array<string> = []
    const collect = Logger.make(({ message }) => {
      if (String(message).startsWith("password hashes are measured")) said.push("measured")
    })
    return Effect.gen(function* () {
      const password = yield* Password
      // Whatever was begun before has ended by then.
      for (let count = 0; count < 3; count++) yield* password.hash(of("x"))
      assert.deepStrictEqual(said, [])
      yield* TestClock.adjust("1 second")
      yield* Effect.promise(() =>
        eventually(
          () => said.length,
          (count) => count === 1,
          { what: "the measurement" }
        )
      )
    }).pipe(Effect.provide(Password.layer.pipe(Layer.provideMerge(Logger.layer([collect])))))
  })

  it.live("stores no part of it, and equal passwords differently", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        const [one, two] = [yield* password.hash(of("planted-secret")), yield* password.hash(of("planted-secret"))]
        assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
        assert.notStrictEqual(one, two)
        assert.notInclude(one, Buffer.from("planted-secret").toString("base64").slice(0, 12))
      })
    )
  )

  it.live("still verifies what was written with another cost", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        const stored =
          "$argon2id$v=19$m=8192,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$1vwvXOMlVVXadxxE/xbWS0NTuA0s4OGO+AOTxiGbqKU"
        assert.isTrue(yield* password.verify(of("an old password"), stored))
        assert.isFalse(yield* password.verify(of("an old passwore"), stored))
      })
    )
  )

  it.live("does no work beyond what a hash of ours may cost, whoever wrote it", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        for (const cost of ["m=262145,t=1,p=1", "m=8192,t=17,p=1", "m=8192,t=1,p=5"]) {
          const stored = `$argon2id$v=19$${cost}$MDEyMzQ1Njc4OWFiY2RlZg$1vwvXOMlVVXadxxE/xbWS0NTuA0s4OGO+AOTxiGbqKU`
          const exit = yield* Effect.exit(password.verify(of("any"), stored))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), cost)
        }
      })
    )
  )

  it.live("for nobody it does the same work and answers false", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        const stored = yield* password.hash(of("secret"))
        const timeOf = (hash: string | null) =>
          Effect.gen(function* () {
            const before = performance.now()
            assert.isFalse(yield* password.verify(of("wrong"), hash))
            return performance.now() - before
          })
        // In turns, and the quickest of each: whatever else the machine does makes both slower, and neither quicker.
        let [known, unknown] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
        for (let turn = 0; turn < 5 || (unknown <= known / 4 && turn < 100); turn++) {
          known = Math.min(known, yield* timeOf(stored))
          unknown = Math.min(unknown, yield* timeOf(null))
        }
        assert.isAbove(unknown, known / 4, `${known} ms and ${unknown} ms`)
      })
    )
  )

  it.live("refuses at once past its limit, and serves all it accepted", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        const asked = waitingMax + concurrencyMax + 10
        const stored = yield* password.hash(of("x"))
        const results = yield* Effect.forEach(
          Array.from({ length: asked }),
          () => Effect.result(password.verify(of("x"), stored)),
          { concurrency: asked }
        )
        assert.strictEqual(results.filter((result) => result._tag === "Failure").length, 10)
        assert.isTrue(yield* password.verify(of("x"), stored))
      })
    )
  )

  it.live("verifies at once though as many hashes are being made as may wait", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        const stored = yield* password.hash(of("x"))
        const makers = yield* Effect.forEach(Array.from({ length: waitingMax + concurrencyMax + 1 }), () =>
          Effect.forkChild(Effect.result(password.hash(of("y"))), { startImmediately: true })
        )
        assert.strictEqual((yield* Fiber.join(makers.at(-1)!))._tag, "Failure")
        assert.isTrue(yield* password.verify(of("x"), stored))
        assert.isAbove(makers.filter((maker) => maker.pollUnsafe() === undefined).length, waitingMax / 2)
        yield* Effect.forEach(makers, Fiber.interrupt, { discard: true })
        assert.isAbove(password.eachMs(), 0)
      })
    )
  )

  it.live("a stored text that it did not write is a defect, not a wrong password", () =>
    withPassword((password) =>
      Effect.gen(function* () {
        for (const stored of [
          "",
          "plain",
          "$argon2i$v=19$m=19456,t=2,p=1$aaaa$bbbb",
          "$argon2id$v=19$m=99999999,t=2,p=1$a$b"
        ]) {
          assert.isTrue(Exit.hasDies(yield* Effect.exit(password.verify(of("x"), stored))))
        }
      })
    )
  )
})
