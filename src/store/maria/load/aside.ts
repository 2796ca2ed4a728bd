/** Outbox rows that were set aside. */
import type { AsideRow } from "../../Outbox.ts"
import { outboxStreams } from "../apply/outbox.ts"
import * as Columns from "../Columns.ts"
import type { Row, Session } from "../MariadbConnection.ts"

export const asideColumns = `id, tenant_id, event_id, stream, subject, entity_key, LENGTH(payload), reason,
  LEAST(${Columns.clampedSql("created_at")}, ${Columns.momentSql}), LEAST(${Columns.clampedSql("aside_at")}, ${Columns.momentSql})`
const selectSql = (marks: string): string => `SELECT ${asideColumns} FROM outbox_aside WHERE id IN (${marks})`

export const asideRowOf = (row: Row): AsideRow => ({
  id: Columns.whole(row, 0),
  tenantId: Columns.text(row, 1),
  eventId: Columns.uuid(row, 2),
  // Whoever wrote the row may have written anything.
  stream: outboxStreams[Columns.whole(row, 3)] ?? "events",
  subject: Columns.text(row, 4),
  entityKey: Columns.text(row, 5),
  bytes: Columns.whole(row, 6),
  reason: Columns.text(row, 7),
  createdAt: Columns.whole(row, 8),
  asideAt: Columns.whole(row, 9)
})

export const loadAside = async (session: Session, ids: ReadonlyArray<number> | undefined) =>
  ids === undefined
    ? undefined
    : new Map((await Columns.rowsIn(session, selectSql, ids)).map(asideRowOf).map((row) => [row.id, row]))
