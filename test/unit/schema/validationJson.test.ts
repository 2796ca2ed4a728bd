// Verifies R-INP-5.
/** The quick way of a batch's items says what the usual way says, whatever they are. */
import { Result, Schema } from "effect"
import { assert, it } from "vitest"
import * as Json from "../../../src/schema/Json.ts"
import * as TokenJson from "../../../src/schema/TokenJson.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const rounds = times(2_000)
const texts = ["", "app", "a b", 'quote "', "back \\ slash", "line\nfeed", "\u0000", "\u007f", "ü", "😀", "\u2028", "x"]

const { random, seed } = seededRandom("validation JSON")
const among = <A>(choices: ReadonlyArray<A>): A => choices[Math.floor(random() * choices.length)]!
const aText = () => {
  const text = among(texts)
  return random() < 0.2 ? text.repeat(among([1, 127, 128, 129, 256, 257, 300])) : text
}

it("an item that is taken at first sight is what the schema makes of it, and others are the schema's to judge", () => {
  const item = Schema.Struct({
    appName: TokenJson.ValidateToken.fields.appName,
    token: TokenJson.ValidateToken.fields.token
  })
  const usual = Json.decodeBatch({
    schema: TokenJson.ValidateTokens,
    rest: Schema.Struct({}),
    list: "items",
    item
  })
  const aValue = () => (random() < 0.8 ? aText() : among([null, 1, true, [], {}, ["app"]]))
  const anItem = () => {
    if (random() < 0.05) return among([null, 7, "app", [], ["app", "token"], {}])
    const made: Record<string, unknown> = {}
    if (random() < 0.95) made.appName = aValue()
    if (random() < 0.95) made.token = aValue()
    if (random() < 0.1) made[among(["dryRun", "__proto__", "toString", "0"])] = aValue()
    return made
  }
  const shown = (decoded: ReturnType<typeof TokenJson.decodeAnyItems>) =>
    Result.isFailure(decoded)
      ? decoded.failure
      : decoded.success.items.map((one) => (Result.isFailure(one) ? { refused: { ...one.failure } } : one.success))
  for (let round = 0; round < rounds; round++) {
    const payload = Buffer.from(JSON.stringify({ items: Array.from({ length: 10 }, anItem) }))
    const expected = shown(usual(payload))
    assert.deepStrictEqual(shown(TokenJson.decodeAnyItems(payload)), expected, `SEED=${seed} round ${round}`)
  }
})

it("and so they do where one token is asked about", () => {
  const decoded = (text: string) => {
    const found = TokenJson.decodeValidateToken(Buffer.from(text))
    return Result.isFailure(found) ? found.failure.path : found.success
  }
  assert.deepStrictEqual(
    [
      String.raw`{"appName":"app","token":"\ud800"}`,
      String.raw`{"appName":"a\udfff","token":"t","dryRun":true}`,
      `{"appName":"app","token":"${String.raw`\ud800`.repeat(300)}"}`,
      String.raw`{"appName":"app","token":"\ud83d\ude00"}`,
      String.raw`{"appName":"app","token":["\ud800"]}`,
      String.raw`{"token":"\ud800"}`,
      String.raw`"\ud800"`,
      String.raw`{"appName":"app","token":"t","dryRun":"\ud800"}`,
      String.raw`{"appName":"app","token":"t","\ud800":1}`,
      `{"appName":"app","token":1e999}`,
      `{"appName":"app","token":"t","dryRun":1e999}`
    ].map(decoded),
    [
      { appName: "app", token: "", dryRun: false },
      { appName: "", token: "t", dryRun: true },
      { appName: "app", token: "", dryRun: false },
      { appName: "app", token: "😀", dryRun: false },
      "token",
      "appName",
      "",
      "dryRun",
      "\ufffd",
      "token",
      "dryRun"
    ]
  )
})

it("texts that no UTF-8 can hold get a verdict like other wrong ones; what is no such item is still refused", () => {
  const decoded = (...items: ReadonlyArray<string>) =>
    Result.getOrThrow(TokenJson.decodeAnyItems(Buffer.from(`{"items":[${items.join()}]}`))).items.map((one) =>
      Result.isFailure(one) ? one.failure.path : one.success
    )
  assert.deepStrictEqual(
    decoded(
      String.raw`{"appName":"app","token":"\ud800"}`,
      String.raw`{"appName":"a\udfff","token":"t"}`,
      `{"appName":"app","token":"${String.raw`\ud800`.repeat(300)}"}`,
      String.raw`{"appName":"app","token":"\ud800","dryRun":true}`,
      String.raw`{"appName":"app","token":["\ud800"]}`,
      String.raw`{"token":"\ud800"}`,
      String.raw`"\ud800"`,
      `{"appName":"app","token":1e999}`
    ),
    [
      { appName: "app", token: "" },
      { appName: "", token: "t" },
      { appName: "app", token: "" },
      "items[3].dryRun",
      "items[4].token",
      "items[5].appName",
      "items[6]",
      "items[7].token"
    ]
  )
})
