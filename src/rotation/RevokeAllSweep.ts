/**
 * Populations of tokens that somebody revoked are revoked in pieces, on one replica at a time, by a claim.
 *
 * Each open one gets a piece in turn, a few at once, so that a large one keeps no other waiting. A replica
 * that dies leaves its claim behind for a while, and how far it came in the rows: another one goes on from
 * there. A piece that fails is tried again at the next look.
 */
import { Effect, Layer } from "effect"
import { TokenEnder } from "../actors/tokens/TokenEnder.ts"
import { SweepConfig } from "./SweepConfig.ts"
import * as TokenSweep from "./TokenSweep.ts"

const name = "token-revoke-all"
/** Open ones that are gone on with in one round, the oldest first; those that are left out do not count. */
const openMax = 200
const atOnce = 4

/** Needs `TokenEnder`, `Sweeps`, `SweepConfig`, `Replica`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { openRevokeAlls, revokeAllPiece } = yield* TokenEnder
    const { pieceMax } = yield* SweepConfig

    /** Rounds until there is nothing that could be done. */
    const work = Effect.gen(function* () {
      const leftOut = new Set<string>()
      for (;;) {
        const oldest = yield* openRevokeAlls(openMax + leftOut.size)
        const open = oldest.filter(({ operationId }) => !leftOut.has(operationId)).slice(0, openMax)
        if (open.length === 0 || !(yield* TokenSweep.claim(name))) return
        yield* Effect.forEach(
          open,
          (one) =>
            Effect.catch(revokeAllPiece(one, pieceMax), (error) => {
              leftOut.add(one.operationId)
              return Effect.logWarning("revoking a population of tokens goes on later").pipe(
                Effect.annotateLogs({ tenantId: one.tenantId, operationId: one.operationId, reason: error._tag })
              )
            }),
          { concurrency: atOnce, discard: true }
        )
      }
    })
    yield* TokenSweep.releaseAtEnd
    yield* TokenSweep.forkEvery(name, work)
  })
)
