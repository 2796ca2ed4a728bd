// Verifies R-REF-23.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { AtWork, type Place } from "../../../src/rotation/AtWork.ts"

/** Those that have entered, in that order; each `enters` in a fiber of its own. */
const world = (max: number) => {
  const atWork = new AtWork(max)
  const entered: Array<string> = []
  const enters = (name: string, place: Place) =>
    Effect.forkChild(
      Effect.andThen(
        atWork.enter(place),
        Effect.sync(() => void entered.push(name))
      ),
      { startImmediately: true }
    )
  return { atWork, entered, enters }
}

describe("a few things at work", () => {
  it.effect("others wait in a line, and the one that waits longest is next", () =>
    Effect.gen(function* () {
      const { atWork, entered, enters } = world(2)
      const places = ["a", "b", "c", "d"].map((name) => ({ name, place: atWork.place(false) }))
      for (const { name, place } of places) yield* enters(name, place)
      assert.deepStrictEqual(entered, ["a", "b"])
      atWork.leave(places[1]!.place)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["a", "b", "c"])
      // Who has left holds nothing, and leaves nothing a second time.
      atWork.leave(places[1]!.place)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["a", "b", "c"])
      atWork.leave(places[0]!.place)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["a", "b", "c", "d"])
    })
  )

  it.effect("one that is hurried enters from where it stands in the line, takes no room, and waits no more", () =>
    Effect.gen(function* () {
      const { atWork, entered, enters } = world(1)
      const [first, second, third] = [atWork.place(false), atWork.place(false), atWork.place(false)]
      yield* enters("first", first)
      yield* enters("second", second)
      yield* enters("third", third)
      atWork.hurry(third)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "third"])
      atWork.leave(third)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "third"], "what held nothing gives nothing back")
      yield* enters("third again", third)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "third", "third again"])
      atWork.leave(first)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "third", "third again", "second"])
    })
  )

  it.effect("one that is hurried while it is at work gives its room to the next all the same", () =>
    Effect.gen(function* () {
      const { atWork, entered, enters } = world(1)
      const [first, second] = [atWork.place(false), atWork.place(false)]
      yield* enters("first", first)
      yield* enters("second", second)
      atWork.hurry(first)
      atWork.leave(first)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "second"])
    })
  )

  it.effect("one that goes away from the line keeps no room", () =>
    Effect.gen(function* () {
      const { atWork, entered, enters } = world(1)
      const [first, second, third] = [atWork.place(false), atWork.place(false), atWork.place(false)]
      yield* enters("first", first)
      const away = yield* enters("second", second)
      yield* enters("third", third)
      yield* Fiber.interrupt(away)
      atWork.leave(first)
      yield* Effect.yieldNow
      assert.deepStrictEqual(entered, ["first", "third"])
    })
  )
})
