/**
 * Tokens whose end has come become Revoked, and their events leave.
 *
 * No validation waits for this: a token answers 410 from the moment of its end on, by the clock. The
 * sweep makes the row say so and announces it, within a look's interval and the time of the piece
 * (5 s at most when the parts are there). It costs an index range, not a timer for each token.
 */
import { Effect, Layer } from "effect"
import * as RowsAside from "../actors/tenant/RowsAside.ts"
import { TokenEnder } from "../actors/tokens/TokenEnder.ts"
import { Sweeps } from "../store/Sweeps.ts"
import * as TokenSweep from "./TokenSweep.ts"

const name = "token-expiry"

/** Needs `Sweeps`, `TokenEnder`, `SweepConfig`, `Replica`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sweeps = yield* Sweeps
    const { endTokens } = yield* TokenEnder
    yield* TokenSweep.releaseAtEnd
    const change = RowsAside.around(name, endTokens)
    yield* TokenSweep.forkEvery(
      name,
      { work: ["tokens that ended"] },
      TokenSweep.pass({ name, find: sweeps.endedTokens, change })
    )
  })
)
