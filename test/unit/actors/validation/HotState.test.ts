// Verifies R-REV-1, R-REV-7.
/** What is believed when limits and lateness come together. */
import { assert, describe, it } from "vitest"
import { Beliefs } from "../../../../src/actors/validation/HotState.ts"
import { LeaseState } from "../../../../src/coherence/Coherence.ts"
import type { HotToken } from "../../../../src/domain/HotToken.ts"
import type { RevocationTarget } from "../../../../src/domain/Revocation.ts"
import { encodeTail } from "../../../../src/schema/EcapReply.ts"
import { tokenIdOf, World } from "../../../support/validationWorld.ts"

const limits = { tenantsMax: 10, applicationsMax: 10, applicationsPerTenantMax: 2 }

const beliefsWith = (options: { readonly tombstonesPerTenantMax?: number } = {}) => {
  const lease = new LeaseState()
  lease.trustedUntilMonotonicMs = Number.POSITIVE_INFINITY
  lease.trustedUntilWallMs = Number.POSITIVE_INFINITY
  const beliefs = new Beliefs({
    hotTokensMax: 100,
    tombstonesPerTenantMax: options.tombstonesPerTenantMax ?? 100,
    limits,
    lease,
    now: () => 1_000
  })
  return { beliefs, lease }
}

const tokenOf = (number: number, more: Partial<HotToken> = {}): HotToken => ({
  tenantId: "acme",
  appName: "app",
  tokenId: tokenIdOf(number),
  endpointId: "e",
  status: "Active",
  version: 1,
  endsAt: null,
  ending: "expired",
  readSeq: 0,
  cacheKey: "00",
  ...more
})

const tokenTarget = (number: number): RevocationTarget => ({
  kind: "token",
  tokenId: tokenIdOf(number),
  appName: "app",
  cacheKey: "00",
  version: 2,
  usableUntil: null
})

describe("the covered sequence", () => {
  it("never falls: tombstones that gave way between a statement and its row are not forgotten by the row", () => {
    const { beliefs, lease } = beliefsWith({ tombstonesPerTenantMax: 2 })
    // A statement is sent in this generation; its snapshot knows of nothing yet.
    const sentIn = lease.generation
    for (const seq of [1, 2, 3, 4]) beliefs.applyUnsafe({ tenantId: "acme", seq, targets: [tokenTarget(seq)] })
    const tenant = beliefs.tenant("acme")
    assert.isAbove(tenant.coveredSeq, 0)
    const before = tenant.coveredSeq
    beliefs.cover("acme", 0, sentIn)
    assert.strictEqual(tenant.coveredSeq, before)
    // The first one's tombstone is gone; what was read before its revocation is believed by nobody.
    assert.isFalse(beliefs.believes(tokenOf(1, { readSeq: 0 }), true))
    assert.isTrue(beliefs.believes(tokenOf(9, { readSeq: 4 }), true))
  })

  it("of a generation that has ended covers nothing", () => {
    const { beliefs, lease } = beliefsWith()
    const sentIn = lease.generation
    lease.generation++
    beliefs.cover("acme", 5, sentIn)
    assert.isNull(beliefs.covered(beliefs.tenant("acme")))
    beliefs.cover("acme", 5, 0)
    assert.isNull(beliefs.covered(beliefs.tenant("acme")))
    // Nor does it take away what the present one covers.
    beliefs.cover("acme", 6, lease.generation)
    beliefs.cover("acme", 5, sentIn)
    assert.strictEqual(beliefs.covered(beliefs.tenant("acme")), 6)
  })
})

describe("the removal of an application that there is no record of", () => {
  it("is remembered by its tenant: nothing that was read before is believed", () => {
    const { beliefs, lease } = beliefsWith()
    beliefs.cover("acme", 1, lease.generation)
    for (const appName of ["one", "two"]) beliefs.application(appName, beliefs.tenant("acme"))
    assert.strictEqual(beliefs.application("three", beliefs.tenant("acme")).index, -1, "beyond the limit of records")
    const cached = tokenOf(1, { appName: "three", readSeq: 1 })
    assert.isTrue(beliefs.believes(cached, true))
    const tail = encodeTail({ tokenId: cached.tokenId, endpointId: "e", statusCode: 200, reasonPhrase: null })
    beliefs.keep(1, 2, 3, 4, cached, tail, true)
    assert.strictEqual(beliefs.hotCount(), 0)
    beliefs.keep(1, 2, 3, 4, { ...cached, appName: "two" }, tail, true)
    assert.strictEqual(beliefs.hotCount(), 1)
    beliefs.applyUnsafe({ tenantId: "acme", seq: 2, targets: [{ kind: "application", appName: "three" }] })
    assert.isFalse(beliefs.believes(cached, true))
    assert.isTrue(beliefs.believes({ ...cached, readSeq: 2 }, true))
  })
})

describe("a removal of a tenant", () => {
  it("holds for all that was read before it, and for nothing that was read since", () => {
    const { beliefs, lease } = beliefsWith()
    beliefs.cover("acme", 1, lease.generation)
    beliefs.applyUnsafe({ tenantId: "acme", seq: 4, targets: [{ kind: "tenant" }] })
    beliefs.applyUnsafe({ tenantId: "acme", seq: 3, targets: [{ kind: "tenant" }] })
    assert.isFalse(beliefs.believes(tokenOf(1, { readSeq: 3 }), true))
    assert.isTrue(beliefs.believes(tokenOf(1, { readSeq: 4 }), true))
  })
})

describe("what is kept", () => {
  it("is never a token that is not usable, nor one that has ended", async () => {
    const world = new World()
    world.add(1, { status: "Suspended" })
    world.add(2, { endsAt: world.now })
    for (const value of ["value1", "value2"]) await world.answer("app", value)
    assert.strictEqual(world.beliefs.hotCount(), 0)
  })
})

describe("what is not good is told for a moment only", () => {
  it("and not after a revocation that says more: revoked is 410 at once, though suspended was remembered", async () => {
    const world = new World()
    world.add(1, { status: "Suspended" })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 403)
    world.revoke(1, { status: "Revoked", ending: "revoked" })
    assert.strictEqual((await world.answer("app", "value1")).statusCode, 410)
  })
})

describe("a revocation sequence that somebody else wrote", () => {
  const world = () => {
    const made = new World({ kvCache: true })
    const alarms: Array<string> = []
    made.beliefs.onFallen = (tenantId) => alarms.push(tenantId)
    made.seqs.set("acme", 5)
    for (const number of [1, 2]) made.add(number)
    return { made, alarms }
  }
  const status = async (made: World, number: number) => (await made.answer("app", `value${number}`)).statusCode

  it("lowered, then a revocation: the token is gone at once, and the tenant begins anew", async () => {
    const { alarms, made } = world()
    for (const number of [1, 2]) assert.strictEqual(await status(made, number), 200)
    made.seqs.set("acme", 0)
    const stale = new Map(made.kv)
    made.revoke(1, { status: "Revoked", ending: "revoked" })
    // What the cache held is put back, too.
    for (const [key, entry] of stale) made.kv.set(key, entry)
    assert.strictEqual(await status(made, 1), 410)
    assert.deepStrictEqual(alarms, ["acme"])
    assert.strictEqual(made.beliefs.hotCount(), 0)
    made.kv.clear()
    assert.strictEqual(await status(made, 2), 200)
    assert.strictEqual(made.beliefs.hotCount(), 1)
    made.revoke(2, { status: "Revoked", ending: "revoked" })
    assert.strictEqual(await status(made, 2), 410)
    assert.deepStrictEqual(alarms, ["acme"])
  })

  it("raised, validated and set back, then a revocation: no row on its way brings the token back", async () => {
    const { made } = world()
    made.seqs.set("acme", 1_000)
    assert.strictEqual(await status(made, 2), 200)
    made.hold = true
    made.kv.clear()
    const asked = made.ask("app", "value1")
    await new Promise((resolve) => setImmediate(resolve))
    made.seqs.set("acme", 0)
    made.revoke(1, { status: "Revoked", ending: "revoked" })
    for (const sent of made.sent.splice(0)) await sent.answer()
    assert.strictEqual(asked.statusCode, 200, "it was asked before")
    made.hold = false
    assert.strictEqual(await status(made, 1), 410)
  })

  it("set back after the application was removed and made again: what is read of it since is kept", async () => {
    const { alarms, made } = world()
    made.seqs.set("acme", 900)
    for (const kind of ["application", "tenant"] as const) {
      made.beliefs.applyUnsafe({ tenantId: "acme", seq: 900, targets: [{ kind, appName: "app" }] })
    }
    assert.strictEqual(await status(made, 1), 200)
    made.seqs.set("acme", 0)
    made.revoke(2, { status: "Revoked", ending: "revoked" })
    made.kv.clear()
    assert.strictEqual(await status(made, 2), 410)
    assert.deepStrictEqual(alarms, ["acme"])
    assert.strictEqual(await status(made, 1), 200)
    assert.strictEqual(made.beliefs.hotCount(), 1)
  })

  it("in the shared cache is not believed above what is known", () => {
    const { beliefs, lease } = beliefsWith()
    beliefs.cover("acme", 5, lease.generation, beliefs.sequences.tick)
    assert.isTrue(beliefs.believes(tokenOf(1, { readSeq: 5 }), true))
    assert.isFalse(beliefs.believes(tokenOf(1, { readSeq: 6 }), true))
    beliefs.cover("acme", 6, lease.generation, beliefs.sequences.tick)
    assert.isTrue(beliefs.believes(tokenOf(1, { readSeq: 6 }), true))
  })
})
