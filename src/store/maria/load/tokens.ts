/** The tokens that a transaction named, by id, hash or endpoint; all of one tenant. With their applications. */
import { tokensPerEndpointMax } from "../../../domain/Names.ts"
import type { Application } from "../../../domain/Tenant.ts"
import type { Token } from "../../../domain/Token.ts"
import type { Load } from "../../TenantStore.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"
import { tokenColumnNames, tokenOf } from "../TokenRow.ts"
import { applicationColumns, applicationOf } from "./applications.ts"

const applicationAt = tokenColumnNames.length
/** The application comes with its token: asked for by the names of what was found, it would be a round trip of its own. */
const withApplicationSql = (index: string, column: string) => (marks: string) =>
  `SELECT ${tokenColumnNames.map((name) => `t.${name}`).join(", ")}, ${applicationColumns("a")}
    FROM tokens t FORCE INDEX (${index}) LEFT JOIN applications a ON a.app_name = t.app_name
    WHERE t.tenant_id = ? AND t.${column} IN (${marks})`
export const byIdSql = withApplicationSql("uq_tokens_id", "token_id")
export const byHashSql = withApplicationSql("PRIMARY", "hash")
export const byEndpointSql = withApplicationSql("ix_tokens_endpoint", "endpoint_id")
const endpointCounts = (marks: string): string =>
  `SELECT endpoint_id, COUNT(*) FROM tokens FORCE INDEX (ix_tokens_endpoint)
    WHERE tenant_id = ? AND endpoint_id IN (${marks}) GROUP BY endpoint_id`

const hashBytesOf = (hashes: ReadonlyArray<string>): ReadonlyArray<Buffer> =>
  Array.from(new Set(hashes), (hash) => Buffer.from(hash, "hex"))

export interface LoadedTokens {
  readonly tokens: ReadonlyMap<string, Token>
  /** Those of the tokens that there are. */
  readonly applications: ReadonlyMap<string, Application>
}

export const loadTokens = async (session: Session, tenantId: string, load: Load): Promise<LoadedTokens> => {
  const found: ReadonlyArray<ReadonlyArray<Row>> = await Promise.all([
    Columns.rowsIn(session, byIdSql, Columns.uuidBytesOf(load.tokenIds), [tenantId]),
    Columns.rowsIn(session, byHashSql, hashBytesOf(load.tokenHashes), [tenantId]),
    Columns.rowsWithin(session, byEndpointSql, Array.from(new Set(load.endpointIds)), [tenantId], {
      each: tokensPerEndpointMax,
      what: `${tokensPerEndpointMax} tokens an endpoint`
    })
  ])
  const tokens = new Map<string, Token>()
  const applications = new Map<string, Application>()
  for (const rows of found) {
    for (const row of rows) {
      const token = tokenOf(row)
      tokens.set(token.tokenId, token)
      const { appName } = token
      if (row[applicationAt] !== null && !applications.has(appName)) {
        applications.set(appName, applicationOf(row, applicationAt))
      }
    }
  }
  return { tokens, applications }
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
