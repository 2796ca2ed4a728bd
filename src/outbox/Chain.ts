/**
 * What of the outbox may leave now, and what came of it: decided here, done elsewhere.
 *
 * Rows of one entity leave in the order of their ids. A row that is held (its revocation is not in
 * force) holds back what follows it in its tenant; one that was refused and will be tried again, what
 * follows it of its entity. Neither holds back anybody else.
 */
import type { OutboxRow } from "../store/Outbox.ts"
import type { Outcome } from "./EventLog.ts"

export const entityOf = (row: OutboxRow): string => `${row.tenantId}/${row.entityKey}`

/** The rows that may leave, in order, at most `max`. `rows` are in ascending order of id. */
export const sendable = (
  rows: ReadonlyArray<OutboxRow>,
  restsAWhile: (row: OutboxRow) => boolean,
  max: number
): ReadonlyArray<OutboxRow> => {
  const heldTenants = new Set<string>()
  const restingEntities = new Set<string>()
  const chosen: Array<OutboxRow> = []
  for (const row of rows) {
    if (chosen.length === max) break
    if (row.held) heldTenants.add(row.tenantId)
    if (restsAWhile(row)) restingEntities.add(entityOf(row))
    if (!heldTenants.has(row.tenantId) && !restingEntities.has(entityOf(row))) chosen.push(row)
  }
  return chosen
}

/**
 * Cuts rows into waves: of each entity one row a wave, in order. A wave leaves when the one before it
 * is in the stream, so of one entity at most one event is ever on its way.
 */
export const wavesOf = (rows: ReadonlyArray<OutboxRow>): ReadonlyArray<ReadonlyArray<OutboxRow>> => {
  const waves: Array<Array<OutboxRow>> = []
  const counts = new Map<string, number>()
  for (const row of rows) {
    const entity = entityOf(row)
    const count = counts.get(entity) ?? 0
    counts.set(entity, count + 1)
    const wave = waves[count]
    if (wave === undefined) waves.push([row])
    else wave.push(row)
  }
  return waves
}

export interface Refused {
  readonly row: OutboxRow
  readonly reason: string
}

export interface Conclusion {
  /** They are in the stream. */
  readonly sent: ReadonlyArray<OutboxRow>
  readonly duplicates: number
  /** Up to here every message of the stream is known. */
  readonly last: number
  /** False: the stream may hold more than is known, so it must be read before anything else is appended. */
  readonly isKnown: boolean
  /** The row that the stream will not take as it is, or null. */
  readonly refused: Refused | null
  /** Rows that were not sent, because the first one was refused: they may be appended in its place. */
  readonly left: ReadonlyArray<OutboxRow>
  /** So many were not sent, because the time was over. */
  readonly unsent: number
  /** Why the stream did not answer as it should, or null. */
  readonly trouble: string | null
}

/** `outcomes` are those of `rows`, appended behind `last`. */
export const conclude = (
  rows: ReadonlyArray<OutboxRow>,
  outcomes: ReadonlyArray<Outcome>,
  last: number
): Conclusion => {
  const sent: Array<OutboxRow> = []
  let duplicates = 0
  let newest = last
  let refused: Conclusion["refused"] = null
  let firstOddity: Outcome["_tag"] | null = null
  let trouble: string | null = null
  let unsent = 0
  outcomes.forEach((outcome, index) => {
    const row = rows[index]!
    if (outcome._tag !== "Stored" && outcome._tag !== "Unsent") firstOddity ??= outcome._tag
    switch (outcome._tag) {
      case "Stored":
        if (outcome.sequence === newest + 1) newest++
        else firstOddity ??= "Stored"
        sent.push(row)
        return
      case "Duplicate":
        duplicates++
        sent.push(row)
        return
      case "Unsent":
        unsent++
        return
      case "Refused":
        refused ??= { row, reason: outcome.reason }
        return
      case "Uncertain":
        trouble ??= outcome.reason
        return
      case "Misplaced":
        if (firstOddity === "Misplaced") trouble ??= "somebody else wrote to the stream"
        return
    }
  })
  // Nothing follows a first one that was not stored, so the stream is as it was.
  const first = outcomes[0]?._tag === "Refused"
  return {
    sent,
    duplicates,
    last: newest,
    isKnown: firstOddity === null || first,
    refused,
    left: first ? rows.slice(1) : [],
    unsent,
    trouble: first ? null : trouble
  }
}
