/** `AuditCuts` in memory, with the promises of the contract. */
import { Clock, Effect, Layer } from "effect"
import { AuditCuts } from "../AuditCuts.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

const make = Effect.map(MemoryDatabase, (tables) =>
  AuditCuts.of({
    stub: (tenantId) => Effect.sync(() => tables.stubs.get(tenantId) ?? null),
    save: (stub) =>
      Effect.sync(() => {
        if ((tables.stubs.get(stub.tenantId)?.last ?? 0) < stub.last) tables.stubs.set(stub.tenantId, stub)
      }),
    erase: (tenantId, last, limit) =>
      Effect.sync(() => {
        const rows = tables.audit.get(tenantId) ?? []
        const count = Math.min(limit, rows.filter(({ seq }) => seq <= last).length)
        tables.audit.set(tenantId, rows.slice(count))
        return count
      }),
    unfinished: (after, limit) =>
      Effect.sync(() =>
        Array.from(tables.stubs.values())
          .filter(
            ({ last, tenantId }) =>
              tenantId > after && (tables.audit.get(tenantId) ?? []).some(({ seq }) => seq <= last)
          )
          .map(({ tenantId }) => tenantId)
          .toSorted()
          .slice(0, limit)
      ),
    abandoned: (ageMs, after, limit) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        Array.from(tables.counters)
          .filter(([tenantId, { auditSeq }]) => {
            const last = (tables.audit.get(tenantId) ?? []).find(({ seq }) => seq === auditSeq)
            return tenantId > after && !tables.tenants.has(tenantId) && last !== undefined && last.at <= now - ageMs
          })
          .map(([tenantId]) => tenantId)
          .toSorted()
          .slice(0, limit)
      )
  })
)

export const layer: Layer.Layer<AuditCuts, never, MemoryDatabase> = Layer.effect(AuditCuts, make)
