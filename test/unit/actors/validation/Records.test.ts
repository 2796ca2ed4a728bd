// Verifies R-REV-7.
import { assert, describe, it } from "vitest"
import { type ApplicationRecord, Records } from "../../../../src/actors/validation/Records.ts"
import { settled, World } from "../../../support/validationWorld.ts"

const limits = { tenantsMax: 3, applicationsMax: 20, applicationsPerTenantMax: 8 }

const setup = () => {
  const reclaimed: Array<ReadonlyArray<ApplicationRecord>> = []
  const records = new Records(limits, (_tenant, applications) => reclaimed.push(applications))
  return { records, reclaimed }
}

describe("records", () => {
  it("of tenants beyond the limit are not kept, nor is anything of such a tenant", () => {
    const { records } = setup()
    for (const tenantId of ["a", "b", "c"]) assert.isAtLeast(records.tenant(tenantId).index, 0)
    for (let round = 0; round < 100; round++) {
      const beyond = records.tenant("d")
      assert.strictEqual(beyond.index, -1)
      assert.strictEqual(records.application(`app${round}`, beyond).index, -1)
    }
    assert.deepStrictEqual([records.tenants.length, records.applications.length], [3, 0])
    assert.isAtLeast(records.application("app", records.tenant("a")).index, 0)
  })

  it("of one tenant's applications leave room for another's", () => {
    const { records } = setup()
    const [greedy, other] = [records.tenant("greedy"), records.tenant("other")]
    for (let number = 0; number < 100; number++) records.application(`app${number}`, greedy)
    assert.strictEqual(records.applications.length, limits.applicationsPerTenantMax)
    assert.isAtLeast(records.application("mine", other).index, 0)
  })

  it("of removed applications are given up when their tenant has too many, and the tenant is covered for them", () => {
    const { reclaimed, records } = setup()
    const tenant = records.tenant("acme")
    const kept = records.application("kept", tenant)
    for (let number = 1; number <= 100; number++) {
      const application = records.application(`app${number}`, tenant)
      assert.isAtLeast(application.index, 0)
      application.remove(number)
      assert.strictEqual(records.applications[application.index], application)
    }
    assert.isAtMost(records.applications.length, limits.applicationsPerTenantMax)
    assert.strictEqual(records.application("kept", tenant), kept)
    for (const { appName, epochSeq } of reclaimed.flat()) {
      assert.isAtLeast(tenant.coveredSeq, epochSeq, appName)
      assert.strictEqual(records.application(appName, records.tenant("beyond")).epochSeq, 0)
    }
    assert.strictEqual(reclaimed.flat().length + tenant.removedApplications, 100)
  })
})

describe("an application whose record was given up", () => {
  const worldOf = (applications: number) => {
    const world = new World({ kvCache: true, limits })
    for (let number = 1; number <= applications; number++) world.add(number, { appName: `app${number}` })
    let seq = 0
    /** Commits the removal and tells this replica, as a barrier would. */
    const remove = (appName: string): void => {
      for (const [key, row] of world.rows) if (row.appName === appName) world.rows.delete(key)
      world.applications.delete(appName)
      world.seqs.set("acme", ++seq)
      world.beliefs.applyUnsafe({ tenantId: "acme", seq, targets: [{ kind: "application", appName }] })
    }
    const ask = async (number: number) => (await world.answer(`app${number}`, `value${number}`)).statusCode
    return { world, remove, ask }
  }

  it("is believed from nowhere, and nobody is taken for it", async () => {
    const { ask, remove, world } = worldOf(12)
    const old = world.read([...world.rows.values()].find(({ appName }) => appName === "app1")!.cacheKey)!
    // Each is used and removed; the first ones' records are given to the last ones.
    for (let number = 1; number <= 10; number++) {
      assert.strictEqual(await ask(number), 200)
      remove(`app${number}`)
    }
    for (const number of [11, 12]) {
      assert.strictEqual(await ask(number), 200)
      assert.strictEqual(world.ask(`app${number}`, `value${number}`).statusCode, 200, "it is hot")
    }
    assert.isAtMost(world.beliefs.applications.length, limits.applicationsPerTenantMax)
    // Somebody's old copy of the first one's token.
    world.applications.set("app1", "acme")
    world.kv.set(`acme.${old.cacheKey}`, old)
    assert.strictEqual(await ask(1), 404)
    await settled()
    assert.deepStrictEqual(world.bugs, [])
  })

  it("and that was registered again is gone when it is removed again", async () => {
    const { ask, remove, world } = worldOf(12)
    for (let number = 1; number <= limits.applicationsPerTenantMax; number++) {
      await ask(number)
      remove(`app${number}`)
    }
    world.add(1, { appName: "app1" })
    assert.strictEqual(await ask(1), 200)
    assert.strictEqual(world.ask("app1", "value1").statusCode, 200, "it is hot")
    // Now the records are given up, its own among them, and given to others.
    assert.strictEqual(await ask(9), 200)
    assert.strictEqual(world.beliefs.tenant("acme").removedApplications, 0)
    for (const number of [10, 11, 12]) await ask(number)
    assert.strictEqual(await ask(1), 200)
    remove("app1")
    assert.strictEqual(await ask(1), 404)
  })
})
