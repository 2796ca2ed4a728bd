// Verifies R-GWY-2, R-GWY-4, R-GWY-7.
/** What is read of a request, as pure functions: targets, headers, conditions. Each is total. */
import type { IncomingMessage } from "node:http"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { contentTag, heldTo, isKnown, isMatched, versionOf, versionTag } from "../../../src/gateway/Conditions.ts"
import { jsonSchema, openApi } from "../../../src/gateway/OpenApi.ts"
import { bearerOf, passedOnRefusal, readHeaders } from "../../../src/gateway/RequestHeaders.ts"
import { makeRouter } from "../../../src/gateway/Router.ts"
import { rows } from "../../../src/gateway/Table.ts"
import { parseTarget } from "../../../src/gateway/Target.ts"
import { seededRandom } from "../../support/seededRandom.ts"

const pieces = [
  ..."abcABC019-_.~/%?&=+;:@!$'()*,#\\ \"<>[]{}|^`\t\0\x7f\u00e9\ud800",
  "%2f",
  "%2E%2e",
  "%5C",
  "%00",
  "%0a",
  "%ff",
  "%C3%A9",
  "%F0%9F%92%A9",
  "%ED%A0%80",
  "%",
  "%z",
  "..",
  "/../",
  "//",
  "/api/v1/endpoints/",
  "/tokens",
  "status=Active",
  "&limit=1"
]

describe("a target", () => {
  it("of anything at all is read or refused; what is read has no slash, no dots alone and no control character in a part", () => {
    const { random } = seededRandom("targets")
    const pick = () => pieces[Math.floor(random() * pieces.length)]!
    let read = 0
    for (let round = 0; round < 8_000; round++) {
      const text = `${random() < 0.8 ? "/" : ""}${Array.from({ length: Math.floor(random() * 12) }, pick).join("")}`
      const target = parseTarget(text)
      if (Result.isFailure(target)) {
        assert.strictEqual(target.failure.code, "INVALID_REQUEST", text)
        // Nothing of what was sent is said again.
        assert.notInclude(JSON.stringify(target.failure.detail), "%")
        continue
      }
      read += 1
      for (const part of target.success.parts) {
        assert.notMatch(part, /[/\\\p{Cc}]/u, text)
        assert.notInclude([".", ".."], part, text)
        assert.isTrue(part.isWellFormed(), text)
      }
      for (const [name, value] of target.success.query) assert.isTrue(name.isWellFormed() && value.isWellFormed(), text)
    }
    assert.isAbove(read, 100, "the tries reach what is read")
  })

  it("has at most one row, and every row is found by its own path", () => {
    const route = makeRouter(rows)
    for (const row of rows) {
      const parts = row.path
        .replaceAll(/\{[A-Za-z_]+\}/gu, "x")
        .slice(1)
        .split("/")
      const routed = route(row.method, parts)
      assert.isTrue(routed.found && routed.row === row, `${row.method} ${row.path}`)
      assert.isFalse(route(row.method, [...parts, ""]).found, row.path)
      assert.isFalse(route(row.method, parts.slice(0, -1).concat("")).found, row.path)
    }
  })
})

const messageOf = (...rawHeaders: ReadonlyArray<string>) =>
  ({ rawHeaders: ["Host", "x", ...rawHeaders], httpVersion: "1.1" }) as unknown as IncomingMessage

describe("headers", () => {
  const deciding = [
    "Host",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "Authorization",
    "Correlation-ID",
    "Idempotency-Key",
    "Cm-Tenant",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID"
  ]
  it.each(deciding)("%s that stands twice is refused, in whatever spelling, also when both are alike", (name) => {
    for (const other of [name, name.toLowerCase(), name.toUpperCase()]) {
      const read = readHeaders(messageOf(...(name === "Host" ? [] : [name, "1"]), other, "1"))
      assert.isTrue(Result.isFailure(read))
      assert.strictEqual(Result.isFailure(read) && read.failure.details.path, name.toLowerCase())
    }
  })

  it("that are passed on are bounded in the document as they are where they are read", () => {
    type Described = { readonly name?: string; readonly schema?: { readonly pattern?: string } }
    const paths = openApi().paths as Record<string, Record<string, { readonly parameters?: ReadonlyArray<Described> }>>
    const described = Object.values(paths).flatMap((methods) =>
      Object.values(methods).flatMap(({ parameters = [] }) => parameters)
    )
    for (const name of ["Correlation-ID", "Idempotency-Key"]) {
      const patterns = new Set(described.filter((one) => one.name === name).map(({ schema }) => schema?.pattern))
      assert.strictEqual(patterns.size, 1)
      for (const value of [
        "a",
        "a b",
        " a",
        "",
        "é",
        "a".repeat(128),
        "a".repeat(129),
        "a".repeat(256),
        "a".repeat(257)
      ]) {
        const get = (asked: string) => (asked === name.toLowerCase() ? value : null)
        const isTaken = passedOnRefusal({ get, trace: null }) === null
        assert.strictEqual(new RegExp(Array.from(patterns)[0] ?? "", "u").test(value), isTaken, `${name} ${value}`)
      }
    }
  })

  it("a bearer token of any bytes is read or malformed", () => {
    const { random } = seededRandom("bearers")
    const letters = 'abcABC012._~+/=- \t\0é{}"'
    for (let round = 0; round < 5_000; round++) {
      const text = Array.from(
        { length: Math.floor(random() * 40) },
        () => letters[Math.floor(random() * letters.length)]
      ).join("")
      const read = readHeaders(messageOf("Authorization", `Bearer ${text}`))
      const bearer = Result.flatMap(read, bearerOf)
      if (Result.isFailure(bearer)) assert.strictEqual(bearer.failure.details.reason, "malformed")
    }
    for (const claims of [
      {},
      { iss: 1 },
      { iss: "" },
      { iss: null },
      [],
      null,
      "x",
      { iss: "x".repeat(3_000) },
      { iss: "\ud800" }
    ]) {
      const token = ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "eA"].join(".")
      const bearer = Result.flatMap(readHeaders(messageOf("Authorization", `Bearer ${token}`)), bearerOf)
      assert.isTrue(Result.isFailure(bearer), JSON.stringify(claims)?.slice(0, 40))
    }
  })
})

describe("conditions, RFC 9110, 13.1", () => {
  it("If-None-Match: a list, a weak tag and * match; another tag, half a tag and nothing do not", () => {
    const tag = contentTag("content")
    assert.match(tag, /^"[A-Za-z0-9_-]+"$/u)
    assert.notStrictEqual(contentTag("other"), tag)
    for (const given of [tag, `W/${tag}`, `"x", ${tag}`, ` ${tag} ,"y"`, "*"]) assert.isTrue(isKnown(given, tag), given)
    for (const given of [null, "", '"x"', tag.slice(1), tag.slice(0, -1), `w/${tag}`, tag.replaceAll('"', "")]) {
      assert.isFalse(isKnown(given, tag), String(given))
    }
  })

  it("no change is made whatever its condition: each row passes the version on, or refuses", () => {
    const refusal = (row: (typeof rows)[number], ifMatch: string | null, ifNoneMatch: string | null) => {
      const held = heldTo(row, ifMatch, ifNoneMatch)
      return Result.isFailure(held) ? held.failure.code : held.success
    }
    for (const row of rows) {
      const name = `${row.method} ${row.path}`
      const reads = row.method === "GET"
      assert.strictEqual(refusal(row, null, null), null, name)
      assert.strictEqual(refusal(row, "*", null), null, name)
      const asked = row.version === undefined ? "PRECONDITION_FAILED" : 99
      assert.strictEqual(refusal(row, '"99"', null), reads ? null : asked, name)
      assert.strictEqual(refusal(row, null, '"99"'), reads ? null : "INVALID_REQUEST", name)
      if (row.version !== undefined) assert.property(jsonSchema(row.request).properties, row.version, name)
    }
    const versioned = rows.filter(({ method, version }) => method !== "GET" && version !== undefined)
    const ofOne = rows.filter(({ method, path }) => method !== "GET" && /(?:token|credential)_?id\}/iu.test(path))
    assert.deepStrictEqual(versioned, ofOne)
  })

  it("If-Match of what is read: a list and * match; a weak tag, another one and none do not", () => {
    for (const given of [null, "*", '"7"', '"1", "7"']) assert.isTrue(isMatched(given, '"7"'), String(given))
    for (const given of ["", '"1"', 'W/"7"', "7"]) assert.isFalse(isMatched(given, '"7"'), given)
    for (const [given, is] of [
      [null, true],
      ["*", true],
      ['"7"', false]
    ] as const) {
      assert.strictEqual(isMatched(given, null), is)
    }
  })

  it("If-Match: one version in quotes; another tag matches nothing, several and none are refused", () => {
    assert.strictEqual(Result.getOrNull(versionOf(versionTag(7))), 7)
    for (const given of [null, "*"]) assert.isTrue(Result.isSuccess(versionOf(given)))
    for (const [given, code] of [
      ['"x"', "PRECONDITION_FAILED"],
      ['W/"1"', "PRECONDITION_FAILED"],
      ['"01"', "PRECONDITION_FAILED"],
      ['"99999999999999999999"', "PRECONDITION_FAILED"],
      ["1", "INVALID_REQUEST"],
      ['"1", "2"', "INVALID_REQUEST"],
      ["", "INVALID_REQUEST"]
    ] as const) {
      const read = versionOf(given)
      assert.strictEqual(Result.isFailure(read) && read.failure.code, code, given)
    }
  })
})
