/** The token hash is HMAC-SHA-256, layer upon layer, whatever it is made with. Prints its seed. */
import { createHmac } from "node:crypto"
import { assert, describe, it } from "vitest"
import * as HashKeys from "../../../src/crypto/HashKeys.ts"
import { seededRandom } from "../../support/seededRandom.ts"

const { random } = seededRandom("HashKeys")
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random() * 256))

const chained = (material: Uint8Array, message: string): Uint8Array => {
  let digest: Uint8Array = Buffer.from(message)
  for (let at = 0; at < material.byteLength; at += 32) {
    digest = createHmac("sha256", material.subarray(at, at + 32))
      .update(digest)
      .digest()
  }
  return Buffer.from(digest)
}

describe("HashKeys", () => {
  it("agrees with the platform's HMAC for messages of every length around a block, and beyond ASCII", () => {
    const material = bytes(64)
    const keys = HashKeys.make([
      { keyId: "one", material: material.slice(0, 32) },
      { keyId: "two", material: material.slice() }
    ])
    const messages = [...Array.from({ length: 200 }, (_, length) => "x".repeat(length)), "app\u0000Größe🔑", "\u0000"]
    for (const message of messages) {
      const [one, two] = keys.hashAll(["one", "two"], message)
      assert.deepStrictEqual(Buffer.from(one!.hash), chained(material.subarray(0, 32), message))
      assert.deepStrictEqual(Buffer.from(two!.hash), chained(material, message))
      assert.deepStrictEqual(Buffer.from(keys.hash("two", message)), chained(material, message))
      assert.deepStrictEqual(
        Buffer.from(HashKeys.advance(one!.hash, material.subarray(32))),
        chained(material, message)
      )
    }
  })
})
