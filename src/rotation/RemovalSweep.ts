/**
 * What was removed goes away: tokens of removed applications and tenants, then their own rows, so
 * that their names are free again; and answers kept for idempotency keys when they are too old.
 *
 * Nothing of it validates any more from the answer to the removal on; this only tidies up behind it.
 */
import { Duration, Effect, Layer } from "effect"
import * as RowsAside from "../actors/tenant/RowsAside.ts"
import { TenantsConfig } from "../actors/tenant/TenantsConfig.ts"
import { TokenEnder } from "../actors/tokens/TokenEnder.ts"
import { Sweeps } from "../store/Sweeps.ts"
import * as TokenSweep from "./TokenSweep.ts"

const removal = "removal"
const idempotency = "idempotency"
/** Old answers deleted by one statement. */
const answersMax = 5_000

/** Needs `Sweeps`, `TokenEnder`, `TenantsConfig`, `SweepConfig`, `Replica`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sweeps = yield* Sweeps
    const { purgeTokens } = yield* TokenEnder
    const answersMs = Duration.toMillis((yield* TenantsConfig).idempotencyTtl)

    const change = RowsAside.around(removal, purgeTokens)
    const removed = Effect.gen(function* () {
      yield* TokenSweep.pass({ name: removal, find: sweeps.orphanedTokens, change })
      if (!(yield* TokenSweep.claim(removal))) return
      const gone = yield* sweeps.purgeRemoved
      if (gone.applications + gone.tenants > 0) {
        yield* Effect.logInfo("removed names are free again").pipe(Effect.annotateLogs({ ...gone }))
      }
    })
    const answers = Effect.gen(function* () {
      while (yield* TokenSweep.claim(idempotency)) {
        const deleted = yield* sweeps.purgeIdempotent(answersMs, answersMax)
        if (deleted < answersMax) return
      }
    })

    yield* TokenSweep.releaseAtEnd
    yield* TokenSweep.forkEvery(removal, { work: ["applications or tenants that were removed"] }, removed)
    yield* TokenSweep.forkEvery(idempotency, { work: ["answers that are too old"], ages: { answersMs } }, answers)
  })
)
