/** Names of client credentials: what they may be, and that no two have the same key. */
import { assert, describe, it } from "@effect/vitest"
import {
  type ClientName,
  isClientId,
  isIssuer,
  isPassword,
  isUsername,
  nameHash,
  nameKey,
  serialNumberPattern
} from "../../../src/domain/ClientCredential.ts"

const pair = "😀"
const lone = pair.slice(0, 1)

describe("the limits of client credentials", () => {
  it.each([
    [
      "username",
      isUsername,
      ["u", "a b", "ü", pair.repeat(256), "x".repeat(256)],
      ["", "\n", "a\u0000", "\u0085", lone, "x".repeat(257), pair.repeat(257)]
    ],
    ["client id", isClientId, ["c", pair.repeat(256)], ["", "\t", lone, "x".repeat(257)]],
    ["issuer", isIssuer, ["CN=x", "a\nb", " ", pair.repeat(1_024)], ["", lone, "x".repeat(1_025)]],
    [
      "password",
      isPassword,
      ["p", " ", "\u0000", "x".repeat(1_024), "ü".repeat(512)],
      ["", lone, "x".repeat(1_025), "ü".repeat(513)]
    ],
    [
      "serial number",
      (text: string) => serialNumberPattern.test(text),
      ["0", "1", "9".repeat(78)],
      ["", "00", "01", "-1", "+1", "1 ", "0x1", "1e3", "1\n", "١", "9".repeat(79)]
    ]
  ] as const)("of a %s", (_, is, right, wrong) => {
    for (const text of right) assert.isTrue(is(text), JSON.stringify(text.slice(0, 20)))
    for (const text of wrong) assert.isFalse(is(text), JSON.stringify(text.slice(0, 20)))
  })

  it("no two names share a key or a hash", () => {
    const names: ReadonlyArray<ClientName> = [
      { kind: "basic", username: "1 x" },
      { kind: "basic", username: "c 1 x" },
      { kind: "certificate", serialNumber: "1", issuer: "x" },
      { kind: "certificate", serialNumber: "1", issuer: "1 x" },
      { kind: "certificate", serialNumber: "11", issuer: "x" },
      { kind: "certificate", serialNumber: "1", issuer: "x " },
      { kind: "certificate", serialNumber: "1", issuer: "\u00e9" },
      { kind: "certificate", serialNumber: "1", issuer: "e\u0301" }
    ]
    assert.strictEqual(new Set(names.map(nameKey)).size, names.length)
    assert.strictEqual(new Set(names.map((name) => Buffer.from(nameHash(name)).toString("hex"))).size, names.length)
  })
})
