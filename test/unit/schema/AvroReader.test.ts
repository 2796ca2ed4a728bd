// Verifies R-INP-1.
/** The edges of what is read of a stranger's Avro, byte by byte: what is just right is read, what is just beside it is malformed. */
import { assert, it } from "@effect/vitest"
import { message } from "../../../src/schema/Avro.ts"
import { AvroReader, malformed } from "../../../src/schema/AvroReader.ts"
import * as Writer from "../../../src/schema/AvroWriter.ts"

const reader = (...bytes: ReadonlyArray<number>): AvroReader => new AvroReader(Uint8Array.from(bytes))

it("a number has 64 bits and not one more, and what is longer than needed is read", () => {
  const nine = Array.from({ length: 9 }, () => 0xff)
  assert.strictEqual(reader(...nine, 1).long(), -(2n ** 63n))
  for (const last of [2, 3, 0x7f, 0x81]) assert.strictEqual(reader(...nine, last).long(), malformed)
  assert.strictEqual(reader(0x82, 0x80, 0).long(), 1n)
  assert.strictEqual(reader().long(), malformed)
  assert.strictEqual(reader(0x80).long(), malformed)
})

it("an int has 32 bits and not one more", () => {
  for (const [value, read] of [
    [2n ** 31n - 1n, 2 ** 31 - 1],
    [2n ** 31n, malformed],
    [-(2n ** 31n), -(2 ** 31)],
    [-(2n ** 31n) - 1n, malformed]
  ] as const) {
    assert.strictEqual(new AvroReader(Writer.long(value)).int(), read, `${value}`)
  }
})

it("a length is within what is left, not within the message", () => {
  assert.strictEqual(reader(4, 97, 98).text(), "ab")
  assert.strictEqual(reader(6, 97, 98).text(), malformed)
  assert.strictEqual(reader(8, 97, 98).text(), malformed)
  assert.strictEqual(reader(1, 97).text(), malformed)
  const second = reader(2, 97, 4, 98)
  assert.strictEqual(second.text(), "a")
  assert.strictEqual(second.octets(), malformed)
})

it("a union has the two branches it has", () => {
  assert.isNull(reader(0).optionalText(0))
  assert.isNull(reader(2).optionalText(1))
  assert.strictEqual(reader(2, 2, 97).optionalText(0), "a")
  assert.strictEqual(reader(0, 2, 97).optionalText(1), "a")
  for (const branch of [1, 3, 4, 6]) assert.strictEqual(reader(branch, 2, 97).optionalText(0), malformed)
})

it("a block holds as many texts as it says, in as many bytes as it says", () => {
  assert.deepStrictEqual(reader(2, 2, 97, 0).texts(), ["a"])
  assert.deepStrictEqual(reader(1, 4, 2, 97, 0).texts(), ["a"])
  // One byte more, one byte less.
  assert.strictEqual(reader(1, 6, 2, 97, 0).texts(), malformed)
  assert.strictEqual(reader(1, 2, 2, 97, 0).texts(), malformed)
  // More texts than there are bytes, before one is read.
  assert.strictEqual(reader(6, 0, 0).texts(), malformed)
  assert.strictEqual(new AvroReader(Writer.long(2n ** 62n)).texts(), malformed)
  assert.strictEqual(reader(5, 2, 0, 0, 0).texts(), malformed)
})

it("a count that no message can have is refused at once, and is not counted down", () => {
  let read = 0
  class Counting extends AvroReader {
    override text() {
      read++
      return super.text()
    }
  }
  assert.strictEqual(
    new Counting(Uint8Array.from([...Writer.long(100n), ...Array.from({ length: 99 }, () => 0)])).texts(),
    malformed
  )
  assert.strictEqual(read, 0)
})

const named = message("test", "Named", { correlationId: "eventCorrelationId", name: "string" })
const written = (...texts: ReadonlyArray<string>): Uint8Array => Buffer.concat(texts.map(Writer.text))

it("a message ends where its bytes end", () => {
  assert.deepStrictEqual(named.decode(written("1", "a")), { correlationId: "1", name: "a" })
  assert.isNull(named.decode(Buffer.concat([written("1", "a"), Uint8Array.of(0)])))
  assert.isNull(named.decode(written("1", "a").subarray(0, -1)))
})

it("a correlation id of an event has 256 characters, of whatever length in bytes or units, and not one more", () => {
  for (const character of ["a", "名", "😀"]) {
    const decoded = (count: number) => named.decode(written(character.repeat(count), ""))
    assert.strictEqual(decoded(256)?.correlationId, character.repeat(256))
    assert.strictEqual(decoded(257)?.correlationId, "")
  }
})
