/**
 * The links of a tenant's audit chain.
 *
 * Each row's hash covers everything in the row and the hash of the row before it, so an edited,
 * deleted, re-ordered or inserted row breaks the chain at a nameable place. `diff` is kept as the
 * very text that was hashed, so no canonical form has to be agreed on.
 */
import { hash } from "node:crypto"

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
