/** Keys in the memory tables: what needs them, and how they change. The twin of `load/keys.ts` and `apply/keys.ts`. */
import { hexOf } from "../../domain/Bytes.ts"
import {
  type AgedKey,
  type KeyChanges,
  type KeyLoad,
  type KeysLoaded,
  keyNeededConstraint,
  neededRowsMax
} from "../KeyRotationStore.ts"
import type { KeyState, StoredKey } from "../KeyStore.ts"
import type { Changes } from "../TenantStore.ts"
import type { MemoryTables } from "./MemoryDatabase.ts"

/** The key that a sealed record names: bytes 1 to 16. */
const keyOfRecord = (record: Uint8Array): string => hexOf(record.subarray(1, 17))

/** Whether an idempotent answer is sealed with the key. */
export const isSealedWith = (record: Uint8Array, keyId: string): boolean =>
  keyOfRecord(record) === keyId.replaceAll("-", "")

/** How many rows need a key. */
export const rowsOf = (tables: MemoryTables, keyId: string): number => {
  let rows = tables.credentials.allVersions().filter((version) => version.keyId === keyId).length
  for (const token of tables.tokens.values()) if (token.hashKeyId === keyId) rows += 1
  for (const { sealedAnswer } of tables.idempotency.values()) if (isSealedWith(sealedAnswer, keyId)) rows += 1
  return rows
}

export const setState = (tables: MemoryTables, keyId: string, from: KeyState, to: KeyState): boolean => {
  const key = tables.dataKeys.get(keyId)
  if (key?.state !== from) return false
  tables.dataKeys.set(keyId, { ...key, state: to })
  return true
}

/** False, and nothing changed: it is not active. */
export const replaceKey = (tables: MemoryTables, keyId: string, successor: StoredKey, now: number): boolean => {
  if (!setState(tables, keyId, "active", "retiring")) return false
  tables.dataKeys.set(successor.keyId, { ...successor, state: "active", createdAt: now })
  return true
}

export const retireKey = (tables: MemoryTables, keyId: string, now: number): void => {
  if (setState(tables, keyId, "retiring", "retired")) tables.keyLife.retiredAt.set(keyId, now)
}

/** Its tenant was removed: it is not written with any more, and ends with the tenant's retention. */
export const endKeys = (tables: MemoryTables, tenantId: string, retentionMs: number | null, now: number): void => {
  for (const key of tables.dataKeys.values()) {
    if (key.tenantId !== tenantId || key.wrapped.byteLength === 0 || tables.keyLife.ended.has(key.keyId)) continue
    tables.keyLife.ended.set(key.keyId, { endedAt: now, retentionMs })
    setState(tables, key.keyId, "active", "retiring")
  }
}

const destroyKey = (tables: MemoryTables, keyId: string, now: number): void => {
  const key = tables.dataKeys.get(keyId)
  if (key === undefined) return
  tables.dataKeys.set(keyId, { ...key, state: "retired", wrapped: new Uint8Array(0) })
  tables.keyLife.retiredAt.set(keyId, tables.keyLife.retiredAt.get(keyId) ?? now)
  tables.keyLife.ended.delete(keyId)
}
const mayDestroy = (tables: MemoryTables, keyId: string): boolean =>
  tables.keyLife.ended.has(keyId) && tables.dataKeys.get(keyId)?.state !== "active"

/** A run of moving rows begins. */
export const beginMark = (tables: MemoryTables, now: number): void => {
  tables.keyLife.mark = { startedAt: now, total: null, moved: 0, movingSince: null, isOver: false }
}

// ---- in a tenant's transaction -----------------------------------------------------

const aged = (key: StoredKey, now: number): AgedKey => ({ ...key, ageMs: now - key.createdAt })
const isActiveTenantKey = (key: StoredKey): boolean => key.purpose === "tenant-data" && key.state === "active"

export const loadKeys = (tables: MemoryTables, load: KeyLoad | undefined, now: number): KeysLoaded | undefined => {
  if (load === undefined) return undefined
  const all = Array.from(tables.dataKeys.values())
  const ids = new Set(load.ids)
  const named = all.filter(({ keyId }) => ids.has(keyId))
  const service = all.filter(({ tenantId, wrapped }) => tenantId === null && wrapped.byteLength > 0)
  return {
    keys: new Map([...service, ...named].map((key) => [key.keyId, aged(key, now)])),
    rows: new Map(named.map(({ keyId }) => [keyId, Math.min(neededRowsMax, rowsOf(tables, keyId))])),
    tenantKeys: load.tenantKeys ? all.filter(isActiveTenantKey).length : 0
  }
}

/** A key that is to be retired, and that a row of the same transaction needs. */
export const brokenKey = (tables: MemoryTables, changes: Changes): string | null => {
  const isNeeded = (keyId: string): boolean =>
    rowsOf(tables, keyId) > 0 ||
    [...changes.tokensInserted, ...changes.tokensUpdated].some((token) => token.hashKeyId === keyId) ||
    (changes.credentials?.versions ?? []).some((version) => version.keyId === keyId) ||
    changes.idempotent.some(({ sealedAnswer }) => isSealedWith(sealedAnswer, keyId))
  const destroyed = changes.keys?.destroyed ?? []
  const isBroken =
    [...(changes.keys?.retired ?? []), ...destroyed].some(isNeeded) ||
    destroyed.some((keyId) => !mayDestroy(tables, keyId))
  return isBroken ? keyNeededConstraint : null
}

export const applyKeys = (tables: MemoryTables, changes: KeyChanges | undefined, now: number): void => {
  if (changes === undefined) return
  for (const { keyId, successor } of changes.replaced) replaceKey(tables, keyId, successor, now)
  if (changes.tenantKeysDemoted) {
    for (const key of tables.dataKeys.values())
      if (isActiveTenantKey(key)) setState(tables, key.keyId, "active", "retiring")
  }
  if (changes.replaced.length > 0) beginMark(tables, now)
  for (const keyId of changes.retired) retireKey(tables, keyId, now)
  for (const keyId of changes.destroyed ?? []) destroyKey(tables, keyId, now)
}
