/**
 * Puts revocations in force whose committer died before it could.
 *
 * Their events are held until then. Only the relay's holder does this; doing one twice is harmless.
 * A barrier that does not complete is tried again with the next look.
 *
 * Its row has no tag, so it may take away and give nothing: what a tenant may is read from the tenant's own row, and
 * where it says nothing that can be read, everything that is known of the tenant is read anew.
 */
import { Effect, Metric } from "effect"
import { Coherence } from "../coherence/Coherence.ts"
import { targetsIn } from "../coherence/Messages.ts"
import type { RevocationTarget } from "../domain/Revocation.ts"
import { Outbox } from "../store/Outbox.ts"

/** Revocations taken over at one look, and barriers under way at once; they share barriers anyway. */
const takenMax = 256
const atOnceMax = 32

const takenOver = Metric.counter("cm_outbox_orphaned_revocations_total", {
  description: "Revocations put in force for a replica that did not",
  incremental: true
})

const everything: ReadonlyArray<RevocationTarget> = [{ kind: "tenant" }, { kind: "settings" }]

/**
 * More than any that is written, in UTF-8 as JSON. Replicas refuse a message that is too long, and who does not acknowledge
 * loses its lease: so many of these as a message carries stay within it.
 */
const targetBytesMax = 700
const isTooLong = (target: RevocationTarget): boolean => Buffer.byteLength(JSON.stringify(target)) > targetBytesMax

const targetsOf = (stored: unknown): ReadonlyArray<RevocationTarget> => {
  const targets = targetsIn(stored)
  if (targets === null || targets.length === 0 || targets.some(isTooLong)) return everything
  return targets.map((target) => (target.kind === "settings" ? { kind: "settings" } : target))
}

/** One look. Returns how many were put in force. */
export const putOrphansInForce = Effect.fnUntraced(function* (minAgeMs: number) {
  const outbox = yield* Outbox
  const coherence = yield* Coherence
  const pending = yield* outbox.pendingRevocations({ minAgeMs, limit: takenMax })
  const done = yield* Effect.forEach(
    pending,
    ({ seq, targets, tenantId }) =>
      coherence.putInForceAndTell({ tenantId, seq, targets: targetsOf(targets) }).pipe(
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
