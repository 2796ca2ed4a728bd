/**
 * Populations of tokens that somebody revoked are revoked in pieces, on one replica at a time, by a claim.
 *
 * Each open one gets a piece in turn, a few at once, so that a large one keeps no other waiting. A replica
 * that dies leaves its claim behind for a while, and how far it came in the rows: another one goes on from
 * there. A piece that fails is tried again at the next look.
 */
import { Effect, Layer } from "effect"
import { TokenEnder } from "../actors/tokens/TokenEnder.ts"
import * as Seldom from "../observability/Seldom.ts"
import { SweepConfig } from "./SweepConfig.ts"
import * as TokenSweep from "./TokenSweep.ts"

const name = "token-revoke-all"
/** Open ones that are gone on with in one round, the oldest first; those that are left out do not count. */
const openMax = 200
const atOnce = 4
/** Of more that cannot be gone on with there is a line now and then, and not one for each. */
const toldMax = 1_000

/** Needs `TokenEnder`, `Sweeps`, `SweepConfig`, `Replica`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { openRevokeAlls, revokeAllPiece } = yield* TokenEnder
    const { pieceMax } = yield* SweepConfig
    const lines = yield* Seldom.make
    /** What is left out and was told, until it goes on. */
    const told = new Set<string>()

    /** Rounds until there is nothing that could be done. */
    const work = Effect.gen(function* () {
      const leftOut = new Set<string>()
      for (;;) {
        const oldest = yield* openRevokeAlls(openMax + leftOut.size)
        const open = oldest.filter(({ operationId }) => !leftOut.has(operationId)).slice(0, openMax)
        if (open.length === 0 || !(yield* TokenSweep.claim(name))) return
        yield* Effect.forEach(
          open,
          (one) => {
            const later = (line: Effect.Effect<void>) => {
              leftOut.add(one.operationId)
              const { operationId, tenantId } = one
              const said = Effect.annotateLogs(line, { tenantId, operationId })
              if (told.has(operationId)) return Effect.void
              if (told.size >= toldMax) return lines.tell(said)
              told.add(operationId)
              return said
            }
            return Effect.map(revokeAllPiece(one, pieceMax), () => void told.delete(one.operationId)).pipe(
              Effect.catch(({ _tag: reason }) =>
                later(Effect.logWarning("revoking a population of tokens goes on later", { reason }))
              ),
              // A row that cannot be read keeps no other tenant's tokens good.
              Effect.catchDefect((defect) =>
                later(Effect.logError("revoking a population of tokens met a bug, and goes on later", defect))
              )
            )
          },
          { concurrency: atOnce, discard: true }
        )
      }
    })
    yield* TokenSweep.releaseAtEnd
    yield* TokenSweep.forkEvery(name, { work: ["open revocations of populations"] }, work)
  })
)
