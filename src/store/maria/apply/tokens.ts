/**
 * Writes what was decided about tokens: deletes first, so that a value can be used again at once.
 *
 * No replica looks for a token under a retired key. So a new token's key is locked against being retired
 * until the commit, and must not be retired already: then nothing happened.
 */
import type { Token } from "../../../domain/Token.ts"
import type { Changes } from "../../TenantStore.ts"
import { allOf } from "../AllWritten.ts"
import * as Columns from "../Columns.ts"
import { DatabaseFailure } from "../DatabaseFailure.ts"
import type { Row, Session, Value } from "../MariadbConnection.ts"
import { endedByNumber, statusNumber, tokenColumns, tokenValues } from "../TokenRow.ts"

const deleteSql = (marks: string): string => `DELETE FROM tokens WHERE tenant_id = ? AND token_id IN (${marks})`
const insertSql = `INSERT INTO tokens (${tokenColumns}) VALUES (${tokenColumns
  .split(", ")
  .map(() => "?")
  .join(", ")})`
/** Last use goes forward only, since it is recorded outside of the tenant's transactions too. */
const updateSql = `UPDATE tokens SET status = ?, version = ?, token_hint = ?, updated_at = ?,
    activated_at = ?, last_used_at = NULLIF(GREATEST(COALESCE(last_used_at, 0), ?), 0), expires_at = ?, overlap_ends_at = ?, ended_by = ?,
    reason = ?,
    description = ?, updated_by = ?, hash = ?, hash_key_id = ?, mac = ?
  WHERE token_id = ? AND tenant_id = ?`

const updateValues = (token: Token): ReadonlyArray<Value> => [
  statusNumber(token.status),
  token.version,
  token.tokenHint,
  token.updatedAt,
  token.activatedAt,
  token.lastUsedAt ?? 0,
  token.expiresAt,
  token.overlapEndsAt,
  endedByNumber(token.endedBy),
  token.reason,
  token.description,
  token.updatedBy,
  Buffer.from(token.hash),
  Columns.uuidBytes(token.hashKeyId),
  Columns.macValue(token.mac),
  Columns.uuidBytes(token.tokenId),
  token.tenantId
]

const keyStatesSql = (marks: string): string =>
  `SELECT state FROM data_keys WHERE key_id IN (${marks}) LOCK IN SHARE MODE`
const mustNotBeRetired = (rows: ReadonlyArray<Row>): void => {
  if (rows.some((row) => Columns.text(row, 0) === "retired")) {
    throw new DatabaseFailure({ errno: 0, code: "KEY_RETIRED", constraint: null, fatal: false })
  }
}
const keyIdsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<Buffer> =>
  Array.from(new Set(tokens.map(({ hashKeyId }) => hashKeyId)), Columns.uuidBytes)

const byId = (a: Token, b: Token): number => (a.tokenId < b.tokenId ? -1 : a.tokenId > b.tokenId ? 1 : 0)

export const applyTokens = (
  session: Session,
  tenantId: string,
  changes: Pick<Changes, "tokensInserted" | "tokensUpdated" | "tokensDeleted">
): ReadonlyArray<Promise<unknown>> => [
  ...Columns.chunksOf(changes.tokensDeleted.toSorted().map(Columns.uuidBytes)).map((chunk) =>
    session.run(deleteSql(chunk.marks), [tenantId, ...chunk.values]).then(allOf(chunk.count))
  ),
  ...Columns.chunksOf(keyIdsOf(changes.tokensInserted)).map((chunk) =>
    session.rows(keyStatesSql(chunk.marks), chunk.values).then(mustNotBeRetired)
  ),
  session.batch(updateSql, changes.tokensUpdated.toSorted(byId).map(updateValues), "each"),
  session.batch(insertSql, changes.tokensInserted.toSorted(byId).map(tokenValues))
]
