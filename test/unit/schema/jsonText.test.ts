// Verifies R-BUS-12, R-INP-3.
/** What a request's text may be: against a parser written for this test, on texts made and broken at random. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decodeRequest } from "../../../src/schema/Json.ts"
import { depthMax, parseJson, valuesMax } from "../../../src/schema/JsonText.ts"
import { GetToken } from "../../../src/schema/TokenJson.ts"
import { mutations } from "../../support/mutations.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const { random, seed } = seededRandom("JSON texts")

const bytes = (text: string) => new TextEncoder().encode(text)
const parse = (text: string) => Result.map(parseJson(bytes(text)), ({ value }) => value)
const reasonOf = (text: string) => Result.getOrThrow(Result.flip(parse(text)))

const twice = "has an object with the same key twice"
const withBackslash = "has a key with a backslash"
const tooDeep = `is nested deeper than ${depthMax} levels`

describe("a text", () => {
  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u00e4":1,"ä":2}',
    '{"":1,"":2}',
    '{"a":{"b":[{"c":1,"c":2}]}}',
    '{"a":{"x":1,"y":2},"a":1}',
    '{"a":1,"a":{"x":1,"y":2}}',
    '[{},{"1":1,"1":2}]',
    '{"__proto__":1,"__proto__":2}',
    '{"a\\"b":1,"a\\u0022b":2}',
    ' { "a" : 1 , "a" : 2 } '
  ])("with a key twice in one object is refused: %s", (text) => {
    assert.strictEqual(reasonOf(text), twice)
  })

  it.each([
    "{}",
    "null",
    '"a:b"',
    '{"a":":","b":"{[\\"]}:\\\\"}',
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '{"a":1,"A":2,"a ":3}',
    '{"__proto__":{"a":1},"constructor":{"a":1}}',
    '{"2":1,"1":1,"01":1}',
    '{"\\ud83d\\ude00":1,"\\ud83d":2}'
  ])("with each key once is read as it stands: %s", (text) => {
    assert.deepStrictEqual(Result.getOrThrow(parse(text)), JSON.parse(text))
  })

  it(`is nested ${depthMax} levels deep at most, whatever it is`, () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
    assert.isTrue(Result.isSuccess(parse(nested(depthMax))))
    assert.strictEqual(reasonOf(nested(depthMax + 1)), tooDeep)
    assert.strictEqual(reasonOf('{"a":['.repeat(depthMax)), tooDeep)
    assert.strictEqual(reasonOf("[".repeat(1_000_000)), tooDeep)
    assert.isTrue(Result.isSuccess(parse(`[${"[],{},".repeat(100)}"${"[".repeat(100)}"]`)))
  })

  it(`holds ${valuesMax} values at most, and is not parsed when it has more`, () => {
    const list = (of: string, times: number) => `[${Array.from({ length: times }, () => of).join()}]`
    const keys = (times: number) => `{${Array.from({ length: times }, (_, at) => `"${at}":1`).join()}}`
    const tooMany = `holds more than ${valuesMax} values`
    for (const text of [list("1", valuesMax), list('"a,[{:"', valuesMax), keys(valuesMax), list("[]", valuesMax / 2)])
      assert.isTrue(Result.isSuccess(parse(text)), text.slice(0, 20))
    for (const text of [list("1", valuesMax + 1), keys(valuesMax + 1), list("{}", valuesMax / 2 + 1)])
      assert.strictEqual(reasonOf(text), tooMany, text.slice(0, 20))
    // Broken behind the place where that is known: a parser would say so.
    assert.strictEqual(reasonOf(`${keys(valuesMax + 1)}}`), tooMany)
    assert.strictEqual(reasonOf(`{"metadata":${keys(valuesMax)},"metadata":1}`), tooMany)
  })

  it("may be a batch of a thousand items with all their fields", () => {
    const item = { endpointId: "e", token: "t", expiresDate: "2030-01-01T00:00:00.000Z", description: "[,]" }
    const batch = JSON.stringify({ appName: "meters", items: Array.from({ length: 1_000 }, () => item) })
    assert.isTrue(Result.isSuccess(parse(batch)))
  })

  it("that is not JSON in UTF-8 is refused", () => {
    const wrong = ["", " ", "{", '{"a"', '{"a":1,}', '"', '"\\', "\ufeff{}", "{}{}", "nul", '{"a":1 "a":2}', "{'a':1}"]
    for (const text of wrong) assert.strictEqual(reasonOf(text), "not JSON in UTF-8", text)
    assert.isTrue(Result.isFailure(parseJson(Buffer.from('{"a":"\xff"}', "latin1"))))
  })

  it.each(['{"\\\\":1}', '{"a\\u005cb":1}', '{"\\u005C":[]}', '[{"x":1,"a\\nb\\\\":2}]'])(
    "with a key that holds a backslash is refused: %s",
    (text) => {
      assert.strictEqual(reasonOf(text), withBackslash)
    }
  )

  it("changes no other text: a key with an escape is read as itself, whatever was asked before", () => {
    for (const before of ['{"x":1,"\\\\":2}', '{"x":1,"\\u005c":2}', '{"x":1,"\\\\":2}}', '{"x":1,"\\\\u":2}'])
      parse(before)
    assert.deepStrictEqual(Result.getOrThrow(parse('{"x":1,"\\u0061":2}')), { x: 1, a: 2 })
    assert.deepStrictEqual(Result.getOrThrow(parse('{"x":1,"\\u0061b":2}')), { x: 1, ab: 2 })
    assert.deepStrictEqual(Result.getOrThrow(parse('{"x":1,"a\\"\\n":"\\\\"}')), { x: 1, 'a"\n': "\\" })
  })

  it("of a request that names something twice is a request that is refused, with the reason and no value", () => {
    const refused = Result.getOrThrow(
      Result.flip(decodeRequest(GetToken)(bytes('{"tokenId":"planted","tokenId":"x"}')))
    )
    assert.deepStrictEqual([refused._tag, refused.path, refused.reason], ["InvalidRequest", "", twice])
  })
})

// ---- what does not come back as it was written -----------------------------------------------

const flawsOf = (text: string) =>
  Result.getOrThrow(parseJson(bytes(text))).flaws.map(({ path, reason }) => [path, reason] as const)
const number = "must be a number that 64 bits of floating point keep as it is written"
const text = "must be well-formed Unicode"

describe("a number", () => {
  it.each([
    "0",
    "7",
    "-7",
    "1.0",
    "1e2",
    "1E+2",
    "100e-2",
    "0.10",
    "0.1",
    "-0.5",
    "123456789012345",
    "9007199254740991",
    "9007199254740992",
    "9007199254740994",
    "1e21",
    "1e300",
    "1.7976931348623157e308",
    "5e-324",
    "0e99999999999",
    "0.0"
  ])("that comes back as the same number is taken: %s", (written) => {
    assert.deepStrictEqual(flawsOf(`{"a":[${written}]}`), [])
  })
  it.each([
    "9007199254740993",
    "-9007199254740993",
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "-0.0",
    "-0e5",
    "-1e-400",
    "0.1000000000000000055511151231257827",
    "0.30000000000000000001",
    "1.7976931348623157e309",
    "123456789012345678",
    "1234567890123456789",
    `1${"0".repeat(400)}`,
    `0.${"1".repeat(100_000)}`
  ])("that does not is told with its place: %s", (written) => {
    assert.deepStrictEqual(flawsOf(`{"a":[0, {"b c":${written}}]}`), [[["a", 1, "b c"], number]])
    assert.deepStrictEqual(flawsOf(written), [[[], number]])
  })

  it("is judged as exact arithmetic judges it, whatever it is", () => {
    for (let count = 0; count < times(20_000); count++) {
      const digits =
        String(Math.floor(random() * 10 ** (1 + Math.floor(random() * 15)))) + String(Math.floor(random() * 10 ** 5))
      const power = Math.floor(random() * 40) - 20
      const written = `${random() < 0.5 ? "-" : ""}${Number(digits[0]) === 0 ? "1" : ""}${digits}e${power}`
      // Exactly: the text and the shortest text of its double, both as whole numbers over one power of ten.
      const exact = (one: string) => {
        const [mantissa = "", exponent = "0"] = one.split("e")
        const [whole = "", fraction = ""] = mantissa.split(".")
        return BigInt(whole + fraction) * 10n ** BigInt(60 + Number(exponent) - fraction.length)
      }
      const same = exact(written) === exact(String(Number(written)))
      assert.deepStrictEqual(flawsOf(written), same ? [] : [[[], number]], written)
    }
  })
})

describe("text", () => {
  it("with half of a surrogate pair is told with its place", () => {
    assert.deepStrictEqual(flawsOf('"\\ud800"'), [[[], text]])
    assert.deepStrictEqual(flawsOf('{"a":{"b":["x","\\uDFFFx"]}}'), [[["a", "b", 1], text]])
    assert.deepStrictEqual(flawsOf('{"a":"\\ude00\\ud83d"}'), [[["a"], text]])
    assert.deepStrictEqual(flawsOf('{"a":"\\ud83d\\ude00","b":"\\\\ud800","c":"\\u0064800"}'), [])
  })
  it("in a key is told with the place of the object", () => {
    const key = "has a key that is not well-formed Unicode"
    assert.deepStrictEqual(flawsOf('{"\\ud800":1}'), [[[], key]])
    assert.deepStrictEqual(flawsOf('{"a":[{"b":{"x\\ud800" : 1}}]}'), [[["a", 0, "b"], key]])
    assert.deepStrictEqual(flawsOf('{"\\ud83d\\ude00":"x"}'), [])
  })
})

describe("flaws", () => {
  it("are told once for each item of a list in the request, and not of more than there may be items", () => {
    const two = '{"items":[1e400,[1e400,"\\ud800"],2,{"a":1e400,"b":1e400}],"x":1e400}'
    assert.deepStrictEqual(
      flawsOf(two).map(([path]) => path),
      [["items", 0], ["items", 1, 0], ["items", 3, "a"], ["x"]]
    )
    assert.strictEqual(flawsOf(`[${"1e400,".repeat(16_000)}0]`).length, 1_001)
  })

  it("cost no more than the text is long, also below a key of megabytes", () => {
    const long = "k".repeat(2_000_000)
    const flaws = flawsOf(`{"${long}":[${"1e400,".repeat(16_000)}0]}`)
    assert.strictEqual(flaws.length, 1_001)
    assert.deepStrictEqual(flaws[0], [["?", 0], number])
  })

  it("refuse a request, with the first one's place and no value", () => {
    const request = '{"tokenId":"planted","x":{"a":9007199254740993}}'
    const refused = Result.getOrThrow(Result.flip(decodeRequest(GetToken)(bytes(request))))
    assert.deepStrictEqual([refused.path, refused.reason], ["x.a", number])
  })
})

// ---- at random -------------------------------------------------------------------

interface Written {
  readonly text: string
  readonly repeats: boolean
  readonly backslash: boolean
}

/**
 * JSON texts with spaces and escapes anywhere. One object in four gets one of its keys a second time, one
 * in twenty a key with a backslash; those are never given to `JSON.parse` here, which they would harm.
 */
const writer = (random: () => number) => {
  const below = (n: number) => Math.floor(random() * n)
  const space = () => [" ", "\n", "", "", ""][below(5)]!
  const letters = ["a", "b", "ä", "😀", '"', "\\", "/", ":", "{", "]", "\n", ""]
  const unit = (code: number) => `\\u${code.toString(16).padStart(4, "0")}`
  const string = (text: string) =>
    `"${Array.from(text, (letter) =>
      random() < 0.3
        ? Array.from({ length: letter.length }, (_, at) => unit(letter.charCodeAt(at))).join("")
        : JSON.stringify(letter).slice(1, -1)
    ).join("")}"`
  const word = () => Array.from({ length: below(4) }, () => letters[below(letters.length)]!).join("")
  const value = (levels: number): Written => {
    const kind = below(levels <= 0 ? 4 : 8)
    if (kind < 3) return { text: ["null", "-1.5e3", "true"][kind]!, repeats: false, backslash: false }
    if (kind === 3) return { text: string(word()), repeats: false, backslash: false }
    const marked = kind > 5 && random() < 0.05 ? [`${word()}\\${word()}`] : []
    const words = Array.from({ length: below(5) }, () => word().replaceAll("\\", "x"))
    const keys = Array.from(new Set([...words, ...marked]))
    const repeated = kind > 5 && keys.length > 0 && random() < 0.25
    const inner = [...keys, ...(repeated ? [keys[below(keys.length)]!] : [])].map((key) => ({
      key,
      ...value(levels - 1)
    }))
    const body = inner.map(({ key, text }) => (kind > 5 ? `${string(key)}${space()}:${space()}${text}` : text))
    const joined = body.map((one) => `${space()}${one}${space()}`).join(",")
    return {
      text: kind > 5 ? `{${joined}}` : `[${joined}]`,
      repeats: repeated || inner.some(({ repeats }) => repeats),
      backslash: marked.length > 0 || inner.some(({ backslash }) => backslash)
    }
  }
  return value
}

/** Whether an object of a JSON text has a key twice: read letter by letter, every key decoded. */
const repeatsKey = (text: string): boolean => {
  const objects: Array<Set<string> | null> = []
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === "{") objects.push(new Set())
    else if (letter === "[") objects.push(null)
    else if (letter === "}" || letter === "]") objects.pop()
    else if (letter === '"') {
      const start = at++
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1
      if (!/^\s*:/u.test(text.slice(at + 1))) continue
      const key = JSON.parse(text.slice(start, at + 1)) as string
      const keys = objects.at(-1)!
      if (keys.has(key)) return true
      keys.add(key)
    }
  }
  return false
}

describe(`texts at random (SEED=${seed})`, () => {
  it("are refused exactly when a key stands twice in an object", () => {
    const value = writer(random)
    let refused = 0
    for (let count = 0; count < times(20_000); count++) {
      const { backslash, repeats, text } = value(5)
      const result = parse(text)
      assert.strictEqual(Result.isFailure(result), repeats || backslash, text)
      if (Result.isSuccess(result)) assert.deepStrictEqual(result.success, JSON.parse(text))
      else assert.strictEqual(result.failure, backslash ? withBackslash : twice)
      if (repeats) refused++
    }
    assert.isAbove(refused, times(1_000))
  })

  it("that were broken are refused, or are JSON without a key twice", () => {
    const value = writer(random)
    let taken = 0
    for (let count = 0; count < times(200); count++) {
      for (const broken of mutations(bytes(value(4).text), 100, 1 + Math.floor(random() * 2 ** 31))) {
        const result = Result.map(parseJson(broken), ({ value }) => value)
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(broken)
        if (Result.isSuccess(result)) {
          taken++
          assert.deepStrictEqual(result.success, JSON.parse(text))
          assert.isFalse(repeatsKey(text), text)
        } else if (result.failure === twice) {
          JSON.parse(text)
          assert.isTrue(repeatsKey(text), text)
        } else if (result.failure !== tooDeep && result.failure !== withBackslash) {
          assert.throws(() => JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(broken)))
        }
      }
    }
    assert.isAbove(taken, times(500))
  })
})
