// Verifies R-CLI-8.
/** Look-ups of client credentials by name: bounded, and each place is given back. */
import { assert, describe, it } from "vitest"
import { lookupsWaitingMax, NameLookups, type Outcome } from "../../../../src/actors/clients/NameLookups.ts"
import type { ClientName, FoundClient } from "../../../../src/domain/ClientCredential.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const basic = (username: string): ClientName => ({ kind: "basic", username })
const lookups = (byNames: () => Promise<ReadonlyArray<FoundClient | undefined>>, onBug = (_: unknown) => {}) =>
  new NameLookups({ byNames, generation: () => 1, tick: () => 0, cover: () => {}, onBug })
const away = new StoreUnavailable({ operation: "test", outcome: "none" })
/** How often each outcome was told to so many that asked for the same name. */
const asked = async (of: NameLookups, count: number) => {
  const outcomes: Partial<Record<string, number>> = {}
  for (let n = 0; n < count; n++) {
    of.ask(basic("same"), (outcome: Outcome) => {
      const name = String(outcome)
      outcomes[name] = (outcomes[name] ?? 0) + 1
    })
  }
  await turn()
  return outcomes
}

describe("look-ups by name", () => {
  it("are so many at once, and as many again when those were answered or failed", async () => {
    let isAway = false
    const of = lookups(() => (isAway ? Promise.reject(away) : Promise.resolve([])))
    assert.deepStrictEqual(await asked(of, lookupsWaitingMax + 1), { full: 1, unknown: lookupsWaitingMax })
    isAway = true
    assert.deepStrictEqual(await asked(of, lookupsWaitingMax + 1), { full: 1, unavailable: lookupsWaitingMax })
    isAway = false
    assert.deepStrictEqual(await asked(of, lookupsWaitingMax), { unknown: lookupsWaitingMax })
  })
  it("that fail by a bug say so, and not that the database is away", async () => {
    const [told, bug]: [Array<unknown>, Error] = [[], new Error("on purpose")]
    const of = lookups(
      () => Promise.reject(bug),
      (one) => told.push(one)
    )
    assert.deepStrictEqual(await asked(of, 2), { bug: 2 })
    assert.deepStrictEqual(told, [bug])
  })
})
