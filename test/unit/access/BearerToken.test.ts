// Verifies R-ACC-3.
/** What a text must be to be looked at as a bearer token, and what its claims must say. */

import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { algorithms, judge, read, tokenOf } from "../../../src/access/BearerToken.ts"

const part = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")
const claims = { iss: "https://a.example", aud: "cm", sub: "alice", exp: 2_000 }
const token = (header: unknown = { alg: "ES256", kid: "k" }, payload: unknown = claims): string =>
  `${part(header)}.${part(payload)}.c2ln`
const isRead = (text: string): boolean => Result.isSuccess(read(text))

describe("the header", () => {
  it("is the scheme in any case and one token", () => {
    for (const header of ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "])
      assert.strictEqual(tokenOf(header), "a.b.c")
    for (const header of ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c", "Bearer a b", "xBearer a", "Bearer\ta"]) {
      assert.isNull(tokenOf(header), header)
    }
  })
})

describe("a token is read when it is of an accepted kind", () => {
  it.each(algorithms)("signed with %s", (alg) => assert.isTrue(isRead(token({ alg }))))
  it.each([undefined, "JWT", "at+jwt"])("of type %s", (typ) => assert.isTrue(isRead(token({ alg: "RS256", typ }))))
  it("with several audiences, dates, a client", () => {
    const all = { ...claims, aud: ["x", "cm"], nbf: 1, iat: 1.5, azp: "web", client_id: "other" }
    const found = read(token(undefined, all))
    assert.isTrue(Result.isSuccess(found))
    if (Result.isSuccess(found)) {
      assert.deepStrictEqual([found.success.claims.audiences, found.success.claims.client], [["x", "cm"], "web"])
    }
  })
  it("up to 16 KiB", () => {
    const padded = (length: number) => {
      const [header, payload] = token().split(".")
      const start = `${header}.${payload}.`
      return start + "A".repeat(length - start.length)
    }
    assert.isTrue(isRead(padded(16_384)))
    assert.isFalse(isRead(padded(16_385)))
  })
})

describe("anything else is malformed", () => {
  const headers: ReadonlyArray<unknown> = [
    { alg: "none" },
    { alg: "None" },
    { alg: "HS256" },
    { alg: "HS512" },
    { alg: "RS384" },
    { alg: "RS512" },
    { alg: "ES512" },
    { alg: "rs256" },
    { alg: ["RS256"] },
    {},
    { alg: "RS256", crit: ["exp"] },
    { alg: "RS256", crit: [] },
    { alg: "RS256", typ: "JOSE" },
    { alg: "RS256", typ: "dpop+jwt" },
    { alg: "RS256", typ: null },
    { alg: "RS256", kid: 1 },
    { alg: "RS256", kid: "k".repeat(1_025) },
    [],
    "text",
    "{",
    null
  ]
  it.each(headers.map((header) => [JSON.stringify(header), header] as const))("the header %s", (_, header) =>
    assert.isFalse(isRead(token(header)))
  )

  const payloads: ReadonlyArray<unknown> = [
    { ...claims, iss: undefined },
    { ...claims, iss: "" },
    { ...claims, iss: ["https://a.example"] },
    { ...claims, aud: undefined },
    { ...claims, aud: 1 },
    { ...claims, aud: ["cm", 1] },
    { ...claims, sub: undefined },
    { ...claims, sub: "" },
    { ...claims, sub: 1 },
    { ...claims, sub: "a b" },
    { ...claims, sub: "a\n" },
    { ...claims, sub: "ä" },
    { ...claims, sub: "a".repeat(256) },
    { ...claims, exp: undefined },
    { ...claims, exp: "2000" },
    { ...claims, exp: -1 },
    { ...claims, exp: 1e300 },
    { ...claims, nbf: "1" },
    { ...claims, iat: null },
    [],
    "{",
    null
  ]
  it.each(payloads.map((payload) => [JSON.stringify(payload), payload] as const))("the claims %s", (_, payload) =>
    assert.isFalse(isRead(token(undefined, payload)))
  )

  it.each([
    "",
    "a",
    "a.b",
    "a.b.c",
    "..",
    `${token()}.x.y`,
    `${token()}=`,
    token().replace(".", " ."),
    `${part({ alg: "RS256" })}..c2ln`
  ])("the text %s", (text) => assert.isFalse(isRead(text)))
})

describe("claims are judged by the issuer and the time", () => {
  const issuer = { issuer: "https://a.example", audience: "cm", jwksUri: null }
  const skew = 30_000
  const judged = (over: object, at: number) => {
    const found = read(token(undefined, { ...claims, ...over }))
    return Result.isSuccess(found) ? judge(found.success.claims, issuer, at, skew) : "unread"
  }
  it.each([
    ["right", {}, 1_000_000, null],
    ["the audience among others", { aud: ["x", "cm"] }, 1_000_000, null],
    ["another issuer", { iss: "https://b.example" }, 1_000_000, "issuer"],
    ["nearly the same issuer", { iss: "https://a.example/" }, 1_000_000, "issuer"],
    ["another audience", { aud: "cmx" }, 1_000_000, "audience"],
    ["no audience", { aud: [] }, 1_000_000, "audience"],
    ["just within the skew", {}, 2_029_999, null],
    ["past it", {}, 2_030_000, "expired"],
    ["nbf within the skew", { nbf: 1_030 }, 1_000_000, null],
    ["nbf beyond it", { nbf: 1_031 }, 1_000_000, "not_yet_valid"],
    ["iat beyond it", { iat: 1_031 }, 1_000_000, "not_yet_valid"]
  ] as const)("%s", (_, over, at, reason) => assert.strictEqual(judged(over, at), reason))
})
