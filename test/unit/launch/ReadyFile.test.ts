// Verifies R-RUN-5, R-RUN-18.
/** The file that says ready: there while the service is, and as young as the service is alive. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as ReadyFile from "../../../src/launch/ReadyFile.ts"
import { eventually } from "../../support/eventually.ts"
import { countingSleeps } from "../../support/sleepsAsked.ts"

const folder = mkdtempSync(join(tmpdir(), "cm-ready-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A touch takes a moment that the clock of the test does not know: only then is the next one waited for. */
const resting = (sleeps: () => number, times: number) =>
  Effect.promise(() =>
    eventually(sleeps, (seen) => seen === times, { limitMs: 20_000, what: `${times} times of rest` })
  )

it.effect("is touched every five seconds, keeps what it tells, and goes with its scope", () =>
  countingSleeps((sleeps) =>
    Effect.gen(function* () {
      const file = join(folder, "told")
      const scope = yield* Scope.make()
      yield* Scope.provide(ReadyFile.hold(file, "told"), scope)
      assert.strictEqual(readFileSync(file, "utf8"), "told")
      yield* resting(sleeps, 1)
      const written = statSync(file).mtimeMs
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(statSync(file).mtimeMs, written)
      yield* TestClock.adjust("1 millis")
      yield* resting(sleeps, 2)
      assert.strictEqual(statSync(file).mtimeMs, 5_000)
      yield* TestClock.adjust("5 seconds")
      yield* resting(sleeps, 3)
      assert.strictEqual(statSync(file).mtimeMs, 10_000)
      assert.strictEqual(readFileSync(file, "utf8"), "told")
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(existsSync(file))
    })
  )
)

it.effect("one that somebody took away is not made again, is told once, and ends nothing", () =>
  countingSleeps((sleeps) => {
    const file = join(folder, "taken")
    const said: Array<unknown> = []
    const log = Logger.make(({ message }) => void said.push(message))
    return Effect.gen(function* () {
      yield* ReadyFile.hold(file, "told")
      yield* resting(sleeps, 1)
      rmSync(file)
      for (const times of [2, 3]) {
        yield* TestClock.adjust("5 seconds")
        yield* resting(sleeps, times)
      }
      assert.isFalse(existsSync(file))
      assert.lengthOf(said, 1)
      assert.match(String(said[0]), /the ready file cannot be touched/u)
      writeFileSync(file, "again")
      yield* TestClock.adjust("5 seconds")
      yield* resting(sleeps, 4)
      assert.strictEqual(statSync(file).mtimeMs, 15_000)
      assert.lengthOf(said, 1)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([log])))
  })
)

it("what a predecessor left is removed, and where there is nothing nothing happens", () => {
  const file = join(folder, "left")
  writeFileSync(file, "left")
  ReadyFile.clear(file)
  ReadyFile.clear(file)
  assert.isFalse(existsSync(file))
})

it("the image's health check believes a file that is younger than a minute", () => {
  const dockerfile = readFileSync(join(import.meta.dirname, "../../../Dockerfile"), "utf8")
  const [program = "", option = "", script = ""] = JSON.parse(
    /^HEALTHCHECK[\s\S]*?\bCMD (\[.*\])$/mu.exec(dockerfile)?.[1] ?? "[]"
  ) as ReadonlyArray<string>
  const file = join(folder, "ready")
  assert.include(script, " /tmp/ready ")
  const isHealthy = (): boolean => {
    try {
      execFileSync(program, [option, script.replace("/tmp/ready", file)], { stdio: "ignore" })
      return true
    } catch {
      return false
    }
  }
  assert.isFalse(isHealthy())
  writeFileSync(file, "")
  assert.isTrue(isHealthy())
  const { mtimeMs } = statSync(file)
  const touched = (secondsAgo: number) => utimesSync(file, mtimeMs / 1_000 - secondsAgo, mtimeMs / 1_000 - secondsAgo)
  touched(10)
  assert.isTrue(isHealthy())
  touched(130)
  assert.isFalse(isHealthy())
})
