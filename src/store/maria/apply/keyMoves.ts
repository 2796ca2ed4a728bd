/** Moves rows from one key to another, within a transaction, under their tenant's lock. */

import { type HashMove, type SealedMove, tagBytes, tagOf } from "../../KeyRotationStore.ts"
import * as Columns from "../Columns.ts"
import { lockTenant } from "../load/tenant.ts"
import type { TransactionResult } from "../Mariadb.ts"
import type { Session, Value } from "../MariadbConnection.ts"

/** The run under way, where there is one. */
const addMovedSql = `UPDATE key_rotation SET moved = moved + ?, moving_since = COALESCE(moving_since, ${Columns.momentSql})
  WHERE id = 1`

/** Changes the rows that stand as they were read, and no others. Answers how many those were. */
export type Kind<A> = (session: Session, moves: ReadonlyArray<A>) => Promise<number>

/** Under the tenant's lock nothing of it changes; one round trip for all rows, once the lock is had. */
export const moveOfTenant = async <A>(
  session: Session,
  tenantId: string,
  moves: ReadonlyArray<A>,
  move: Kind<A>
): Promise<TransactionResult<number>> => {
  await lockTenant(session, tenantId)
  const moved = await move(session, moves)
  if (moved > 0) await session.run(addMovedSql, [moved])
  return { value: moved, wrote: moved > 0 }
}

// ---- hashes of tokens ------------------------------------------------------------

/**
 * A row that changed meanwhile has another tag. The index is named, since the choice between it and that of the keys
 * costs as much as the update.
 */
const moveHashSql = `UPDATE tokens FORCE INDEX (uq_tokens_id) SET hash = ?, hash_key_id = ?, mac = ?
  WHERE token_id = ? AND tenant_id = ? AND hash_key_id = ? AND hash = ? AND mac <=> ?`

/** To the hash under `to`. */
export const hashes = (from: Buffer, to: Buffer): Kind<HashMove> => {
  const valuesOf = (move: HashMove): ReadonlyArray<Value> => [
    Columns.sameBytes(move.newHash),
    to,
    Columns.macValue(move.newMac),
    Columns.uuidBytes(move.tokenId),
    move.tenantId,
    from,
    Columns.sameBytes(move.hash),
    Columns.macValue(move.mac)
  ]
  return (session, moves) => session.batch(moveHashSql, moves.map(valuesOf))
}

// ---- sealed versions of credentials ------------------------------------------------

/**
 * Rows of one statement: each statement opens the table and finds its way into it anew, which takes as long as two rows.
 * The largest first, so that no row is filled up.
 */
const pieceSizes = [64, 16, 4, 1] as const
const pieceRowsMax = pieceSizes[0]
/** Of new records, but for one that is larger: far below what the server takes in one packet. */
const pieceBytesMax = 1024 * 1024

/**
 * The values of a row are the n-th of their lists, where it is itself the n-th of the places. By its primary key, and so
 * in the order in which rows are locked by whoever goes along it.
 */
const moveSealedSql = (rows: number): string => {
  const list = (each: string) => Array<string>(rows).fill(each).join(", ")
  const own = `ELT(FIELD(CONCAT(credential_id, version), ${list("?")}), ${list("?")})`
  return `UPDATE credential_versions FORCE INDEX (PRIMARY) SET sealed = ${own}, key_id = ?
  WHERE (credential_id, version) IN (${list("(?, ?)")}) AND tenant_id = ? AND key_id = ?
    AND RIGHT(sealed, ${tagBytes}) = ${own}`
}
const moveSealedSqls = new Map<number, string>(pieceSizes.map((size) => [size, moveSealedSql(size)]))

/** How many of the moves from `start` on go together. They have their new key and their tenant in common. */
const pieceLength = (moves: ReadonlyArray<SealedMove>, start: number): number => {
  const { newKeyId } = moves[start]!
  let [bytes, rows] = [0, 0]
  for (const move of moves.slice(start, start + pieceRowsMax)) {
    bytes += move.newSealed.byteLength
    if (rows > 0 && (bytes > pieceBytesMax || move.newKeyId !== newKeyId)) break
    rows += 1
  }
  return pieceSizes.find((size) => size <= rows) ?? 1
}

const idBytes = 16
/** As `CONCAT(credential_id, version)` gives it: the id has always as many bytes, so no two have the same. */
const placeOf = ({ credentialId, version }: SealedMove): Buffer =>
  Buffer.concat([Columns.uuidBytes(credentialId), Buffer.from(String(version), "latin1")])

const sealedValues = (from: Buffer, moves: ReadonlyArray<SealedMove>): ReadonlyArray<Value> => {
  const places = moves.map(placeOf)
  return [
    ...places,
    ...moves.map(({ newSealed }) => Columns.sameBytes(newSealed)),
    Columns.uuidBytes(moves[0]!.newKeyId),
    ...moves.flatMap(({ version }, nth) => [places[nth]!.subarray(0, idBytes), version]),
    moves[0]!.tenantId,
    from,
    ...places,
    ...moves.map(({ sealed }) => Columns.sameBytes(tagOf(sealed)))
  ]
}

/** Sealed anew: with one key, or with few. What changed meanwhile has another tag. */
export const sealed =
  (from: Buffer): Kind<SealedMove> =>
  async (session, moves) => {
    const moved: Array<Promise<number>> = []
    for (let start = 0; start < moves.length; ) {
      const piece = moves.slice(start, start + pieceLength(moves, start))
      moved.push(session.run(moveSealedSqls.get(piece.length)!, sealedValues(from, piece)))
      start += piece.length
    }
    return (await Promise.all(moved)).reduce((sum, rows) => sum + rows, 0)
  }
