/** Outbox rows that were set aside, in the memory tables: the twin of `apply/aside.ts` and `load/aside.ts`. */
import type { AsideRow } from "../Outbox.ts"
import type { Changes } from "../TenantStore.ts"
import type { MemoryAsideRow, MemoryTables } from "./MemoryDatabase.ts"

export const asideRowOf = ({ asideAt, reason, row }: MemoryAsideRow): AsideRow => ({
  id: row.id,
  tenantId: row.tenantId,
  eventId: row.entry.eventId,
  stream: row.entry.stream,
  subject: row.entry.subject,
  entityKey: row.entry.entityKey,
  bytes: row.entry.payload.length,
  reason,
  createdAt: row.createdAt,
  asideAt
})

export const loadAside = (tables: MemoryTables, ids: ReadonlyArray<number> | undefined) =>
  ids === undefined
    ? undefined
    : new Map(
        ids.flatMap((id) => {
          const found = tables.aside.get(id)
          return found === undefined ? [] : [[id, asideRowOf(found)] as const]
        })
      )

export const applyAside = (tables: MemoryTables, ended: Changes["asideEnded"]): void => {
  for (const { action, id } of ended ?? []) {
    const found = tables.aside.get(id)
    if (found === undefined) continue
    tables.aside.delete(id)
    if (action === "drop") continue
    tables.outboxLastId += 1
    tables.outbox.set(tables.outboxLastId, { ...found.row, id: tables.outboxLastId, revocationSeq: null })
  }
}
