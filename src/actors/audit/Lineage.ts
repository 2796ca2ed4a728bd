/**
 * The order of what was signed of one chain, and what of it counts no more.
 *
 * Checkpoints are ordered by their number, not by their row: one by which a loss was accepted may be of an earlier
 * row than the head it gives up. What was signed before it, behind the last head that the chain still has, is given
 * up: it contradicts nothing, and nothing is walked to it.
 */
import type { AuditCheckpoint } from "../../store/AuditStore.ts"
import type { AcceptedGap } from "./Audit.ts"

/** Losses that one chain may have, each an operator's act. */
export const acceptedMax = 1_000

const numberOf = ({ number }: AuditCheckpoint): number => number ?? 0

export const isNewer = (a: AuditCheckpoint, b: AuditCheckpoint): boolean =>
  numberOf(a) > numberOf(b) || (numberOf(a) === numberOf(b) && a.seq > b.seq)

export const newer = (a: AuditCheckpoint | null, b: AuditCheckpoint | null): AuditCheckpoint | null =>
  a === null || (b !== null && isNewer(b, a)) ? b : a

export const isGivenUp = (accepted: ReadonlyArray<AuditCheckpoint>, point: AuditCheckpoint): boolean =>
  accepted.some((loss) => numberOf(point) < numberOf(loss) && point.seq > (loss.previous?.seq ?? 0))

export const contradicts = (a: AuditCheckpoint | null, b: AuditCheckpoint): boolean =>
  a !== null && a.seq === b.seq && a.hash !== b.hash

/** With one more, the oldest first; the same one twice is one. */
export const withAccepted = (
  accepted: ReadonlyArray<AuditCheckpoint>,
  point: AuditCheckpoint
): ReadonlyArray<AuditCheckpoint> => {
  if (point.accepted === undefined) return accepted
  const isKnown = accepted.some(
    ({ hash, number, seq }) => number === point.number && seq === point.seq && hash === point.hash
  )
  if (isKnown) return accepted
  return [...accepted, point].toSorted((a, b) => (isNewer(a, b) ? 1 : -1)).slice(-acceptedMax)
}

/** As a verdict tells it. */
export const gapsOf = (accepted: ReadonlyArray<AuditCheckpoint>): ReadonlyArray<AcceptedGap> =>
  accepted.flatMap(({ accepted: loss, at, hash, previous: kept, seq }) =>
    loss === undefined ? [] : [{ lost: loss.lost, kept, from: { seq, hash }, at, by: loss.by, reason: loss.reason }]
  )
