/**
 * Which rows need a key, and how many.
 *
 * Rows are counted up to a limit, along an index and no further, so that the statements stay short
 * however large the tables are.
 */

import type { AgesMs, CountedSlice } from "../../KeyRotationStore.ts"
import * as Columns from "../Columns.ts"
import type { Session } from "../MariadbConnection.ts"

// ---- all kinds of rows -------------------------------------------------------------

/** Along the index, for the key in hand alone: of `EXISTS` the optimizer likes to make one reading of all rows there are. */
const anyOfKey = (table: string, column: string, index: string): string =>
  `(SELECT 1 FROM ${table} r FORCE INDEX (${index}) WHERE r.${column} = k.key_id LIMIT 1) IS NOT NULL`
const anyToken = anyOfKey("tokens", "hash_key_id", "ix_tokens_hash_key")
const anyVersion = anyOfKey("credential_versions", "key_id", "ix_credential_versions_key")
const anyAnswer = anyOfKey("idempotency", "seal_key_id", "ix_idempotency_seal_key")

/** Whether any row needs key `k`. */
export const neededSql = `(${anyToken} OR ${anyVersion} OR ${anyAnswer})`

/** The inner statement ends at the limit, and so does what is read. */
const upTo = (rows: string): string => `(SELECT COUNT(*) FROM (${rows} LIMIT ?) some)`

const neededCountSql = `SELECT ${upTo("SELECT 1 FROM tokens WHERE hash_key_id = ?")}
  + ${upTo("SELECT 1 FROM credential_versions WHERE key_id = ?")}
  + ${upTo("SELECT 1 FROM idempotency WHERE seal_key_id = ?")}`

/** How many rows need a key, counted up to a limit. */
export const countNeeded = async (session: Session, keyId: Buffer, limit: number): Promise<number> => {
  const [row = []] = await session.rows(neededCountSql, [keyId, limit, keyId, limit, keyId, limit])
  return Math.min(limit, Columns.whole(row, 0))
}

const rememberedSql = `SELECT ${upTo(
  `SELECT 1 FROM idempotency WHERE created_at BETWEEN ${Columns.nowSql} - ? AND ${Columns.nowSql} - ?`
)}`

/** How many remembered answers are so old, counted up to a limit. */
export const countRemembered = async (
  session: Session,
  { oldest, youngest }: AgesMs,
  limit: number
): Promise<number> => {
  const [row = []] = await session.rows(rememberedSql, [oldest, youngest, limit])
  return Columns.whole(row, 0)
}

// ---- rows that can be moved --------------------------------------------------------

/** Whether any row that can be moved is under key `k`. */
export const movableSql = `(${anyToken} OR ${anyVersion})`

const retiringSql = (table: string, column: string): string =>
  upTo(`SELECT STRAIGHT_JOIN 1 FROM data_keys k JOIN ${table} r ON r.${column} = k.key_id WHERE k.state = 'retiring'`)
const countMovableSql = `SELECT ${retiringSql("tokens", "hash_key_id")}, ${retiringSql("credential_versions", "key_id")}`

/** Each up to the limit for each kind; more than that is not told apart. */
export const countMovable = async (session: Session, limit: number): Promise<number> => {
  const [row = []] = await session.rows(countMovableSql, [limit, limit])
  return Math.min(limit, Columns.whole(row, 0) + Columns.whole(row, 1))
}

const underSqls: ReadonlyArray<(marks: string) => string> = [
  (marks) => `SELECT ${upTo(`SELECT 1 FROM tokens WHERE hash_key_id IN (${marks})`)}`,
  (marks) => `SELECT ${upTo(`SELECT 1 FROM credential_versions WHERE key_id IN (${marks})`)}`
]

export const countMovableUnder = async (
  session: Session,
  keyIds: ReadonlyArray<string>,
  limit: number
): Promise<number> => {
  const chunks = Columns.chunksOf(Columns.uuidBytesOf(keyIds))
  const found = await Promise.all(
    chunks.flatMap(({ marks, values }) => underSqls.map((sql) => session.rows(sql(marks), [...values, limit])))
  )
  return Math.min(
    limit,
    found.flat().reduce((sum, row) => sum + Columns.whole(row, 0), 0)
  )
}

// ---- rows under one key, in pieces -------------------------------------------------

interface Kind {
  readonly tag: string
  /** The rows of one key after a place in its index. */
  readonly after: string
  readonly columns: string
}

const tokenRows: Kind = {
  tag: "token",
  columns: "tenant_id, token_id",
  after: `FROM tokens FORCE INDEX (ix_tokens_hash_key)
    WHERE hash_key_id = ? AND (tenant_id > ? OR (tenant_id = ? AND token_id > ?))`
}
const versionRows: Kind = {
  tag: "version",
  columns: "credential_id, version",
  after: `FROM credential_versions FORCE INDEX (ix_credential_versions_key)
    WHERE key_id = ? AND (credential_id > ? OR (credential_id = ? AND version > ?))`
}

type Place = readonly [string | Buffer, Buffer | number]

const placeIn = (kind: Kind, cursor: string): Place => {
  const [, first = "", second = ""] = cursor.split("/")
  return kind === tokenRows
    ? [first, Buffer.from(second, "hex")]
    : [Buffer.from(first, "hex"), second === "" ? 0 : Number(second)]
}
const shown = (value: unknown): string => (value instanceof Buffer ? value.toString("hex") : String(value))

/** Rows of one kind after a place: `limit` of them, or those that are left. */
const sliceOf = async (
  session: Session,
  kind: Kind,
  keyId: Buffer,
  cursor: string,
  limit: number
): Promise<CountedSlice> => {
  const [first, second] = placeIn(kind, cursor)
  const values = [keyId, first, first, second]
  const lastSql = `SELECT ${kind.columns} ${kind.after} ORDER BY ${kind.columns} LIMIT 1 OFFSET ?`
  const [last] = await session.rows(lastSql, [...values, limit - 1])
  if (last !== undefined) return { rows: limit, next: `${kind.tag}/${shown(last[0])}/${shown(last[1])}` }
  const [rest = []] = await session.rows(`SELECT COUNT(*) ${kind.after}`, values)
  return { rows: Columns.whole(rest, 0), next: null }
}

/** Tokens first, then the versions of credentials. */
export const countMovableSlice = async (
  session: Session,
  keyId: string,
  after: string | null,
  limit: number
): Promise<CountedSlice> => {
  const kind = after?.startsWith(versionRows.tag) === true ? versionRows : tokenRows
  const slice = await sliceOf(session, kind, Columns.uuidBytes(keyId), after ?? "", limit)
  return slice.next === null && kind === tokenRows ? { rows: slice.rows, next: `${versionRows.tag}//` } : slice
}
