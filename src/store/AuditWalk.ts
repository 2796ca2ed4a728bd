/**
 * Walking a tenant's audit chain row by row, as a pure function: what breaks it, and where first.
 *
 * A row that was edited does not have its own hash; one that was exchanged or re-ordered does not
 * follow the row before; one that was deleted leaves a gap; a cut-off tail contradicts the head of
 * the tenant's counters or a signed checkpoint; a chain that was written anew contradicts a checkpoint.
 */
import { type AuditRow, genesisHash, linkHash, saysMore } from "./AuditChain.ts"
import { explains, type LostText } from "./AuditRepair.ts"

export interface Broken {
  readonly seq: number
  readonly reason: string
}

/** The last row that holds, where the next one has to follow. */
export interface Place {
  readonly seq: number
  readonly hash: string
}

export const beginning = (tenantId: string): Place => ({ seq: 0, hash: genesisHash(tenantId) })

export const rowChanged = "the row was changed"

/** Null: the row follows `before` and is what was written. */
export const step = (before: Place, row: AuditRow, lost: LostText = []): Broken | null => {
  const expected = before.seq + 1
  if (row.seq > expected) return { seq: expected, reason: "the row is missing" }
  if (row.seq < expected) return { seq: row.seq, reason: "the row stands there twice" }
  if (row.prevHash !== before.hash) return { seq: row.seq, reason: "the row does not follow the one before it" }
  const { hash, ...rest } = row
  if (saysMore(row) || (linkHash(rest) !== hash && !explains(row, lost))) return { seq: row.seq, reason: rowChanged }
  return null
}

export interface Walked {
  readonly place: Place
  readonly checked: number
  readonly broken: Broken | null
}

/**
 * Walks on over some rows. `anchors` are hashes that rows must have: the head of the counters and
 * the signed checkpoints, by sequence number; `repairs` say what texts lost before they were stored.
 */
export const walk = (
  from: Place,
  rows: ReadonlyArray<AuditRow>,
  anchors: ReadonlyMap<number, string>,
  repairs: ReadonlyMap<number, LostText> = new Map()
): Walked => {
  let place = from
  let checked = 0
  for (const row of rows) {
    const broken = step(place, row, repairs.get(row.seq))
    if (broken !== null) return { place, checked, broken }
    checked += 1
    place = { seq: row.seq, hash: row.hash }
    const anchor = anchors.get(row.seq)
    if (anchor !== undefined && anchor !== row.hash) {
      return { place, checked, broken: { seq: row.seq, reason: "the row is not the one that was signed or counted" } }
    }
  }
  return { place, checked, broken: null }
}
