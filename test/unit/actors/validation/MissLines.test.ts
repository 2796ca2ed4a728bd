import { assert, describe, it } from "@effect/vitest"
import { type Miss, MissLines } from "../../../../src/actors/validation/MissLines.ts"
import { ApplicationRecord, TenantRecord } from "../../../../src/actors/validation/Records.ts"
import { seededRandom } from "../../../support/seededRandom.ts"

const tenants = Array.from({ length: 4 }, (_, index) => new TenantRecord(`tenant${index}`, index))
const applications = tenants.map((tenant) => new ApplicationRecord("app", tenant, tenant.index))

/** Few first numbers, so that many misses begin alike. */
const missOf = (number: number, tenant: number, bornAt = 0): Miss => ({
  h0: number % 7,
  h1: number,
  h2: 0,
  h3: 0,
  appName: "app",
  token: `value${number}`,
  application: applications[tenant]!,
  bornAt,
  cacheAsked: false,
  negativeEpoch: 0,
  waits: false
})
const find = (lines: MissLines<Miss>, { h0, h1, h2, h3 }: Miss) => lines.find(h0, h1, h2, h3)
const ascending = (a: number, b: number): number => a - b
const names = (misses: ReadonlyArray<Miss>) => misses.map(({ h1 }) => h1)

/** Whether the lines hold on to a miss anywhere. */
const isKept = (lines: MissLines<Miss>, miss: Miss) => {
  const seen = new Set<unknown>()
  const holds = (value: unknown): boolean => {
    if (value === miss) return true
    if (typeof value !== "object" || value === null || seen.has(value) || value instanceof TenantRecord) return false
    seen.add(value)
    const inside = value instanceof Map ? [...value.values()] : Object.values(value)
    return inside.some(holds)
  }
  return holds(lines)
}

describe("MissLines", () => {
  it("does what a plain list does, over random changes, and loses and doubles nobody", () => {
    const { random, seed } = seededRandom("MissLines")
    const lines = new MissLines<Miss>()
    const model = new Set<Miss>()
    const settled: Array<Miss> = []
    let number = 0
    const take = (taken: ReadonlyArray<Miss>) => {
      for (const miss of taken) {
        assert.isTrue(model.delete(miss), `a miss that did not wait, SEED=${seed}`)
        settled.push(miss)
      }
    }
    for (let step = 0; step < 20_000; step++) {
      const roll = random()
      if (roll < 0.7) {
        const again = roll < 0.1 ? settled.pop() : undefined
        const miss = again ?? missOf(number++, Math.floor(random() * 4), step)
        if (again !== undefined) again.cacheAsked = true
        lines.add(miss)
        model.add(miss)
      } else if (roll < 0.8) {
        const max = Math.ceil(random() * 12)
        const taken = lines.takeTurns(max)
        assert.strictEqual(taken.length, Math.min(max, model.size))
        take(taken)
      } else if (roll < 0.9) {
        const tenant = tenants[Math.floor(random() * 4)]
        const taken = lines.takeFresh((miss) => miss.application.tenant === tenant, 8)
        assert.isTrue(taken.every((miss) => miss.application.tenant === tenant && !miss.cacheAsked))
        take(taken)
      } else if (roll < 0.91) {
        const overdue = step - Math.floor(random() * 2_000)
        const expected = [...model].filter(({ bornAt }) => bornAt <= overdue)
        const taken = lines.takeOverdue(overdue)
        assert.deepStrictEqual(names(taken).toSorted(ascending), names(expected).toSorted(ascending))
        take(taken)
      }
      assert.strictEqual(lines.count, model.size, `SEED=${seed}`)
      const [some] = model
      if (some !== undefined) assert.strictEqual(find(lines, some), some)
      const gone = settled.at(-1)
      if (gone !== undefined) assert.isUndefined(find(lines, gone))
    }
    take(lines.takeTurns(model.size))
    assert.strictEqual(model.size, 0)
  })

  it("takes one of each tenant in turn, each tenant's in their order", () => {
    const lines = new MissLines<Miss>()
    for (let number = 0; number < 6; number++) lines.add(missOf(number, 0))
    for (let number = 10; number < 12; number++) lines.add(missOf(number, 1))
    lines.add(missOf(20, 2))
    assert.deepStrictEqual(names(lines.takeTurns(4)), [0, 10, 20, 1])
    assert.deepStrictEqual(names(lines.takeTurns(3)), [11, 2, 3])
    assert.deepStrictEqual(names(lines.takeTurns(3)), [4, 5])
  })

  it("asks about each miss once only, however often it is called and however much waits", () => {
    const lines = new MissLines<Miss>()
    for (let number = 0; number < 5_000; number++) lines.add(missOf(number, number % 4))
    let asked = 0
    const call = () =>
      lines.takeFresh(() => {
        asked++
        return false
      }, 256)
    for (let times = 0; times < 100; times++) call()
    assert.strictEqual(asked, 5_000)
    lines.add(missOf(5_000, 0))
    call()
    assert.strictEqual(asked, 5_001)
    assert.strictEqual(lines.count, 5_001)
  })

  it("keeps nothing of what was taken, under a load that never ends, whoever takes it", () => {
    for (const waiting of [1, 100]) {
      for (const by of ["turns", "fresh"] as const) {
        const lines = new MissLines<Miss>()
        const first = missOf(0, 0)
        lines.add(first)
        for (let number = 1; number < 6_000; number++) {
          lines.add(missOf(number, 0))
          if (lines.count <= waiting) continue
          if (by === "turns") lines.takeTurns(1)
          else lines.takeFresh(() => true, 1)
        }
        assert.strictEqual(lines.count, waiting)
        assert.isFalse(isKept(lines, first), `${waiting} waiting, taken by ${by}`)
      }
    }
  })

  it("has everybody who waits, in their order, behind any number of those that were taken", () => {
    const lines = new MissLines<Miss>()
    const numbers = Array.from({ length: 4_000 }, (_, number) => number)
    for (const number of numbers) lines.add(missOf(number, 0))
    const taken = [...lines.takeTurns(3_900), ...lines.takeTurns(60), ...lines.takeOverdue(0)]
    assert.deepStrictEqual(names(taken), numbers)
  })

  it("keeps no token's value once nobody waits", () => {
    const lines = new MissLines<Miss>()
    const misses = [0, 1, 2].map((number) => missOf(number, 0))
    for (const miss of misses) lines.add(miss)
    lines.takeTurns(2)
    lines.takeTurns(1)
    assert.isFalse(misses.some((miss) => isKept(lines, miss)))
  })
})
