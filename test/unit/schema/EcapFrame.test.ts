// Verifies R-BUS-1, R-INP-2.
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import avsc from "avsc"
import { keyOf, names, RequestFrame } from "../../../src/schema/EcapFrame.ts"
import { encodeTail, endpointIdOfTail, ResponseWriter, withoutCorrelationId } from "../../../src/schema/EcapReply.ts"
import * as vectors from "../../fixtures/ecapVectors.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const common = [
  { name: "correlationId", type: "string" },
  { name: "timestamp", type: "long" },
  { name: "timeout", type: "long", default: 0 }
]
const longs = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)
})
const requestType = avsc.Type.forSchema(
  {
    type: "record",
    name: "EndpointTokenValidationRequest",
    fields: [...common, { name: "appName", type: "string" }, { name: "token", type: "string" }]
  } as avsc.Schema,
  { registry: { long: longs } }
)
const responseType = avsc.Type.forSchema({
  type: "record",
  name: "EndpointTokenValidationResponse",
  fields: [
    ...common,
    { name: "tokenId", type: ["string", "null"] },
    { name: "endpointId", type: ["string", "null"] },
    { name: "statusCode", type: "int" },
    { name: "reasonPhrase", type: ["null", "string"], default: null }
  ]
} as avsc.Schema)

interface RequestValue {
  readonly correlationId: string
  readonly timestamp: bigint
  readonly timeout: bigint
  readonly appName: string
  readonly token: string
}
const encode = (value: RequestValue): Uint8Array => requestType.toBuffer(value)

const read = (bytes: Uint8Array) => {
  const frame = new RequestFrame()
  if (!frame.read(bytes)) return "undecodable"
  const correlationId = Buffer.from(bytes.subarray(frame.correlationStart, frame.correlationEnd)).toString("utf8")
  return {
    correlationId,
    timestamp: frame.timesExact ? BigInt(frame.timestamp) : frame.timestampBig,
    timeout: frame.timesExact ? BigInt(frame.timeout) : frame.timeoutBig,
    names: names(bytes, frame),
    keyCanonical: frame.keyCanonical,
    key: Buffer.from(bytes.subarray(frame.keyStart)).toString("hex")
  }
}

const write = (correlationId: string, now: number, tail: Parameters<typeof encodeTail>[0]): Uint8Array => {
  const correlation = Buffer.from(correlationId)
  const bytes = encodeTail(tail)
  return new ResponseWriter().write(correlation, 0, correlation.length, now, bytes, 0, bytes.length)
}

const randomText = (random: () => number): string => {
  const length = Math.floor(random() * (random() < 0.2 ? 200 : 12))
  return Array.from({ length }, () =>
    String.fromCodePoint([0x61, 0x30, 0x2b, 0xe9, 0x4e2d, 0x1f600, 0][Math.floor(random() * 7)]!)
  ).join("")
}
const edges = [
  0n,
  1n,
  -1n,
  63n,
  64n,
  1_701_432_000_000n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 52n,
  2n ** 53n,
  -(2n ** 53n),
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n)
]

describe("EcapFrame reads requests", () => {
  it("as the written example has them", () => {
    assert.deepInclude(read(Buffer.from(vectors.request.hex, "hex")), {
      correlationId: vectors.request.value.correlationId,
      timestamp: BigInt(vectors.request.value.timestamp),
      timeout: BigInt(vectors.request.value.timeout),
      names: { appName: vectors.request.value.appName, token: vectors.request.value.token },
      keyCanonical: true
    })
  })

  it("exactly as an independent encoder wrote them, whatever is in them", () => {
    const { random, seed } = seededRandom("EcapFrame")
    for (let run = 0; run < times(2_000); run++) {
      const value: RequestValue = {
        correlationId: randomText(random),
        timestamp: edges[Math.floor(random() * edges.length)]!,
        timeout: edges[Math.floor(random() * edges.length)]!,
        appName: randomText(random),
        token: randomText(random)
      }
      const found = read(encode(value))
      assert.isObject(found, `seed ${seed}`)
      if (typeof found === "string") return
      assert.deepStrictEqual(
        [found.correlationId, found.timestamp, found.timeout, found.keyCanonical],
        [value.correlationId, value.timestamp, value.timeout, true],
        `seed ${seed}`
      )
      const good = /^[a-z0-9_-]{1,64}$/u.test(value.appName) && /^[^+#/.]{1,256}$/u.test(value.token)
      assert.deepStrictEqual(found.names, good ? { appName: value.appName, token: value.token } : "invalid")
      assert.strictEqual(found.key, Buffer.from(keyOf(value.appName, value.token)).toString("hex"), `seed ${seed}`)
    }
  })

  it("as undecodable when cut off anywhere or with a byte left over", () => {
    const bytes = Buffer.from(vectors.request.hex, "hex")
    for (let length = 0; length < bytes.length; length++)
      assert.strictEqual(read(bytes.subarray(0, length)), "undecodable")
    assert.strictEqual(read(Buffer.concat([bytes, Buffer.of(0)])), "undecodable")
  })

  it("as undecodable when a length is negative, huge, or longer than ten bytes", () => {
    const rest = "0000026102620000"
    for (const length of [
      "01",
      "ffffffffffffffffff01",
      "feffffffffffffffff01",
      "8080808080808080808000",
      "80808080808080808002"
    ]) {
      assert.strictEqual(read(Buffer.from(length + rest, "hex")), "undecodable", length)
    }
    // Of the tenth byte only the lowest bit is left of 64: with more it is no length, though the rest would read well.
    const well = "000002610262"
    assert.deepInclude(read(Buffer.from(`80808080808080808000${well}`, "hex")), { correlationId: "" })
    for (const tenth of ["02", "03", "7f"]) {
      assert.strictEqual(read(Buffer.from(`808080808080808080${tenth}${well}`, "hex")), "undecodable", tenth)
    }
  })

  it("with lengths encoded longer than needed, and says so", () => {
    // correlation id "c" (length 82 00), times 0, "a" (82 80 00), "b"
    const found = read(Buffer.from("8200630000828000610262", "hex"))
    assert.deepInclude(found, { correlationId: "c", names: { appName: "a", token: "b" }, keyCanonical: false })
    const elsewhere = read(Buffer.from("820063800000026182000062".replace("82000062", "820062"), "hex"))
    assert.deepInclude(elsewhere, { correlationId: "c", keyCanonical: false })
    // Only the lengths in front of the names matter for their bytes.
    assert.deepInclude(read(Buffer.from("8200630000" + "02610262", "hex")), { keyCanonical: true })
  })

  it("with a correlation id of any length, which is UTF-8 to its last byte (R-INP-2)", () => {
    for (const character of ["a", "é", "😀"]) {
      for (const length of [63, 64, 128, 129, 255, 256, 257, 1_024, 1_025, 4_096, 65_535, 65_536, 2_097_152]) {
        const correlationId = character.repeat(length)
        const bytes = encode({ correlationId, timestamp: 1n, timeout: 0n, appName: "a", token: "b" })
        const found = read(bytes)
        assert.isTrue(typeof found === "object" && found.correlationId === correlationId, `${character} ${length}`)
        const broken = Buffer.from(bytes)
        broken[broken.length - 7] = 0xff // of the last character, before the two times, "a" and "b"
        assert.strictEqual(read(broken), "undecodable", `${character} ${length}`)
      }
    }
  })

  it("as undecodable when any text is not UTF-8", () => {
    for (const bad of ["c080", "eda080", "f4908080", "ff", "c3"]) {
      const text = bad.length.toString(16).padStart(2, "0") + bad
      assert.strictEqual(read(Buffer.from(`${text}000002610262`, "hex")), "undecodable", `correlation ${bad}`)
      for (const tail of [`${text}0262`, `0261${text}`]) {
        assert.deepInclude(read(Buffer.from(`00${"0000"}${tail}`, "hex")), { names: "undecodable" }, tail)
      }
    }
  })

  it("as undecodable when a text is not UTF-8, though another one is too long to be looked at", () => {
    for (const [appName, token] of [
      ["a", "t".repeat(2_000)],
      ["a".repeat(2_000), "t"]
    ] as const) {
      const bytes = Buffer.from(encode({ correlationId: "", timestamp: 0n, timeout: 0n, appName, token }))
      assert.deepInclude(read(bytes), { names: "invalid" })
      bytes[bytes.length - 1] = 0xff
      assert.deepInclude(read(bytes), { names: "undecodable" })
    }
  })

  it("and counts names in code points, not in bytes or UTF-16 units", () => {
    const astral = "\u{1f600}"
    const of = (token: string) => read(encode({ correlationId: "", timestamp: 0n, timeout: 0n, appName: "a", token }))
    assert.deepInclude(of(astral.repeat(256)), { names: { appName: "a", token: astral.repeat(256) } })
    assert.deepInclude(of(astral.repeat(257)), { names: "invalid" })
    assert.deepInclude(of("\n"), { names: { appName: "a", token: "\n" } })
    assert.deepInclude(of(""), { names: "invalid" })
  })
})

describe("EcapFrame's deadline", () => {
  const at = (timestamp: bigint, timeout: bigint, now: number) => {
    const frame = new RequestFrame()
    assert.isTrue(frame.read(encode({ correlationId: "", timestamp, timeout, appName: "a", token: "b" })))
    return { negative: frame.timeoutIsNegative(), passed: frame.hasPassed(now) }
  }
  it("is compared exactly over all 64 bits", () => {
    const now = 1_701_432_000_000
    for (const timestamp of [...edges, BigInt(now), BigInt(now) - 5n]) {
      for (const timeout of [...edges, 4n, 5n, 6n, BigInt(now) - timestamp, BigInt(now) - timestamp - 1n]) {
        if (BigInt.asIntN(64, timeout) !== timeout) continue
        assert.deepStrictEqual(
          at(timestamp, timeout, now),
          { negative: timeout < 0n, passed: timeout > 0n && BigInt(now) > timestamp + timeout },
          `${timestamp} ${timeout}`
        )
      }
    }
  })
})

describe("EcapFrame writes responses", () => {
  it("as the written examples have them", () => {
    for (const { hex, value } of [vectors.response200, vectors.response404]) {
      assert.strictEqual(Buffer.from(write(value.correlationId, value.timestamp, value)).toString("hex"), hex)
    }
  })

  it("that an independent decoder reads back, whatever is in them", () => {
    const { random, seed } = seededRandom("EcapFrame responses")
    const nullable = () => (random() < 0.3 ? null : randomText(random))
    for (let run = 0; run < times(1_000); run++) {
      const value = {
        correlationId: randomText(random),
        timestamp: 1_600_000_000_000 + Math.floor(random() * 1e12),
        timeout: 0,
        tokenId: nullable(),
        endpointId: nullable(),
        statusCode: [200, 400, 404, 503][Math.floor(random() * 4)]!,
        reasonPhrase: nullable()
      }
      const decoded = responseType.fromBuffer(Buffer.from(write(value.correlationId, value.timestamp, value)))
      assert.deepStrictEqual({ ...decoded }, value, `seed ${seed}`)
    }
  })

  /** The bytes from the fourth word on, and others behind them. */
  const wordsOf = (bytes: Uint8Array): Int32Array => {
    const words = new Int32Array(bytes.length).fill(-1)
    new Uint8Array(words.buffer).set(bytes, 12)
    return words
  }

  it("whose memory is never written again, over any number of replies and sizes", () => {
    const writer = new ResponseWriter()
    const { random, seed } = seededRandom("EcapFrame slabs")
    const kept: Array<{ bytes: Uint8Array; hex: string }> = []
    for (let run = 0; run < times(400); run++) {
      const correlation = Buffer.alloc(Math.floor(random() ** 4 * 600_000), 0x61)
      const endpointId = "e".repeat(1 + Math.floor(random() * 9))
      const tail = encodeTail({ tokenId: "t", endpointId, statusCode: 200, reasonPhrase: null })
      const bytes =
        random() < 0.5
          ? writer.write(correlation, 0, correlation.length, run, tail, 0, tail.length)
          : writer.writeWords(correlation, 0, correlation.length, run, wordsOf(tail), 3, tail.length)
      assert.strictEqual(Buffer.from(bytes.subarray(-tail.length)).toString("hex"), Buffer.from(tail).toString("hex"))
      kept.push({ bytes, hex: Buffer.from(bytes.subarray(-16)).toString("hex") })
      assert.strictEqual(responseType.fromBuffer(Buffer.from(bytes)).timestamp, run, `seed ${seed}`)
    }
    for (const { bytes, hex } of kept) assert.strictEqual(Buffer.from(bytes.subarray(-16)).toString("hex"), hex)
  })

  it("and one with a long correlation id takes no room of the others", () => {
    const writer = new ResponseWriter()
    const tail = encodeTail({ tokenId: "t", endpointId: "e", statusCode: 200, reasonPhrase: null })
    const correlation = Buffer.alloc(1_000_000, 0x61)
    const short = () => writer.write(correlation, 0, 1, 1, tail, 0, tail.length)
    const first = short()
    for (const length of [4_097, 65_535, 65_536, 1_000_000]) {
      for (const long of [
        writer.write(correlation, 0, length, 1, tail, 0, tail.length),
        writer.writeWords(correlation, 0, length, 1, wordsOf(tail), 3, tail.length)
      ]) {
        const { correlationId, statusCode } = responseType.fromBuffer(Buffer.from(long))
        assert.deepStrictEqual([correlationId.length, statusCode], [length, 200])
        assert.notStrictEqual(long.buffer, first.buffer)
      }
      assert.strictEqual(short().buffer, first.buffer)
    }
  })

  it("which is the same but for its correlation id without it", () => {
    for (const length of [0, 1, 63, 64, 8_191, 8_192, 1_048_576]) {
      const value = { tokenId: "t", endpointId: null, statusCode: 404, reasonPhrase: "r" }
      const without = withoutCorrelationId(write("a".repeat(length), 7, value))
      assert.strictEqual(Buffer.from(without).toString("hex"), Buffer.from(write("", 7, value)).toString("hex"))
    }
  })

  it("from whose tail the endpoint id can be read again, at every length", () => {
    for (const length of [1, 36, 63, 64, 128]) {
      const tail = encodeTail({
        tokenId: "0".repeat(36),
        endpointId: "e".repeat(length),
        statusCode: 200,
        reasonPhrase: null
      })
      const placed = new Uint8Array(tail.length + 7)
      placed.set(tail, 7)
      assert.strictEqual(endpointIdOfTail(placed, 7), "e".repeat(length))
    }
  })
})

/** The vectors published with the protocols, where they are at hand; else the same examples from here. */
const published = (): ReadonlyArray<readonly [string, { readonly hex: string; readonly value: PublishedValue }]> => {
  const shared = new URL("../../../../shared/wire/vectors.json", import.meta.url)
  if (existsSync(shared)) return Object.entries(JSON.parse(readFileSync(shared, "utf8")))
  return [
    ["0016-endpoint-token-validation-request", vectors.request],
    ["0016-endpoint-token-validation-response", vectors.response200],
    ["0016-endpoint-token-validation-response#404", vectors.response404]
  ]
}
type MaybeText = string | null | { readonly string: string }
interface PublishedValue {
  readonly correlationId: string
  readonly timestamp: number
  readonly appName?: string
  readonly token?: string
  readonly tokenId?: MaybeText
  readonly endpointId?: MaybeText
  readonly statusCode?: number
  readonly reasonPhrase?: MaybeText
}

describe("EcapFrame and the published vectors", () => {
  it("agree byte for byte", () => {
    const unwrap = (value: MaybeText = null) => (typeof value === "object" ? (value?.string ?? null) : value)
    for (const [name, { hex, value }] of published()) {
      if (name.startsWith("0016-endpoint-token-validation-request")) {
        assert.deepInclude(read(Buffer.from(hex, "hex")), {
          correlationId: value.correlationId,
          names: { appName: value.appName!, token: value.token! }
        })
      } else if (name.startsWith("0016-endpoint-token-validation-response")) {
        const bytes = write(value.correlationId, value.timestamp, {
          tokenId: unwrap(value.tokenId),
          endpointId: unwrap(value.endpointId),
          statusCode: value.statusCode!,
          reasonPhrase: unwrap(value.reasonPhrase)
        })
        assert.strictEqual(Buffer.from(bytes).toString("hex"), hex, name)
      }
    }
  })
})
