// Verifies R-SEC-13.
/** What became of a batch of counted refusals: only what is known to be written, or not to be, is taken for that. */
import { Exit } from "effect"
import { assert, it } from "vitest"
import { becameOf } from "../../../../src/actors/audit/Sweeps.ts"
import * as errors from "../../../../src/domain/errors.ts"

it("a batch is given again, as it was, after whatever else its tenant's actor fails with", () => {
  const away = (committed: boolean | null) =>
    becameOf(Exit.fail(new errors.Unavailable({ part: "database", committed })))
  assert.strictEqual(becameOf(Exit.succeed(3)), "written")
  assert.deepStrictEqual([away(true), away(false), away(null)], ["written", "not written", "not known"])
  assert.strictEqual(becameOf(Exit.fail(new errors.TooManyRequests({ limit: "mailbox" }))), "not written")
  assert.strictEqual(becameOf(Exit.fail(new errors.TenantNotFound({ tenantId: "gone" }))), "nowhere to write")
  // Of none of these it is known that nothing was written: counted again under another batch, they would stand twice.
  for (const error of [new errors.NotYetInForce(), new errors.RowChanged({ kind: "tenant", id: "t" })]) {
    assert.strictEqual(becameOf(Exit.fail(error)), "not known", error._tag)
  }
  assert.strictEqual(becameOf(Exit.die(new Error("a bug"))), "not known")
  assert.strictEqual(becameOf(Exit.interrupt()), "not known")
})
