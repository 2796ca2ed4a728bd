// Verifies R-REV-1, R-BUS-9.
/** Which tenant has an application: known while it is true, and by nothing that was read before it ended. */
import { assert, describe, it } from "vitest"
import { Directory, type Found, namesWaitingMax } from "../../../../src/actors/validation/Directory.ts"
import { settled, World } from "../../../support/validationWorld.ts"

type Row = { readonly appName: string; readonly tenantId: string }

const setup = () => {
  const { beliefs } = new World()
  const sent: Array<(rows: ReadonlyArray<Row>) => void> = []
  const world = { generation: 1, now: 1_000 }
  const directory = new Directory({
    beliefs,
    generation: () => world.generation,
    now: () => world.now,
    monotonicMs: () => world.now,
    timeoutMs: 2_000,
    onBug: () => {},
    lookup: {
      byHash: () => Promise.resolve([]),
      applications: () => new Promise<ReadonlyArray<Row>>((resolve) => sent.push(resolve))
    }
  } as ConstructorParameters<typeof Directory>[0])
  const found: Array<string> = []
  const ask = (appName: string) =>
    directory.ask(appName, (one: Found) => {
      found.push(typeof one === "string" ? one : one.tenant.tenantId)
    })
  const answer = async (rows: ReadonlyArray<Row>) => {
    sent.shift()!(rows)
    await settled()
  }
  return { beliefs, directory, world, ask, answer, found }
}

const rows = [{ appName: "app", tenantId: "acme" }]

describe("an application", () => {
  it("is known after it was read, in the generation in which it was asked for", async () => {
    const { answer, ask, directory, found, world } = setup()
    ask("app")
    await settled()
    await answer(rows)
    assert.deepStrictEqual(found, ["acme"])
    assert.isObject(directory.find("app", true))
    world.generation++
    assert.isUndefined(directory.find("app", true))
  })

  it("that was removed while its statement was under way is answered as it was read, and not known", async () => {
    const { answer, ask, beliefs, directory } = setup()
    ask("app")
    await settled()
    beliefs.applyUnsafe({ tenantId: "acme", seq: 1, targets: [{ kind: "application", appName: "app" }] })
    await answer(rows)
    assert.isUndefined(directory.find("app", true))
  })

  it("that appears is looked for again at once, though it was unknown", async () => {
    const { answer, ask, beliefs, directory } = setup()
    ask("app")
    await settled()
    await answer([])
    assert.strictEqual(directory.find("app", true), "unknown")
    beliefs.appearUnsafe({ tenantId: "acme", targets: [{ kind: "application", appName: "app" }] })
    assert.isUndefined(directory.find("app", true))
  })

  it("that nobody waits for takes one place, and names of that kind no place of who waits", async () => {
    const { answer, ask, directory, found } = setup()
    for (let count = 0; count < namesWaitingMax; count++) directory.wish("app")
    for (let count = 0; count < namesWaitingMax; count++) directory.wish(`other${count}`)
    for (let count = 0; count < namesWaitingMax / 2; count++) ask("app")
    assert.isEmpty(found)
    ask("app")
    assert.deepStrictEqual(found, ["full"])
    await settled()
    await answer(rows)
    assert.strictEqual(found.filter((one) => one === "acme").length, namesWaitingMax / 2)
    assert.isObject(directory.find("app", true))
  })

  it("that many ask for gives all their places back", async () => {
    const { answer, ask, found } = setup()
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < namesWaitingMax; count++) ask("app")
      ask("one-too-many")
      assert.strictEqual(found.at(-1), "full")
      await settled()
      await answer(rows)
      assert.strictEqual(found.filter((one) => one === "acme").length, (round + 1) * namesWaitingMax)
    }
  })
})
