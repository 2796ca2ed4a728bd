// Verifies R-SEC-11.
import { assert, describe, it } from "@effect/vitest"
import { createCurve, createUser, fromCurveSeed } from "@nats-io/nkeys"
import { Effect } from "effect"
import { CurveBox } from "../../../src/crypto/CurveBox.ts"

/** Points of order 1, 2, 4 and 8 in canonical form (https://cr.yp.to/ecdh.html, "validate"). */
const lowOrder = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`
].map((hex) => Buffer.from(hex, "hex"))

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

/** CRC-16/XMODEM, which nkeys write least byte first. */
const crc16 = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}

/** A point as nkeys write a public curve key, whatever point it is. */
const keyOf = (point: Uint8Array): string => {
  const body = Buffer.from([23 << 3, ...point])
  const crc = crc16(body)
  const bits = Array.from([...body, crc & 0xff, crc >> 8], (byte) => byte.toString(2).padStart(8, "0")).join("")
  return bits
    .match(/.{5}/gu)!
    .map((five) => alphabet[Number.parseInt(five, 2)])
    .join("")
}

const pointOf = (key: string): Buffer => {
  const bits = Array.from(key, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("")
  return Buffer.from(
    bits
      .match(/.{8}/gu)!
      .slice(1, 33)
      .map((eight) => Number.parseInt(eight, 2))
  )
}

const withBox = <A>(use: (box: CurveBox["Service"]) => A) =>
  Effect.map(CurveBox, use).pipe(Effect.provide(CurveBox.layer))

describe("CurveBox", () => {
  const reader = createCurve()
  const text = new TextEncoder().encode('{"password":"p"}')

  it.effect("seals so that the reader's seed opens it with the key it was sealed by", () =>
    withBox((box) => {
      const { sealed, sealedBy } = box.seal(reader.getPublicKey(), text)
      const bytes = new Uint8Array(Buffer.from(sealed, "base64"))
      assert.strictEqual(new TextDecoder().decode(bytes.subarray(0, 4)), "xkv1")
      const opened = fromCurveSeed(reader.getSeed()).open(bytes, sealedBy)
      assert.deepStrictEqual(opened, text)
    })
  )

  it.effect("opens for nobody else, and not once it was changed", () =>
    withBox((box) => {
      const { sealed, sealedBy } = box.seal(reader.getPublicKey(), text)
      const bytes = new Uint8Array(Buffer.from(sealed, "base64"))
      assert.isNull(createCurve().open(bytes, sealedBy))
      bytes[bytes.length - 1]! ^= 1
      assert.isNull(reader.open(bytes, sealedBy))
    })
  )

  it.effect("seals equal texts into unrelated boxes by keys of their own", () =>
    withBox((box) => {
      const [one, two] = [box.seal(reader.getPublicKey(), text), box.seal(reader.getPublicKey(), text)]
      assert.notStrictEqual(one.sealed, two.sealed)
      assert.notStrictEqual(one.sealedBy, two.sealedBy)
    })
  )

  it.effect("seals to public curve keys only", () =>
    withBox((box) => {
      for (let count = 0; count < 200; count++) assert.isNull(box.refusal(createCurve().getPublicKey()))
      const key = reader.getPublicKey()
      assert.strictEqual(keyOf(pointOf(key)), key)
      const wrong = key.slice(0, 20) + (key[20] === "A" ? "B" : "A") + key.slice(21)
      for (const other of ["", "X", key.toLowerCase(), `${key}A`, wrong, createUser().getPublicKey()]) {
        assert.strictEqual(box.refusal(other), "is not a public curve key of nkeys")
      }
    })
  )

  it.effect("seals to no key whose shared secret is zero with everybody", () =>
    withBox((box) => {
      for (const point of lowOrder) {
        assert.strictEqual(
          box.refusal(keyOf(point)),
          "is a curve key of low order, which would keep nothing secret",
          point.toString("hex")
        )
      }
    })
  )

  it.effect("seals to no key that is a second form of another", () =>
    withBox((box) => {
      const beyond = Array.from({ length: 19 }, (_, at) =>
        Buffer.from(`${(0xed + at).toString(16)}${"ff".repeat(30)}7f`, "hex")
      )
      const withTopBit = [pointOf(reader.getPublicKey()), ...lowOrder].map((point) => {
        const other = Buffer.from(point)
        other[31]! |= 0x80
        return other
      })
      for (const point of [...beyond, ...withTopBit]) {
        assert.strictEqual(box.refusal(keyOf(point)), "is a curve key that is not in its canonical form")
      }
      const greatest = Buffer.from(`eb${"ff".repeat(30)}7f`, "hex")
      assert.isNull(box.refusal(keyOf(greatest)))
    })
  )
})
