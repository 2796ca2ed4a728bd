/** A token as a row of the table `tokens`. */
import { type EndReason, type Token, type TokenStatus, tokenStatuses } from "../../domain/Token.ts"
import * as Columns from "./Columns.ts"
import type { Row, Value } from "./MariadbConnection.ts"

export const endReasons: ReadonlyArray<EndReason> = ["expired", "rotated"]
export const statusNumber = (status: TokenStatus): number => tokenStatuses.indexOf(status)

export const tokenColumns = [
  "token_id",
  "tenant_id",
  "app_name",
  "endpoint_id",
  "status",
  "version",
  "end_reason",
  "token_hint",
  "created_at",
  "updated_at",
  "activated_at",
  "last_used_at",
  "expires_at",
  "reason",
  "description",
  "created_by",
  "updated_by",
  "hash",
  "hash_key_id"
].join(", ")

export const tokenOf = (row: Row): Token => ({
  tokenId: Columns.uuid(row, 0),
  tenantId: Columns.text(row, 1),
  appName: Columns.text(row, 2),
  endpointId: Columns.text(row, 3),
  status: Columns.literal(row, 4, tokenStatuses),
  version: Columns.whole(row, 5),
  endReason: Columns.literal(row, 6, endReasons),
  tokenHint: Columns.textOrNull(row, 7),
  createdAt: Columns.whole(row, 8),
  updatedAt: Columns.whole(row, 9),
  activatedAt: Columns.wholeOrNull(row, 10),
  lastUsedAt: Columns.wholeOrNull(row, 11),
  expiresAt: Columns.wholeOrNull(row, 12),
  reason: Columns.textOrNull(row, 13),
  description: Columns.textOrNull(row, 14),
  createdBy: Columns.text(row, 15),
  updatedBy: Columns.text(row, 16),
  hash: new Uint8Array(Columns.bytes(row, 17)),
  hashKeyId: Columns.uuid(row, 18)
})

export const tokenValues = (token: Token): ReadonlyArray<Value> => [
  Columns.uuidBytes(token.tokenId),
  token.tenantId,
  token.appName,
  token.endpointId,
  statusNumber(token.status),
  token.version,
  endReasons.indexOf(token.endReason),
  token.tokenHint,
  token.createdAt,
  token.updatedAt,
  token.activatedAt,
  token.lastUsedAt,
  token.expiresAt,
  token.reason,
  token.description,
  token.createdBy,
  token.updatedBy,
  Buffer.from(token.hash),
  Columns.uuidBytes(token.hashKeyId)
]
