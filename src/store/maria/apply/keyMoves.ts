/** Moves rows from one key to another, within a transaction, under their tenant's lock. */

import { type HashMove, type SealedMove, tagBytes, tagOf } from "../../KeyRotationStore.ts"
import * as Columns from "../Columns.ts"
import { lockTenant } from "../load/tenant.ts"
import type { TransactionResult } from "../Mariadb.ts"
import type { Session, Value } from "../MariadbConnection.ts"

/**
 * A row that changed meanwhile has another tag. The index is named, since the choice between it and that of the keys
 * costs as much as the update.
 */
const moveHashSql = `UPDATE tokens FORCE INDEX (uq_tokens_id) SET hash = ?, hash_key_id = ?, mac = ?
  WHERE token_id = ? AND tenant_id = ? AND hash_key_id = ? AND hash = ? AND mac <=> ?`
const moveSealedSql = `UPDATE credential_versions FORCE INDEX (PRIMARY) SET sealed = ?, key_id = ?
  WHERE credential_id = ? AND version = ? AND tenant_id = ? AND key_id = ? AND RIGHT(sealed, ${tagBytes}) = ?`
/** The run under way, where there is one. */
const addMovedSql = `UPDATE key_rotation SET moved = moved + ?, moving_since = COALESCE(moving_since, ${Columns.momentSql})
  WHERE id = 1`

const hashValues = (from: Buffer, to: Buffer, move: HashMove): ReadonlyArray<Value> => [
  Columns.sameBytes(move.newHash),
  to,
  Columns.macValue(move.newMac),
  Columns.uuidBytes(move.tokenId),
  move.tenantId,
  from,
  Columns.sameBytes(move.hash),
  Columns.macValue(move.mac)
]
const sealedValues = (from: Buffer, to: Buffer, move: SealedMove): ReadonlyArray<Value> => [
  Columns.sameBytes(move.newSealed),
  to,
  Columns.uuidBytes(move.credentialId),
  move.version,
  move.tenantId,
  from,
  Columns.sameBytes(tagOf(move.sealed))
]

/** One kind of row, for `moveOfTenant`. */
export interface Kind<A> {
  /** Changes a row that stands as it was read, and no other. */
  readonly updateSql: string
  readonly valuesOf: (move: A) => ReadonlyArray<Value>
}

/** Under the tenant's lock nothing of it changes; one round trip for all rows, once the lock is had. */
export const moveOfTenant = async <A>(
  session: Session,
  tenantId: string,
  moves: ReadonlyArray<A>,
  { updateSql, valuesOf }: Kind<A>
): Promise<TransactionResult<number>> => {
  await lockTenant(session, tenantId)
  const moved = await session.batch(updateSql, moves.map(valuesOf))
  if (moved > 0) await session.run(addMovedSql, [moved])
  return { value: moved, wrote: moved > 0 }
}

/** Tokens, to the hash under `to`. */
export const hashes = (from: Buffer, to: Buffer): Kind<HashMove> => ({
  updateSql: moveHashSql,
  valuesOf: (move) => hashValues(from, to, move)
})

/** Versions of credentials, sealed anew: with one key, or with few. */
export const sealed = (from: Buffer): Kind<SealedMove> => {
  const keys = new Map<string, Buffer>()
  return {
    updateSql: moveSealedSql,
    valuesOf: (move) => {
      const to = keys.get(move.newKeyId) ?? Columns.uuidBytes(move.newKeyId)
      keys.set(move.newKeyId, to)
      return sealedValues(from, to, move)
    }
  }
}
