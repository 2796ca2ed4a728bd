// Verifies R-SEC-30.
import { assert, it } from "@effect/vitest"
import { storedTokenSettings } from "../../../src/domain/PlatformSettings.ts"

const good = { length: 256, alphabet: "0123456789", defaultLifetimeMs: 1 }

it("settings that are stored are taken within the bounds in which Tekton's are, and no others", () => {
  for (const settings of [good, { length: null, alphabet: null, defaultLifetimeMs: null }]) {
    assert.deepStrictEqual(storedTokenSettings(JSON.stringify(settings)), settings)
  }
  const others: ReadonlyArray<object> = [
    { length: 7 },
    { length: 200_000_000 },
    { length: 8.5 },
    { length: "16" },
    { alphabet: "0" },
    { alphabet: "0000000000" },
    { alphabet: ["0", "1"] },
    { defaultLifetimeMs: 0 },
    { defaultLifetimeMs: 1e300 },
    { length: undefined }
  ]
  for (const change of others) assert.isNull(storedTokenSettings(JSON.stringify({ ...good, ...change })))
  for (const text of ["{", "null", "7", '"x"', "[]"]) assert.isNull(storedTokenSettings(text), text)
})
