/**
 * Pages of a tenant's tokens, by token id, each read along one index.
 *
 * A page that must leave out statuses looks at 20,000 rows at most; what it did not reach is left
 * to the next page, so a page may be shorter than asked, or empty, and still have a next.
 */
import type { Page, TokenQuery } from "../../domain/Page.ts"
import type { Token, TokenStatus } from "../../domain/Token.ts"
import * as Columns from "./Columns.ts"
import type { Session, Value } from "./MariadbConnection.ts"
import { statusNumber, tokenColumns, tokenOf } from "./TokenRow.ts"

const scanMaxDefault = 20_000

interface Where {
  readonly index: string
  readonly sql: string
  readonly values: ReadonlyArray<Value>
}

const place = (tenantId: string, query: TokenQuery): Where => {
  const conditions = ["tenant_id = ?"]
  const values: Array<Value> = [tenantId]
  if (query.appName !== null) {
    conditions.push("app_name = ?")
    values.push(query.appName)
  }
  if (query.endpointId !== null) {
    conditions.push("endpoint_id = ?")
    values.push(query.endpointId)
  }
  const index =
    query.endpointId !== null
      ? "ix_tokens_endpoint"
      : query.appName !== null
        ? "ix_tokens_application"
        : "ix_tokens_tenant"
  return { index, sql: conditions.join(" AND "), values }
}

const hasEndedSql = `(COALESCE(expires_at <= ${Columns.nowSql}, FALSE) OR COALESCE(overlap_ends_at <= ${Columns.nowSql}, FALSE))`

/** `Revoked` includes ended ones; the others exclude them. */
const statusCondition = (statuses: ReadonlyArray<TokenStatus>): string => {
  const open = statuses.filter((status) => status !== "Revoked").map(statusNumber)
  const parts: Array<string> = []
  if (open.length > 0) parts.push(`(status IN (${open.join(", ")}) AND NOT (${hasEndedSql}))`)
  if (statuses.includes("Revoked")) parts.push(`status = ${statusNumber("Revoked")} OR (${hasEndedSql})`)
  return `(${parts.join(" OR ")})`
}

export const readTokenPage = async (
  session: Session,
  tenantId: string,
  query: TokenQuery,
  scanMax = scanMaxDefault
): Promise<Page<Token>> => {
  const where = place(tenantId, query)
  const beyond = query.order === "ASC" ? ">" : "<"
  let from = `FROM tokens FORCE INDEX (${where.index}) WHERE ${where.sql}`
  const values = [...where.values]
  if (query.after !== null) {
    const after = Columns.uuidBytesOrNull(query.after)
    if (after === null) return { content: [], next: null }
    from += ` AND token_id ${beyond} ?`
    values.push(after)
  }
  const statuses = new Set(query.statuses)
  let reached: string | null = null
  if (statuses.size > 0) {
    const [last] = await session.rows(
      `SELECT token_id ${from} ORDER BY token_id ${query.order} LIMIT 1 OFFSET ${scanMax - 1}`,
      values
    )
    if (last !== undefined) {
      from += ` AND token_id ${beyond}= ?`.replace(beyond, query.order === "ASC" ? "<" : ">")
      values.push(Columns.bytes(last, 0))
      reached = Columns.uuid(last, 0)
    }
    from += ` AND ${statusCondition(Array.from(statuses).toSorted())}`
  }
  const rows = await session.rows(`SELECT ${tokenColumns} ${from} ORDER BY token_id ${query.order} LIMIT ?`, [
    ...values,
    query.limit + 1
  ])
  const content = rows.slice(0, query.limit).map(tokenOf)
  const full = rows.length > query.limit
  return { content, next: full ? (content.at(-1)?.tokenId ?? null) : reached }
}
