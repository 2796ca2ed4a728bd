// Verifies R-SEC-4, R-SEC-17.
/** When a key may follow another, when the old one may go, and how fast rows move. */
import { assert, describe, it } from "vitest"
import * as RotationPlan from "../../../src/crypto/RotationPlan.ts"
import type { AgedKey } from "../../../src/store/KeyRotationStore.ts"

const activationMs = 60_000
const writing = { activationMs, comparedMs: 0 }
const key = (keyId: string, more: Partial<AgedKey> = {}): AgedKey => ({
  keyId,
  purpose: "token-hash",
  tenantId: null,
  state: "active",
  masterKeyId: "m",
  wrapped: new Uint8Array([1]),
  createdAt: 0,
  ageMs: 10 * activationMs,
  ...more
})

describe("a key that was followed", () => {
  const old = key("old", { state: "retiring" })
  const followedSince = (ageMs: number) => RotationPlan.stillUsed(old, [key("new", { ageMs }), old], writing)

  it("may still be written with for two activations: a replica may read late, and write late what it read", () => {
    assert.strictEqual(followedSince(0), "written")
    assert.strictEqual(followedSince(activationMs), "written")
    assert.strictEqual(followedSince(2 * activationMs - 1), "written")
    assert.isNull(followedSince(2 * activationMs))
  })

  it("is written with by nobody when it is retired or a tenant's, and by somebody when none of its kind followed it", () => {
    const active = key("new", { ageMs: 0 })
    assert.isNull(RotationPlan.stillUsed({ ...old, state: "retired" }, [active], writing))
    assert.isNull(RotationPlan.stillUsed({ ...old, tenantId: "acme" }, [active], writing))
    const settled = { ...active, ageMs: 5 * activationMs }
    assert.isNull(RotationPlan.stillUsed(old, [settled], writing))
    assert.strictEqual(RotationPlan.stillUsed(old, [{ ...settled, purpose: "seal" }], writing), "written")
    assert.strictEqual(RotationPlan.stillUsed(old, [{ ...settled, state: "retired" }], writing), "written")
  })
})

describe("a rotation", () => {
  const times = { activationMs, ageMinMs: 10 * activationMs }
  const wanted = { purpose: "token-hash", force: false } as const
  const due = (keys: ReadonlyArray<AgedKey>) =>
    RotationPlan.followable(keys, times, wanted).due.map(({ keyId }) => keyId)

  it("waits until every replica writes with the last one", () => {
    const old = key("old", { state: "retiring" })
    assert.deepStrictEqual(due([key("new", { ageMs: activationMs - 1 }), old]), [])
    assert.deepStrictEqual(due([key("new", { ageMs: 10 * activationMs }), old]), ["new"])
    assert.deepStrictEqual(due([key("first", { ageMs: 0 })]), ["first"])
  })
})

describe("rows that are moved", () => {
  it("are no more a second than allowed, however long the page took", () => {
    assert.strictEqual(RotationPlan.pauseMs(500, 0, 500), 1_000)
    assert.strictEqual(RotationPlan.pauseMs(500, 400, 500), 600)
    assert.strictEqual(RotationPlan.pauseMs(500, 5_000, 500), 0)
  })
})
