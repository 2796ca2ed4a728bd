import { assert, describe, it } from "@effect/vitest"
import { makeSipKey, SipHash } from "../../../../src/actors/validation/SipHash.ts"
import { seededRandom } from "../../../support/seededRandom.ts"

const referenceKey = Uint8Array.from({ length: 16 }, (_, index) => index)
const mask = (1n << 64n) - 1n

/** SipHash-2-4-128 straight from its description, in whole 64-bit numbers. */
const sipHash128 = (key: Uint8Array, message: Uint8Array): string => {
  const word = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true)
  const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & mask
  const [k0, k1] = [word(key, 0), word(key, 8)]
  const v = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n
  ]
  const round = (times: number) => {
    for (let time = 0; time < times; time++) {
      v[0] = (v[0]! + v[1]!) & mask
      v[1] = rotate(v[1]!, 13n) ^ v[0]!
      v[0] = rotate(v[0]!, 32n)
      v[2] = (v[2]! + v[3]!) & mask
      v[3] = rotate(v[3]!, 16n) ^ v[2]!
      v[0] = (v[0]! + v[3]!) & mask
      v[3] = rotate(v[3]!, 21n) ^ v[0]!
      v[2] = (v[2]! + v[1]!) & mask
      v[1] = rotate(v[1]!, 17n) ^ v[2]!
      v[2] = rotate(v[2]!, 32n)
    }
  }
  const padded = new Uint8Array(Math.floor(message.length / 8) * 8 + 8)
  padded.set(message)
  padded[padded.length - 1] = message.length & 0xff
  for (let at = 0; at < padded.length; at += 8) {
    const m = word(padded, at)
    v[3]! ^= m
    round(2)
    v[0]! ^= m
  }
  v[2]! ^= 0xeen
  const out = Buffer.alloc(16)
  round(4)
  out.writeBigUInt64LE(v[0]! ^ v[1]! ^ v[2]! ^ v[3]!, 0)
  v[1]! ^= 0xddn
  round(4)
  out.writeBigUInt64LE(v[0]! ^ v[1]! ^ v[2]! ^ v[3]!, 8)
  return out.toString("hex")
}

const hashed = (sip: SipHash, bytes: Uint8Array, start = 0, end = bytes.length): string => {
  sip.hash(bytes, start, end)
  const out = Buffer.alloc(16)
  for (const [index, word] of [sip.h0, sip.h1, sip.h2, sip.h3].entries()) out.writeInt32LE(word, index * 4)
  return out.toString("hex")
}

describe("SipHash-2-4-128", () => {
  it("gives the published reference values", () => {
    const published = [
      "a3817f04ba25a8e66df67214c7550293",
      "da87c1d86b99af44347659119b22fc45",
      "8177228da4a45dc7fca38bdef60affe4",
      "9c70b60c5267a94e5f33b6b02985ed51"
    ]
    const sip = new SipHash(referenceKey)
    for (const [length, expected] of published.entries()) {
      assert.strictEqual(
        hashed(
          sip,
          Uint8Array.from({ length }, (_, index) => index)
        ),
        expected
      )
    }
  })

  it("agrees with a plain 64-bit implementation for every key, length and place", () => {
    const { random, seed } = seededRandom("SipHash")
    for (let run = 0; run < 500; run++) {
      const key = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256))
      const bytes = Uint8Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256))
      const start = Math.floor(random() * bytes.length)
      const sip = new SipHash(key)
      assert.strictEqual(hashed(sip, bytes, start), sipHash128(key, bytes.subarray(start)), `seed ${seed} run ${run}`)
    }
  })

  it("hashes what fits into its memory, and nothing longer", () => {
    const sip = new SipHash(referenceKey)
    const bytes = Uint8Array.from({ length: 65_504 }, (_, index) => index % 251)
    const longest = bytes.subarray(0, 65_503)
    assert.strictEqual(hashed(sip, longest), sipHash128(referenceKey, longest))
    assert.throws(() => sip.hash(bytes, 0, bytes.length))
    assert.strictEqual(hashed(sip, longest), sipHash128(referenceKey, longest))
  })

  it("takes a new key each time", () => {
    assert.notDeepEqual(makeSipKey(), makeSipKey())
    assert.strictEqual(makeSipKey().length, 16)
  })
})
