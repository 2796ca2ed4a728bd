// Verifies R-INP-5.
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { fieldsMax, parseSecret, secretBytesMax, valueBytesMax } from "../../../src/domain/CredentialShape.ts"

const planted = "planted-secret-value"

/** Three fields whose names and values have so many bytes together. */
const ofBytes = (bytes: number): Record<string, string> => ({
  a: "x".repeat(valueBytesMax),
  b: "x".repeat(valueBytesMax - 5),
  é: "x".repeat(bytes - 2 * valueBytesMax + 1)
})

const accepted: ReadonlyArray<readonly [string, Record<string, string>]> = [
  ["basic", { username: "u", password: "p" }],
  ["basic", { username: "key", password: "" }],
  ["basic", { username: "", password: "key" }],
  ["api_key", { api_key: "k" }],
  ["oauth", { access_token: "a" }],
  ["oauth", { access_token: "a", refresh_token: "r", token_type: "Bearer", client_id: "c", client_secret: "s" }],
  ["smtp", { host: "h", "x.y-z_1": "v" }],
  ["free", { a: "" }],
  ["smtp", { host: "h", options: "" }],
  ["toString", { anything: "v" }],
  ["free", ofBytes(secretBytesMax)],
  ["free", { "API Key": "v", Schlüssel: "v", ["😀".repeat(128)]: "v" }]
]

const refused: ReadonlyArray<readonly [string, unknown, string]> = [
  ["basic", undefined, "credentials"],
  ["basic", null, "credentials"],
  ["basic", [planted], "credentials"],
  ["basic", planted, "credentials"],
  ["basic", {}, "credentials"],
  ["basic", { username: planted }, "credentials.password"],
  ["basic", { password: planted }, "credentials.username"],
  ["basic", { username: "u", password: "p", other: planted }, "credentials"],
  ["basic", { username: "", password: "" }, "credentials"],
  ["oauth", { access_token: "" }, "credentials.access_token"],
  ["basic", { username: "u", password: 7 }, "credentials.password"],
  ["basic", { username: "u", password: { nested: planted } }, "credentials.password"],
  ["basic", { username: "u", password: "\ud800" }, "credentials.password"],
  ["api_key", { key: planted }, "credentials.api_key"],
  ["oauth", { refresh_token: planted }, "credentials.access_token"],
  ["oauth", { access_token: "a", expires_in: planted }, "credentials"],
  ["free", {}, "credentials"],
  ["free", { "a\u0000b": planted }, "credentials"],
  ["free", { "a\u0085b": planted }, "credentials"],
  ["free", { "\ud800": planted }, "credentials"],
  ["free", { "": planted }, "credentials"],
  ["free", { ["😀".repeat(129)]: planted }, "credentials"],
  ["free", { [planted.repeat(4)]: 7 }, "credentials"],
  ["free", { a: null }, "credentials.a"],
  ["free", { a: "x".repeat(valueBytesMax + 1) }, "credentials.a"],
  ["free", { a: "é".repeat(valueBytesMax / 2 + 1) }, "credentials.a"],
  ["free", ofBytes(secretBytesMax + 1), "credentials"],
  ["free", Object.fromEntries(Array.from({ length: fieldsMax + 1 }, (_, n) => [`f${n}`, "v"])), "credentials"]
]

describe("CredentialShape", () => {
  it.each(accepted)("%s takes what it must hold", (type, secret) => {
    assert.deepStrictEqual({ ...Result.getOrThrow(parseSecret(type, secret)) }, secret)
  })

  it.each(refused)("%s refuses %o at %s, and repeats no value", (type, value, path) => {
    const result = parseSecret(type, value)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.strictEqual(result.failure.path, path)
      assert.notInclude(JSON.stringify(result.failure), planted)
    }
  })

  it("does not take inherited fields for given ones", () => {
    assert.isTrue(Result.isFailure(parseSecret("basic", Object.create({ username: "u", password: "p" }))))
  })
})
