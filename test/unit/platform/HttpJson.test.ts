// Verifies R-PLT-5, R-PLT-6.
/** What one request to another system does not do: go elsewhere, or be asked again when it was refused. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { once, retried, triesMax } from "../../../src/platform/HttpJson.ts"
import { PlatformError } from "../../../src/platform/PlatformError.ts"

describe("a request to another system", () => {
  it.live.each([301, 302, 303, 307, 308])("follows no redirect %i: the token goes nowhere else", (status) =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const server = createServer((request, response) => {
        asked.push(`${request.url} ${request.headers.authorization}`)
        if (request.url !== "/first") return void response.end("{}")
        response.writeHead(status, { location: "/second" }).end()
      })
      yield* Effect.promise(() => new Promise<void>((done) => void server.listen(0, "127.0.0.1", done)))
      const { port } = server.address() as AddressInfo
      const limits = { timeout: Duration.seconds(20), bytesMax: 1_000 }
      const answer = yield* once(
        "tekton",
        "a list",
        `http://127.0.0.1:${port}/first`,
        { headers: { authorization: "x" } },
        limits
      )
      assert.strictEqual(answer.status, status)
      assert.deepStrictEqual(asked, ["/first x"])
      yield* Effect.promise(() => new Promise((done) => void server.close(done)))
    })
  )

  it.effect("is tried a few times when it may pass by itself, and once when it was refused", () =>
    Effect.gen(function* () {
      for (const [isRetryable, expected] of [
        [true, triesMax],
        [false, 1]
      ] as const) {
        let tries = 0
        const failing = Effect.suspend(() => {
          tries++
          return Effect.fail(new PlatformError({ system: "tekton", reason: "Refused", detail: "a list", isRetryable }))
        })
        const asked = yield* Effect.forkChild(Effect.exit(retried(failing)), { startImmediately: true })
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Exit.isSuccess(asked.pollUnsafe() ?? Exit.die("not done")))
        assert.strictEqual(tries, expected)
      }
    })
  )
})
