// Verifies R-INP-5.
/** What is wrong with an item of a batch is that item's outcome, and nobody else's. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { afterAll, beforeAll, beforeEach } from "vitest"
import { InvalidRequest } from "../../../src/domain/errors.ts"
import { unknownEntityId } from "../../../src/domain/Names.ts"
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"
import { someToken, someTokenId, verdict } from "../../support/scriptedTenants.ts"

const goodItem = '{"endpointId":"e"}'
const malformedItems: ReadonlyArray<readonly [string, string, string]> = [
  ["an id outside its pattern", '{"endpointId":"a b"}', "items[1].endpointId"],
  ["a field missing", "{}", "items[1].endpointId"],
  ["a field that is not known", '{"endpointId":"e","planted":"planted"}', "items[1].planted"],
  ["a number in place of a text", '{"endpointId":7}', "items[1].endpointId"],
  ["a text in place of an object", '"planted"', "items[1]"],
  ["null", "null", "items[1]"],
  ["a value outside its pattern", '{"endpointId":"e","token":"planted+"}', "items[1].token"],
  ["a date that is none", '{"endpointId":"e","expiresDate":"planted"}', "items[1].expiresDate"],
  ["a description that is too long", `{"endpointId":"e","description":"${"x".repeat(257)}"}`, "items[1].description"],
  ["half of a surrogate pair", '{"endpointId":"e","description":"\\ud800"}', "items[1].description"],
  ["a number that is not kept", '{"endpointId":1e400}', "items[1].endpointId"]
]

const wholes: ReadonlyArray<readonly [string, string, string]> = [
  ["no list", '{"appName":"app","items":{"0":{"endpointId":"e"}}}', "items"],
  ["none", '{"appName":"app"}', "items"],
  ["an empty list", '{"appName":"app","items":[]}', "items"],
  ["a list of 1,001", `{"appName":"app","items":[${`${goodItem},`.repeat(1_000)}${goodItem}]}`, "items"],
  ["a field beside it that is not known", `{"appName":"app","items":[${goodItem}],"x":1}`, "x"],
  ["a field beside it that is wrong", `{"appName":"A","items":[${goodItem}]}`, "appName"],
  ["text beside it that is not well-formed", `{"appName":"\\ud800","items":[${goodItem}]}`, "appName"]
]

describe("a batch", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
  })
  afterAll(() => world.close())
  beforeEach(() => {
    world.tenants.calls.length = 0
    world.tenants.script.provisionTokens = (_tenantId, _appName, items) =>
      Effect.succeed(
        items.map(({ endpointId }) => Result.succeed({ record: someToken({ endpointId }), token: "value" }))
      )
    world.tenants.script.transitionTokens = (_tenantId, refs) =>
      Effect.succeed(refs.map(() => Result.succeed(someToken())))
    world.tenants.script.validate = (_tenantId, items) => Effect.succeed(items.map(() => verdict(200)))
  })

  for (const [about, item, path] of malformedItems) {
    it(`of tokens with ${about} in one item makes the others`, async () => {
      const answer = await world.tenant(
        "token.provision-batch",
        `{"appName":"app","items":[${goodItem},${item},${goodItem}]}`
      )
      assert.strictEqual(answer.status, 200)
      const [first, second, third] = answer.body.results
      assert.deepStrictEqual([first.statusCode, third.statusCode], [201, 201])
      assert.deepInclude(second, { statusCode: 400, code: "INVALID_REQUEST" })
      assert.strictEqual(second.details.path, path)
      assert.notMatch(answer.text.replaceAll(path, ""), /planted/u)
      assert.strictEqual((world.tenants.calls[0]?.args[2] as ReadonlyArray<unknown> | undefined)?.length, 2)
    })
  }

  for (const [about, request, path] of wholes) {
    it(`that has ${about} is refused as a whole`, async () => {
      const answer = await world.tenant("token.provision-batch", request)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.body.error.details.path, path)
      assert.deepStrictEqual(world.tenants.calls, [])
    })
  }

  it("of transitions: an id that is none of ours is unknown, one that is no text is that item's 400", async () => {
    const tokenIds = [someTokenId, 7, "\ud800", "x".repeat(10_000), someTokenId]
    const answer = await world.tenant("token.transition-batch", { tokenIds, targetStatus: "Revoked" })
    const results: ReadonlyArray<{ readonly statusCode: number; readonly details?: { readonly path: string } }> =
      answer.body.results
    assert.deepStrictEqual(
      results.map(({ details, statusCode }) => [statusCode, details?.path]),
      [
        [200, undefined],
        [400, "tokenIds[1]"],
        [400, "tokenIds[2]"],
        [200, undefined],
        [200, undefined]
      ]
    )
    const asked = [someTokenId, unknownEntityId, someTokenId].map((tokenId) => ({ tokenId }))
    assert.deepStrictEqual(world.tenants.calls[0]?.args[1], asked)
  })

  it("of validations: a malformed item has the verdict 400", async () => {
    const right = { appName: "app", token: "t" }
    const items = [right, { appName: "app" }, { ...right, token: "\udfff" }, { ...right, token: "y".repeat(300) }, 5]
    const answer = await world.tenant("token.validate-batch", { items })
    const [first, second, third, fourth, fifth] = answer.body.results
    const none = { statusCode: 400, tokenId: null, endpointId: null, status: null }
    assert.strictEqual(first.statusCode, 200)
    assert.deepInclude(second, { ...none, code: "INVALID_REQUEST" })
    assert.deepStrictEqual(third, fourth)
    assert.strictEqual(fourth.statusCode, 200)
    assert.deepInclude(fifth, none)
    // A text that cannot be a value is handed on as none at all: its verdict is the validator's.
    assert.deepStrictEqual(world.tenants.calls[0]?.args[1], [right, { ...right, token: "" }, { ...right, token: "" }])
  })

  it("names the place of what only its tenant finds wrong with an item, in the whole request", async () => {
    world.tenants.script.provisionTokens = (_tenantId, _appName, items) =>
      Effect.succeed(
        items.map(({ endpointId }) =>
          endpointId === "late"
            ? Result.fail(new InvalidRequest({ path: "expiresDate", reason: "is in the past" }))
            : Result.succeed({ record: someToken({ endpointId }), token: "value" })
        )
      )
    const items = [{ endpointId: "e" }, { endpointId: "not one" }, { endpointId: "late" }]
    const { body } = await world.tenant("token.provision-batch", { appName: "app", items })
    const results: ReadonlyArray<{ readonly details?: { readonly path: string } }> = body.results
    assert.deepStrictEqual(
      results.map(({ details }) => details?.path),
      [undefined, "items[1].endpointId", "items[2].expiresDate"]
    )
    const one = await world.tenant("token.provision", { appName: "app", endpointId: "late" })
    assert.strictEqual(one.body.error.details.path, "expiresDate")
  })

  it("of malformed items only still learns whether its application is there", async () => {
    const answer = await world.tenant("token.provision-batch", { appName: "app", items: [{}, 1] })
    assert.deepStrictEqual(
      answer.body.results.map(({ statusCode }: { readonly statusCode: number }) => statusCode),
      [400, 400]
    )
    assert.deepStrictEqual(world.tenants.calls[0]?.args[2], [])
  })
})
