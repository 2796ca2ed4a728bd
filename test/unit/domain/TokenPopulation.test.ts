// Verifies R-TOK-12.
/** A population of tokens: who is of it, and how all of them are walked through. */
import { assert, describe, it } from "vitest"
import type { Token } from "../../../src/domain/Token.ts"
import {
  isOf,
  pieceAt,
  placeAfter,
  type TokenPopulation,
  type WalkPlace,
  walkBegin
} from "../../../src/domain/TokenPopulation.ts"
import { aToken } from "../../support/storeFixtures.ts"

const everybody: TokenPopulation = {
  applications: null,
  endpointIds: null,
  createdBefore: null,
  createdBy: null,
  unusedSince: null
}

describe("who is of a population", () => {
  const token = aToken("acme", "app", { createdAt: 100, createdBy: "anna", endpointId: "e" })
  const isIn = (population: Partial<TokenPopulation>, over: Partial<Token> = {}) =>
    isOf({ ...everybody, ...population }, { ...token, ...over }, 1_000)

  it("is who fits all that is asked for, and can still be taken away", () => {
    assert.isTrue(isIn({}))
    assert.isFalse(isIn({}, { status: "Revoked" }))
    assert.isFalse(isIn({}, { expiresAt: 1_000 }))
    assert.deepStrictEqual([isIn({ applications: ["app"] }), isIn({ applications: ["other"] })], [true, false])
    assert.deepStrictEqual([isIn({ endpointIds: ["e"] }), isIn({ endpointIds: ["f"] })], [true, false])
    assert.deepStrictEqual([isIn({ createdBy: "anna" }), isIn({ createdBy: "ben" })], [true, false])
    assert.deepStrictEqual([isIn({ createdBefore: 101 }), isIn({ createdBefore: 100 })], [true, false])
  })

  it("was not used since a moment, and one that never was is as old as itself", () => {
    assert.deepStrictEqual([isIn({ unusedSince: 101 }), isIn({ unusedSince: 100 })], [true, false])
    const used = { lastUsedAt: 500 }
    assert.deepStrictEqual([isIn({ unusedSince: 501 }, used), isIn({ unusedSince: 500 }, used)], [true, false])
  })
})

describe("the walk through a population", () => {
  /** What is asked, when each street has so many pages. */
  const walk = (population: TokenPopulation, pages: number) => {
    const asked: Array<unknown> = []
    let place: WalkPlace = walkBegin
    for (let query = pieceAt(population, place, 7); query !== null; query = pieceAt(population, place, 7)) {
      const { after, appName, endpointId, limit, order } = query
      assert.deepStrictEqual([limit, order], [7, "ASC"])
      asked.push([appName ?? endpointId, after])
      const page = after === null ? 1 : Number(after) + 1
      place = placeAfter(place, page < pages ? String(page) : null)
    }
    return asked
  }

  it("goes through each application, or each endpoint, from its beginning to its end, and through all else at once", () => {
    const pagesOf = (...names: ReadonlyArray<string | null>) =>
      names.flatMap((name) => [
        [name, null],
        [name, "1"]
      ])
    assert.deepStrictEqual(walk({ ...everybody, applications: ["a", "b"] }, 2), pagesOf("a", "b"))
    const endpoints = { ...everybody, applications: ["a"], endpointIds: ["e", "f"] }
    assert.deepStrictEqual(walk(endpoints, 2), pagesOf("e", "f"))
    assert.deepStrictEqual(walk(everybody, 2), pagesOf(null))
  })

  it("asks for those alone that may be of it", () => {
    const population = { ...everybody, createdBefore: 1, createdBy: "anna", unusedSince: 2 }
    const statuses = ["Inactive", "Active", "Suspended"] as const
    const asked = { createdBefore: 1, createdBy: "anna", unusedSince: 2, statuses }
    assert.deepInclude(pieceAt(population, walkBegin, 7), asked)
    const ofEndpoints = pieceAt({ ...population, applications: ["a"], endpointIds: ["e"] }, walkBegin, 7)
    assert.deepInclude(ofEndpoints, { ...asked, endpointId: "e", applications: ["a"] })
  })
})
