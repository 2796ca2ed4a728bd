import { assert, describe, it } from "@effect/vitest"
import { payloadBytesMin, refusalOf, warningOf } from "../../../src/nats/ServerCheck.ts"

const good = { version: "2.15.2", api_lvl: 5, jetstream: true, max_payload: payloadBytesMin }

describe("refusalOf", () => {
  it("takes a server at the floor and above", () => {
    assert.isNull(refusalOf(good))
    assert.isNull(refusalOf({ ...good, version: "2.11.0", api_lvl: 1 }))
    assert.isNull(refusalOf({ ...good, version: "3.0.0-beta.1" }))
  })

  it("refuses an older one with what to install", () => {
    for (const version of ["2.9.10", "2.10.29", "1.4.1", "", "unknown"]) {
      const refusal = refusalOf({ ...good, version })
      assert.strictEqual(refusal?.reason, "too-old", version)
      assert.include(refusal?.message, "install nats-server 2.11.0 or newer")
    }
  })

  it("refuses a JetStream below the API level, whatever the version says", () => {
    const { api_lvl: _, ...silent } = good
    assert.strictEqual(refusalOf(silent)?.reason, "too-old")
  })

  it("refuses a server without JetStream or with small messages, and says what to set", () => {
    assert.include(refusalOf({ ...good, jetstream: false })?.message, "start it with -js")
    assert.include(refusalOf({ ...good, max_payload: 1_048_576 })?.message, "max_payload: 8MB")
  })
})

describe("warningOf", () => {
  it("warns below the versions with security fixes, and not above", () => {
    for (const old of ["2.11.99", "2.12.11", "2.13.1", "2.14.2"]) assert.isNotNull(warningOf({ version: old }), old)
    for (const fine of ["2.12.12", "2.14.3", "2.15.0", "3.0.0"]) assert.isNull(warningOf({ version: fine }), fine)
  })
})
