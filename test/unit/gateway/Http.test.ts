// Verifies R-GWY-1, R-GWY-2, R-GWY-4.
/** The parts of the gateway that read a request, without a socket: what is taken, and what is refused by which code. */
import { EventEmitter } from "node:events"
import type { IncomingMessage } from "node:http"
import { Effect, Result } from "effect"
import { assert, describe, it } from "vitest"
import { contentTag, isKnown, versionOf, versionTag } from "../../../src/gateway/Conditions.ts"
import { bodyBytesMax, type Exchange, makeRoom, readBody } from "../../../src/gateway/Exchange.ts"
import { byCallersName, readFields, readQuery, requestOf, typeRefusal } from "../../../src/gateway/Parameters.ts"
import { invalid, type Problem, problem, problemHeaders, refusalOf } from "../../../src/gateway/Problem.ts"
import { bearerOf, headerBytesMax, passedOnRefusal, readHeaders } from "../../../src/gateway/RequestHeaders.ts"
import { makeRouter } from "../../../src/gateway/Router.ts"
import type { Parameter, Row } from "../../../src/gateway/Row.ts"
import { parseTarget } from "../../../src/gateway/Target.ts"

const refusedBy = <A>(result: Result.Result<A, Problem>): string =>
  Result.isFailure(result) ? `${result.failure.code} ${String(result.failure.details.path ?? "")}`.trim() : "taken"

const messageOf = (headers: ReadonlyArray<readonly [string, string]>, httpVersion = "1.1") =>
  ({ rawHeaders: headers.flat(), httpVersion }) as unknown as IncomingMessage
const host = ["Host", "gateway"] as const

describe("headers", () => {
  const read = (...headers: ReadonlyArray<readonly [string, string]>) => refusedBy(readHeaders(messageOf(headers)))

  it("that decide something are sent once, in any spelling", () => {
    assert.strictEqual(read(host, ["Authorization", "a"], ["accept", "b"], ["accept", "c"]), "taken")
    assert.strictEqual(read(host, ["Authorization", "a"], ["AUTHORIZATION", "a"]), "INVALID_REQUEST authorization")
    assert.strictEqual(read(host, ["Content-Length", "1"], ["content-length", "1"]), "INVALID_REQUEST content-length")
    assert.strictEqual(read(), "INVALID_REQUEST host")
  })

  it("tell one length of the body only", () => {
    assert.strictEqual(read(host, ["Transfer-Encoding", "chunked"]), "taken")
    const both = read(host, ["Transfer-Encoding", "chunked"], ["Content-Length", "5"])
    assert.strictEqual(both, "INVALID_REQUEST transfer-encoding")
    assert.strictEqual(read(host, ["Transfer-Encoding", "gzip, chunked"]), "INVALID_REQUEST transfer-encoding")
    const old = readHeaders(messageOf([["Transfer-Encoding", "chunked"]], "1.0"))
    assert.strictEqual(refusedBy(old), "INVALID_REQUEST transfer-encoding")
  })

  it("are bounded together", () => {
    assert.strictEqual(read(host, ["x", "a".repeat(headerBytesMax - 100)]), "taken")
    assert.strictEqual(read(host, ["x", "a".repeat(headerBytesMax)]), "HEADERS_TOO_LARGE")
  })

  it("hold a bearer token of three parts that names its issuer", () => {
    const payload = Buffer.from(JSON.stringify({ iss: "https://a.example" })).toString("base64url")
    const bearer = (text: string) => {
      const headers = Result.getOrThrow(readHeaders(messageOf([host, ["authorization", text]])))
      return bearerOf(headers)
    }
    const good = Result.getOrThrow(bearer(`Bearer h.${payload}.s`))
    assert.deepStrictEqual(good, { header: `Bearer h.${payload}.s`, issuer: "https://a.example" })
    for (const text of [`Bearer h.${payload}`, `Bearer h.${payload}.s.t`, "Basic YTpi", "Bearer a.b.c", "Bearer"]) {
      assert.strictEqual(refusedBy(bearer(text)), "UNAUTHENTICATED", text)
    }
  })
})

describe("a target", () => {
  const read = (text: string) => refusedBy(parseTarget(text))

  it("is parts and parameters", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseTarget("/api/v1/a%20b?x=1&x=a+b&y")), {
      parts: ["api", "v1", "a b"],
      query: [
        ["x", "1"],
        ["x", "a b"],
        ["y", ""]
      ]
    })
  })

  it("hides nothing: no dots, slashes or control characters, plain or in percent form", () => {
    for (const path of ["/a/..", "/./a", "/a%2Fb", "/a%2e", "/a%5C", "/a%00", "/a%0Ab", "/%ff", "*", "/a\\b"]) {
      assert.strictEqual(read(path), "INVALID_REQUEST path", path)
    }
  })

  it("has so many parameters at most", () => {
    assert.strictEqual(read(`/a?${"x=1&".repeat(64)}`), "taken")
    assert.strictEqual(read(`/a?${"x=1&".repeat(65)}`), "INVALID_REQUEST query")
  })
})

describe("parameters", () => {
  const limit: Parameter = { name: "limit", kind: "integer", about: "", minimum: 1, maximum: 1_000 }
  const status: Parameter = { name: "status", kind: "list", about: "", values: ["A", "B"] }
  const row = { query: [limit, status] }

  it("are known, given once, and within their range", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(
        readQuery(row, [
          ["limit", "7"],
          ["status", "A"],
          ["status", "B"],
          ["status", "A"]
        ])
      ),
      { limit: 7, status: ["A", "B"] }
    )
    assert.strictEqual(refusedBy(readQuery(row, [["limit", "1000"]])), "taken")
    for (const [query, path] of [
      [[["limit", "0"]], "limit"],
      [[["limit", "1001"]], "limit"],
      [[["limit", "01"]], "limit"],
      [[["status", "C"]], "status"],
      [[["other", "1"]], "query"],
      [
        [
          ["limit", "1"],
          ["limit", "1"]
        ],
        "limit"
      ]
    ] as ReadonlyArray<readonly [ReadonlyArray<readonly [string, string]>, string]>) {
      assert.strictEqual(refusedBy(readQuery(row, query)), `INVALID_REQUEST ${path}`, JSON.stringify(query))
    }
  })

  it("of the path win over fields of the body", () => {
    const patch = { path: "/tokens/{tokenId}", query: [] } as unknown as Row
    assert.deepStrictEqual(requestOf(patch, { tokenId: "mine" }, {}, { tokenId: "theirs", reason: "r" }), {
      tokenId: "mine",
      reason: "r"
    })
  })

  it("of a body are JSON in UTF-8, and known", () => {
    const jsonInUtf8 = [
      "application/json",
      "Application/JSON; charset=UTF-8",
      'application/json;charset="utf-8"',
      "application/json;",
      "application/json ;\tcharset=utf-8 ; "
    ]
    for (const type of jsonInUtf8) {
      assert.isNull(typeRefusal(type, null), type)
    }
    for (const type of [
      null,
      "text/plain",
      "application/json; charset=latin1",
      "application/json; charset=utf-8; charset=latin1",
      "application/jsonx",
      `application/json${"; ".repeat(8_000)}x`
    ]) {
      assert.strictEqual(typeRefusal(type, null)?.code, "UNSUPPORTED_MEDIA_TYPE", String(type))
    }
    assert.isNull(typeRefusal("application/json", "Identity"))
    for (const encoding of ["gzip", "identity, gzip", "x", ""]) {
      const refused = typeRefusal("application/json", encoding)
      assert.deepStrictEqual([refused?.status, refused?.headers["Accept-Encoding"]], [415, "identity"], encoding)
    }
    const body = { body: { fields: { name: "name" }, required: [], example: {} } }
    const fields = (text: string) => refusedBy(readFields(body, Buffer.from(text)))
    assert.strictEqual(fields('{"name":1}'), "taken")
    for (const text of ['{"other":1}', "[]", '{"name":1,"name":2}', "{"]) {
      assert.match(fields(text), /^INVALID_REQUEST/u, text)
    }
    assert.strictEqual(fields('{"name":1,"other":1}'), "INVALID_REQUEST other")
    assert.strictEqual(fields(`{"${"é\u0085".repeat(200)}":1}`), `INVALID_REQUEST ${"é?".repeat(50)}`)
  })
})

describe("what is passed on", () => {
  it("is refused by one rule here and on the bus", () => {
    const refusal = (name: string, value: string) => {
      const get = (asked: string) => (asked === name ? value : null)
      const { code, details } = passedOnRefusal({ get, trace: null }) ?? { code: "taken", details: { path: "" } }
      return `${code} ${details.path ?? ""}`.trim()
    }
    for (const [key, is] of [
      ["k".repeat(128), "taken"],
      ["k".repeat(129), "INVALID_REQUEST idempotency-key"],
      ["k k", "INVALID_REQUEST idempotency-key"],
      ["", "INVALID_REQUEST idempotency-key"]
    ] as const) {
      assert.strictEqual(refusal("idempotency-key", key), is)
    }
    assert.strictEqual(refusal("correlation-id", "c".repeat(256)), "taken")
    assert.strictEqual(refusal("correlation-id", "c".repeat(257)), "INVALID_REQUEST correlation-id")
  })
})

describe("conditions", () => {
  it("name one version", () => {
    assert.strictEqual(Result.getOrThrow(versionOf('"7"')), 7)
    assert.isNull(Result.getOrThrow(versionOf(null)))
    assert.isNull(Result.getOrThrow(versionOf("*")))
    assert.strictEqual(refusedBy(versionOf('"7", "8"')), "INVALID_REQUEST if-match")
    assert.strictEqual(refusedBy(versionOf("7")), "INVALID_REQUEST if-match")
    for (const other of ['"x"', 'W/"7"', '"0"', '"99999999999999999"']) {
      assert.strictEqual(refusedBy(versionOf(other)), "PRECONDITION_FAILED", other)
    }
  })

  it("tell what a reader has already", () => {
    const tag = versionTag(7)
    assert.isTrue(isKnown('"6", W/"7"', tag))
    assert.isTrue(isKnown(tag, tag))
    assert.isTrue(isKnown(`"6",${tag}`, tag))
    assert.isTrue(isKnown("*", tag))
    assert.isFalse(isKnown('"70"', tag))
    assert.isFalse(isKnown(null, tag))
    assert.notStrictEqual(contentTag("a"), contentTag("b"))
  })
})

describe("a body", () => {
  /** A request whose body comes in the given pieces. */
  const readPieces = async (pieces: ReadonlyArray<Buffer>, room = makeRoom(100 * bodyBytesMax)) => {
    const message = Object.assign(new EventEmitter(), { headers: {} })
    const exchange = { message, response: {}, correlationId: "c", broken: null } as unknown as Exchange
    const giveBacks: Array<() => void> = []
    const reading = Effect.runPromise(
      Effect.result(readBody(exchange, room, (giveBack) => void giveBacks.push(giveBack)))
    )
    await Promise.resolve()
    for (const piece of pieces) message.emit("data", piece)
    message.emit("end")
    return { result: await reading, giveBack: () => giveBacks.splice(0).map((one) => one()) }
  }

  it("is whole, or too large as soon as it is", async () => {
    const { result } = await readPieces([Buffer.from("ab"), Buffer.from("c")])
    assert.strictEqual(Result.getOrThrow(result).toString(), "abc")
    const large = await readPieces(Array.from({ length: 5 }, () => Buffer.alloc(bodyBytesMax / 4)))
    assert.strictEqual(refusedBy(large.result), "PAYLOAD_TOO_LARGE")
  })

  it("takes room among all bodies, and gives it back", async () => {
    const room = makeRoom(10)
    for (let round = 0; round < 3; round++) {
      const held = await readPieces([Buffer.alloc(8)], room)
      assert.isTrue(Result.isSuccess(held.result), `round ${round}`)
      assert.strictEqual(refusedBy((await readPieces([Buffer.alloc(8)], room)).result), "TOO_MANY_REQUESTS")
      held.giveBack()
    }
  })
})

describe("a refusal of the service", () => {
  it("names a field of the body by the caller's name", () => {
    const row = { body: { fields: { status: "targetStatus", reason: "reason" }, required: [], example: {} } }
    for (const [of, is] of [
      ["targetStatus", "status"],
      ["targetStatus[0].x", "status[0].x"],
      ["targetStatuses", "targetStatuses"],
      ["reason", "reason"],
      ["", ""]
    ] as const) {
      const told = (asked: Pick<Row, "body">, path: string) => {
        const { detail, details, status } = byCallersName(asked, invalid(path, "Missing key"))
        return [status, detail, details.path, details.reason]
      }
      const detail = is === "" ? "Missing key" : `${is}: Missing key`
      assert.deepStrictEqual(told(row, of), [400, detail, is, "Missing key"])
      assert.strictEqual(told({}, of)[2], of)
    }
    const other = problem("UNAVAILABLE", "Not now", { details: { path: "targetStatus", reason: "x" } })
    assert.strictEqual(byCallersName(row, other), other)
  })

  it("is one only with a status of a failure", () => {
    const body = (statusCode: number) => ({ error: { code: "TOKEN_NOT_FOUND", statusCode, reasonPhrase: "x" } })
    assert.strictEqual(refusalOf(body(404))?.status, 404)
    for (const statusCode of [200, 399, 600, 404.5]) assert.isNull(refusalOf(body(statusCode)), String(statusCode))
    assert.isNull(refusalOf({ error: { code: "lower", statusCode: 404 } }))
  })

  it("says when to come again, within an hour, and how to say who one is", () => {
    const retryAfter = (retryAfterMs: number) =>
      problemHeaders(problem("TOO_MANY_REQUESTS", "x", { details: { retryAfterMs } }))["Retry-After"]
    assert.deepStrictEqual([retryAfter(1), retryAfter(1_001), retryAfter(10 ** 9)], ["1", "2", "3600"])
    const challenge = (reason: string) =>
      problemHeaders(problem("UNAUTHENTICATED", "x", { details: { reason } }))["WWW-Authenticate"]
    assert.deepStrictEqual([challenge("missing"), challenge("issuer")], ["Bearer", 'Bearer error="invalid_token"'])
  })
})

describe("the router", () => {
  it("finds the row of method and path, or tells what the path has", () => {
    const route = makeRouter([
      { method: "GET", path: "/a/{id}" },
      { method: "DELETE", path: "/a/{id}" },
      { method: "GET", path: "/b" }
    ])
    const found = route("DELETE", ["a", "1"])
    assert.isTrue(found.found)
    if (found.found) assert.deepStrictEqual([found.row.method, found.path.id], ["DELETE", "1"])
    assert.deepStrictEqual(route("PUT", ["a", "1"]), { found: false, allow: ["GET", "DELETE"] })
    assert.deepStrictEqual(route("GET", ["a", ""]), { found: false, allow: [] })
    assert.deepStrictEqual(route("GET", ["a", "1", "2"]), { found: false, allow: [] })
  })
})
