// Verifies R-RUN-4.
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { file, render } from "../../../scripts/asyncapi.mjs"
import { asyncApi } from "../../../src/protocols/AsyncApi.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { events } from "../../../src/schema/EventJson.ts"

describe("docs/asyncapi.yaml", () => {
  it("is what the operation table says (node scripts/asyncapi.mjs writes it)", () => {
    assert.strictEqual(readFileSync(file, "utf8"), render())
  })

  it("describes every operation, with addresses that are there once", () => {
    const { channels } = asyncApi(operations) as { channels: Record<string, { address: string | null }> }
    const addresses = Object.values(channels).flatMap(({ address }) => (address === null ? [] : [address]))
    assert.strictEqual(new Set(addresses).size, addresses.length)
    for (const { family, name } of operations) {
      assert.include(addresses, family === "admin" ? `{instance}.admin.v1.${name}` : `{instance}.v1.{tenant}.${name}`)
    }
  })

  it("describes every event, and a page tells of each that is none of a token, credential, key or tenant", () => {
    const { channels } = asyncApi(operations) as { channels: Record<string, { address: string | null }> }
    const addresses = Object.values(channels).map(({ address }) => address)
    for (const { type } of events) assert.include(addresses, `{instance}.events.v1.{tenant}.${type}`)
    const others = events.map(({ type }) => type).filter((type) => !/^(?:token|credential|keys|tenant)\./u.test(type))
    assert.deepStrictEqual(others, [
      "notification",
      "audit.checkpoint",
      "platform.outbox_blocked",
      "platform.inbox_gap"
    ])
    const page = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8")
    for (const type of others.slice(0, 2)) assert.include(page("credentials.md"), `\`${type}\``)
    assert.include(page("failure-modes.md"), "`platform.outbox_blocked`")
    assert.include(page("audit.md"), "`audit.checkpoint`")
    assert.include(page("platform.md"), "`platform.inbox_gap`")
  })

  it("bounds the headers of a request as they are bounded where they are read, in code points", () => {
    const { components } = asyncApi(operations) as {
      components: { schemas: { requestHeaders: { properties: Record<string, { pattern?: string }> } } }
    }
    const fits = (name: string, value: string) =>
      new RegExp(components.schemas.requestHeaders.properties[name]?.pattern ?? assert.fail(name), "u").test(value)
    const [letter, key] = ["é", "\u{1f511}"]
    assert.deepStrictEqual(
      ["", letter.repeat(256), key.repeat(256), key.repeat(257), "a\u0000b", "a\nb"].map((id) =>
        fits("Correlation-ID", id)
      ),
      [true, true, true, false, false, false]
    )
    assert.deepStrictEqual(
      ["", "k", "k".repeat(128), "k".repeat(129), "a b", letter].map((one) => fits("Idempotency-Key", one)),
      [false, true, true, false, false, false]
    )
  })

  it("refers only to what is in it", () => {
    const document = asyncApi(operations)
    const refs = Array.from(JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g), ([, path]) => path ?? "")
    const missing = refs.filter(
      (path) =>
        path.split("/").reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document) ===
        undefined
    )
    assert.deepStrictEqual(missing, [])
  })
})
