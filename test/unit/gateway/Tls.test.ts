// Verifies R-GWY-8.
import { resolve } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { pairOf } from "../../../src/gateway/Tls.ts"

it.effect(
  "a certificate without its key, a key without its certificate and what is neither are no start without TLS",
  () =>
    Effect.gen(function* () {
      assert.isNull(yield* pairOf("", ""))
      const file = resolve(import.meta.dirname, "Tls.test.ts")
      for (const [certificateFile, keyFile] of [
        [file, ""],
        ["", file],
        [file, file]
      ] as const) {
        const { problem } = yield* Effect.flip(pairOf(certificateFile, keyFile))
        assert.include(problem, "must name a certificate and its private key")
      }
    })
)
