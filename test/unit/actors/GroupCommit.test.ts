// Verifies R-REV-7, R-DUR-4.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { operator, type TenantWorld, tenantWorld } from "../../support/tenantWorld.ts"

/** The next transaction decides, is not committed, and nobody can say so. */
const loseNextCommit = ({ faults, store }: TenantWorld): void => {
  faults.transact = (tenantId, load, decide) => {
    delete faults.transact
    const decided = store.transact(tenantId, load, (loaded) => {
      decide(loaded)
      return { changes: nothing, result: null }
    })
    return Effect.andThen(decided, new StoreUnavailable({ operation: "test", outcome: "unknown" }))
  }
}
const nothing = {
  tokensInserted: [],
  tokensUpdated: [],
  tokensDeleted: [],
  applicationsInserted: [],
  applicationsRemoved: [],
  tenantRemoved: false,
  revocation: null,
  outbox: [],
  idempotent: [],
  audit: []
}

describe("a commit whose outcome is unknown", () => {
  it.effect("makes its tenant no slower than one read, when it did not happen", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { beliefs, tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: "value123", expiresAt: null, description: null }
      yield* tenants.provisionTokens("acme", "app", [item], operator)
      const validate = Effect.gen(function* () {
        const answers = yield* tenants.validate("acme", [{ appName: "app", token: "value123" }], { dryRun: true })
        assert.strictEqual(answers[0]?.statusCode, 200)
      })
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
      loseNextCommit(world)
      const lost = yield* Effect.flip(tenants.removeApplication("acme", "app", operator))
      assert.deepInclude(lost, { _tag: "Unavailable", committed: null })
      assert.strictEqual(beliefs.hotCount(), 0)
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
    })
  )
})
