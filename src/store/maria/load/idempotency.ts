/** Answers kept for idempotency keys. */

import type { IdempotentAnswer } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Session } from "../MariadbConnection.ts"

const byKey = (marks: string): string =>
  `SELECT key_hash, fingerprint, sealed_answer, revocation_seq, created_at FROM idempotency
    WHERE tenant_id = ? AND key_hash IN (${marks})`

export const loadIdempotent = async (
  session: Session,
  tenantId: string,
  keyHashes: ReadonlyArray<string>
): Promise<ReadonlyMap<string, IdempotentAnswer>> => {
  const rows = await Columns.rowsIn(session, byKey, Array.from(new Set(keyHashes)), [tenantId])
  return new Map(
    rows.map((row) => [
      Columns.text(row, 0),
      {
        keyHash: Columns.text(row, 0),
        fingerprint: Columns.text(row, 1),
        sealedAnswer: new Uint8Array(Columns.bytes(row, 2)),
        revocationSeq: Columns.wholeOrNull(row, 3),
        createdAt: Columns.whole(row, 4)
      }
    ])
  )
}
