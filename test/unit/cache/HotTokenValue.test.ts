import { assert, describe, it } from "@effect/vitest"
import * as HotTokenValue from "../../../src/cache/HotTokenValue.ts"
import { hotToken } from "../../suites/validationCacheSuite.ts"

const token = hotToken(1, { status: "Suspended", endsAt: 5 })

describe("HotTokenValue", () => {
  it("reads back what it wrote", () => {
    assert.deepStrictEqual(HotTokenValue.decode(HotTokenValue.encode(token), token), token)
  })

  it("does not read a value under another key", () => {
    const value = HotTokenValue.encode(token)
    assert.isNull(HotTokenValue.decode(value, { ...token, tenantId: "other" }))
    assert.isNull(HotTokenValue.decode(value, { ...token, cacheKey: hotToken(2).cacheKey }))
  })

  it("does not read another format, nothing, or garbage", () => {
    const value = HotTokenValue.encode(token)
    const other = value.slice()
    other[0] = 1
    for (const foreign of [other, new Uint8Array(0), Uint8Array.of(1), new TextEncoder().encode("{}")]) {
      assert.isNull(HotTokenValue.decode(foreign, token))
    }
  })

  it("reads no part of a value as an entry", () => {
    const value = HotTokenValue.encode(token)
    for (let at = 0; at < value.length; at++) {
      const broken = value.slice(0, at)
      assert.isNull(HotTokenValue.decode(broken, token), `cut at ${at}`)
    }
  })
})
