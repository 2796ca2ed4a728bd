// Verifies R-LIM-3, R-LIM-5.
/** Work on many things leaves the thread to others, and comes to the same. */
import { threadCpuUsage } from "node:process"
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
      assert.isBelow(done.ofOthers, 16 * many.length)
      assert.isFalse(turnsOf[0]!.some((turn) => turnsOf[1]!.includes(turn)))
      yield* Fiber.interrupt(flood)
    })
  )

  it.live("takes an eighth of turns that others make long, and so comes to its end in few of them", () =>
    Effect.gen(function* () {
      const [busyMs, pieces, pieceMs] = [40, 200, 0.1]
      const workedMs = () => {
        const { system, user } = threadCpuUsage()
        return (user + system) / 1_000
      }
      const spin = (ms: number) => {
        for (const until = workedMs() + ms; workedMs() < until; );
      }
      /** How long the thread worked in each turn; the last one is under way. */
      const lengths: Array<number> = []
      let [goesOn, lastAt] = [true, workedMs()]
      const others = () => {
        lengths.push(workedMs() - lastAt)
        lastAt = workedMs()
        spin(busyMs)
        if (goesOn) setImmediate(others)
      }
      setImmediate(others)
      // The first one again at the end: what it knows of turns is old by then.
      for (const run of [Pieces.run, Pieces.runLocked, Pieces.runEvents, Pieces.run]) {
        const workMs = new Map<number, number>()
        const item = (n: number) => {
          if (n % Pieces.pieceMax !== 0) return
          spin(pieceMs)
          workMs.set(lengths.length, (workMs.get(lengths.length) ?? 0) + pieceMs)
        }
        const count = pieces * Pieces.pieceMax
        yield* run(count, Pieces.map(numbers(count), item))
        // One piece in each turn would be as many turns.
        assert.isBelow(workMs.size, pieces / 2)
        const [first, ...others] = workMs
        assert.isAtMost(first![1], pieceMs, "nothing is known of turns yet")
        for (const [turn, ms] of others) {
          const before = Math.max(...lengths.slice(Math.max(0, turn - 2), turn + 1))
          assert.isAtMost(ms, before / 8 + 2 * pieceMs, `turn ${turn} of ${lengths.join()}`)
        }
      }
      goesOn = false
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
      assert.isBelow(ofOthers, 32 * many.length)
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
