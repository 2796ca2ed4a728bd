/**
 * What is due, read whole and a page at a time along the index of due moments: what is not what the service wrote rests,
 * and nothing else of its row is written. A row that somebody else has locked is left out.
 */
import type { Credential } from "../../domain/Credential.ts"
import type { DuePlace, Sifted, Sifting } from "../RefreshStore.ts"
import * as Columns from "./Columns.ts"
import { clampedCredentialColumns, credentialColumnCount, credentialOf } from "./CredentialRow.ts"
import type { TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"

/** No moment that can be read is before it. */
const atFirst: DuePlace = { dueAt: Number.MIN_SAFE_INTEGER, credentialId: "00000000-0000-0000-0000-000000000000" }

export const pageSql = `SELECT ${clampedCredentialColumns}, refresh_due_at FROM credentials FORCE INDEX (ix_credentials_refresh_due)
  WHERE refresh_due_at >= ? AND refresh_due_at <= ${Columns.nowSql} AND (refresh_due_at > ? OR credential_id > ?)
  ORDER BY refresh_due_at, credential_id LIMIT ? FOR UPDATE SKIP LOCKED`
const restSql = (marks: string): string =>
  `UPDATE credentials SET refresh_due_at = ${Columns.nowSql} + ? WHERE credential_id IN (${marks})`

/** Undefined: it cannot be read. */
const readable = (row: Row): Credential | undefined => {
  try {
    return credentialOf(row)
  } catch {
    return undefined
  }
}

export const sift = async (
  session: Session,
  { after, forMs, holds, limit }: Sifting
): Promise<TransactionResult<Sifted>> => {
  const { credentialId, dueAt } = after ?? atFirst
  const rows = await session.rows(pageSql, [dueAt, dueAt, Columns.uuidBytes(credentialId), limit])
  const changed = rows.flatMap((row) => {
    const credential = readable(row)
    if (credential !== undefined && holds(credential)) return []
    return [{ tenantId: Columns.text(row, 1), credentialId: Columns.uuid(row, 0) }]
  })
  const last = rows.at(-1)
  const next =
    last === undefined || rows.length < limit
      ? null
      : { dueAt: Columns.whole(last, credentialColumnCount), credentialId: Columns.uuid(last, 0) }
  return {
    value: { changed, next },
    wrote: changed.length > 0,
    last: Columns.chunksOf(changed.map((ref) => Columns.uuidBytes(ref.credentialId))).map(({ marks, values }) => ({
      sql: restSql(marks),
      values: [forMs, ...values]
    }))
  }
}
