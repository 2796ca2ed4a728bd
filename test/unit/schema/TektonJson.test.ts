// Verifies R-PLT-4.
/** What may be configured for an application and a tenant, and that one wrong value makes all of it void. */
import { assert, describe, it } from "vitest"
import { parseApplicationConfig, parseTenantConfig } from "../../../src/schema/TektonJson.ts"

const problemOf = (parsed: object): string | null => ("problem" in parsed ? String(parsed.problem) : null)

describe("an application's configuration", () => {
  const good: ReadonlyArray<readonly [Record<string, unknown>, object]> = [
    [{}, { length: null, alphabet: null, defaultLifetimeMs: null }],
    [{ "ep-token": null }, { length: null, alphabet: null, defaultLifetimeMs: null }],
    [{ "ep-token": { length: 8 } }, { length: 8, alphabet: null, defaultLifetimeMs: null }],
    [
      { "ep-token": { length: 256, alphabet: "0123456789", "default-lifetime": "P30D" }, versions: { v: { any: 1 } } },
      { length: 256, alphabet: "0123456789", defaultLifetimeMs: 30 * 86_400_000 }
    ]
  ]
  it.each(good)("%j is taken", (raw, settings) => {
    assert.deepStrictEqual(parseApplicationConfig(raw), { settings, unknownKeys: [] } as never)
  })

  const wrong = [
    { "ep-token": [] },
    { "ep-token": "x" },
    { "ep-token": { length: 7 } },
    { "ep-token": { length: 257 } },
    { "ep-token": { length: 10.5 } },
    { "ep-token": { length: "10" } },
    { "ep-token": { alphabet: "012345678" } },
    { "ep-token": { alphabet: "01234567899" } },
    { "ep-token": { alphabet: "012345678/" } },
    { "ep-token": { alphabet: "012345678\n" } },
    { "ep-token": { alphabet: "012345678\ud800" } },
    { "ep-token": { alphabet: `${"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}-_~` } },
    { "ep-token": { "default-lifetime": "30 days" } },
    { "ep-token": { "default-lifetime": "PT0S" } },
    { "ep-token": { length: 16, "default-lifetime": 5 } }
  ]
  it.each(wrong)("%j is void as a whole, and no value is repeated", (raw) => {
    const problem = problemOf(parseApplicationConfig(raw))
    assert.match(problem ?? "", /^ep-token/u)
  })
  it("keys that we do not know are named and ignored", () => {
    const parsed = parseApplicationConfig({ other: 1, "ep-token": { length: 8, colour: "red" } })
    assert.deepInclude(parsed, { unknownKeys: ["other", "ep-token.colour"] })
  })
  it("an inherited name is no key", () => {
    assert.deepInclude(parseApplicationConfig(JSON.parse('{"__proto__":{"ep-token":{"length":1}}}')), {
      unknownKeys: ["__proto__"]
    })
  })
})

describe("a tenant's configuration", () => {
  it("gives the limits that are named", () =>
    assert.deepStrictEqual(parseTenantConfig({ limits: { tokens: 5, batchItems: null }, other: {} }), {
      settings: { tokens: 5 },
      unknownKeys: ["other"]
    }))
  it.each([{ limits: 1 }, { limits: { tokens: 0 } }, { limits: { tokens: "5" } }, { limits: { batchItems: 1.5 } }])(
    "%j is void",
    (raw) => assert.match(problemOf(parseTenantConfig(raw)) ?? "", /^limits/u)
  )
})
