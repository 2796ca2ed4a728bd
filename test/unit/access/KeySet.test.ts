// Verifies R-ACC-3, R-ACC-4.
/** Which keys of an issuer's answer are keys for us, and for what. */
import { assert, describe, it } from "vitest"
import { candidates, keysMax, parseKeySet } from "../../../src/access/KeySet.ts"

const rsa = { kty: "RSA", n: "A".repeat(342), e: "AQAB", kid: "r" }
const curve = { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: "c" }
const keysOf = (...keys: ReadonlyArray<unknown>) => (parseKeySet({ keys }) ?? []).map(({ keyId }) => keyId)

describe("a key of an issuer", () => {
  it("is taken when it is for verifying, and is of an accepted kind and strength", () => {
    assert.deepStrictEqual(keysOf(rsa, curve), ["r", "c"])
    assert.deepStrictEqual(keysOf({ ...rsa, use: "sig" }, { ...curve, key_ops: ["verify"] }), ["r", "c"])
    assert.deepStrictEqual(keysOf({ ...rsa, use: "enc" }), [])
    assert.deepStrictEqual(keysOf({ ...rsa, key_ops: ["sign"] }), [])
    assert.deepStrictEqual(keysOf({ ...rsa, d: "secret" }), [])
    assert.deepStrictEqual(keysOf({ ...rsa, n: "A".repeat(341) }), [], "less than 2048 bits")
    assert.deepStrictEqual(keysOf({ kty: "oct", k: "AA", kid: "o" }), [])
    assert.deepStrictEqual(keysOf({ ...curve, crv: "secp256k1" }), [])
    const edwards = { kty: "OKP", crv: "Ed25519", x: "AA", kid: "e" }
    assert.deepStrictEqual(keysOf(edwards), ["e"])
    assert.deepStrictEqual(keysOf({ ...edwards, x: undefined }), [])
    assert.deepStrictEqual(keysOf({ ...edwards, crv: "X25519" }), [])
    assert.isNull(parseKeySet({ keys: {} }))
  })

  it("is one of so many, however many the answer holds", () => {
    const many = Array.from({ length: 5 * keysMax }, (_, number) => ({ ...rsa, kid: `r${number}` }))
    assert.lengthOf(keysOf(...many), keysMax)
  })

  it("is the same value while it stays, and is found by its name, where one is given", () => {
    const before = parseKeySet({ keys: [rsa, curve] }) ?? []
    const after = parseKeySet({ keys: [curve, { ...rsa, kid: "s" }] }, before) ?? []
    assert.strictEqual(after[0], before[1])
    assert.deepStrictEqual(
      candidates(after, "RS256", "r").map(({ keyId }) => keyId),
      []
    )
    assert.deepStrictEqual(
      candidates(after, "RS256", "s").map(({ keyId }) => keyId),
      ["s"]
    )
    assert.deepStrictEqual(
      candidates(after, "ES256", null).map(({ keyId }) => keyId),
      ["c"]
    )
  })
})
