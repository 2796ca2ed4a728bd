/** The tokens that a transaction named, by id, hash or endpoint; all of one tenant. */
import type { Token } from "../../../domain/Token.ts"
import type { Load } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"
import { tokenColumns, tokenOf } from "../TokenRow.ts"

const byId = (marks: string): string =>
  `SELECT ${tokenColumns} FROM tokens FORCE INDEX (uq_tokens_id) WHERE tenant_id = ? AND token_id IN (${marks})`
const byHash = (marks: string): string =>
  `SELECT ${tokenColumns} FROM tokens FORCE INDEX (PRIMARY) WHERE tenant_id = ? AND hash IN (${marks})`
const byEndpoint = (marks: string): string =>
  `SELECT ${tokenColumns} FROM tokens FORCE INDEX (ix_tokens_endpoint) WHERE tenant_id = ? AND endpoint_id IN (${marks})`
const endpointCounts = (marks: string): string =>
  `SELECT endpoint_id, COUNT(*) FROM tokens FORCE INDEX (ix_tokens_endpoint)
    WHERE tenant_id = ? AND endpoint_id IN (${marks}) GROUP BY endpoint_id`

const hashBytesOf = (hashes: ReadonlyArray<string>): ReadonlyArray<Buffer> =>
  Array.from(new Set(hashes), (hash) => Buffer.from(hash, "hex"))

export const loadTokens = async (
  session: Session,
  tenantId: string,
  load: Load
): Promise<ReadonlyMap<string, Token>> => {
  const found: ReadonlyArray<ReadonlyArray<Row>> = await Promise.all([
    Columns.rowsIn(session, byId, Columns.uuidBytesOf(load.tokenIds), [tenantId]),
    Columns.rowsIn(session, byHash, hashBytesOf(load.tokenHashes), [tenantId]),
    Columns.rowsIn(session, byEndpoint, Array.from(new Set(load.endpointIds)), [tenantId])
  ])
  const tokens = new Map<string, Token>()
  for (const rows of found) {
    for (const row of rows) {
      const token = tokenOf(row)
      tokens.set(token.tokenId, token)
    }
  }
  return tokens
}

/** Every endpoint that is asked for has an entry. */
export const loadEndpointCounts = async (
  session: Session,
  tenantId: string,
  load: Load
): Promise<ReadonlyMap<string, number>> => {
  const endpointIds = Array.from(new Set(load.endpointCounts))
  const counts = new Map(endpointIds.map((endpointId) => [endpointId, 0]))
  for (const row of await Columns.rowsIn(session, endpointCounts, endpointIds, [tenantId])) {
    counts.set(Columns.text(row, 0), Columns.whole(row, 1))
  }
  return counts
}
