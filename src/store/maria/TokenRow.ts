/** A token as a row of the table `tokens`. */
import { type EndReason, type Token, type TokenStatus, tokenStatuses } from "../../domain/Token.ts"
import * as Columns from "./Columns.ts"
import type { Row, Value } from "./MariadbConnection.ts"

const endReasons: ReadonlyArray<EndReason> = ["expired", "rotated"]
export const statusNumber = (status: TokenStatus): number => tokenStatuses.indexOf(status)

export const tokenColumnNames = [
  "token_id",
  "tenant_id",
  "app_name",
  "endpoint_id",
  "status",
  "version",
  "token_hint",
  "created_at",
  "updated_at",
  "activated_at",
  "last_used_at",
  "expires_at",
  "overlap_ends_at",
  "ended_by",
  "reason",
  "description",
  "created_by",
  "updated_by",
  "hash",
  "hash_key_id",
  "mac"
]
export const tokenColumns = tokenColumnNames.join(", ")

/** Three columns beginning at `at`: `expires_at`, `overlap_ends_at`, `ended_by`. */
export const endsOf = (row: Row, at: number) => {
  const endedBy = Columns.wholeOrNull(row, at + 2)
  return {
    expiresAt: Columns.wholeOrNull(row, at),
    overlapEndsAt: Columns.wholeOrNull(row, at + 1),
    endedBy: endedBy === null ? null : Columns.literal(row, at + 2, endReasons)
  }
}

export const tokenOf = (row: Row): Token => ({
  tokenId: Columns.uuid(row, 0),
  tenantId: Columns.text(row, 1),
  appName: Columns.text(row, 2),
  endpointId: Columns.text(row, 3),
  status: Columns.literal(row, 4, tokenStatuses),
  version: Columns.whole(row, 5),
  tokenHint: Columns.textOrNull(row, 6),
  createdAt: Columns.whole(row, 7),
  updatedAt: Columns.whole(row, 8),
  activatedAt: Columns.wholeOrNull(row, 9),
  lastUsedAt: Columns.wholeOrNull(row, 10),
  ...endsOf(row, 11),
  reason: Columns.textOrNull(row, 14),
  description: Columns.textOrNull(row, 15),
  createdBy: Columns.text(row, 16),
  updatedBy: Columns.text(row, 17),
  hash: new Uint8Array(Columns.bytes(row, 18)),
  hashKeyId: Columns.uuid(row, 19),
  ...Columns.macOf(row, 20)
})

/** How `endedBy` stands in its column. */
export const endedByNumber = (endedBy: EndReason | null): number | null =>
  endedBy === null ? null : endReasons.indexOf(endedBy)

export const tokenValues = (token: Token): ReadonlyArray<Value> => [
  Columns.uuidBytes(token.tokenId),
  token.tenantId,
  token.appName,
  token.endpointId,
  statusNumber(token.status),
  token.version,
  token.tokenHint,
  token.createdAt,
  token.updatedAt,
  token.activatedAt,
  token.lastUsedAt,
  token.expiresAt,
  token.overlapEndsAt,
  endedByNumber(token.endedBy),
  token.reason,
  token.description,
  token.createdBy,
  token.updatedBy,
  Columns.sameBytes(token.hash),
  Columns.uuidBytes(token.hashKeyId),
  Columns.macValue(token.mac)
]
