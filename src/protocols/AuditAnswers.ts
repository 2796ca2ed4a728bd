/** What the audit says, as it is answered. */
import type { AuditRow, AuditVerdict, CutAnswer, SignedAnswer } from "../actors/audit/Audit.ts"
import type { AuditAnswer, CutAuditAnswer, SignedAudit, VerdictAnswer } from "../schema/AuditJson.ts"
import { formatDate } from "../schema/Timestamp.ts"

/** `diff` is answered as the JSON it is; its text, as `JSON.stringify` writes it, is what was hashed. */
export const encodeAuditRow = (row: AuditRow): typeof AuditAnswer.Type => ({
  seq: row.seq,
  at: formatDate(row.at),
  actor: row.actor,
  ...(row.by === null ? {} : { by: row.by }),
  ...(row.account === null ? {} : { account: row.account }),
  ...(row.user === null ? {} : { user: row.user }),
  ...(row.client === null ? {} : { client: row.client }),
  ...(row.correlationId === null ? {} : { correlationId: row.correlationId }),
  action: row.action,
  entityType: row.entityType,
  entityId: row.entityId,
  ...(row.diff === null ? {} : { diff: JSON.parse(row.diff) as Readonly<Record<string, unknown>> }),
  prevHash: row.prevHash,
  hash: row.hash
})

export const encodeVerdict = (verdict: AuditVerdict): typeof VerdictAnswer.Type => ({
  valid: verdict.valid,
  checked: verdict.checked,
  ...(verdict.firstBroken === null ? {} : { firstBroken: verdict.firstBroken }),
  ...(verdict.repaired.length === 0 ? {} : { repaired: verdict.repaired }),
  ...(verdict.published === null
    ? {}
    : { published: { seq: verdict.published.seq, at: formatDate(verdict.published.at) } }),
  ...(verdict.cut === undefined ? {} : { cut: { ...verdict.cut, at: formatDate(verdict.cut.at) } }),
  ...(verdict.lost === undefined ? {} : { lost: verdict.lost }),
  ...(verdict.accepted === undefined
    ? {}
    : { accepted: verdict.accepted.map((gap) => ({ ...gap, at: formatDate(gap.at) })) })
})

export const encodeCut = (tenantId: string, cut: CutAnswer | null): typeof CutAuditAnswer.Type =>
  cut === null
    ? { tenantId, count: 0, more: false }
    : {
        ...{ tenantId, count: cut.count, more: cut.more },
        stub: {
          ...{ tenant_id: tenantId, first: cut.first, last: cut.last, hash: cut.hash, count: cut.count },
          ...{ by: cut.by, at: cut.at, key_id: cut.keyId, public_key: cut.publicKey },
          signature: Buffer.from(cut.signature).toString("base64url")
        }
      }

export const encodeSigned = (point: SignedAnswer): typeof SignedAudit.Type => ({
  tenant_id: point.tenantId,
  seq: point.seq,
  hash: point.hash,
  at: point.at,
  ...(point.number === null
    ? {}
    : {
        number: point.number,
        previous_seq: point.previous?.seq ?? null,
        previous_hash: point.previous?.hash ?? null
      }),
  ...(point.accepted === undefined
    ? {}
    : {
        accepted: {
          ...{ lost_seq: point.accepted.lost.seq, lost_hash: point.accepted.lost.hash },
          ...{ by: point.accepted.by, reason: point.accepted.reason }
        }
      }),
  key_id: point.keyId,
  public_key: point.publicKey,
  signature: Buffer.from(point.signature).toString("base64url"),
  ...(point.links.length === 0 ? {} : { audit_keys: point.links })
})
