/** `AuditStore` in memory, with the promises of the contract. */
import { Effect, Layer } from "effect"
import { type AuditRow, genesisHash } from "../AuditChain.ts"
import { type AuditQuery, AuditStore } from "../AuditStore.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

const matches = (row: AuditRow, query: AuditQuery): boolean => {
  const { action, after, entityId, from, to } = query
  const value = (bound: { readonly seq: number } | { readonly at: number }): readonly [number, number] =>
    "seq" in bound ? [row.seq, bound.seq] : [row.at, bound.at]
  const isFrom = from === null || value(from)[0] >= value(from)[1]
  const isTo = to === null || value(to)[0] <= value(to)[1]
  const isOf = (entityId === null || row.entityId === entityId) && (action === undefined || row.action === action)
  return isFrom && isTo && isOf && (after === null || row.seq > Number(after))
}

const make = Effect.map(MemoryDatabase, (tables) =>
  AuditStore.of({
    list: (tenantId, query) =>
      Effect.sync(() => {
        const found = (tables.audit.get(tenantId) ?? []).filter((row) => matches(row, query))
        const content = found.slice(0, query.limit)
        const last = content.at(-1)
        return { content, next: found.length > query.limit && last !== undefined ? String(last.seq) : null }
      }),
    beginning: (tenantId) =>
      Effect.sync(() => {
        const createdAt = tables.tenants.get(tenantId)?.createdAt
        const isCreation = ({ action, at }: AuditRow) => action === "tenant.created" && at === createdAt
        return (tables.audit.get(tenantId) ?? []).findLast(isCreation)?.seq ?? 1
      }),
    head: (tenantId) =>
      Effect.sync(() => {
        const counters = tables.counters.get(tenantId)
        return { seq: counters?.auditSeq ?? 0, hash: counters?.auditHash ?? genesisHash(tenantId) }
      }),
    checkpoints: (tenantId, fromSeq, limit) =>
      Effect.sync(() =>
        tables.checkpoints
          .filter((checkpoint) => checkpoint.tenantId === tenantId && checkpoint.seq >= fromSeq)
          .toSorted((a, b) => a.seq - b.seq)
          .slice(0, limit)
      ),
    newestCheckpoint: (tenantId) =>
      Effect.sync(
        () => tables.checkpoints.filter((one) => one.tenantId === tenantId).toSorted((a, b) => b.seq - a.seq)[0] ?? null
      ),
    heads: (after, limit) =>
      Effect.sync(() =>
        Array.from(tables.counters)
          .filter(([tenantId]) => tables.tenants.has(tenantId) && tenantId > after)
          .map(([tenantId, { auditHash, auditSeq }]) => {
            const signed = tables.checkpoints.filter((one) => one.tenantId === tenantId).map(({ seq }) => seq)
            const hash = auditHash ?? genesisHash(tenantId)
            return { tenantId, seq: auditSeq, hash, signedSeq: Math.max(0, ...signed) }
          })
          .toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1))
          .slice(0, limit)
      )
  })
)

export const layer: Layer.Layer<AuditStore, never, MemoryDatabase> = Layer.effect(AuditStore, make)
