/**
 * The links of a tenant's audit chain.
 *
 * Each row's hash covers everything in the row and the hash of the row before it, so an edited,
 * deleted, re-ordered or inserted row breaks the chain at a nameable place. `diff` is kept as the
 * very text that was hashed, so no canonical form has to be agreed on.
 *
 * Rows of version 1 do not say how their actor was known, nor of which request they are. They verify as
 * they always did, and say nothing in the fields that their hash does not cover.
 */
import { hash } from "node:crypto"
import * as Pieces from "../observability/Pieces.ts"
import type { AuditEntry } from "./TenantStore.ts"

export interface AuditRow {
  readonly tenantId: string
  /** 1, 2, 3… without gaps within a tenant. */
  readonly seq: number
  /** UNIX milliseconds, database clock. */
  readonly at: number
  /** 1: the five fields from `by` on are null, and the hash does not cover them. */
  readonly version: 1 | 2
  readonly actor: string
  /** How the actor was known (`Principal.KnownBy`). */
  readonly by: string | null
  readonly account: string | null
  readonly user: string | null
  readonly client: string | null
  readonly correlationId: string | null
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

/** What a row's hash covers, in this order. */
const linkParts = (row: Omit<AuditRow, "hash">): ReadonlyArray<string | number | null> => {
  const { account, action, actor, at, by, client, correlationId, diff, entityId, entityType, prevHash } = row
  const { seq, tenantId, user } = row
  return row.version === 1
    ? ["cm-audit-1", tenantId, seq, at, actor, action, entityType, entityId, diff, prevHash]
    : [
        ...["cm-audit-2", tenantId, seq, at, actor, by, account, user, client, correlationId],
        ...[action, entityType, entityId, diff, prevHash]
      ]
}

export const linkHash = (row: Omit<AuditRow, "hash">): string => sha256(JSON.stringify(linkParts(row)))

/** Whether a row of version 1 says what its hash does not cover. */
export const saysMore = ({ account, by, client, correlationId, user, version }: AuditRow): boolean =>
  version === 1 && [account, by, client, correlationId, user].some((field) => field !== null)

/** Characters of a row's texts; the columns are as wide. */
export const textMax = { actor: 384, entityId: 256, other: 256 }

/**
 * The very text that a column gives back: what is no Unicode text would be stored as another one, and what
 * is too long not at all. A row that tells of either must be there all the same, and its hash must be its own.
 */
const storable = (text: string, max: number): string => text.slice(0, max).toWellFormed()
const storableOrNull = (text: string | null): string | null => (text === null ? null : storable(text, textMax.other))

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
): Pieces.Pieces<ReadonlyArray<AuditRow>> => {
  let prevHash = head.hash ?? genesisHash(tenantId)
  return Pieces.map(entries, (entry, index) => {
    const row = {
      tenantId,
      seq: head.seq + index + 1,
      at: now,
      version: 2 as const,
      actor: storable(entry.actor, textMax.actor),
      by: entry.known.by,
      account: storableOrNull(entry.known.account),
      user: storableOrNull(entry.known.user),
      client: storableOrNull(entry.known.client),
      correlationId: storable(entry.correlationId, textMax.other),
      action: entry.action,
      entityType: entry.entityType,
      entityId: storable(entry.entityId, textMax.entityId),
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
