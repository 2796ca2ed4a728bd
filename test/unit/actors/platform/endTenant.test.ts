/** What an end of a tenant by 21/TLE marks, however the removal of its rows ends. */
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { endTenant } from "../../../../src/actors/platform/endTenant.ts"
import type { ChangeError } from "../../../../src/actors/tenant/Tenants.ts"
import { NotYetInForce, TenantNotFound, Unavailable } from "../../../../src/domain/errors.ts"

const ended = async (remove: Effect.Effect<unknown, ChangeError>, isNew = true) => {
  const said: Array<string> = []
  const say = (what: string) => Effect.sync(() => void said.push(what))
  const exit = await Effect.runPromise(
    Effect.flip(
      Effect.andThen(
        endTenant({
          markEnded: Effect.as(say("ended"), isNew),
          markDone: say("done"),
          remove: Effect.andThen(say("removed"), remove)
        }),
        Effect.fail("nothing" as const)
      )
    )
  )
  return [...said, exit === "nothing" ? "ok" : exit._tag].join(" ")
}

describe("the end of a tenant", () => {
  const notYet = new NotYetInForce()
  it.each([
    ["a removal", Effect.void, "ended removed done ok"],
    ["one that is gone", Effect.fail(new TenantNotFound({ tenantId: "a" })), "ended removed done ok"],
    ["one that is committed and not in force everywhere", Effect.fail(notYet), "ended removed done NotYetInForce"],
    [
      "one that is not committed",
      Effect.fail(new Unavailable({ part: "database", committed: false })),
      "ended removed Unavailable"
    ]
  ] as const)("%s", async (_, remove, expected) => assert.strictEqual(await ended(remove), expected))
  it("carried out before", async () => assert.strictEqual(await ended(Effect.void, false), "ended ok"))
})
