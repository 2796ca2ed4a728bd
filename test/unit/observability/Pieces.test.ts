// Verifies R-LIM-3, R-LIM-5.
/** Work on many things leaves the thread to others, and comes to the same. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import * as Pieces from "../../../src/observability/Pieces.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { turnsOfLoop } from "../../support/turnsOfLoop.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

describe("work in pieces", () => {
  it.effect("comes to the same as at once, in order", () =>
    Effect.gen(function* () {
      for (const count of [0, 1, Pieces.pieceMax, Pieces.pieceMax + 1, 10 * Pieces.pieceMax]) {
        const seen: Array<number> = []
        const doubled = (n: number, index: number) => {
          assert.strictEqual(index, n)
          seen.push(n)
          return 2 * n
        }
        const wanted = numbers(count).map((n) => 2 * n)
        assert.deepStrictEqual(Pieces.atOnce(Pieces.map(numbers(count), doubled)), wanted)
        assert.deepStrictEqual(yield* Pieces.run(count, Pieces.map(numbers(count), doubled)), wanted)
        assert.deepStrictEqual(seen, [...numbers(count), ...numbers(count)])
      }
    })
  )

  it("is done at once when it is no more than a piece", () => {
    assert.lengthOf(
      Effect.runSync(
        Pieces.run(
          Pieces.pieceMax,
          Pieces.map(numbers(Pieces.pieceMax), (n) => n)
        )
      ),
      64
    )
  })

  it.effect("is done in larger pieces where its things are lighter", () =>
    Effect.gen(function* () {
      const { lightPieceMax } = Pieces
      const atOnce = Pieces.run(lightPieceMax, Pieces.map(numbers(lightPieceMax), String), lightPieceMax)
      assert.lengthOf(Effect.runSync(atOnce), lightPieceMax)
      const turns = turnsOfLoop()
      const seen: Array<number> = []
      const count = 4 * lightPieceMax
      yield* Pieces.run(
        count,
        Pieces.map(numbers(count), () => void seen.push(turns.now())),
        lightPieceMax
      )
      turns.end()
      const inTurn = new Map<number, number>()
      for (const turn of seen) inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1)
      assert.strictEqual(Math.max(...inTurn.values()), lightPieceMax)
    })
  )

  it.effect("leaves a turn of the loop between two pieces, and of several lists does one piece in a turn", () =>
    Effect.gen(function* () {
      const turns = turnsOfLoop()
      const [lists, pieces] = [5, 4]
      const turnsOf: Array<Array<number>> = numbers(lists).map(() => [])
      yield* Effect.all(
        turnsOf.map((seen) =>
          Pieces.run(
            pieces * Pieces.pieceMax,
            Pieces.map(numbers(pieces * Pieces.pieceMax), () => void seen.push(turns.now()))
          )
        ),
        { concurrency: "unbounded" }
      )
      turns.end()
      const counts = new Map<number, number>()
      for (const turn of turnsOf.flat()) counts.set(turn, (counts.get(turn) ?? 0) + 1)
      for (const count of counts.values()) assert.isAtMost(count, Pieces.pieceMax)
      // First come, first served: the last one has begun before the first one is through.
      assert.isBelow(turnsOf.at(-1)![0]!, turnsOf[0]!.at(-1)!)
    })
  )

  it.effect("waits for no other work where it holds rows meanwhile, but for what does as well", () =>
    Effect.gen(function* () {
      const many = numbers(16 * Pieces.pieceMax)
      const [few, done] = [numbers(4 * Pieces.pieceMax), { ofOthers: 0 }]
      const others = () =>
        Pieces.run(
          many.length,
          Pieces.map(many, () => void done.ofOthers++)
        )
      const flood = yield* Effect.forkChild(Effect.all(numbers(64).map(others), { concurrency: "unbounded" }), {
        startImmediately: true
      })
      const turns = turnsOfLoop()
      const turnsOf: Array<Array<number>> = [[], []]
      yield* Effect.all(
        turnsOf.map((seen) =>
          Pieces.runLocked(
            few.length,
            Pieces.map(few, () => void seen.push(turns.now()))
          )
        ),
        { concurrency: "unbounded" }
      )
      turns.end()
      assert.isAtMost(done.ofOthers, 4 * few.length)
      assert.isFalse(turnsOf[0]!.some((turn) => turnsOf[1]!.includes(turn)))
      yield* Fiber.interrupt(flood)
    })
  )

  it.effect("of the relay waits for no other work in pieces", () =>
    Effect.gen(function* () {
      const many = numbers(16 * Pieces.pieceMax)
      const few = numbers(4 * Pieces.pieceMax)
      let ofOthers = 0
      const others = (run: typeof Pieces.runLocked) =>
        run(
          many.length,
          Pieces.map(many, () => void ofOthers++)
        )
      const flood = yield* Effect.forkChild(
        Effect.all([...numbers(64).map(() => others(Pieces.run)), ...numbers(64).map(() => others(Pieces.runLocked))], {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      yield* Pieces.runEvents(
        few.length,
        Pieces.map(few, (n) => n)
      )
      assert.isAtMost(ofOthers, 2 * 4 * few.length)
      yield* Fiber.interrupt(flood)
    })
  )

  it.effect("that meets a bug, or is given up, keeps nobody from going on", () =>
    Effect.gen(function* () {
      const many = numbers(4 * Pieces.pieceMax)
      const bug = Pieces.map(many, (n) => {
        if (n === 2 * Pieces.pieceMax) throw new Error("planted")
      })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Pieces.run(many.length, bug))))
      const fibers = yield* Effect.all(
        numbers(3).map(() =>
          Effect.forkChild(
            Pieces.run(
              many.length,
              Pieces.map(many, (n) => n)
            ),
            { startImmediately: true }
          )
        )
      )
      yield* Fiber.interrupt(fibers[0]!)
      yield* Fiber.interrupt(fibers[1]!)
      assert.deepStrictEqual(yield* Fiber.join(fibers[2]!), many)
    })
  )

  it.effect("whoever is given up meanwhile: all others come to their end", () =>
    Effect.gen(function* () {
      const { random, seed } = seededRandom("pieces")
      for (let round = 0; round < 20; round++) {
        const lists = numbers(40).map(() => numbers(1 + Math.floor(random() * 5 * Pieces.pieceMax)))
        const fibers = yield* Effect.forEach(lists, (list) =>
          Effect.forkChild(
            Pieces.run(
              list.length,
              Pieces.map(list, (n) => n)
            ),
            { startImmediately: random() < 0.5 }
          )
        )
        const left: Array<number> = []
        for (const [at, fiber] of fibers.entries()) {
          if (random() < 0.5) left.push(at)
          else yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: random() < 0.5 })
          if (random() < 0.3) yield* Effect.yieldNow
        }
        for (const at of left) assert.deepStrictEqual(yield* Fiber.join(fibers[at]!), lists[at], `SEED=${seed}`)
      }
      assert.lengthOf(
        yield* Pieces.run(
          1_000,
          Pieces.map(numbers(1_000), (n) => n)
        ),
        1_000
      )
    })
  )
})

describe("the room of pieces in a turn", () => {
  it("is an eighth of what others worked in the turn before, where that was long", () => {
    const { roomMs } = Pieces
    assert.strictEqual(roomMs({ ms: 40, workedMs: 40, piecesMs: 0 }), 5)
    assert.strictEqual(roomMs({ ms: 4, workedMs: 4, piecesMs: 0 }), 0.5)
    assert.strictEqual(roomMs({ ms: 3.9, workedMs: 3.9, piecesMs: 0 }), 0)
    // Other programs had the processor, or the clock of the thread moved by a step.
    assert.strictEqual(roomMs({ ms: 400, workedMs: 8, piecesMs: 0 }), 1)
    assert.strictEqual(roomMs({ ms: 1, workedMs: 8, piecesMs: 0 }), 0)
    assert.strictEqual(roomMs({ ms: 40, workedMs: 40, piecesMs: 32 }), 1)
    assert.strictEqual(roomMs({ ms: 40, workedMs: 40, piecesMs: 37 }), 0)
  })

  /** A piece takes a millisecond of a clock that goes by what is done. */
  const world = () => {
    const clock = { ms: 1_000 }
    const nowMs = () => clock.ms
    const thread = { piecesMs: 0 }
    const make = () => new Pieces.Lane(thread, nowMs)
    const work = (lane: Pieces.Lane, size = Pieces.pieceMax, now = nowMs): number => {
      let count = 0
      const endless = Pieces.map(numbers(1e5), () => {
        count++
        clock.ms += 1 / Pieces.pieceMax
      })
      lane.work(endless, size, now)
      return count / size
    }
    /** What others do in the turn that comes then. */
    const turn = (lane: Pieces.Lane, othersMs: number) => {
      clock.ms += othersMs
      lane.resume(nowMs)
    }
    return { clock, make, turn, work }
  }

  it("is had by who goes on in the turn that came, and by nobody later", () => {
    const { clock, make, turn, work } = world()
    const lane = make()
    assert.strictEqual(work(lane), 1)
    turn(lane, 40)
    assert.strictEqual(work(lane), 5)
    turn(lane, 3)
    assert.strictEqual(work(lane), 1)
    turn(lane, 40)
    clock.ms += 1
    assert.strictEqual(work(lane), 1)
    turn(lane, 40)
    // The clock of a test stands still, far behind.
    assert.strictEqual(
      work(lane, Pieces.pieceMax, () => 0),
      1
    )
  })

  it("is not made by pieces of other kinds", () => {
    const { make, turn, work } = world()
    const [one, other] = [make(), make()]
    work(one)
    work(other, 30 * Pieces.pieceMax)
    turn(one, 2)
    assert.strictEqual(work(one), 1)
    work(other, 30 * Pieces.pieceMax)
    turn(one, 16)
    assert.strictEqual(work(one), 2)
  })
})
