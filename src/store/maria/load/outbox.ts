/**
 * Reads the rows that have to leave, oldest first.
 *
 * Of a tenant with a row that is held, the rows up to that one and none behind it: they may not leave, and must not fill
 * the answer. A row is held while the revocation that it names is pending; which ones are is seen by the statement that
 * reads them, so that no index has to say it, which would be written and deleted with each row. Where a page is full, and
 * holds what stands behind a held row, another one is read without those tenants: from the beginning, so
 * that the rows of one tenant are always of one statement. Begun behind the last row, it would see a tenant's later row and not
 * the earlier one, where both were committed in between. Of a large page of which half may leave, all is given out: to
 * read that half again for the other one would cost more than it brings.
 */
import { eventBytesMax } from "../../../domain/Names.ts"
import type { OutboxRow } from "../../Outbox.ts"
import { outboxStreams } from "../apply/outbox.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"

/** No event is longer when it is written, so what is can never leave: its length is handed over, and headers that are none. */
const isTooLongSql = `LENGTH(o.headers) + LENGTH(o.payload) > ${eventBytesMax}`
const unsentSql = Columns.remembered(
  (marks) => `SELECT o.id, o.tenant_id, o.event_id, o.stream, o.subject, o.entity_key,
    IF(${isTooLongSql}, '', o.headers), IF(${isTooLongSql}, '', o.payload),
    ${Columns.clampedSql("o.created_at")}, IF(p.seq IS NULL, 0, 1), IF(${isTooLongSql}, LENGTH(o.payload), NULL)
  FROM outbox o FORCE INDEX FOR ORDER BY (PRIMARY)
    LEFT JOIN pending_revocations p ON p.tenant_id = o.tenant_id AND p.seq = o.revocation_seq
  WHERE o.id <= ${Number.MAX_SAFE_INTEGER}${marks === "" ? "" : ` AND o.tenant_id NOT IN (${marks})`}
  ORDER BY o.id LIMIT ?`
)

/** Pages of an answer. Of the last one all is given out, in its order: whoever takes it knows by the first held row what to hold back. */
export const pagesMax = 16
/** Of so few rows no half is enough: they are read again. */
export const fewRows = 256

const idOf = (row: Row): number => Columns.whole(row, 0)
const tenantOf = (row: Row): string => Columns.text(row, 1)
const isHeld = (row: Row): boolean => Columns.whole(row, 9) === 1

export const unsentRows = async (session: Pick<Session, "rows">, limit: number): Promise<ReadonlyArray<Row>> => {
  const found: Array<Row> = []
  const stopped = new Set<string>()
  for (let page = 1; ; page++) {
    const [chunk = { marks: "", values: [] }] = stopped.size === 0 ? [] : Columns.chunksOf(Array.from(stopped))
    const rows = await session.rows(unsentSql(chunk.marks), [...chunk.values, limit])
    if (!rows.some(isHeld)) return page === 1 ? rows : merged(found, rows, limit)
    const lastOf = new Map<string, number>()
    for (const row of rows) if (isHeld(row) && !lastOf.has(tenantOf(row))) lastOf.set(tenantOf(row), idOf(row))
    const isBefore = (row: Row) => idOf(row) <= (lastOf.get(tenantOf(row)) ?? Number.POSITIVE_INFINITY)
    const before = rows.filter(isBefore)
    for (const tenantId of lastOf.keys()) stopped.add(tenantId)
    if (rows.length < limit || before.length === limit) return merged(found, before, limit)
    const isEnough = limit > fewRows && 2 * before.filter((row) => !isHeld(row)).length >= limit
    if (isEnough || page === pagesMax || stopped.size > Columns.listSizeMax) return merged(found, rows, limit)
    found.push(...before.filter((row) => lastOf.has(tenantOf(row))))
  }
}

const merged = (found: ReadonlyArray<Row>, rows: ReadonlyArray<Row>, limit: number): ReadonlyArray<Row> =>
  found.length === 0 ? rows : [...found, ...rows].sort((a, b) => idOf(a) - idOf(b)).slice(0, limit)

/** Null: not the object of texts that this service writes. */
const headersOf = (text: string): Readonly<Record<string, string>> | null => {
  try {
    const headers: unknown = JSON.parse(text)
    if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return null
    for (const name in headers) {
      if (typeof (headers as Record<string, unknown>)[name] !== "string") return null
    }
    return headers as Readonly<Record<string, string>>
  } catch {
    return null
  }
}

/** Total: one row that somebody else wrote must not keep all others from leaving. */
export const outboxRowOf = (row: Row): OutboxRow => {
  const headers = headersOf(Columns.text(row, 6))
  const stream = outboxStreams[Columns.whole(row, 3)]
  const bytes = Columns.wholeOrNull(row, 10)
  return {
    id: idOf(row),
    tenantId: tenantOf(row),
    eventId: Columns.uuid(row, 2),
    stream: stream ?? "events",
    subject: Columns.text(row, 4),
    entityKey: Columns.text(row, 5),
    headers: headers ?? {},
    payload: Columns.view(row, 7),
    createdAt: Columns.whole(row, 8),
    held: isHeld(row),
    ...(bytes === null ? {} : { bytes }),
    ...(headers === null || stream === undefined ? { unreadable: true } : {})
  }
}
