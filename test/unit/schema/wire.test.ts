// Verifies R-BUS-1.
import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { Fields, Message } from "../../../src/schema/Avro.ts"
import * as Cap from "../../../src/schema/Cap.ts"
import * as Ecap from "../../../src/schema/Ecap.ts"
import * as Elce from "../../../src/schema/Elce.ts"
import * as Scmp from "../../../src/schema/Scmp.ts"
import * as Tle from "../../../src/schema/Tle.ts"
import { mutations } from "../../support/mutations.ts"

const messages = [Ecap, Cap, Elce, Tle, Scmp].flatMap((module): ReadonlyArray<Message<Fields>> => Object.values(module))
const named = (record: string) => {
  const found = messages.find((message) => message.record === record)
  if (found === undefined) throw new Error(`${record} is not defined`)
  return found
}

interface Vector {
  readonly record: string
  readonly value: Readonly<Record<string, unknown>>
  readonly hex: string
}
const read = (file: string): Readonly<Record<string, Vector>> => JSON.parse(readFileSync(file, "utf8"))

/** A fixture's JSON as the values of our types: longs exact, bytes as bytes, unions without their wrapping. */
const typedValue = (message: Message<Fields>, json: Vector["value"]) =>
  Object.fromEntries(
    Object.entries(message.fields).map(([field, kind]) => {
      const given = json[field]
      const plain =
        typeof given === "object" && given !== null && !Array.isArray(given) ? Object.values(given)[0] : given
      if (kind === "long" || kind === "timeout") return [field, BigInt(plain as number | string)]
      return [field, kind === "bytes" ? Buffer.from(plain as string, "utf8") : plain]
    })
  )

const ownFile = resolve(import.meta.dirname, "../../fixtures/wire.json")
const sharedFile = resolve(import.meta.dirname, "../../../../shared/wire/vectors.json")
const sources = [ownFile, ...(existsSync(sharedFile) ? [sharedFile] : [])]

for (const file of sources) {
  describe(`the messages of ${file === ownFile ? "test/fixtures/wire.json" : "shared/wire/vectors.json"}`, () => {
    for (const [name, vector] of Object.entries(read(file))) {
      it(`${name} has these bytes, both ways`, () => {
        const message = named(vector.record)
        const value = typedValue(message, vector.value)
        assert.strictEqual(Buffer.from(message.encode(value)).toString("hex"), vector.hex)
        assert.deepStrictEqual(message.decode(Buffer.from(vector.hex, "hex")), value)
      })
    }
  })
}

it("every message is in the fixtures", () => {
  const covered = new Set(Object.values(read(ownFile)).map(({ record }) => record))
  assert.deepStrictEqual(
    messages.map(({ record }) => record).filter((record) => !covered.has(record)),
    []
  )
})

describe("decoding is strict", () => {
  const message = Ecap.EndpointTokenValidationRequest
  const value = { correlationId: "c", timestamp: 1n, timeout: 0n, appName: "app", token: "tökén😀" }
  const good = Buffer.from(message.encode(value))
  const bad: ReadonlyArray<readonly [string, Buffer]> = [
    ["no bytes at all", Buffer.alloc(0)],
    ["one byte less", good.subarray(0, -1)],
    ["one byte left over", Buffer.concat([good, Buffer.of(0)])],
    ["text that is not UTF-8", Buffer.from("02ff0200066170700274", "hex")],
    ["text cut in the middle of a character", Buffer.from("02c30200066170700274", "hex")],
    ["a surrogate written as UTF-8", Buffer.from("06eda0800200066170700274", "hex")],
    ["a negative length", Buffer.from("01630200066170700274", "hex")],
    ["a length beyond the end", Buffer.from("fe630200066170700274", "hex")],
    ["a number of eleven bytes", Buffer.from("0263828080808080808080800000066170700274", "hex")],
    ["a number of more than 64 bits", Buffer.from("0263ffffffffffffffffff7f00066170700274", "hex")]
  ]
  it("takes the encoding of a value, and a byte order mark as a character like any", () => {
    assert.deepStrictEqual(message.decode(good), value)
    const marked = { ...value, token: "\ufefft" }
    assert.deepStrictEqual(message.decode(message.encode(marked)), marked)
    assert.isNotNull(message.decode(Buffer.from("02630200066170700274", "hex")))
  })
  for (const [name, bytes] of bad) it(`refuses ${name}`, () => assert.isNull(message.decode(bytes)))

  it("keeps all 64 bits of a long", () => {
    for (const timestamp of [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n]) {
      assert.strictEqual(message.decode(message.encode({ ...value, timestamp }))?.timestamp, timestamp)
    }
    assert.throws(() => message.encode({ ...value, timestamp: 2n ** 63n }))
  })

  it("takes a number that is longer than it must be, as Avro does", () => {
    assert.deepStrictEqual(message.decode(Buffer.from("026382800000066170700274", "hex")), { ...value, token: "t" })
  })

  it("never throws, and what it takes reads the same when written again (seed 7)", () => {
    for (const one of messages) {
      const from = Buffer.from(
        Object.values(read(ownFile)).find(({ record }) => record === one.record)?.hex ?? "",
        "hex"
      )
      for (const payload of mutations(from, 500, 7)) {
        const decoded = one.decode(payload)
        if (decoded !== null) assert.deepStrictEqual(one.decode(one.encode(decoded)), decoded)
      }
    }
  })
})
