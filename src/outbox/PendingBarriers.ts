/**
 * Puts revocations in force whose committer died before it could.
 *
 * Their events are held until then. Only the relay's holder does this; doing one twice is harmless.
 * A barrier that does not complete is tried again with the next look.
 */
import { Effect, Metric } from "effect"
import { Coherence } from "../coherence/Coherence.ts"
import { Outbox } from "../store/Outbox.ts"

/** Revocations taken over at one look, and barriers under way at once; they share barriers anyway. */
const takenMax = 256
const atOnceMax = 32

const takenOver = Metric.counter("cm_outbox_orphaned_revocations_total", {
  description: "Revocations put in force for a replica that did not",
  incremental: true
})

/** One look. Returns how many were put in force. */
export const putOrphansInForce = Effect.fnUntraced(function* (minAgeMs: number) {
  const outbox = yield* Outbox
  const coherence = yield* Coherence
  const pending = yield* outbox.pendingRevocations({ minAgeMs, limit: takenMax })
  const done = yield* Effect.forEach(
    pending,
    ({ seq, targets, tenantId }) =>
      coherence.putInForceAndTell({ tenantId, seq, targets }).pipe(
        Effect.as(1),
        Effect.catchTag("BarrierTimeout", () =>
          Effect.logWarning("a revocation is still not in force").pipe(
            Effect.annotateLogs({ tenantId, seq }),
            Effect.as(0)
          )
        )
      ),
    { concurrency: atOnceMax }
  )
  const count = done.reduce((sum, one) => sum + one, 0)
  yield* Metric.update(takenOver, count)
  return count
})
