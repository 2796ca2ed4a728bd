// Verifies R-CLI-3, R-CLI-8, R-CLI-9, R-CLI-10.
/** Which logins are hashed and when: turns, time, places, and who may join. No clock, no hash. */
import { assert, describe, it } from "vitest"
import { Attempts, type AttemptsOptions, runningMax } from "../../../../src/actors/clients/Attempts.ts"

type Outcome = "right" | "refused"

class World {
  nowMs = 0
  readonly begun: Array<string> = []
  readonly answers = new Map<string, Array<Outcome | "displaced">>()
  /** What chance says next; the last one again when there is no other. */
  chance: Array<number> = [0]
  private readonly ends = new Map<string, { readonly close: () => void; readonly end: (outcome: Outcome) => void }>()
  readonly attempts: Attempts<Outcome>

  constructor(options: Partial<AttemptsOptions<Outcome>> = {}) {
    this.attempts = new Attempts<Outcome>({
      waitingMax: 6,
      waitingPerNameMax: 2,
      waitMaxMs: 2_000,
      eachMs: () => 10,
      nowMs: () => this.nowMs,
      random: (limit) => Math.min(limit - 1, (this.chance.length > 1 ? this.chance.shift() : this.chance[0]) ?? 0),
      isForLate: (outcome) => outcome === "right",
      ...options
    })
  }

  /** Asked as `who`, which is its password as well, unless it is said. */
  ask(who: string, { key = who, lane = 0, name = who, untilMs = Number.POSITIVE_INFINITY } = {}): void {
    this.attempts.ask({
      name,
      key,
      lane,
      untilMs,
      run: (close) => {
        this.begun.push(key)
        return new Promise((end) => this.ends.set(key, { close, end }))
      },
      told: (outcome) => this.answers.set(who, [...(this.answers.get(who) ?? []), outcome])
    })
  }

  close(key: string): void {
    this.ends.get(key)?.close()
  }

  async end(key: string, outcome: Outcome = "refused"): Promise<void> {
    this.ends.get(key)!.end(outcome)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** As many as run at once, so that what comes after waits. */
  busy(): void {
    for (let n = 0; n < runningMax; n++) this.ask(`busy ${n}`, { lane: 1_000 + n })
    this.begun.length = 0
  }

  told(who: string): Outcome | "displaced" | undefined {
    assert.isAtMost(this.answers.get(who)?.length ?? 0, 1, `${who} was told twice`)
    return this.answers.get(who)?.[0]
  }
}

describe("lanes", () => {
  it("take turns, so that who has many waiting is not before who has one", async () => {
    const world = new World({ waitingMax: 100 })
    world.busy()
    for (let n = 0; n < 10; n++) world.ask(`many ${n}`, { lane: 1 })
    world.ask("one", { lane: 2 })
    world.ask("two", { lane: 3 })
    for (let n = 0; n < runningMax; n++) await world.end(`busy ${n}`)
    assert.deepStrictEqual(world.begun, ["many 0", "one", "two", "many 1"])
  })

  it("give way where most wait, and never the one of who has few", () => {
    for (let chance = 0; chance < 7; chance++) {
      const world = new World()
      world.chance = [chance]
      world.busy()
      world.ask("few", { lane: 2 })
      for (let n = 0; n < 5; n++) world.ask(`many ${n}`, { lane: 1 })
      world.ask("newcomer", { lane: 3 })
      world.ask("one more", { lane: 1 })
      const gone = Array.from(world.answers.keys()).filter((who) => world.told(who) === "displaced")
      assert.lengthOf(gone, 2)
      for (const who of gone) assert.match(who, /^many|^one more/u)
      assert.strictEqual(world.attempts.waitingCount, 6)
    }
  })

  it("are all the longest where each has one: chance decides, over the newcomer too", () => {
    const gone = new Set<string>()
    for (let chance = 0; chance < 7; chance++) {
      const world = new World()
      world.chance = [chance]
      world.busy()
      for (let n = 0; n < 6; n++) world.ask(`lane ${n}`, { lane: n })
      world.ask("newcomer", { lane: 6 })
      for (const who of world.answers.keys()) gone.add(who)
    }
    assert.lengthOf(Array.from(gone), 7)
  })
})

describe("a name", () => {
  it("has only so many waiting, and chance decides which", () => {
    const gone = new Set<string>()
    for (let chance = 0; chance < 3; chance++) {
      const world = new World()
      world.chance = [chance]
      world.busy()
      for (const key of ["a", "b", "c"]) world.ask(key, { name: "name" })
      assert.strictEqual(world.attempts.waitingCount, 2)
      for (const who of world.answers.keys()) gone.add(who)
    }
    assert.deepStrictEqual(Array.from(gone).toSorted(), ["a", "b", "c"])
  })
})

describe("the time of a login", () => {
  it("bounds what waits: no more than are hashed within it", () => {
    const world = new World({ waitingMax: 1_000, waitMaxMs: 100 })
    world.busy()
    for (let n = 0; n < 50; n++) world.ask(`many ${n}`)
    assert.strictEqual(world.attempts.waitingCount, 10)
  })

  it("bounds what waits in all lanes together, so that nobody's time is used up by lanes that came later", () => {
    const world = new World({ waitingMax: 1_000, waitMaxMs: 100 })
    world.busy()
    for (let n = 0; n < 9; n++) world.ask(`many ${n}`, { lane: 1 })
    for (let n = 0; n < 9; n++) world.ask(`lane ${n}`, { lane: 10 + n })
    assert.strictEqual(world.attempts.waitingCount, 10)
  })

  it("being short, it is refused at once or takes a place that comes in time, never the end", async () => {
    for (const [chance, expected] of [
      [0, ["hurried", "many 1"]],
      [1, ["many 0", "hurried"]],
      [2, ["many 0", "many 1"]]
    ] as const) {
      const world = new World({ waitingMax: 100, waitingPerNameMax: 100 })
      world.busy()
      for (let n = 0; n < 10; n++) world.ask(`many ${n}`)
      world.chance = [chance]
      world.ask("hurried", { untilMs: 25 })
      assert.strictEqual(world.told("hurried") === "displaced", chance === 2)
      for (const n of [0, 1]) await world.end(`busy ${n}`)
      assert.deepStrictEqual(world.begun, Array.from(expected))
    }
    const world = new World()
    world.busy()
    world.ask("too late for any", { untilMs: 5 })
    assert.strictEqual(world.told("too late for any"), "displaced")
  })

  it("when it is over, costs no hash", async () => {
    const world = new World()
    world.busy()
    world.ask("late")
    world.ask("later", { untilMs: 10_000 })
    world.nowMs = 1_999
    world.ask("joined", { key: "later" })
    world.nowMs = 2_000
    await world.end("busy 0")
    assert.deepStrictEqual(world.begun, ["later"])
    assert.strictEqual(world.told("late"), "displaced")
    assert.strictEqual(world.told("later"), "displaced")
    await world.end("later", "right")
    assert.strictEqual(world.told("joined"), "right")
  })
})

describe("who joins an attempt that has begun", () => {
  it("is told what that finds right, and not that it refused: that is decided anew, once for all of them", async () => {
    const world = new World()
    world.ask("first", { key: "k" })
    world.ask("second", { key: "k" })
    world.ask("third", { key: "k" })
    await world.end("k", "refused")
    assert.deepStrictEqual([world.told("first"), world.told("second")], ["refused", undefined])
    assert.deepStrictEqual(world.begun, ["k", "k"])
    world.ask("fourth", { key: "k" })
    await world.end("k", "right")
    assert.deepStrictEqual(
      ["second", "third", "fourth"].map((who) => world.told(who)),
      ["right", "right", "right"]
    )
    assert.strictEqual(world.begun.length, 2)
  })

  it("before it began, is told all that it finds", async () => {
    const world = new World()
    world.busy()
    world.ask("first", { key: "k" })
    world.ask("second", { key: "k" })
    await world.end("busy 0")
    await world.end("k", "refused")
    assert.deepStrictEqual([world.told("first"), world.told("second")], ["refused", "refused"])
  })

  it("is no more than may wait, before it began and while it runs", async () => {
    const world = new World({ waitingMax: 3 })
    world.busy()
    for (let n = 0; n < 5; n++) world.ask(`${n}`, { key: "k" })
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((n) => world.told(`${n}`)),
      [undefined, undefined, undefined, "displaced", "displaced"]
    )
    await world.end("busy 0")
    world.ask("late", { key: "k" })
    assert.strictEqual(world.told("late"), "displaced")
    await world.end("k", "right")
    assert.deepStrictEqual([world.told("0"), world.told("2")], ["right", "right"])
  })

  it("is none when it is closed: who comes then is an attempt of its own", async () => {
    const world = new World()
    world.ask("first", { key: "k" })
    world.close("k")
    world.ask("second", { key: "k" })
    assert.deepStrictEqual(world.begun, ["k", "k"])
    await world.end("k", "right")
    assert.deepStrictEqual([world.told("first"), world.told("second")], [undefined, "right"])
  })
})
