/** Keeps answers for idempotency keys; one that was kept longer ago than it counts is written over. */

import type { IdempotentAnswer } from "../../TenantStore.ts"
import type { Session } from "../MariadbConnection.ts"

const insertSql = `INSERT INTO idempotency
    (tenant_id, key_hash, fingerprint, sealed_answer, revocation_seq, created_at) VALUES (?, ?, ?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE fingerprint = VALUES(fingerprint), sealed_answer = VALUES(sealed_answer),
    revocation_seq = VALUES(revocation_seq), created_at = VALUES(created_at)`

export const applyIdempotent = (
  session: Session,
  tenantId: string,
  answers: ReadonlyArray<IdempotentAnswer>
): ReadonlyArray<Promise<unknown>> => [
  session.batch(
    insertSql,
    answers.map((answer) => [
      tenantId,
      answer.keyHash,
      answer.fingerprint,
      Buffer.from(answer.sealedAnswer),
      answer.revocationSeq,
      answer.createdAt
    ])
  )
]
