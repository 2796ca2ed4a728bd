// Verifies R-SEC-2.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { makeLogger, makePino } from "../../../src/observability/Log.ts"

const logged = (effect: Effect.Effect<unknown>) => {
  const lines: Array<Record<string, unknown>> = []
  const pino = makePino(
    { write: (line: string) => void lines.push(JSON.parse(line)) },
    { instance: "cm", replica: "one" }
  )
  return effect.pipe(
    Effect.provide(Logger.layer([makeLogger(pino)])),
    Effect.provideService(References.MinimumLogLevel, "Info"),
    Effect.as(lines)
  )
}

describe("the log", () => {
  it.effect("is one JSON object a line, with level, time, replica, message and annotations", () =>
    Effect.gen(function* () {
      const [line, ...more] = yield* logged(
        Effect.logWarning("it rains", { where: "here" }).pipe(Effect.annotateLogs({ correlationId: "c-1" }))
      )
      assert.isEmpty(more)
      assert.deepInclude(line, { level: "warn", msg: "it rains", instance: "cm", replica: "one", correlationId: "c-1" })
      assert.deepStrictEqual(line?.data, [{ where: "here" }])
      assert.match(String(line?.time), /^\d{4}-\d{2}-\d{2}T.*Z$/)
    })
  )

  it.effect("leaves out what is less important than its level", () =>
    Effect.gen(function* () {
      assert.isEmpty(yield* logged(Effect.logDebug("detail")))
    })
  )

  it.effect("tells the cause of a failure", () =>
    Effect.gen(function* () {
      const [line] = yield* logged(
        Effect.die(new Error("broken")).pipe(Effect.catchCause((cause) => Effect.logError("a bug", cause)))
      )
      assert.deepInclude(line?.err as object, { message: "broken" })
    })
  )

  it.effect("hides values under the names of secrets, should one ever be handed to it", () =>
    Effect.gen(function* () {
      const planted = "planted-value"
      const lines = yield* logged(
        Effect.logInfo("oops", { token: planted, credentials: { a: planted } }).pipe(
          Effect.annotateLogs({ password: planted, outer: { secret: planted } })
        )
      )
      assert.strictEqual(lines.length, 1)
      assert.notInclude(JSON.stringify(lines), planted)
    })
  )

  it.effect("hides them under each of these names, at each place where fields stand", () =>
    Effect.gen(function* () {
      const names = ["token", "tokens", "password", "secret", "authorization", "credentials"]
      for (const name of [...names, "api_key", "access_token", "refresh_token", "client_secret"]) {
        const planted = "planted-value"
        const lines = yield* logged(
          Effect.logInfo("oops", { [name]: planted }).pipe(
            Effect.annotateLogs({ [name]: planted, outer: { [name]: planted } })
          )
        )
        assert.lengthOf(lines, 1)
        assert.notInclude(JSON.stringify(lines), planted, name)
      }
    })
  )
})
