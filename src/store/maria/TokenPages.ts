/**
 * Pages of a tenant's tokens, by token id, each read along one index.
 *
 * A page that must leave out rows (by status, by who made them, by their times) looks at 20,000 at most; what it
 * did not reach is left to the next page, so a page may be shorter than asked, or empty, and still have a next.
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

type Asked = Omit<TokenQuery, "limit">

const place = (tenantId: string, query: Asked): Where => {
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

/** What no index knows: rows are looked at, and left out. */
const leftOut = (query: Asked): Pick<Where, "values"> & { readonly conditions: ReadonlyArray<string> } => {
  const conditions: Array<string> = []
  const values: Array<Value> = []
  const must = (condition: string, value: Value | undefined): void => {
    if (value === null || value === undefined) return
    conditions.push(condition)
    values.push(value)
  }
  const [names] = Columns.chunksOf(query.applications ?? [])
  if (names !== undefined) {
    conditions.push(`app_name IN (${names.marks})`)
    values.push(...names.values)
  }
  must("created_at < ?", query.createdBefore)
  must("created_by = ?", query.createdBy)
  must("COALESCE(last_used_at, created_at) < ?", query.unusedSince)
  must(`due_at < ? AND due_at > ${Columns.nowSql}`, query.expiringBefore)
  const statuses = Array.from(new Set(query.statuses)).toSorted()
  return { conditions: statuses.length === 0 ? conditions : [...conditions, statusCondition(statuses)], values }
}

interface Stretch {
  /** From `FROM` on. */
  readonly sql: string
  readonly values: ReadonlyArray<Value>
  /** The last row that is looked at; null when that is the last there is. */
  readonly reached: string | null
}

/** The rows of a page; null where there can be none. */
const stretchOf = async (
  session: Session,
  tenantId: string,
  query: Asked,
  scanMax: number
): Promise<Stretch | null> => {
  const where = place(tenantId, query)
  const isUp = query.order === "ASC"
  let sql = `FROM tokens FORCE INDEX (${where.index}) WHERE ${where.sql}`
  const values = [...where.values]
  if (query.after !== null) {
    const after = Columns.uuidBytesOrNull(query.after)
    if (after === null) return null
    sql += ` AND token_id ${isUp ? ">" : "<"} ?`
    values.push(after)
  }
  const { conditions, values: more } = leftOut(query)
  if (conditions.length === 0) return { sql, values, reached: null }
  const [last] = await session.rows(
    `SELECT token_id ${sql} ORDER BY token_id ${query.order} LIMIT 1 OFFSET ${scanMax - 1}`,
    values
  )
  if (last !== undefined) {
    sql += ` AND token_id ${isUp ? "<" : ">"}= ?`
    values.push(Columns.bytes(last, 0))
  }
  return {
    sql: `${sql} AND ${conditions.join(" AND ")}`,
    values: [...values, ...more],
    reached: last === undefined ? null : Columns.uuid(last, 0)
  }
}

export const readTokenPage = async (
  session: Session,
  tenantId: string,
  query: TokenQuery,
  scanMax = scanMaxDefault
): Promise<Page<Token>> => {
  const stretch = await stretchOf(session, tenantId, query, scanMax)
  if (stretch === null) return { content: [], next: null }
  const rows = await session.rows(`SELECT ${tokenColumns} ${stretch.sql} ORDER BY token_id ${query.order} LIMIT ?`, [
    ...stretch.values,
    query.limit + 1
  ])
  const content = rows.slice(0, query.limit).map(tokenOf)
  const full = rows.length > query.limit
  return { content, next: full ? (content.at(-1)?.tokenId ?? null) : stretch.reached }
}

/** As many as a page without a limit would have. */
export const countTokenPage = async (session: Session, tenantId: string, query: Asked, scanMax = scanMaxDefault) => {
  const stretch = await stretchOf(session, tenantId, query, scanMax)
  if (stretch === null) return { count: 0, next: null }
  const [row] = await session.rows(`SELECT COUNT(*) ${stretch.sql}`, stretch.values)
  return { count: Columns.whole(row ?? [], 0), next: stretch.reached }
}
