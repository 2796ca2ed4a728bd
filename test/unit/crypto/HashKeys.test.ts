/**
 * The token hash is HMAC-SHA-256, layer upon layer, and a cover once its key followed another, whatever it is made
 * with. Prints its seed.
 */
import { createCipheriv, createHmac } from "node:crypto"
import { assert, describe, it } from "vitest"
import * as HashCover from "../../../src/crypto/HashCover.ts"
import * as HashKeys from "../../../src/crypto/HashKeys.ts"
import { seededRandom } from "../../support/seededRandom.ts"

const { random } = seededRandom("HashKeys")
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random() * 256))

const chained = (layers: Uint8Array, message: string): Buffer => {
  let digest: Uint8Array = Buffer.from(message)
  for (let at = 0; at < layers.byteLength; at += 32) {
    digest = createHmac("sha256", layers.subarray(at, at + 32))
      .update(digest)
      .digest()
  }
  return Buffer.from(digest)
}
const covered = (cover: Uint8Array, hash: Uint8Array): Buffer =>
  createCipheriv("id-aes256-wrap", cover, Buffer.alloc(8, 0xa6)).update(hash.subarray(0, 24))

describe("HashKeys", () => {
  it("agrees with the platform's HMAC for messages of every length around a block, and beyond ASCII", () => {
    const material = bytes(64)
    const cover = bytes(32)
    const deep = Uint8Array.from([...material, ...bytes(64)])
    const keys = HashKeys.make([
      { keyId: "one", material: material.slice(0, 32) },
      { keyId: "two", material: material.slice() },
      { keyId: "three", material: HashKeys.followed(material, cover) },
      { keyId: "deep", material: deep.slice() }
    ])
    const messages = [...Array.from({ length: 200 }, (_, length) => "x".repeat(length)), "app\u0000Größe🔑", "\u0000"]
    for (const message of messages) {
      const all = keys.hashAll(["one", "two", "three", "deep"], message).map(({ hash }) => Buffer.from(hash))
      const two = chained(material, message)
      assert.deepStrictEqual(all, [
        chained(material.subarray(0, 32), message),
        two,
        covered(cover, two),
        chained(deep, message)
      ])
      for (const [at, keyId] of ["one", "two", "three", "deep"].entries()) {
        assert.deepStrictEqual(Buffer.from(keys.hash(keyId, message)), all[at])
      }
    }
    assert.deepStrictEqual(keys.steps, { hmacs: 4, covers: 1 })
  })

  it("leaves no material behind in the bytes that it was given", () => {
    const given = [bytes(32), bytes(64)].map((material, at) => ({ keyId: String(at), material }))
    HashKeys.make(given)
    for (const { material } of given) assert.isTrue(material.every((byte) => byte === 0))
  })

  it("moves a hash from each key to each one that followed, to what that key gives; and to no other", () => {
    const first = bytes(32)
    const [second, third] = [HashKeys.followed(first, bytes(32)), bytes(32)]
    const all = [
      first,
      // Of before the cover: two layers, three, and what follows them.
      Uint8Array.from([...first, ...bytes(32)]),
      second,
      HashKeys.followed(second, third)
    ]
    const long = Uint8Array.from([...all[1]!, ...bytes(32)])
    all.push(long, HashKeys.followed(long, bytes(32)))
    const ids = all.map((_, at) => String(at))
    const keys = HashKeys.make(all.map((material, at) => ({ keyId: String(at), material: material.slice() })))
    const hashes = keys.hashAll(ids, "app\u0000value").map(({ hash }) => Buffer.from(hash))
    const moves: Array<string> = []
    for (const [from, old] of all.entries()) {
      for (const [to, next] of all.entries()) {
        const mover = from === to ? null : HashKeys.mover(old, next)
        if (mover === null) continue
        moves.push(`${from} to ${to}`)
        assert.deepStrictEqual(Buffer.from(mover.move(hashes[from]!)!), hashes[to], `${from} to ${to}`)
        mover.wipe()
      }
    }
    assert.deepStrictEqual(moves, [
      ...["0 to 1", "0 to 2", "0 to 3", "0 to 4", "0 to 5"],
      ...["1 to 4", "1 to 5", "2 to 3", "3 to 2", "4 to 5"]
    ])
    assert.isNull(HashKeys.mover(bytes(32), all[3]!), "a stranger's hash does not follow")
  })

  it("takes for a hash nothing that was not covered with the key", () => {
    const [a, b, c] = [bytes(32), bytes(32), bytes(32)]
    const first = bytes(32)
    const mover = HashKeys.mover(HashKeys.followed(first, a), HashKeys.followed(first, b))!
    const good = HashCover.make(a).put(bytes(32))
    assert.isNotNull(mover.move(good))
    assert.isNull(mover.move(HashCover.make(c).put(bytes(32))))
    for (let at = 0; at < good.length; at++) {
      const changed = Uint8Array.from(good)
      changed[at]! ^= 1
      assert.isNull(mover.move(changed))
    }
  })

  it("covers as RFC 3394 has it (section 4.5)", () => {
    const cover = HashCover.make(Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex"))
    const data = Buffer.from("00112233445566778899aabbccddeeff0001020304050607", "hex")
    const wrapped = cover.put(data)
    assert.strictEqual(
      Buffer.from(wrapped).toString("hex"),
      "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"
    )
    assert.deepStrictEqual(Buffer.from(cover.takeOff(wrapped)!), data)
  })

  it("refuses material that is neither layers nor layers and a cover", () => {
    for (const length of [0, 31, 33, 1_056, 1_058]) {
      assert.throws(() => HashKeys.make([{ keyId: "k", material: new Uint8Array(length) }]), "1 to 32 layers")
    }
    const most = HashKeys.followed(bytes(1_024), bytes(32))
    assert.strictEqual(HashKeys.make([{ keyId: "k", material: most }]).steps.hmacs, 32)
  })
})
