// Verifies R-REC-1.
import { assert, describe, it } from "@effect/vitest"
import { add, nothing } from "../../../src/rotation/decideReplay.ts"

const replayOf = (...types: ReadonlyArray<string>) => {
  const replay = nothing()
  for (const type of types) add(replay, { type, tenantId: "demo", subject: "one", at: 1 })
  return replay
}
const endOf = (...types: ReadonlyArray<string>) => replayOf(...types).tokens.get("one")?.end

describe("what is carried out again after a backup", () => {
  it("is each end of a token; only a suspension is taken back by what came later", () => {
    for (const type of ["token.revoked", "token.expired", "token.rotated"]) {
      assert.strictEqual(endOf(type), "revoked")
      for (const later of ["token.suspended", "token.reactivated", "token.activated"]) {
        assert.strictEqual(endOf(type, later), "revoked", `${type}, ${later}`)
        assert.strictEqual(endOf(later, type), "revoked")
      }
      assert.strictEqual(endOf(type, "token.deleted"), "deleted")
      assert.strictEqual(endOf("token.deleted", type), "deleted")
    }
    assert.strictEqual(endOf("token.suspended"), "suspended")
    assert.strictEqual(endOf("token.suspended", "token.reactivated"), "none")
    assert.strictEqual(endOf("token.suspended", "token.reactivated", "token.suspended"), "suspended")
    assert.isUndefined(endOf("token.provisioned", "audit.checkpoint"))
  })
  it("is credentials and tenants that ended, and says whose configuration is not known", () => {
    assert.deepStrictEqual(Array.from(replayOf("credential.revoked").credentials), [["one", "demo"]])
    assert.deepStrictEqual(Array.from(replayOf("client-credential.revoked").clients), [["one", "demo"]])
    assert.deepStrictEqual(Array.from(replayOf("tenant.unregistered").tenants), ["demo"])
    assert.deepStrictEqual(Array.from(replayOf("tenant.updated").configured), ["demo"])
  })
})
