// Verifies R-INP-4, R-INP-5, R-TOK-2.
/** A batch that is read where it lies says what the parser and the schema make of it, whatever its bytes are. */
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { keyOf } from "../../../src/schema/EcapFrame.ts"
import { keyBytesMax, PlainItems, readPlainItems } from "../../../src/schema/PlainItems.ts"
import { decodeAnyItems, decodeValidateTokens } from "../../../src/schema/TokenJson.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const { random, seed } = seededRandom("plain items")
const below = (end: number) => Math.floor(random() * end)
const among = <A>(choices: ReadonlyArray<A>): A => choices[below(choices.length)]!

interface Item {
  readonly appName: string
  readonly token: string
}

/** By the parser and the schema; null where any of it is refused. */
const parsed = (payload: Uint8Array): ReadonlyArray<Item> | null => {
  const decoded = decodeAnyItems(payload)
  if (Result.isFailure(decoded)) return null
  const items = decoded.success.items.flatMap((one) => (Result.isSuccess(one) ? [{ ...one.success }] : []))
  return items.length === decoded.success.items.length ? items : null
}
const readInPlace = (payload: Uint8Array): ReadonlyArray<Item> | null => {
  const items = readPlainItems(payload)
  if (items === null) return null
  return Array.from({ length: items.length }, (_, at) => ({ appName: items.appName(at), token: items.token(at) }))
}

/** Printable ASCII without `"` and `\`, as much of it as is said at most. */
const visible = Array.from({ length: 0x60 }, (_, n) => String.fromCharCode(0x20 + n)).filter(
  (one) => !/["\\]/u.test(one)
)
const plainText = (most: number) => Array.from({ length: below(most + 1) }, () => among(visible)).join("")
const anItem = (): Item => ({
  appName: random() < 0.5 ? "app" : plainText(70),
  token: random() < 0.9 ? plainText(20) : plainText(256)
})
const blank = () => (random() < 0.8 ? "" : among([" ", "\n", "\t", "\r", " \r\n\t "]))

/** The batch with blanks wherever JSON takes them, and an item's fields in any order. */
const spelled = (items: ReadonlyArray<Item>): string => {
  const mark = (text: string) => `${blank()}${text}${blank()}`
  const field = (name: string, value: string) => `${mark(`"${name}"`)}:${mark(`"${value}"`)}`
  const one = ({ appName, token }: Item) => {
    const fields = [field("appName", appName), field("token", token)]
    return mark(`{${(random() < 0.5 ? fields : fields.toReversed()).join(",")}}`)
  }
  return mark(`{${mark('"items"')}:${mark(`[${items.map(one).join(",")}]`)}}`)
}

describe("a batch of validations", () => {
  it("that is plain is read in place, with the parser's items and the look-up's keys", () => {
    const key = new Uint8Array(keyBytesMax)
    for (let round = 0; round < times(600); round++) {
      const items = Array.from({ length: 1 + below(round % 50 === 0 ? 1_000 : 5) }, anItem)
      const payload = Buffer.from(spelled(items))
      // As a message lies within what was read of a socket.
      const within = Buffer.concat([Buffer.from('{"items'), payload, Buffer.from("]}")]).subarray(7, 7 + payload.length)
      const read = readPlainItems(within)
      assert.isNotNull(read, `SEED=${seed} round ${round}`)
      assert.deepStrictEqual(readInPlace(within), items, `SEED=${seed} round ${round}`)
      assert.deepStrictEqual(parsed(payload), items, `SEED=${seed} round ${round}`)
      for (const [at, { appName, token }] of items.entries()) {
        const written = Buffer.from(key.subarray(0, read!.putKey(key, at)))
        assert.deepStrictEqual(written, Buffer.from(keyOf(appName, token)), `SEED=${seed} round ${round}`)
      }
    }
  })

  it("whose bytes were changed anyhow is read in place only as the parser reads it, and is judged by it otherwise", () => {
    const pieces = [
      ...['"', "\\", "{", "}", "[", "]", ":", ",", " ", "\0", "\n", "\u007f", "ü", "😀", "\\u0061", "\\ud800", "null"],
      ...['"items"', '"appName"', '"token"', '"__proto__"', '"x":"y",', "1e999", "x".repeat(300), "\ufeff"]
    ].map((piece) => Buffer.from(piece))
    const bytes = () => (random() < 0.7 ? among(pieces) : Buffer.from([below(256)]))
    const changed = (payload: Buffer): Buffer => {
      const [from, to] = [below(payload.length + 1), below(payload.length + 1)]
      const [start, end] = [Math.min(from, to), Math.max(from, to)]
      const near = Math.min(payload.length, start + below(4))
      return among([
        () => payload.subarray(0, start),
        () => Buffer.concat([payload.subarray(0, start), bytes(), payload.subarray(start)]),
        () => Buffer.concat([payload.subarray(0, start), bytes(), payload.subarray(near)]),
        () => Buffer.concat([payload.subarray(0, start), payload.subarray(near)]),
        () => Buffer.concat([payload.subarray(0, end), payload.subarray(start)])
      ])()
    }
    const seen = { inPlace: 0, otherwise: 0 }
    for (let round = 0; round < times(10_000); round++) {
      let payload: Buffer = Buffer.from(spelled(Array.from({ length: below(4) }, anItem)))
      for (let left = below(4); left > 0; left--) payload = changed(payload)
      const inPlace = readInPlace(payload)
      if (inPlace === null) {
        seen.otherwise++
        assert.deepStrictEqual(decodeValidateTokens(payload), decodeAnyItems(payload))
      } else {
        seen.inPlace++
        assert.deepStrictEqual(inPlace, parsed(payload), `SEED=${seed} ${payload.toString("base64")}`)
      }
    }
    assert.isAbove(Math.min(seen.inPlace, seen.otherwise), times(10_000) / 20)
  })

  const good = '{"appName":"app","token":"t"}'
  const whole = (...items: ReadonlyArray<string>) => `{"items":[${items.join()}]}`
  const plain = (text: string) => decodesInPlace(Buffer.from(text))
  const decodesInPlace = (payload: Uint8Array) => {
    const decoded = decodeValidateTokens(payload)
    return Result.isSuccess(decoded) && decoded.success.items instanceof PlainItems
  }

  it("is read in place up to the bounds of a batch and of a text that gets a verdict, and not beyond", () => {
    const texts = (length: number) => `{"token":"${"t".repeat(length)}","appName":"${"a".repeat(length)}"}`
    assert.isTrue(plain(whole(texts(256))))
    assert.isFalse(plain(whole(texts(257))))
    assert.isTrue(plain(whole(texts(0))))
    assert.isTrue(plain(whole(...Array.from({ length: 1_000 }, () => good))))
    assert.isFalse(plain(whole(...Array.from({ length: 1_001 }, () => good))))
    assert.isFalse(plain(whole(...Array.from({ length: 1_001 }, () => '{"appName":"","token":""}'))))
    assert.isTrue(plain(whole(...Array.from({ length: 1_000 }, () => '{"appName":"","token":""}'))))
    assert.isFalse(plain(whole()))
  })

  it("is for the parser to judge where anything in it is unusual", () => {
    const unusual = [
      "",
      "{}",
      good,
      `[${good}]`,
      `{"items":[${good}],"items":[${good}]}`,
      `{"items":[${good}],"dryRun":true}`,
      `{"Items":[${good}]}`,
      `${whole(good)}}`,
      `${whole(good)}x`,
      `\ufeff${whole(good)}`,
      `{"items":[${good},]}`,
      `{"items":[,${good}]}`,
      `{"items":[${good}}`,
      `{"items":${good}}`,
      whole('{"appName":"app"}'),
      whole('{"appName":"app","token":"t","token":"t"}'),
      whole('{"appName":"app","appName":"app"}'),
      whole('{"token":"t","token":"t"}'),
      whole('{"appName":"app","token":"t","dryRun":true}'),
      whole('{"appName":"app","token":"t",}'),
      whole('{"appName":"app" "token":"t"}'),
      whole('{"appName":"app","token":7}'),
      whole('{"appName":"app","token":null}'),
      whole('{"appname":"app","token":"t"}'),
      whole('{"appName ":"app","token":"t"}'),
      whole(String.raw`{"app\u004eame":"app","token":"t"}`),
      whole(String.raw`{"appName":"app","token":"\u0074"}`),
      whole(String.raw`{"appName":"app","token":"\""}`),
      whole('{"appName":"app","token":"t\u0000"}'),
      whole('{"appName":"app","token":"t\n"}'),
      whole('{"appName":"app","token":"\u001f"}'),
      whole('{"appName":"app","token":"\u0080"}'),
      whole('{"appName":"app","token":"ü"}'),
      whole('{"appName":"app","token":"t"}', "null")
    ]
    assert.deepStrictEqual(
      unusual.filter((text) => plain(text)),
      []
    )
    for (let length = 0; length < whole(good).length; length++) assert.isFalse(plain(whole(good).slice(0, length)))
    for (const byte of [0x80, 0xa0, 0xc3, 0xff]) {
      const payload = Buffer.from(whole(good))
      payload[payload.lastIndexOf("t")] = byte
      assert.isFalse(decodesInPlace(payload))
    }
  })
})
