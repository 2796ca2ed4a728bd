// Verifies R-SEC-1.
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { hmac } from "../../../src/crypto/Hmac.ts"
import * as KeyId from "../../../src/crypto/KeyId.ts"
import * as SealedRecord from "../../../src/crypto/SealedRecord.ts"
import { tagOf } from "../../../src/store/KeyRotationStore.ts"

const newKey = () => SealedRecord.makeKey(KeyId.makeKeyId(1_764_000_000_000), randomBytes(32))
const key = newKey()
const text = (plaintext: Uint8Array | null) => (plaintext === null ? null : Buffer.from(plaintext).toString("utf8"))

describe("SealedRecord", () => {
  it("opens in its own place, at every length up to some blocks and at the limit", () => {
    for (let length = 0; length <= 70; length++) {
      const plaintext = randomBytes(length)
      const record = SealedRecord.seal(key, "tenant/a", plaintext)
      assert.strictEqual(record.byteLength, length + SealedRecord.overhead)
      assert.deepStrictEqual(Buffer.from(SealedRecord.open(key, "tenant/a", record)!), plaintext)
    }
    const large = Buffer.alloc(SealedRecord.plaintextBytesMax, 7)
    assert.isTrue(large.equals(SealedRecord.open(key, "large", SealedRecord.seal(key, "large", large))!))
    assert.throws(() => SealedRecord.seal(key, "large", Buffer.alloc(SealedRecord.plaintextBytesMax + 1)))
  })

  it("opens what was sealed by every version before, and seals the same bytes", () => {
    const known = SealedRecord.makeKey("0193b0a0-0000-7000-8000-000000000001", new Uint8Array(32).fill(7))
    const [plaintext, random] = [Buffer.from("a secret"), new Uint8Array(16).fill(9)]
    const record =
      "010193b0a00000700080000000000000018725d50cc280d9fb7456f92d16d6e4a9216f09690bb9f21c42979d3755b07b52444bedc7"
    assert.strictEqual(Buffer.from(SealedRecord.seal(known, "tenant/a", plaintext, random)).toString("hex"), record)
    assert.strictEqual(text(SealedRecord.open(known, "tenant/a", Buffer.from(record, "hex"))), "a secret")
  })

  it("two copies of a process that draw the same random bytes use one nonce for one thing only", () => {
    const random = randomBytes(16)
    const nonceOf = (aad: string, plaintext: string) =>
      Buffer.from(SealedRecord.seal(key, aad, Buffer.from(plaintext), Uint8Array.from(random)))
        .subarray(17, 29)
        .toString("hex")
    const things = [
      ["place", "secret"],
      ["place", "secreu"],
      ["placf", "secret"],
      ["plac", "esecret"],
      ["place", ""]
    ] as const
    const nonces = things.map(([aad, plaintext]) => nonceOf(aad, plaintext))
    assert.strictEqual(new Set(nonces).size, things.length)
    assert.strictEqual(nonceOf("place", "secret"), nonces[0])
    const drawn = Array.from({ length: 1_000 }, () =>
      Buffer.from(SealedRecord.seal(key, "place", Buffer.from("secret")))
        .subarray(17, 29)
        .toString("hex")
    )
    assert.strictEqual(new Set(drawn).size, drawn.length, "equal plaintexts give unrelated records")
  })

  it("what a nonce was made of does not stay in memory, and a large secret gets one like a small one", () => {
    for (const length of [5, 300, 5_000]) {
      const one = newKey()
      const plaintext = randomBytes(length)
      SealedRecord.seal(one, "place", plaintext)
      assert.isFalse(one.nonces.inner.includes(plaintext.subarray(0, 5)))
      const random = randomBytes(16)
      const nonceOf = (bytes: Uint8Array) =>
        Buffer.from(SealedRecord.seal(one, "place", bytes, random))
          .subarray(17, 29)
          .toString("hex")
      const data = Buffer.concat([Buffer.from([SealedRecord.format]), KeyId.toBytes(one.keyId), Buffer.from("place")])
      const size = Buffer.alloc(4)
      size.writeUInt32BE(data.byteLength)
      const message = Buffer.concat([random, size, data, plaintext])
      assert.strictEqual(nonceOf(plaintext), Buffer.from(hmac(one.nonces, message)).subarray(0, 12).toString("hex"))
      assert.notStrictEqual(nonceOf(plaintext), nonceOf(plaintext.subarray(1)))
    }
  })

  it("moved to any other place, no record opens", () => {
    const places = ["", "a", "b", "a/1", "a/2", "b/1", "a/1/", "A/1", "a\u0000/1", "é", "e\u0301"]
    const records = places.map((place) => SealedRecord.seal(key, place, Buffer.from(`at ${place}`)))
    for (const [i, record] of records.entries()) {
      for (const [j, place] of places.entries()) {
        assert.strictEqual(text(SealedRecord.open(key, place, record)), i === j ? `at ${place}` : null)
      }
    }
  })

  it("a place of any length is told from every other, whichever was used before", () => {
    const places = [255, 256, 257, 700, 768, 769, 5_000].flatMap((length) =>
      ["x", "é", "漢"].flatMap((character) => ["a", "b"].map((end) => character.repeat(length - 1) + end))
    )
    const records = places.map((place) => SealedRecord.seal(key, place, Buffer.from("secret")))
    for (const [i, record] of records.entries()) {
      for (const [j, place] of places.entries()) {
        assert.strictEqual(text(SealedRecord.open(key, place, record)), i === j ? "secret" : null)
      }
    }
  })

  it("with any single bit changed, it does not open", () => {
    const record = Buffer.from(SealedRecord.seal(key, "place", Buffer.from("secret")))
    for (let bit = 0; bit < record.byteLength * 8; bit++) {
      const changed = Buffer.from(record)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.isNull(SealedRecord.open(key, "place", changed), `bit ${bit}`)
    }
    assert.strictEqual(text(SealedRecord.open(key, "place", record)), "secret")
  })

  it("cut or extended by any number of bytes, it does not open", () => {
    const record = SealedRecord.seal(key, "place", Buffer.from("a secret of some length"))
    for (let length = 0; length < record.byteLength; length++) {
      assert.isNull(SealedRecord.open(key, "place", record.subarray(0, length)))
      assert.isNull(SealedRecord.open(key, "place", record.subarray(record.byteLength - length)))
    }
    for (const extra of [1, 12, 16, 64]) {
      assert.isNull(SealedRecord.open(key, "place", Buffer.concat([record, Buffer.alloc(extra)])))
    }
  })

  it("does not open under another key, nor under another key that takes its id", () => {
    const record = SealedRecord.seal(key, "place", Buffer.from("secret"))
    assert.isNull(SealedRecord.open(newKey(), "place", record))
    assert.isNull(SealedRecord.open(SealedRecord.makeKey(key.keyId, randomBytes(32)), "place", record))
  })

  it("names its key, and only a record of ours names one", () => {
    const record = Buffer.from(SealedRecord.seal(key, "place", Buffer.alloc(0)))
    assert.strictEqual(SealedRecord.keyIdOf(record), key.keyId)
    assert.isNull(SealedRecord.keyIdOf(record.subarray(1)))
    for (const first of [0, 2, 255]) {
      const other = Buffer.from(record)
      other[0] = first
      assert.isNull(SealedRecord.keyIdOf(other))
    }
    assert.isNull(SealedRecord.keyIdOf(Buffer.alloc(100, 1)))
  })

  it("never repeats a nonce or a tag in twenty thousand records, and equal plaintexts give unequal records", () => {
    const [nonces, tags] = [new Set<string>(), new Set<string>()]
    for (let i = 0; i < 20_000; i++) {
      const record = SealedRecord.seal(key, "p", Buffer.alloc(1))
      nonces.add(Buffer.from(record.subarray(17, 29)).toString("latin1"))
      tags.add(Buffer.from(tagOf(record)).toString("latin1"))
    }
    assert.strictEqual(nonces.size, 20_000)
    assert.strictEqual(tags.size, 20_000)
  })

  it("a key counts its uses and refuses past its limit", () => {
    const tired = newKey()
    SealedRecord.seal(tired, "p", Buffer.alloc(1))
    assert.strictEqual(tired.uses, 1)
    tired.uses = SealedRecord.usesMax
    assert.throws(() => SealedRecord.seal(tired, "p", Buffer.alloc(1)), /limit/)
  })

  it("a place that is not well-formed text is refused, since two of them could be one", () => {
    assert.throws(() => SealedRecord.seal(key, "a\ud800", Buffer.alloc(1)), /well-formed/)
    const record = SealedRecord.seal(key, "a\ufffd", Buffer.from("secret"))
    assert.isNull(SealedRecord.open(key, "a\ud800", record))
  })

  it("does not share memory with what callers keep", () => {
    const material = randomBytes(32)
    const own = SealedRecord.makeKey(key.keyId, material)
    const record = SealedRecord.seal(own, "p", Buffer.from("secret"))
    material.fill(0)
    assert.strictEqual(text(SealedRecord.open(own, "p", record)), "secret")
  })
})
