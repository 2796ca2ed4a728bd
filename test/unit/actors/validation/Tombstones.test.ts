// Verifies R-REV-7.
import { assert, describe, it } from "vitest"
import { TenantRecord } from "../../../../src/actors/validation/Records.ts"
import { levelOf, Tombstones } from "../../../../src/actors/validation/Tombstones.ts"
import { mayBelieve } from "../../../../src/domain/Belief.ts"
import { seededRandom } from "../../../support/seededRandom.ts"

const tenantOf = (name: string, index = 0) => new TenantRecord(name, index)

describe("a tombstone", () => {
  it("goes as soon as the covered sequence has reached it, and is not remembered below it", () => {
    const tombstones = new Tombstones({ perTenantMax: 100, max: 100 })
    const tenant = tenantOf("acme")
    for (const seq of [3, 1, 2, 5]) tombstones.bury(tenant, `t${seq}`, seq)
    tenant.coveredSeq = 3
    tombstones.covered(tenant)
    assert.deepStrictEqual([...tenant.tombstones], [["t5", 5]])
    assert.strictEqual(tombstones.count, 1)
    tombstones.bury(tenant, "t3", 3)
    assert.strictEqual(tombstones.count, 1)
    tenant.coveredSeq = 9
    tombstones.covered(tenant)
    assert.strictEqual(tombstones.count, 0)
  })

  it("of a tenant over its own limit gives way, with all that is spent by that, and covers", () => {
    const tombstones = new Tombstones({ perTenantMax: 3, max: 100 })
    const tenant = tenantOf("acme")
    // One change that takes five rights away, then another.
    for (const token of ["a", "b", "c", "d", "e"]) tombstones.bury(tenant, token, 1)
    assert.deepStrictEqual([tenant.coveredSeq, tombstones.count], [1, 0])
    for (const seq of [2, 3, 4, 5]) tombstones.bury(tenant, `t${seq}`, seq)
    assert.strictEqual(tenant.coveredSeq, 2)
    assert.deepStrictEqual([...tenant.tombstones.keys()], ["t3", "t4", "t5"])
  })

  it("of a small tenant stays when all together are too many: who has most gives way", () => {
    const tombstones = new Tombstones({ perTenantMax: 1_000, max: 160 })
    const [large, middle, small] = [tenantOf("large", 0), tenantOf("middle", 1), tenantOf("small", 2)]
    for (let seq = 1; seq <= 100; seq++) tombstones.bury(large, `l${seq}`, seq)
    for (let seq = 1; seq <= 59; seq++) tombstones.bury(middle, `m${seq}`, seq)
    tombstones.bury(small, "s1", 1)
    assert.strictEqual(tombstones.count, 160)
    tombstones.bury(small, "s2", 2)
    assert.deepStrictEqual([small.coveredSeq, small.tombstones.size], [0, 2])
    assert.deepStrictEqual([middle.coveredSeq, middle.tombstones.size], [0, 59])
    assert.deepStrictEqual([large.coveredSeq, large.tombstones.size], [21, 79])
    assert.strictEqual(tombstones.count, 140)
  })

  it("that went is missed by nobody: what it refused is refused by the covered sequence, over random changes", () => {
    const { random } = seededRandom("tombstones")
    const pick = (max: number) => Math.floor(random() * max)
    const limits = { perTenantMax: 12, max: 40 }
    const tombstones = new Tombstones(limits)
    const tenants = Array.from({ length: 8 }, (_, index) => tenantOf(`t${index}`, index))
    const newest = tenants.map(() => new Map<string, number>())
    const seqs = tenants.map(() => 0)
    for (let step = 0; step < 4_000; step++) {
      const at = Math.floor(random() ** 2 * tenants.length)
      const tenant = tenants[at]!
      if (random() < 0.02) {
        tenant.coveredSeq = Math.max(tenant.coveredSeq, seqs[at]! - pick(3))
        tombstones.covered(tenant)
      } else {
        // Now and then late, after one that came with a higher sequence.
        const seq = Math.max(1, random() < 0.2 ? seqs[at]! - pick(4) : ++seqs[at]!)
        const token = `token${pick(30)}`
        tombstones.bury(tenant, token, seq)
        newest[at]!.set(token, Math.max(seq, newest[at]!.get(token) ?? 0))
      }
      const held = tenants.reduce((sum, { tombstones: { size } }) => sum + size, 0)
      assert.strictEqual(tombstones.count, held)
      assert.isAtMost(held, limits.max)
      assert.isAtMost(tenant.tombstones.size, limits.perTenantMax)
      if (step % 20 !== 0) continue
      tenants.forEach((each, index) => {
        for (const [token, seq] of newest[index]!) {
          // What was read before the revocation is believed by nobody, asked as the service asks.
          const isBelieved = mayBelieve(true, each.coveredSeq, seq - 1, tombstones.seqOf(each, token), 0, 0)
          assert.isFalse(isBelieved, `${each.tenantId} ${token}`)
        }
      })
    }
  })
})

describe("the level that all give way to", () => {
  it("leaves as much as it may and takes from no one below it, over random sizes", () => {
    const { random } = seededRandom("level of tombstones")
    for (let round = 0; round < 500; round++) {
      const sizes = Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() ** 3 * 100))
      const total = Math.floor(random() * 300)
      const level = levelOf(sizes, total)
      const left = (at: number) => sizes.reduce((sum, size) => sum + Math.min(size, at), 0)
      assert.isAtMost(left(level), total)
      const largest = Math.max(...sizes)
      if (level < largest) assert.isAbove(left(level + 1), total)
    }
  })
})
