import { assert, describe, it } from "@effect/vitest"
import { eventBytesMax } from "../../../src/domain/Names.ts"
import { fitsMessage } from "../../../src/store/checkChanges.ts"
import { aMessage } from "../../support/storeFixtures.ts"

describe("an event that a message can carry", () => {
  it("is so to the byte, whatever its headers are written with", () => {
    const values = ["", "plain", "\u0001", "\ud800", "ü€😀", '"\\']
    const subjects = ["", "cm.events.v1.acme.token.provisioned", "€"]
    for (const subject of subjects) {
      for (const value of values) {
        for (const count of [0, 1, 20_000]) {
          const headers = count === 0 ? {} : { "ce-type": value.repeat(count) }
          const rest = eventBytesMax - Buffer.byteLength(subject) - Buffer.byteLength(JSON.stringify(headers))
          const fits = (bytes: number) => fitsMessage(aMessage({ subject, headers, payload: new Uint8Array(bytes) }))
          const told = JSON.stringify({ subject, value, count })
          assert.deepStrictEqual([fits(rest), fits(rest + 1)], [true, false], told)
        }
      }
    }
  })
})
