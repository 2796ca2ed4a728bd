/** Moves rows from one key to another, within a transaction, under their tenant's lock. */
import { createHash } from "node:crypto"
import * as Columns from "../Columns.ts"
import type { HashMove, SealedMove } from "../KeyRotationStore.ts"
import { lockTenant } from "../load/tenant.ts"
import type { TransactionResult } from "../Mariadb.ts"
import type { Session, Value } from "../MariadbConnection.ts"

const moveHashSql =
  "UPDATE tokens SET hash = ?, hash_key_id = ? WHERE token_id = ? AND tenant_id = ? AND hash_key_id = ? AND hash = ?"
const moveSealedSql = `UPDATE credential_versions SET sealed = ?, key_id = ?
  WHERE credential_id = ? AND version = ? AND tenant_id = ? AND key_id = ?`
/** The run under way, where there is one. */
const addMovedSql = `UPDATE key_rotation SET moved = moved + ?, moving_since = COALESCE(moving_since, ${Columns.momentSql})
  WHERE id = 1`
/** What stands in the rows now, by the texts that `hashMark` and `sealedMark` make of a row. */
const hashesNowSql = (marks: string): string =>
  `SELECT CONCAT(HEX(token_id), HEX(hash)) FROM tokens WHERE tenant_id = ? AND hash_key_id = ? AND token_id IN (${marks})`
const sealedNowSql = (marks: string): string =>
  `SELECT CONCAT(HEX(credential_id), version, '/', UPPER(SHA2(sealed, 256))) FROM credential_versions
    WHERE tenant_id = ? AND key_id = ? AND credential_id IN (${marks})`

const upperHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase()
const hashMark = ({ hash, tokenId }: HashMove): string => upperHex(Columns.uuidBytes(tokenId)) + upperHex(hash)
const sealedMark = ({ credentialId, sealed, version }: SealedMove): string =>
  `${upperHex(Columns.uuidBytes(credentialId))}${version}/${upperHex(createHash("sha256").update(sealed).digest())}`

const hashValues = (from: Buffer, to: Buffer, move: HashMove): ReadonlyArray<Value> => [
  Buffer.from(move.newHash),
  to,
  Columns.uuidBytes(move.tokenId),
  move.tenantId,
  from,
  Buffer.from(move.hash)
]
const sealedValues = (from: Buffer, move: SealedMove): ReadonlyArray<Value> => [
  Buffer.from(move.newSealed),
  Columns.uuidBytes(move.newKeyId),
  Columns.uuidBytes(move.credentialId),
  move.version,
  move.tenantId,
  from
]

/** One kind of row, for `moveOfTenant`. */
export interface Kind<A> {
  readonly nowSql: (marks: string) => string
  readonly idOf: (move: A) => string
  readonly markOf: (move: A) => string
  readonly updateSql: string
  readonly valuesOf: (move: A) => ReadonlyArray<Value>
}

/** Under the tenant's lock nothing of it changes: what still stands as it was read is moved in one statement. */
export const moveOfTenant = async <A>(
  session: Session,
  tenantId: string,
  from: Buffer,
  moves: ReadonlyArray<A>,
  { idOf, markOf, nowSql, updateSql, valuesOf }: Kind<A>
): Promise<TransactionResult<number>> => {
  await lockTenant(session, tenantId)
  const ids = Columns.uuidBytesOf(moves.map(idOf))
  const rows = await Columns.rowsIn(session, nowSql, ids, [tenantId, from])
  const now = new Set(rows.map((row) => Columns.text(row, 0)))
  const unchanged = moves.filter((move) => now.has(markOf(move)))
  if (unchanged.length > 0) {
    await Promise.all([session.batch(updateSql, unchanged.map(valuesOf)), session.run(addMovedSql, [unchanged.length])])
  }
  return { value: unchanged.length, wrote: unchanged.length > 0 }
}

/** Tokens, to the hash under `to`. */
export const hashes = (from: Buffer, to: Buffer): Kind<HashMove> => ({
  nowSql: hashesNowSql,
  idOf: ({ tokenId }) => tokenId,
  markOf: hashMark,
  updateSql: moveHashSql,
  valuesOf: (move) => hashValues(from, to, move)
})

/** Versions of credentials, sealed anew. */
export const sealed = (from: Buffer): Kind<SealedMove> => ({
  nowSql: sealedNowSql,
  idOf: ({ credentialId }) => credentialId,
  markOf: sealedMark,
  updateSql: moveSealedSql,
  valuesOf: (move) => sealedValues(from, move)
})
