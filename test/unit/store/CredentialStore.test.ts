// Verifies R-DUR-2.
/** What the commands of one group need of a tenant's credentials, read in one go. */
import { assert, describe, it } from "@effect/vitest"
import { type CredentialLoad, mergeCredentialLoads, noCredentials } from "../../../src/store/CredentialStore.ts"

const load = (of: Partial<CredentialLoad>): CredentialLoad => ({ ...noCredentials, ...of })

describe("a group of commands", () => {
  it("reads all that any of them needs, each once, whoever stands first", () => {
    const loads = [
      load({ ids: ["a", "b"], slots: ["s"], countServices: true }),
      load({ ids: ["b"], globalSlots: ["g"], providers: ["p"] }),
      load({ serviceNames: ["n"], rotators: ["r"] })
    ]
    const all = load({
      ...{ ids: ["a", "b"], slots: ["s"], globalSlots: ["g"], serviceNames: ["n"] },
      ...{ countServices: true, providers: ["p"], rotators: ["r"] }
    })
    for (const order of [loads, loads.toReversed()]) {
      const merged = mergeCredentialLoads(order)
      assert.deepStrictEqual({ ...merged, ids: merged.ids.toSorted() }, all)
    }
    assert.deepStrictEqual(mergeCredentialLoads([noCredentials, noCredentials]), noCredentials)
  })
})
