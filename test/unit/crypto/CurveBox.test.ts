import { assert, describe, it } from "@effect/vitest"
import { createCurve, createUser, fromCurveSeed } from "@nats-io/nkeys"
import { Effect } from "effect"
import { CurveBox } from "../../../src/crypto/CurveBox.ts"

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

  it.effect("accepts public curve keys only", () =>
    withBox((box) => {
      const key = reader.getPublicKey()
      assert.isTrue(box.accepts(key))
      const wrong = key.slice(0, 20) + (key[20] === "A" ? "B" : "A") + key.slice(21)
      for (const other of ["", "X", key.toLowerCase(), `${key}A`, wrong, createUser().getPublicKey()]) {
        assert.isFalse(box.accepts(other))
      }
    })
  )
})
