/**
 * May a cached right be used?
 *
 * One pure function, asked wherever something cached could become an answer: at the look-up in the
 * hot table, when an entry comes from the shared cache, and when a row that was read earlier arrives
 * to be kept. A second, nearly equal test somewhere else would be the bug that this project exists to
 * avoid; the exhaustive model of the protocol runs this very function.
 *
 * It does not judge a row read from MariaDB after the request arrived: that is a right answer by
 * itself, with or without a lease. It judges whether such a row may be *kept*.
 *
 * Sequences are a tenant's revocation sequence: whole numbers from 0 on. 0 stands for "there was none".
 */

/**
 * @param leaseHolds whether this replica's read lease counts at this moment
 * @param coveredSeq the tenant's revocation sequence, read from MariaDB after the renewal that began the
 *   present lease generation was acknowledged; null when it was not read in this generation
 * @param readSeq the revocation sequence in the snapshot that the entry was read from
 * @param tombstoneSeq the newest revocation of this very token that was applied here; 0 for none, and for
 *   the hot table, where applying drops the entry itself
 * @param applicationEpochSeq the newest removal of the token's application that was applied here
 * @param tenantEpochSeq the newest removal of the tenant that was applied here
 */
export const mayBelieve = (
  leaseHolds: boolean,
  coveredSeq: number | null,
  readSeq: number,
  tombstoneSeq: number,
  applicationEpochSeq: number,
  tenantEpochSeq: number
): boolean =>
  leaseHolds &&
  coveredSeq !== null &&
  readSeq >= coveredSeq &&
  readSeq >= tombstoneSeq &&
  readSeq >= applicationEpochSeq &&
  readSeq >= tenantEpochSeq

/** Whether a tombstone proves nothing any more: whatever `mayBelieve` would refuse for it, it refuses anyway. */
export const isSpent = (tombstoneSeq: number, coveredSeq: number): boolean => tombstoneSeq <= coveredSeq
