// Verifies R-INP-4.
/** How much a provider's definition may hold, and between what its numbers lie: the most that is taken, and one more. */
import { Exit, Schema } from "effect"
import { assert, it } from "vitest"
import { PutProvider } from "../../../src/schema/ProviderJson.ts"

const decode = Schema.decodeUnknownExit(PutProvider, { onExcessProperty: "error" })
const isTaken = (fields: Readonly<Record<string, unknown>>) =>
  Exit.isSuccess(decode({ name: "acme", token_url: "https://acme.example/token", ...fields }))

const list = <A>(length: number, item: A) => Array.from({ length }, () => item)
const record = <A>(size: number, item: A) =>
  Object.fromEntries(Array.from({ length: size }, (_, number) => [`n${number}`, item]))
const health = { url: "https://acme.example/me", method: "GET", every: "PT1S", ok: [200] }

const bounds: ReadonlyArray<readonly [field: string, taken: ReadonlyArray<unknown>, refused: ReadonlyArray<unknown>]> =
  [
    ["token_params", [{}, record(32, "v")], [record(33, "v")]],
    ["params", [{}, record(16, { pattern: "[a-z]" })], [record(17, { pattern: "[a-z]" })]],
    ["refresh_at", [null, 0.05, 0.95], [0.049, 0.951]],
    ["rate_per_minute", [1, 100_000], [0, 100_001, 1.5]],
    ["parallel", [1, 1_000], [0, 1_001, 1.5]],
    ["errors", [[], list(64, { is: "permanent" })], [list(65, { is: "permanent" })]],
    ["client_secrets", [[], list(8, "s")], [list(9, "s")]],
    ["client_key", [{}, record(32, 1)], [record(33, 1)]],
    ["health", [null, health, { ...health, ok: list(32, 200) }], [{ ...health, ok: list(33, 200) }]],
    ["default_lifetime", [null, "PT1S"], ["PT0S"]],
    ["grace", ["PT0S", "P90D"], [null, "1 day"]],
    ["access_token_path", ["/a", "/a".repeat(8), `/${"a".repeat(128)}`], ["a", "/a".repeat(9), `/${"a".repeat(129)}`]]
  ]

it.each(bounds)("a provider's %s is bounded", (field, taken, refused) => {
  for (const value of taken) assert.isTrue(isTaken({ [field]: value }), JSON.stringify(value).slice(0, 60))
  for (const value of refused) assert.isFalse(isTaken({ [field]: value }), JSON.stringify(value).slice(0, 60))
})
