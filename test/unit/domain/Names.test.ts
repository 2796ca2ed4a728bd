// Verifies R-INP-2.
import { assert, describe, it } from "vitest"
import { isTokenValue, keptCorrelationId } from "../../../src/domain/Names.ts"

describe("a token's value", () => {
  it("has 1 to 256 characters, each whole, and none that a subject of MQTT means something by", () => {
    for (const text of ["a", "😀".repeat(256), "ä ö", "*"]) assert.isTrue(isTokenValue(text), text)
    for (const text of ["", "😀".repeat(257), "a+", "#", "a/b", ".", "\ud800", "a\udc00b"]) {
      assert.isFalse(isTokenValue(text), JSON.stringify(text))
    }
  })
})

describe("what is kept of a correlation id", () => {
  it("are its first 256 characters, whatever they are made of", () => {
    for (const character of ["a", "é", "😀"]) {
      assert.strictEqual(keptCorrelationId(character.repeat(256)), character.repeat(256))
      assert.strictEqual(keptCorrelationId(character.repeat(1_000)), character.repeat(256))
    }
    assert.strictEqual(keptCorrelationId(`a${"😀".repeat(400)}`), `a${"😀".repeat(255)}`)
  })
})
