// Verifies R-BUS-1, R-INP-1, R-INP-2.
import { globSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { type Fields, type kinds, type Message, message, type Value } from "../../../src/schema/Avro.ts"
import * as Cap from "../../../src/schema/Cap.ts"
import * as Ecap from "../../../src/schema/Ecap.ts"
import { RequestFrame } from "../../../src/schema/EcapFrame.ts"
import * as Elce from "../../../src/schema/Elce.ts"
import * as Scmp from "../../../src/schema/Scmp.ts"
import * as Tle from "../../../src/schema/Tle.ts"
import { makeOracle, withTextsAsBytes } from "../../support/avroOracle.ts"
import { mutations, randomFrom } from "../../support/mutations.ts"
import { times } from "../../support/times.ts"

const messages = [Ecap, Cap, Elce, Tle, Scmp].flatMap((module): ReadonlyArray<Message<Fields>> => Object.values(module))
type Kind = keyof typeof kinds

/** The assertion's own comparison, which is slow, only has the word where Node's says no. */
const assertSame = (actual: unknown, expected: unknown) => {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected)
}

// ---- random values -----------------------------------------------------------------------

const characters = ["a", "Z", "0", " ", "é", "ß", "名", "😀", "\u0000", "\ufeff"]
const longs = [0n, 1n, -1n, 63n, 64n, -64n, -65n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n]

const randomValue = (one: Message<Fields>, below: (n: number) => number): Value<Fields> => {
  const text = (): string => Array.from({ length: below(40) }, () => characters[below(characters.length)]).join("")
  const of: { readonly [K in Kind]: () => unknown } = {
    string: text,
    eventCorrelationId: text,
    int: () => [0, 200, -1, 2 ** 31 - 1, -(2 ** 31)][below(5)],
    long: () => longs[below(longs.length)],
    timeout: () => longs[below(longs.length)],
    bytes: () => Buffer.from(Array.from({ length: below(40) }, () => below(256))),
    strings: () => Array.from({ length: below(5) }, text),
    stringOrNull: () => (below(2) === 0 ? null : text()),
    nullOrString: () => (below(2) === 0 ? null : text()),
    contentType: text
  }
  return Object.fromEntries(Object.entries(one.fields).map(([field, kind]) => [field, of[kind]()])) as Value<Fields>
}

describe("the encoding is that of another implementation", () => {
  const oracle = makeOracle()
  for (const one of messages) {
    it(`of ${one.record}, both ways (seed 11)`, () => {
      const below = randomFrom(11)
      for (let run = 0; run < 200; run++) {
        const value = randomValue(one, below)
        const bytes = one.encode(value)
        assertSame(Buffer.from(bytes), oracle.write(one.schema, value))
        assertSame(one.decode(bytes), value)
      }
    })
  }
})

// ---- nothing is remembered ---------------------------------------------------------------

/** Runs of one byte, and lengths and counts that no message can have, where a field begins. */
const impossible: ReadonlyArray<Uint8Array> = [
  ...[0xff, 0x80, 0x00, 0x01, 0x7f, 0xfe].flatMap((byte) =>
    [...Array(300).keys(), 1_000, 2_000, 4_095, 4_096, 4_097, 8_192].map((length) => Buffer.alloc(length, byte))
  ),
  ...[
    "ffffffffffffffffff01",
    "feffffffffffffffff01",
    "ffffffffffffffffff7f",
    "808080808080808080807f",
    "01",
    "03"
  ].flatMap((length) => ["", "00", "61", "ff".repeat(2_000)].map((rest) => Buffer.from(length + rest, "hex")))
]

/** Checks that a good message of each kind still reads as it should, and a hot request too. */
const makeCheck = () => {
  const below = randomFrom(13)
  const good = messages.map((one) => {
    const value = randomValue(one, below)
    return { one, value, bytes: one.encode(value) }
  })
  const request = { correlationId: "c-1", timestamp: 2n ** 53n + 1n, timeout: 0n, appName: "app", token: "tökén" }
  const requestBytes = Ecap.EndpointTokenValidationRequest.encode(request)
  const token = Buffer.from("tökén")
  const frame = new RequestFrame()
  let turn = 0
  return {
    good,
    /** After these bytes: the next kind of message in turn. */
    after: (payload: Uint8Array) => {
      frame.read(payload)
      const { bytes, one, value } = good[turn++ % good.length]!
      assertSame(one.decode(bytes), value)
      const isRead = frame.read(requestBytes)
      const isToken = token.equals(requestBytes.subarray(frame.tokenStart, frame.tokenEnd))
      const isRight = isRead && isToken && frame.keyCanonical && !frame.timesExact
      if (!isRight || frame.timestampBig !== request.timestamp)
        assert.fail(`the hot request after ${Buffer.from(payload).toString("hex")}`)
    }
  }
}

it("a run of any byte and an impossible length change nothing for the next message, whatever its kind", () => {
  const check = makeCheck()
  for (const payload of impossible) {
    for (const one of messages) {
      one.decode(payload)
      check.after(payload)
    }
  }
})

it("a good message reads right after each of a hundred thousand that are nearly right (seed 17)", () => {
  const check = makeCheck()
  const each = Math.ceil(times(100_000) / messages.length)
  let oracle = makeOracle()
  let refused = 0
  for (const { bytes, one } of check.good) {
    for (const payload of mutations(bytes, each, 17)) {
      const decoded = one.decode(payload)
      check.after(payload)
      // What is taken is what the other one reads; only what is taken is shown to it, for its own sake.
      if (decoded === null) refused++
      else assertSame(withTextsAsBytes(decoded), oracle.read(one.schema, payload))
    }
  }
  assert.isAbove(refused, times(10_000))
  // What the other one reads, and would write in just these bytes, is refused for a text that is not UTF-8 only.
  for (const { bytes, one } of check.good) {
    for (const payload of mutations(bytes, times(60), 19)) {
      if (one.decode(payload) !== null) continue
      oracle = makeOracle()
      const read = oracle.read(one.schema, payload)
      if (read === null || !oracle.write(one.schema, read)?.equals(payload)) continue
      assert.isFalse(Object.values(read).every(isText), `${one.record} ${Buffer.from(payload).toString("hex")}`)
    }
  }
})

const isText = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.every(isText)
  return !(value instanceof Uint8Array) || Buffer.from(Buffer.from(value).toString("utf8")).equals(value)
}

describe("a correlation id of more than 256 characters (R-INP-2)", () => {
  const oracle = makeOracle()
  const below = randomFrom(23)
  const longest = "😀".repeat(256)
  const withId = (one: Message<Fields>, correlationId: string) => {
    const value = { ...randomValue(one, below), correlationId }
    return { value, bytes: oracle.write(one.schema, value) ?? assert.fail("not written") }
  }
  const tooLong = [`${longest}a`, "a".repeat(257), "a".repeat(1_000_000)]
  const events = messages.filter(({ record }) => record.endsWith("Event") || record.endsWith("SystemConfigUpdated"))
  for (const one of messages) {
    it(`${events.includes(one) ? "is left out of" : "is one of"} ${one.record}`, () => {
      const good = withId(one, longest)
      assert.deepStrictEqual(one.decode(good.bytes), good.value)
      for (const correlationId of tooLong) {
        const { bytes, value } = withId(one, correlationId)
        const found = events.includes(one) ? { ...value, correlationId: "" } : value
        assert.deepStrictEqual(one.decode(bytes), found)
        assert.deepStrictEqual(one.decode(one.encode(value)), found)
      }
    })
  }
})

// ---- bounds --------------------------------------------------------------------------------

describe("a list of texts", () => {
  const list = message("test", "List", { texts: "strings" })
  const of = (hex: string) => list.decode(Buffer.from(hex, "hex"))?.texts
  it("is read in blocks, also in those that say their size", () => {
    assert.deepStrictEqual(of("00"), [])
    assert.deepStrictEqual(of("040261026200"), ["a", "b"])
    assert.deepStrictEqual(of("02026102026200"), ["a", "b"])
    assert.deepStrictEqual(of("03080261026200"), ["a", "b"])
    assert.deepStrictEqual(of("0104026102026200"), ["a", "b"])
  })
  for (const [about, hex] of [
    ["more texts than there are bytes", "fe01026100"],
    ["a count of 2 to the 62nd", "808080808080808080010261"],
    ["the least count of 64 bits", "ffffffffffffffffff010261"],
    ["a size that is too small", "0306026102620000"],
    ["a size that is too large", "030a026102620000"],
    ["a size that is negative", "030902610262000000"],
    ["no end", "020261"],
    ["a count of more than 64 bits", "ffffffffffffffffff7f00"]
  ] as const) {
    it(`is refused with ${about}`, () => assert.isUndefined(of(hex)))
  }
})

it("a union has two branches, a number of 32 bits has 32", () => {
  const one = message("test", "One", { text: "stringOrNull", code: "int" })
  const of = (hex: string) => one.decode(Buffer.from(hex, "hex"))
  assert.deepStrictEqual(of("0200"), { text: null, code: 0 })
  assert.deepStrictEqual(of("000261ffffffff0f"), { text: "a", code: -(2 ** 31) })
  for (const hex of ["0400", "0100", "02feffffff1f", "0280808080808080808001"]) assert.isNull(of(hex), hex)
})

it("the bytes of a message may be written over once it was read", () => {
  const bytes = Scmp.SystemConfigUpdated.encode({
    ...Object.fromEntries(Object.keys(Scmp.SystemConfigUpdated.fields).map((field) => [field, "t"])),
    timestamp: 1n,
    timeout: 0n,
    content: Buffer.from("content")
  } as unknown as Scmp.SystemConfigUpdated)
  const value = Scmp.SystemConfigUpdated.decode(bytes)
  bytes.fill(0)
  assert.deepStrictEqual(value?.content, Buffer.from("content"))
})

it("a value outside its type is not written", () => {
  const one = message("test", "All", { text: "string", code: "int", time: "long", octets: "bytes", texts: "strings" })
  const good = { text: "a", code: 1, time: 1n, octets: new Uint8Array(1), texts: ["a"] }
  assert.isNotNull(one.decode(one.encode(good)))
  for (const wrong of [
    { text: null },
    { code: 2 ** 31 },
    { code: 0.5 },
    { time: 1 },
    { time: 2n ** 63n },
    { octets: "a" },
    { texts: "a" },
    { texts: [1] }
  ]) {
    assert.throws(
      () => one.encode({ ...good, ...wrong } as unknown as typeof good),
      TypeError,
      undefined,
      JSON.stringify(Object.keys(wrong))
    )
  }
})

it("no module of the service loads the library that the tests compare with", () => {
  const root = resolve(import.meta.dirname, "../../..")
  const { dependencies } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"))
  assert.notProperty(dependencies, "avsc")
  const sources = globSync("src/**/*.ts", { cwd: root })
  assert.deepStrictEqual(
    sources.filter((file) => readFileSync(resolve(root, file), "utf8").includes('"avsc"')),
    []
  )
})
