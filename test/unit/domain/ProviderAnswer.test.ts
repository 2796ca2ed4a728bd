// Verifies R-REF-3, R-REF-4.
import { assert, describe, it } from "vitest"
import { builtInProviders } from "../../../src/domain/BuiltInProviders.ts"
import { type Provider, providerOf } from "../../../src/domain/Provider.ts"
import {
  detailLengthMax,
  type RawAnswer,
  type ReadAnswer,
  readAnswer,
  retryAtOf
} from "../../../src/domain/ProviderAnswer.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const now = 1_800_000_000_000
const plain = providerOf({ name: "plain", token_url: "https://example.com/token" })
const built = (name: string): Provider => builtInProviders.get(name)!
const raw = (status: number, body: unknown, more: Partial<RawAnswer> = {}): RawAnswer => ({
  status,
  contentType: "application/json",
  retryAfter: null,
  receivedAt: now,
  body: typeof body === "string" ? body : JSON.stringify(body),
  ...more
})
const sent = ["old-refresh-token-1234567890", "client-secret-abcdef"]
const read = (provider: Provider, answer: RawAnswer, defaultLifeMs: number | null = null): ReadAnswer =>
  readAnswer({ provider, raw: answer, sent, defaultLifeMs })

const granted = (answer: ReadAnswer) => {
  assert.strictEqual(answer.kind, "granted")
  return answer as Extract<ReadAnswer, { kind: "granted" }>
}

describe("a whole answer that is no JSON", () => {
  const good = '{"access_token":"at","expires_in":3600,"refresh_token":"new-one"}'
  const utf16 = (text: string) => Array.from(text, (character) => `${character}\0`).join("")
  it.each([
    ["one brace too many", `${good}}`],
    ["one too few", good.slice(0, -1)],
    ["a comment behind it", `${good}\n<!-- x -->`],
    ["a guard before it", `)]}',\n${good}`],
    ["a line in a text", good.replace("{", '{"note":"a\nb",')],
    ["a comma too many", good.replace("}", ",}")],
    ["NUL behind it", `${good}\0`],
    ["a number that is none", good.replace("{", '{"rate":NaN,')],
    ["an escape of another language", good.replace("{", '{"note":"\\x41",')],
    ["a warning before it", `<br />\nWarning: Undefined array key "scope" in token.php\n${good}`],
    ["two of them", `{"access_token":"at","refresh_token":"${sent[0]}"}${good}`],
    ["two of them, the second as it was sent", `${good}{"refresh_token":"${sent[0]}"}`],
    ["a list of it", `[${good}]`],
    ["a call around it", `callback(${good});`],
    ["single quotes", good.replaceAll('"', "'")],
    ["no quotes at names", good.replaceAll(/"(\w+)":/gu, "$1: ")],
    ["UTF-16", utf16(good)],
    ["another type", good.replace("{", "{,")]
  ])("gives the new refresh token that stands in it: %s", (_, body) => {
    for (const contentType of ["application/json", "application/x-www-form-urlencoded", "text/html", ""]) {
      for (const status of [200, 500]) {
        const answer = granted(read(plain, raw(status, body, { contentType })))
        assert.strictEqual(answer.fields.refreshToken, "new-one", `${contentType} ${status}`)
      }
    }
    const answer = granted(read(plain, raw(200, body)))
    assert.deepStrictEqual([answer.fields.accessToken, answer.expiresAt], ["at", now + 3_600_000])
  })

  it("below another path, with all that a text may hold", () => {
    const provider = providerOf({
      name: "deep",
      token_url: "https://example.com/token",
      refresh_token_path: "/__proto__/the.new~1one",
      access_token_path: "/data/access_token"
    })
    const token = 'a"b\\c/\u00e9\ud83d\ude00'
    const body = `{"data":{"access_token":"at"},"x":{"the.new/one":${JSON.stringify(token)}},}`
    const { fields } = granted(read(provider, raw(200, body)))
    assert.deepInclude(fields, { refreshToken: token, accessToken: "at" })
    assert.strictEqual(read(provider, raw(200, body.replace("the.new", "the_new"))).kind, "unknown")
    assert.isUndefined(({} as Record<string, unknown>)["the.new/one"])
  })

  it("with characters that are escaped, each in its way", () => {
    const body = String.raw`{'access_token':'at','refresh_token':'a\u002Bb\x2fc\/d\u00e9\n\'e\\f','expires_in':3600 => 1}`
    const { fields } = granted(read(plain, raw(200, body)))
    assert.strictEqual(fields.refreshToken, "a+b/c/dé\n'e\\f")
  })

  it.each([
    ["the one that was sent", `{"access_token":"at","refresh_token":"${sent[0]}",}`],
    ["an access token alone", '{"access_token":"at",}'],
    ["a half one", '{"access_token":"at","refresh_token":"new-o'],
    ["a number", '{"access_token":"at","refresh_token":12345,}'],
    ["none at all", '{"refresh_token":"",}'],
    ["another member's name", '{"x_refresh_token":"new","refresh_token_id":"new","old-refresh_token":"new",}'],
    ["another name without quotes", "{x_refresh_token:'new', old-refresh_token:'new', refresh_token_id:'new'}"],
    ["a word about it", "the refresh_token: new one is not there"]
  ])("says nothing of the grant with %s", (_, body) => {
    assert.deepInclude(read(plain, raw(200, body)), { kind: "unknown", reason: "malformed_answer" })
  })

  it("that is JSON is read as JSON: what stands at another place in it is no grant", () => {
    const body = { error: "invalid_grant", fields: { refresh_token: "expired" } }
    assert.deepInclude(read(plain, raw(400, body)), { kind: "refused" })
  })

  it("is not looked through for a name that may begin anywhere in it", () => {
    for (const name of [" ", "\t", "\n", "\u00a0", "::", "a b", 'a"', "'", "\\"]) {
      const paths = { ...plain, refresh_token_path: `/${name}` }
      const began = process.cpuUsage()
      const answer = read(paths, raw(200, `{${name.repeat(Math.floor(32_000 / name.length))}`))
      const { user } = process.cpuUsage(began)
      assert.strictEqual(answer.kind, "unknown", JSON.stringify(name))
      assert.isBelow(user, 2_000_000, JSON.stringify(name))
    }
    // What stands far behind its name is another thing's.
    const far = `{"refresh_token"${" ".repeat(64)}:${" ".repeat(65)}"new-one",,`
    assert.strictEqual(read(plain, raw(200, far)).kind, "unknown")
    assert.strictEqual(granted(read(plain, raw(200, far.replace(" ".repeat(65), "")))).fields.refreshToken, "new-one")
    const odd = { ...plain, refresh_token_path: "/x.$refresh-token_2" }
    assert.strictEqual(granted(read(odd, raw(200, '{"x.$refresh-token_2":"new-one",,'))).fields.refreshToken, "new-one")
  })

  it("is read in a time that grows with its length alone", () => {
    const hostile = [
      'refresh_token:"',
      "refresh_token:'",
      "refresh_token:'\\",
      '"refresh_token"    ',
      '\\u0041"',
      "refresh_token:-1"
    ]
    for (const part of hostile) {
      const body = `{${part.repeat(Math.floor(65_000 / part.length))}`
      const began = process.cpuUsage()
      read(plain, raw(200, body))
      const { user } = process.cpuUsage(began)
      assert.isBelow(user, 2_000_000, part)
    }
  })
})

describe("what a provider says in words", () => {
  it("goes on without what was sent, in whatever form and however much of it", () => {
    const secrets = ["Odd!t0ken?of:parts$that%look&like*none", "shh", "client-secret-abcdef"]
    const [odd = ""] = secrets
    const behind = (offset: number) => Buffer.from("i:d".slice(0, offset) + odd).toString("base64")
    const forms = [odd, odd.slice(3), odd.slice(0, -5), odd.toUpperCase(), encodeURIComponent(odd), "shh"]
    forms.push(Buffer.from(odd).toString("hex"), behind(0), behind(1), behind(2), `${odd}${odd}`)
    for (const form of forms) {
      const error_description = `the token ${form} is not good`
      const { detail } = readAnswer({
        provider: plain,
        raw: raw(400, { error: "invalid_grant", error_description }),
        sent: secrets,
        defaultLifeMs: null
      }) as { detail: string }
      assert.match(detail, /^400 invalid_grant the token \S{0,9}\[hidden\]\S{0,9} is not good$/u, form)
    }
  })
})

describe("an answer that did not come whole", () => {
  const cut = (body: string, more: Partial<RawAnswer> = {}) =>
    read(plain, raw(200, body, { cutShort: "provider_down", ...more }))
  const whole = '{"access_token":"a","x":{"y":["z,",{"q":"\\"}"}]},"refresh_token":"new-one","expires_in":3600}'

  it("gives the refresh token that came whole, and at no place a half one", () => {
    const behind = whole.indexOf('"new-one"') + '"new-one"'.length
    for (let length = 0; length <= whole.length; length++) {
      const answer = cut(whole.slice(0, length))
      if (length < behind) assert.strictEqual(answer.kind, "unknown", whole.slice(0, length))
      else assert.strictEqual(granted(answer).fields.refreshToken, "new-one", whole.slice(0, length))
    }
  })

  it("gives the one of its own place, whatever else bears its name, in texts too, and however deep the end is", () => {
    const decoy = '"refresh_token":"not-this-one"'
    const bodies = [
      `{"x":{${decoy}},"refresh_token":"new-one","y":{${decoy},"z":[1]},"expires_in":3600}`,
      `{"q":"a } b ] c","x":[{${decoy}}],"refresh_token":"new-one","y":[[{${decoy},"n":[1,2,{}]}]],"z":1}`,
      `{"q":"\\"{[","r":"\\\\","x":{"a":1,"y":[{${decoy},"n":1}]},"refresh_token":"new-one","y":{${decoy}},"w":"a, \\"b, "}`,
      `{"x":{"y":[[],{},[{${decoy}}],{"a":{}}]},"refresh_token":"new-one","n":null,"t":true,"w":"}",  "y":{${decoy}}}`
    ]
    for (const body of bodies) {
      assert.doesNotThrow(() => JSON.parse(body))
      const behind = body.indexOf('"new-one"') + '"new-one"'.length
      for (let length = 0; length <= body.length; length++) {
        const text = body.slice(0, length)
        const answer = cut(text)
        if (length < behind) assert.strictEqual(answer.kind, "unknown", text)
        else assert.strictEqual(granted(answer).fields.refreshToken, "new-one", text)
      }
    }
  })

  it("as a form gives what is ended by another field", () => {
    const form = { contentType: "application/x-www-form-urlencoded" }
    assert.strictEqual(cut("access_token=a&refresh_token=new-on", form).kind, "unknown")
    assert.strictEqual(granted(cut("refresh_token=new-one&acc", form)).fields.refreshToken, "new-one")
  })

  it("says nothing of the grant when the refresh token in it is the one that was sent, or it has none", () => {
    for (const body of ['{"access_token":"a","token_type":"b"', `{"refresh_token":"${sent[0]}","x":1`, "", "<html>"]) {
      assert.deepInclude(cut(body), { kind: "unknown", reason: "provider_down" })
    }
    assert.strictEqual(cut('{"error":"invalid_grant"', { status: 400 }).kind, "unknown")
  })

  it("is read in a time that grows with its length alone", () => {
    for (const piece of ["[", '{"a":', '"",', "[[],", '\\"']) {
      const began = process.cpuUsage()
      cut(`[${piece.repeat(65_536 / piece.length)}`)
      assert.isBelow(process.cpuUsage(began).user, 2_000_000, piece)
    }
  })
})

describe("what was granted is read, however it is written", () => {
  it("as RFC 6749 has it", () => {
    const body = { access_token: "a", refresh_token: "r", token_type: "Bearer", expires_in: 3600, scope: "x y" }
    assert.deepStrictEqual(read(plain, raw(200, body)), {
      kind: "granted",
      fields: { accessToken: "a", refreshToken: "r", tokenType: "Bearer" },
      expiresAt: now + 3_600_000,
      scopes: ["x", "y"],
      failure: null
    })
  })

  it.each([
    ["a number in a text", "seconds", "3600", now + 3_600_000],
    ["milliseconds", "milliseconds", 90_000, now + 90_000],
    ["a moment in seconds", "at_seconds", now / 1_000 + 60, now + 60_000],
    ["a moment in milliseconds", "at_milliseconds", now + 5, now + 5],
    ["a moment that is past", "at_seconds", 1, null],
    ["more than ten years", "seconds", 1e12, null],
    ["nonsense", "seconds", "soon", null]
  ] as const)("lifetime as %s", (_, unit, value, expected) => {
    const provider = { ...plain, expires_in_unit: unit }
    assert.strictEqual(granted(read(provider, raw(200, { access_token: "a", expires_in: value }))).expiresAt, expected)
  })

  it.each(["NaN", "soon", " ", 1e308, 9e15, "9e15", null, {}, true])("with the usual lifetime for %s", (value) => {
    const answer = granted(read(plain, raw(200, { access_token: "a", expires_in: value }), 60_000))
    assert.deepStrictEqual([answer.expiresAt, answer.failure], [now + 60_000, null])
  })

  it.each([0, -1, "0", "-3600", -1e308])("as one whose life is over, and that is not handed out, for %s", (value) => {
    const body = { access_token: "a", refresh_token: "r", expires_in: value }
    const answer = granted(read(plain, raw(200, body), 60_000))
    assert.deepStrictEqual([answer.fields.accessToken, answer.fields.refreshToken], [null, "r"])
    assert.strictEqual(answer.failure?.reason, "malformed_answer")
    // Where it is the grant, it is kept.
    const live = granted(read({ ...plain, grant: "exchange_live" }, raw(200, body)))
    assert.deepStrictEqual([live.fields.accessToken, live.failure?.reason], ["a", "malformed_answer"])
  })

  it("with the provider's usual lifetime where the answer has none", () => {
    assert.strictEqual(granted(read(plain, raw(200, { access_token: "a" }), 60_000)).expiresAt, now + 60_000)
  })

  it("as a form, and below another path", () => {
    const form = raw(200, "access_token=a&refresh_token=r&expires_in=60", {
      contentType: "application/x-www-form-urlencoded"
    })
    assert.strictEqual(granted(read(plain, form)).fields.refreshToken, "r")
    const nested = { ...plain, access_token_path: "/authed_user/access_token" }
    assert.strictEqual(granted(read(nested, raw(200, { authed_user: { access_token: "u" } }))).fields.accessToken, "u")
  })
})

describe("a new refresh token is never thrown away", () => {
  it.each([
    ["beside a bad id_token", raw(200, { access_token: "a", refresh_token: "new", id_token: "not.a.token" })],
    ["without an access token", raw(200, { refresh_token: "new" })],
    ["beside an error", raw(200, { refresh_token: "new", error: "server_error" })],
    ["with a status that says error", raw(500, { refresh_token: "new", access_token: "a" })],
    ["with numbers where texts belong", raw(200, { refresh_token: "new", access_token: 7, expires_in: {}, scope: [] })]
  ])("%s", (_, answer) => {
    assert.strictEqual(granted(read(plain, answer)).fields.refreshToken, "new")
  })

  it("an error that repeats what we sent is an error", () => {
    const echo = raw(400, { error: "invalid_grant", refresh_token: sent[0] })
    assert.strictEqual(read(plain, echo).kind, "refused")
  })
})

describe("what went wrong is told apart", () => {
  it.each([
    ["plain", 400, { error: "invalid_grant" }, "refused", "invalid_grant"],
    ["plain", 401, { error: "invalid_client" }, "client", "invalid_client"],
    ["plain", 400, { error: "unauthorized_client" }, "refused", "unauthorized_client"],
    ["plain", 400, { error: "invalid_scope" }, "refused", "invalid_scope"],
    ["plain", 429, "slow down", "transient", "rate_limited"],
    ["plain", 500, { error: "server_error" }, "unknown", "provider_down"],
    ["plain", 502, "<html>", "unknown", "provider_down"],
    ["plain", 404, "<html>", "transient", "malformed_answer"],
    ["plain", 200, "garbage", "unknown", "malformed_answer"],
    ["plain", 200, {}, "unknown", "malformed_answer"],
    ["plain", 302, "", "unknown", "malformed_answer"],
    ["slack", 200, { ok: false, error: "invalid_refresh_token" }, "refused", "invalid_grant"],
    ["slack", 200, { ok: false, error: "ratelimited" }, "transient", "rate_limited"],
    ["github", 200, { error: "bad_refresh_token" }, "refused", "invalid_grant"],
    ["meta", 400, { error: { message: "Error validating access token", code: 190 } }, "refused", "invalid_grant"],
    ["meta", 400, { error: { code: 190, error_subcode: 458 } }, "refused", "consent_revoked"],
    ["meta", 400, { error: { code: 4 } }, "transient", "rate_limited"],
    ["microsoft", 400, { error: "invalid_grant", error_description: "AADSTS50173: gone" }, "refused", "consent_revoked"]
  ] as const)("%s %i %j", (name, status, body, kind, reason) => {
    const answer = read(name === "plain" ? plain : built(name), raw(status, body))
    assert.strictEqual(answer.kind, kind)
    assert.strictEqual(answer.kind === "granted" ? null : answer.reason, reason)
  })

  it("an error that repeats what was sent is no grant, whatever the status; an empty one is none", () => {
    const [refresh_token = ""] = sent
    for (const error of [{ ok: false }, { error: "x" }]) {
      assert.strictEqual(read(plain, raw(200, { ...error, refresh_token })).kind, "unknown")
    }
    for (const none of [{ ok: true }, { error: null }, { error: "" }]) {
      const { fields } = granted(read(plain, raw(200, { ...none, refresh_token })))
      assert.deepInclude(fields, { refreshToken: refresh_token, accessToken: null })
    }
  })

  it("Retry-After in both forms, and neither in the past nor for ever", () => {
    assert.strictEqual(retryAtOf("120", now), now + 120_000)
    assert.strictEqual(retryAtOf(new Date(now + 5_000).toUTCString(), now), now + 5_000)
    assert.isNull(retryAtOf(new Date(now - 5_000).toUTCString(), now))
    assert.isNull(retryAtOf("soon", now))
    assert.strictEqual(retryAtOf("999999999", now), now + 86_400_000)
  })
})

describe("nothing that we sent comes back in words", () => {
  it.each([
    ["plainly", sent[0]!],
    ["form-encoded", encodeURIComponent("client+secret/abc=")],
    ["in base64", Buffer.from(sent[1]!).toString("base64")],
    ["a token of somebody's", "ya29.a0AfH6SMBx1234567890abcdefg"]
  ])("%s", (_, secret) => {
    const answer = readAnswer({
      provider: plain,
      raw: raw(400, { error: "invalid_grant", error_description: `bad token ${secret}!` }),
      sent: [...sent, "client+secret/abc="],
      defaultLifeMs: null
    })
    assert.notInclude(JSON.stringify(answer), secret)
    assert.isAtMost((answer as { detail: string }).detail.length, detailLengthMax)
  })
})

it("whatever comes is read, and nothing is thrown", () => {
  const { random } = seededRandom("ProviderAnswer")
  const below = (n: number) => Math.floor(random() * n)
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"access_token"',
    ":",
    '"error"',
    ",",
    "null",
    "1e999",
    '"\\ud800"',
    "a=b",
    "&",
    "\u0000",
    "ok"
  ]
  for (let round = 0; round < times(20_000); round++) {
    const body = Array.from({ length: below(12) }, () => pieces[below(pieces.length)]).join("")
    const name = [...builtInProviders.keys()][below(builtInProviders.size)]!
    const answer = read(built(name), raw(100 + below(500), body, { contentType: below(2) === 0 ? "" : "form" }))
    assert.include(["granted", "refused", "client", "transient", "unknown"], answer.kind)
  }
})

it("a token with half a character is none: it would be kept, and sent, as another one", () => {
  const one = granted(read(plain, raw(200, '{"access_token":"at\\ud800","refresh_token":"new-one"}')))
  assert.deepStrictEqual([one.fields.accessToken, one.fields.refreshToken], [null, "new-one"])
  const other = granted(read(plain, raw(200, '{"access_token":"at","refresh_token":"new\\udc00"}')))
  assert.deepStrictEqual([other.fields.accessToken, other.fields.refreshToken], ["at", null])
})

describe("a provider that is down", () => {
  it("spent nothing when it says when to come again, and perhaps spent the grant when it says nothing", () => {
    assert.strictEqual(read(plain, raw(503, {}, { retryAfter: "7" })).kind, "transient")
    assert.strictEqual(read(plain, raw(503, {})).kind, "unknown")
  })
})

describe("two secrets of which one holds the other", () => {
  it("are both hidden, whole", () => {
    const long = "abc-secret-of-ours"
    const said = readAnswer({
      provider: plain,
      raw: raw(400, { error: "invalid_grant", error_description: `token ${long} is spent` }),
      sent: ["secret", long],
      defaultLifeMs: null
    })
    assert.strictEqual("detail" in said ? said.detail : "", "400 invalid_grant token [hidden] is spent")
  })
})
