// Verifies R-RUN-14.
/** What happens a thousand times a second is a line a second, and none is lost from the count. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import * as Seldom from "../../../src/observability/Seldom.ts"

const withLines = <A>(test: (lines: Array<string>) => Effect.Effect<A>) => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ fiber, message }) => {
    const { unsaid = 0 } = fiber.getRef(References.CurrentLogAnnotations) as { readonly unsaid?: number }
    lines.push(`${message} (${unsaid})`)
  })
  return test(lines).pipe(Effect.provide(Logger.layer([logger])))
}
const ways = {
  "within an effect": ({ tell }: Seldom.Seldom, text: string) => tell(Effect.logError(text)),
  "from a callback": ({ tellUnsafe }: Seldom.Seldom, text: string) =>
    Effect.sync(() => tellUnsafe(Effect.logError(text)))
}

for (const [name, tell] of Object.entries(ways)) {
  describe(`what is told ${name}`, () => {
    it.effect("is told at once, then once a second, with how many were left out", () =>
      withLines((lines) =>
        Effect.gen(function* () {
          const seldom = yield* Seldom.make
          yield* tell(seldom, "first")
          assert.deepStrictEqual(lines, ["first (0)"])
          yield* TestClock.adjust(Seldom.everyMs - 1)
          for (let at = 0; at < 1_000; at++) yield* tell(seldom, "left out")
          assert.strictEqual(lines.length, 1)
          yield* TestClock.adjust(1)
          yield* tell(seldom, "second")
          assert.deepStrictEqual(lines, ["first (0)", "second (1000)"])
        })
      )
    )

    it.effect("does not tell a second time of what was left out", () =>
      withLines((lines) =>
        Effect.gen(function* () {
          const seldom = yield* Seldom.make
          for (const text of ["first", "left out", "left out"]) yield* tell(seldom, text)
          yield* TestClock.adjust(Seldom.everyMs)
          yield* tell(seldom, "second")
          yield* TestClock.adjust(Seldom.everyMs)
          yield* tell(seldom, "third")
          assert.deepStrictEqual(lines, ["first (0)", "second (2)", "third (0)"])
        })
      )
    )

    it.effect("takes nothing of another place's second", () =>
      withLines((lines) =>
        Effect.gen(function* () {
          for (const text of ["one", "another"]) yield* tell(yield* Seldom.make, text)
          assert.deepStrictEqual(lines, ["one (0)", "another (0)"])
        })
      )
    )
  })
}
