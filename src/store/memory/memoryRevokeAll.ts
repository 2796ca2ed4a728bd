/** Populations that are being revoked, in the memory tables: the twin of `maria/RevokeAllRow.ts`. */
import { keptForMs, type RevokeAll, type RevokeAllLoaded } from "../RevokeAll.ts"
import { type MemoryTables, pair } from "./MemoryDatabase.ts"

export const loadRevokeAlls = (
  tables: MemoryTables,
  tenantId: string,
  operationIds: ReadonlyArray<string> | undefined
): RevokeAllLoaded | undefined => {
  if (operationIds === undefined) return undefined
  const found = operationIds.flatMap((operationId) => tables.revokeAlls.get(pair(tenantId, operationId)) ?? [])
  const open = Array.from(tables.revokeAlls.values()).filter(
    (one) => one.tenantId === tenantId && one.finishedAt === null
  )
  return { found: new Map(found.map((one) => [one.operationId, one])), open: open.length }
}

export const openRevokeAlls = (tables: MemoryTables, limit: number): ReadonlyArray<RevokeAll> =>
  Array.from(tables.revokeAlls.values())
    .filter(({ finishedAt }) => finishedAt === null)
    .toSorted((a, b) => a.startedAt - b.startedAt)
    .slice(0, limit)

export const dropRevokeAlls = (tables: MemoryTables, tenantId: string): void => {
  for (const [key, one] of tables.revokeAlls) if (one.tenantId === tenantId) tables.revokeAlls.delete(key)
}

export const applyRevokeAlls = (
  tables: MemoryTables,
  tenantId: string,
  written: ReadonlyArray<RevokeAll> = [],
  now: number
): void => {
  for (const one of written) tables.revokeAlls.set(pair(tenantId, one.operationId), one)
  if (written.length === 0) return
  for (const [key, { finishedAt, tenantId: of }] of tables.revokeAlls) {
    if (of === tenantId && finishedAt !== null && finishedAt < now - keptForMs) tables.revokeAlls.delete(key)
  }
}
