// Verifies R-DUR-2.
/** Which sequences of writes go with their COMMIT as one statement. */
import { assert, describe, it } from "@effect/vitest"
import * as Committings from "../../../../src/store/maria/Committings.ts"

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`)

describe("sequences of writes that are sent as one", () => {
  it("are so many, and one more is when it is met again, in the place of the one that was not met for longest", () => {
    const isOne = Committings.make()
    const first = names("first ", Committings.committingsMax)
    for (const sql of first) assert.isTrue(isOne(sql))
    // The first one is met again, so that the second is the one that was not met for longest.
    assert.isTrue(isOne(first[0]!))
    assert.isFalse(isOne("another"))
    assert.isTrue(isOne("another"))
    assert.isTrue(isOne("another"))
    assert.deepStrictEqual(
      [2, 3, 0].map((at) => isOne(first[at]!)),
      [true, true, true]
    )
    assert.isFalse(isOne(first[1]!))
  })

  it("are not pushed out by rare ones, however many there are", () => {
    const isOne = Committings.make()
    const often = names("often ", Committings.committingsMax)
    for (const sql of often) isOne(sql)
    for (let round = 0; round < 3; round++) {
      for (const sql of names("rare ", 2 * Committings.committingsMax)) assert.isFalse(isOne(sql))
      for (const sql of often) assert.isTrue(isOne(sql))
    }
  })
})
