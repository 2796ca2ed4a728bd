import { assert, describe, it } from "@effect/vitest"
import { Result, type Schema } from "effect"
import { decodeCursor, encodeCursor } from "../../../src/schema/Cursor.ts"
import { decodeRequest } from "../../../src/schema/Json.ts"
import { formatDate, parseDate, parseDuration } from "../../../src/schema/Timestamp.ts"
import * as Token from "../../../src/schema/TokenJson.ts"

/** Where a planted value may stand in a request; it must never come back. */
const planted = "planted+value"

const refused = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, body: unknown) => {
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const result = decodeRequest(schema)(new TextEncoder().encode(text))
  if (Result.isSuccess(result)) throw new Error(`taken: ${text.slice(0, 80)}`)
  return result.failure
}

describe("a request that is wrong", () => {
  const item = { endpointId: "e" }
  const wrong: ReadonlyArray<readonly [string, Schema.ConstraintDecoder<unknown>, unknown, string]> = [
    ["not JSON", Token.ListTokens, `{"x": ${planted}`, ""],
    ["a list in place of an object", Token.ListTokens, [planted], ""],
    ["null", Token.ListTokens, "null", ""],
    ["an unknown field", Token.ListTokens, { unknown: planted }, "unknown"],
    ["a prototype", Token.ListTokens, `{"__proto__":"${planted}"}`, "__proto__"],
    ["a limit of 0", Token.ListTokens, { limit: 0 }, "limit"],
    ["a limit of 1001", Token.ListTokens, { limit: 1_001 }, "limit"],
    ["half a limit", Token.ListTokens, { limit: 1.5 }, "limit"],
    ["a limit in quotes", Token.ListTokens, { limit: planted }, "limit"],
    ["a status that there is not", Token.ListTokens, { status: ["Active", planted] }, "status[1]"],
    ["another order", Token.ListTokens, { order: planted }, "order"],
    ["a missing field", Token.ProvisionToken, { appName: "a" }, "endpointId"],
    ["an application name outside its pattern", Token.ProvisionToken, { appName: planted, ...item }, "appName"],
    ["a token outside its pattern", Token.ProvisionToken, { appName: "a", ...item, token: planted }, "token"],
    ["a token of 257 characters", Token.ProvisionToken, { appName: "a", ...item, token: "😀".repeat(257) }, "token"],
    ["a token that is no Unicode", Token.ProvisionToken, '{"appName":"a","endpointId":"e","token":"\\ud800"}', "token"],
    [
      "a long description",
      Token.ProvisionToken,
      { appName: "a", ...item, description: "x".repeat(257) },
      "description"
    ],
    ["no date", Token.ProvisionToken, { appName: "a", ...item, expiresDate: planted }, "expiresDate"],
    [
      "a day there is not",
      Token.ProvisionToken,
      { appName: "a", ...item, expiresDate: "2026-02-30T00:00:00Z" },
      "expiresDate"
    ],
    ["an empty batch", Token.ProvisionTokens, { appName: "a", items: [] }, "items"],
    [
      "a batch of 1001",
      Token.ProvisionTokens,
      { appName: "a", items: Array.from({ length: 1_001 }, () => item) },
      "items"
    ],
    [
      "one bad item",
      Token.ProvisionTokens,
      { appName: "a", items: [item, { endpointId: planted }] },
      "items[1].endpointId"
    ],
    [
      "an item's own application",
      Token.ProvisionTokens,
      { appName: "a", items: [{ ...item, appName: planted }] },
      "items[0].appName"
    ],
    [
      "both ways to name a token",
      Token.ChangeToken,
      { tokenId: "x", appName: "a", token: planted.replace("+", "") },
      ""
    ],
    ["half a way to name a token", Token.ChangeToken, { appName: "a" }, ""],
    ["no way to name a token", Token.ChangeToken, {}, ""],
    ["an unknown target", Token.TransitionToken, { tokenId: "x", targetStatus: planted }, "targetStatus"],
    ["Inactive as a target", Token.TransitionToken, { tokenId: "x", targetStatus: "Inactive" }, "targetStatus"],
    ["both a token and an endpoint", Token.DeleteTokens, { tokenId: "x", endpointId: "e" }, ""],
    ["neither a token nor an endpoint", Token.DeleteTokens, {}, ""],
    ["an overlap that is no duration", Token.RotateToken, { tokenId: "x", overlap: planted }, "overlap"]
  ]
  for (const [name, schema, body, path] of wrong) {
    it(`with ${name} is told where (${path || "the whole"}) and why, without its value`, () => {
      const failure = refused(schema, body)
      assert.strictEqual(failure.path, path)
      assert.isNotEmpty(failure.reason)
      assert.notInclude(JSON.stringify(failure), planted)
    })
  }

  it("is told a path that is short and printable, whatever its keys", () => {
    const failure = refused(Token.ListTokens, { [`\u0007${"k".repeat(1_000)}`]: 1 })
    assert.isAtMost(Array.from(failure.path).length, 100)
    assert.notMatch(failure.path, /\p{Cc}/u)
  })

  it("in bytes that are not UTF-8 is refused", () => {
    assert.isTrue(Result.isFailure(decodeRequest(Token.GetToken)(Buffer.from('{"tokenId":"\xff"}', "latin1"))))
  })
})

it("an empty payload is an empty object", () => {
  assert.deepStrictEqual(Result.getOrThrow(decodeRequest(Token.ListTokens)(new Uint8Array())), {
    limit: 20,
    order: "DESC"
  })
})

describe("dates and durations", () => {
  it("a date has milliseconds and comes back the same", () => {
    assert.strictEqual(formatDate(0), "1970-01-01T00:00:00.000Z")
    for (const time of [0, 1, 1_764_000_000_123, Date.UTC(9999, 11, 31)])
      assert.strictEqual(parseDate(formatDate(time)), time)
    // In turns, and those among them whose last digits are the same.
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 1_000; n++) {
        const time = 1_764_000_000_000 + 64 * (n % 7) + n
        assert.strictEqual(formatDate(time), new Date(time).toISOString())
      }
    }
    assert.throws(() => formatDate(Number.NaN))
    assert.throws(() => formatDate(1e18))
    assert.strictEqual(parseDate("2026-11-24T10:20:30Z"), Date.UTC(2026, 10, 24, 10, 20, 30))
    assert.strictEqual(parseDate("2028-02-29T00:00:00.5Z"), Date.UTC(2028, 1, 29, 0, 0, 0, 500))
  })

  it("what is no date in UTC is none", () => {
    const texts = ["", "2026-11-24", "2026-11-24T10:20:30", "2026-11-24T10:20:30+01:00", "2026-02-29T00:00:00Z"]
    const more = [
      "2026-13-01T00:00:00Z",
      "2026-11-24T24:00:01Z",
      "2026-11-24T10:20:30.1234Z",
      "1764000000000",
      " 2026-11-24T10:20:30Z"
    ]
    assert.deepStrictEqual(
      [...texts, ...more].filter((text) => parseDate(text) !== null),
      []
    )
  })

  it("a duration is read in weeks, days, hours, minutes and seconds", () => {
    const known = {
      PT0S: 0,
      PT5M: 300_000,
      P1D: 86_400_000,
      P1W: 604_800_000,
      P1DT12H: 129_600_000,
      "PT1.5S": 1_500,
      PT1H2M3S: 3_723_000
    }
    for (const [text, duration] of Object.entries(known)) assert.strictEqual(parseDuration(text), duration, text)
    const unknown = ["", "P", "PT", "P1DT", "5M", "P1Y", "P1M", "-PT1S", "PT-1S", "PT1.5M", "pt5m", "P3661D", "PT5M "]
    assert.deepStrictEqual(
      unknown.filter((text) => parseDuration(text) !== null),
      []
    )
  })
})

describe("a cursor", () => {
  const cursor = encodeCursor("token.list DESC", "place-1")

  it("gives its place back, to its own list only, and shows nothing of that list", () => {
    assert.strictEqual(decodeCursor("token.list DESC", cursor), "place-1")
    assert.isNull(decodeCursor("token.list ASC", cursor))
    assert.isNull(decodeCursor("token.list", cursor))
    assert.notInclude(Buffer.from(cursor, "base64url").toString("latin1"), "token")
    assert.strictEqual(decodeCursor("a", encodeCursor("a", "ä😀")), "ä😀")
  })

  it("with any one character changed is not ours", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
    for (let at = 0; at <= cursor.length; at++) {
      for (const letter of alphabet) {
        const changed = cursor.slice(0, at) + letter + cursor.slice(at + 1)
        if (changed !== cursor) assert.isNull(decodeCursor("token.list DESC", changed))
      }
    }
    assert.isNull(decodeCursor("token.list DESC", ""))
    assert.isNull(decodeCursor("token.list DESC", cursor.slice(0, -1)))
  })
})
