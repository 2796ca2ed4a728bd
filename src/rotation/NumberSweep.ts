/** Looks whether the numbers that the database gives to rows have run away, and says so where they had. */
import { Effect, Layer } from "effect"
import { Sweeps } from "../store/Sweeps.ts"
import * as TokenSweep from "./TokenSweep.ts"

const numbers = "numbers"

/** Needs `Sweeps`, `SweepConfig`, `Replica`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sweeps = yield* Sweeps
    const look = Effect.gen(function* () {
      if (!(yield* TokenSweep.claim(numbers))) return
      for (const table of yield* sweeps.putNumbersBack) {
        yield* Effect.logError("somebody else wrote rows with numbers that no count came to; they are numbered anew", {
          table
        })
      }
    })
    yield* TokenSweep.forkEvery(numbers, { work: ["numbers that ran away"] }, look)
  })
)
