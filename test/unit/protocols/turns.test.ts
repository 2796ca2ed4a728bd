// Verifies R-LIM-3.

import { assert, describe, it } from "@effect/vitest"
import { keptPerTenant, make as makeShares } from "../../../src/protocols/Shares.ts"
import { make, pressedMax, pressedMs, sliceMs, stuckMs, waitsMax, withinTurn } from "../../../src/protocols/Turns.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

/** A loop that turns when it is told to, on which each request takes so long. */
const world = (tookMs: (line: string) => number = () => sliceMs) => {
  let now = 0
  let next: Array<() => void> = []
  const deadlines = new Set<() => void>()
  const begun: Array<string> = []
  const refused: Array<string> = []
  const turns = make({
    nowMs: () => now,
    later: (run) => void next.push(run),
    deadline: (overdue) => {
      deadlines.add(overdue)
      return () => void deadlines.delete(overdue)
    }
  })
  return {
    turns,
    begun,
    refused,
    take: (line: string, id = line) =>
      turns.take(
        line,
        () => {
          begun.push(id)
          now += tookMs(line)
        },
        () => void refused.push(id)
      ),
    /** One turn of the loop; false when nothing is left for it. */
    turn: () => {
      const now = next
      next = []
      for (const run of now) run()
      return now.length > 0
    },
    passes: (ms: number) => {
      now += ms
    },
    overdue: () => {
      for (const overdue of Array.from(deadlines)) {
        deadlines.delete(overdue)
        overdue()
      }
    },
    deadlineCount: () => deadlines.size
  }
}

describe("requests begin in turns", () => {
  it("at once while nothing waits, and no more in one turn of the loop than its time allows", () => {
    const { begun, take, turn } = world()
    take("a")
    assert.deepStrictEqual(begun, ["a"])
    take("a")
    take("a")
    assert.lengthOf(begun, 1, "the time of this turn is spent")
    turn()
    assert.lengthOf(begun, 2)
    turn()
    assert.lengthOf(begun, 3)
    assert.isTrue(turn(), "what this turn spent is forgotten in the next")
    assert.isFalse(turn(), "nothing goes on turning when nothing waits")
  })

  it("another line's begins after one of a flood's, however many of it came before", () => {
    const { begun, take, turn } = world()
    for (let n = 0; n < 1_000; n++) take("loud")
    take("quiet")
    turn()
    turn()
    assert.isAtMost(begun.indexOf("quiet"), 2)
    assert.isAbove(begun.indexOf("quiet"), -1)
  })

  it("one that takes long delays others by itself alone", () => {
    const { begun, take, turn } = world((line) => (line === "loud" ? 50 * sliceMs : sliceMs))
    for (let n = 0; n < 10; n++) take("loud")
    for (let n = 0; n < 10; n++) take("quiet")
    for (let n = 0; n < 19; n++) turn()
    assert.deepStrictEqual(begun.slice(1, 9), ["loud", "quiet", "loud", "quiet", "loud", "quiet", "loud", "quiet"])
  })

  it("a line that is over its limit has a few begun and not ended; another line has not fewer for it", () => {
    const { begun, take, turn, turns } = world(() => sliceMs / 100)
    take("loud")
    turns.press("loud")
    for (let n = 0; n < 100; n++) take("loud")
    for (let n = 0; n < 40; n++) take("quiet")
    for (let n = 0; n < 20; n++) turn()
    const of = (line: string) => begun.filter((one) => one === line).length
    assert.deepStrictEqual([of("loud"), of("quiet")], [pressedMax, 40])
    turns.ended("loud")
    turn()
    assert.strictEqual(of("loud"), pressedMax + 1)
  })

  it("one that is a little over its limit has as many fewer as of it were refused and not told yet", () => {
    const pressedBy = (share: number, refused: number, toldBefore = 0) => {
      const { begun, take, turn, turns } = world(() => 0)
      for (let n = 0; n < share; n++) take("loud")
      for (let n = 0; n < toldBefore; n++) {
        turns.press("loud")
        turns.told("loud")
      }
      for (let n = 0; n < refused; n++) turns.press("loud")
      for (let n = 0; n < share; n++) turns.ended("loud")
      for (let n = 0; n < share; n++) take("loud")
      while (turn());
      return begun.length - share
    }
    assert.strictEqual(pressedBy(256, 1), 255)
    assert.strictEqual(pressedBy(256, 4), 252)
    // Told before, so that one was refused at a time.
    assert.strictEqual(pressedBy(256, 1, 100), 255)
    assert.strictEqual(pressedBy(256, 100), 156)
    assert.strictEqual(pressedBy(256, 256 - pressedMax), pressedMax)
    assert.strictEqual(pressedBy(256, 1_000), pressedMax)
    assert.strictEqual(pressedBy(pressedMax - 1, 1_000), pressedMax - 1)
  })

  it("the most that were refused at once count for a while", () => {
    const { begun, passes, take, turn, turns } = world(() => 0)
    for (let n = 0; n < 100; n++) take("loud")
    for (let n = 0; n < 30; n++) turns.press("loud")
    for (let n = 0; n < 30; n++) turns.told("loud")
    turns.press("loud")
    turns.told("loud")
    // All but one, whose line it still is.
    for (let n = 1; n < 100; n++) turns.ended("loud")
    for (let n = 1; n < 100; n++) take("loud")
    while (turn());
    assert.lengthOf(begun, 100 + 70 - 1)
    passes(pressedMs)
    turns.ended("loud")
    while (turn());
    assert.lengthOf(begun, 100 + 100 - 1)
  })

  it("and as many as it has, once it was not refused for a while, or has waited long", () => {
    const pressed = () => {
      const one = world(() => 0)
      one.take("loud")
      one.turns.press("loud")
      for (let n = 1; n < 100; n++) one.take("loud")
      while (one.turn());
      assert.lengthOf(one.begun, pressedMax)
      return one
    }
    const later = pressed()
    later.passes(pressedMs)
    later.turns.ended("loud")
    while (later.turn());
    assert.lengthOf(later.begun, 100)
    const slow = pressed()
    slow.overdue()
    slow.turns.press("loud")
    while (slow.turn());
    assert.lengthOf(slow.begun, 100)
    assert.strictEqual(slow.deadlineCount(), 0, "who has begun waits for nothing")
  })

  it("one that has waited long goes on waiting while its line goes on, and begins when that stands still", () => {
    const { begun, overdue, passes, take, turn, turns } = world(() => 0)
    for (let n = 0; n < 100; n++) take("loud")
    for (let n = 0; n < 100; n++) turns.press("loud")
    for (let n = 0; n < 100; n++) turns.ended("loud")
    for (let n = 0; n < 100; n++) take("loud")
    const of = () => begun.length - 100
    assert.strictEqual(of(), pressedMax)
    for (let second = 1; second <= 3; second++) {
      passes(stuckMs - 1)
      turns.press("loud")
      turns.ended("loud")
      overdue()
      while (turn());
      assert.strictEqual(of(), pressedMax + second)
    }
    turns.press("loud")
    passes(stuckMs - 1)
    overdue()
    while (turn());
    assert.strictEqual(of(), pressedMax + 3)
    turns.press("loud")
    passes(1)
    overdue()
    while (turn());
    assert.strictEqual(of(), 100)
  })

  it("one that has waited too long in a line that goes on is refused, and the others are not", () => {
    const { begun, deadlineCount, overdue, passes, refused, take, turn, turns } = world(() => 0)
    take("loud", "begun")
    for (let n = 1; n < pressedMax; n++) take("loud", "begun")
    const press = () => {
      for (let n = 0; n < 100; n++) turns.press("loud")
    }
    press()
    for (let n = 0; n < 20; n++) take("loud", `early-${n}`)
    for (let second = 1; second <= waitsMax; second++) {
      // It goes on, so that nothing begins for want of it.
      passes(stuckMs - 1)
      press()
      turns.ended("loud")
      while (turn());
      if (second === waitsMax) take("loud", "late")
      assert.deepStrictEqual(refused, [])
      assert.strictEqual(turns.waiting(), 20 - second + (second === waitsMax ? 1 : 0))
      overdue()
    }
    const early = Array.from({ length: 20 }, (_, n) => `early-${n}`)
    assert.deepStrictEqual(begun.slice(pressedMax), early.slice(0, waitsMax))
    assert.deepStrictEqual(refused, early.slice(waitsMax))
    assert.deepStrictEqual([turns.waiting(), deadlineCount()], [1, 1])
    turns.ended("loud")
    while (turn());
    assert.strictEqual(begun.at(-1), "late")
    assert.deepStrictEqual([turns.waiting(), deadlineCount()], [0, 0])
  })

  it("one that is next begins, however long it has waited", () => {
    const { begun, overdue, passes, refused, take, turn, turns } = world(() => 0)
    for (let n = 0; n < pressedMax; n++) take("loud", "begun")
    for (let n = 0; n < 100; n++) turns.press("loud")
    take("loud", "next")
    for (let second = 1; second < waitsMax; second++) overdue()
    // It stands still from now on.
    passes(stuckMs)
    for (let n = 0; n < 100; n++) turns.press("loud")
    overdue()
    while (turn());
    assert.deepStrictEqual([begun.at(-1), refused], ["next", []])
  })

  it("one whose beginning fails ends nobody else's turn", () => {
    const { begun, take, turn, turns } = world()
    take("a")
    const planted = () => {
      throw new Error("planted")
    }
    turns.take("b", planted, () => assert.fail("it has not waited"))
    take("b")
    take("c")
    assert.throws(turn, "planted")
    while (turn());
    assert.deepStrictEqual(begun, ["a", "c", "b"])
  })

  it("whatever comes: each begins or is refused once, in the order of its line, none waits while it may begin, bounds hold", () => {
    const { random, seed } = seededRandom("turns")
    const below = (n: number) => Math.floor(random() * n)
    for (let run = 0; run < times(200); run++) {
      const { deadlineCount, overdue, passes, begun, refused, take, turn, turns } = world(
        () => below(3) * sliceMs * 0.7
      )
      const lines = Array.from({ length: 1 + below(5) }, (_, n) => `line-${n}`)
      const taken = new Map(lines.map((line) => [line, 0]))
      const ended = new Map(lines.map((line) => [line, 0]))
      const begunOf = (line: string) => begun.filter((id) => id.startsWith(`${line}/`))
      const open = (line: string) => begunOf(line).length - ended.get(line)!
      const refusedOf = (line: string) => refused.filter((id) => id.startsWith(`${line}/`))
      const waitingOf = (line: string) => taken.get(line)! - begunOf(line).length - refusedOf(line).length
      let wereOverdue = false
      for (let step = 0; step < 150; step++) {
        const line = lines[below(lines.length)]!
        const chance = below(10)
        const [before, wasOpen] = [begun.length, open(line)]
        if (chance < 5) {
          const number = taken.get(line)!
          taken.set(line, number + 1)
          take(line, `${line}/${number}`)
        } else if (chance < 7 && open(line) > 0) {
          ended.set(line, ended.get(line)! + 1)
          turns.ended(line)
        } else if (chance === 7) {
          turns.press(line)
          if (below(2) === 0) turns.told(line)
          const before = begunOf(line).length
          const most = Math.max(pressedMax, wasOpen + waitingOf(line) - 1)
          turn()
          if (wasOpen >= most && !wereOverdue) assert.strictEqual(begunOf(line).length, before, `SEED=${seed}`)
        } else if (chance === 8) passes(below(3) * 400)
        else if (below(4) === 0) {
          overdue()
          wereOverdue = turns.waiting() > 0
        } else turn()
        if (chance < 5) assert.isAtMost(begun.length - before, 1)
      }
      const total = () => Array.from(taken.values()).reduce((sum, count) => sum + count, 0)
      assert.strictEqual(turns.waiting(), total() - begun.length - refused.length, `SEED=${seed}`)
      assert.isAtMost(deadlineCount(), turns.waiting(), `SEED=${seed}`)
      passes(pressedMs)
      for (let guard = 0; begun.length + refused.length < total(); guard++) {
        assert.isBelow(guard, 2_000, `somebody waits for ever, SEED=${seed}`)
        if (!turn()) overdue()
      }
      for (const line of lines) {
        const all = Array.from({ length: taken.get(line)! }, (_, n) => `${line}/${n}`)
        for (const some of [begunOf(line), refusedOf(line)]) {
          assert.deepStrictEqual(
            some,
            all.filter((id) => some.includes(id)),
            `SEED=${seed}`
          )
        }
        assert.strictEqual(begunOf(line).length + refusedOf(line).length, all.length, `SEED=${seed}`)
      }
    }
  })

  it("what takes a right away keeps its places, and its turn, whatever its tenant and others have waiting", () => {
    const { begun, take, turn, turns } = world(() => 0)
    const shares = makeShares(64)
    const ask = (tenant: string, takesAway: boolean): boolean => {
      const line = takesAway ? `${tenant} takes away` : tenant
      const place = shares.enter({ tenant, tenantMax: 32, asker: null, takesAway, always: false })
      if (place === null) turns.press(line)
      else take(line)
      return place !== null
    }
    for (let n = 0; n < 200; n++) ask(n % 2 === 0 ? "loud" : "louder", false)
    for (let n = 0; n < 5; n++) turn()
    const kept = Array.from({ length: 40 }, () => ask("loud", true)).filter(Boolean)
    assert.lengthOf(kept, keptPerTenant)
    assert.isTrue(ask("quiet", true))
    while (turn());
    assert.isAtLeast(begun.filter((line) => line === "loud takes away").length, pressedMax)
    assert.include(begun, "quiet takes away")
  })
})

it("who gives its place back to wait has ended for its line, and then or at its end, once", () => {
  const ended: Array<string> = []
  const turns = { ...world().turns, ended: (line: string) => void ended.push(line) }
  let [isRoom, left] = [false, 0]
  const inTurn = () => withinTurn(turns, "a", { leave: () => void left++, aside: () => isRoom })
  const place = inTurn()
  assert.deepStrictEqual([place.aside(), ended.length], [false, 0])
  isRoom = true
  assert.deepStrictEqual([place.aside(), ended.length], [true, 1])
  assert.deepStrictEqual([place.aside(), ended.length], [true, 1])
  place.leave()
  assert.deepStrictEqual([left, ended.length], [1, 1])
  inTurn().leave()
  assert.deepStrictEqual([left, ended.length], [2, 2])
})
