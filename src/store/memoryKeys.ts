/** Keys in the memory tables: what needs them, and how they change. */
import type { KeyState, StoredKey } from "./KeyStore.ts"
import { hexOf, type MemoryTables } from "./MemoryDatabase.ts"

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

/** A run of moving rows begins. */
export const beginMark = (tables: MemoryTables, now: number): void => {
  tables.keyLife.mark = { startedAt: now, total: null, moved: 0, movingSince: null, isOver: false }
}
