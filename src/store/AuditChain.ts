/**
 * The links of a tenant's audit chain.
 *
 * Each row's hash covers everything in the row and the hash of the row before it, so an edited,
 * deleted, re-ordered or inserted row breaks the chain at a nameable place. `diff` is kept as the
 * very text that was hashed, so no canonical form has to be agreed on.
 */
import { hash } from "node:crypto"
import type { AuditEntry } from "./TenantStore.ts"

export interface AuditRow {
  readonly tenantId: string
  /** 1, 2, 3… without gaps within a tenant. */
  readonly seq: number
  /** UNIX milliseconds, database clock. */
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly entityType: string
  readonly entityId: string
  /** JSON text, or null. */
  readonly diff: string | null
  /** Lower-case hex of SHA-256. */
  readonly prevHash: string
  readonly hash: string
}

const sha256 = (text: string): string => hash("sha256", text, "hex")

/** What the first row of a tenant points at. */
export const genesisHash = (tenantId: string): string => sha256(JSON.stringify(["cm-audit-1", tenantId]))

export const linkHash = (row: Omit<AuditRow, "hash">): string =>
  sha256(
    JSON.stringify([
      "cm-audit-1",
      row.tenantId,
      row.seq,
      row.at,
      row.actor,
      row.action,
      row.entityType,
      row.entityId,
      row.diff,
      row.prevHash
    ])
  )

export interface ChainHead {
  readonly seq: number
  /** Hex; null before the first row. */
  readonly hash: string | null
}

/** The rows that follow `head`, linked. */
export const chain = (
  tenantId: string,
  head: ChainHead,
  now: number,
  entries: ReadonlyArray<AuditEntry>
): ReadonlyArray<AuditRow> => {
  let prevHash = head.hash ?? genesisHash(tenantId)
  return entries.map((entry, index) => {
    const row = {
      tenantId,
      seq: head.seq + index + 1,
      at: now,
      actor: entry.actor,
      action: entry.action,
      entityType: entry.entityType,
      entityId: entry.entityId,
      diff: entry.diff === null ? null : JSON.stringify(entry.diff),
      prevHash
    }
    prevHash = linkHash(row)
    return { ...row, hash: prevHash }
  })
}

export const headAfter = (head: ChainHead, rows: ReadonlyArray<AuditRow>): ChainHead => {
  const last = rows.at(-1)
  return last === undefined ? head : { seq: last.seq, hash: last.hash }
}
