/** What was refused or could not be read: counted, logged, and kept for `config.show`, bounded. */
import { Clock, Effect, Metric } from "effect"
import type { PlatformRefusal, SystemReport } from "../tenant/Platform.ts"

const refusedTekton = Metric.counter("cm_tekton_refused_total", {
  description: "What Tekton said and was refused, by reason",
  incremental: true
})
const refusedManager = Metric.counter("cm_tenant_manager_refused_total", {
  description: "What the Tenant Manager said and was refused or is only told, by reason",
  incremental: true
})
const reads = Metric.counter("cm_platform_reads_total", {
  description: "Readings of Tekton and the Tenant Manager, by system and outcome",
  incremental: true
})
const refusalsMax = 1_000

export type System = "tekton" | "tenant-manager"

export const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const refusals = new Map<string, PlatformRefusal>()
  const systems = new Map<System, { readAt: number | null; problem: string | null }>()

  const refuse = Effect.fnUntraced(function* (
    system: System,
    reason: string,
    of: { readonly tenantId?: string; readonly appName?: string; readonly problem?: string }
  ) {
    const { appName = null, tenantId = null } = of
    const key = JSON.stringify([system, tenantId, appName, reason])
    const isNews = !refusals.has(key)
    refusals.delete(key)
    if (refusals.size >= refusalsMax) refusals.delete(refusals.keys().next().value!)
    refusals.set(key, { system, tenantId, appName, reason, at: clock.currentTimeMillisUnsafe() })
    const counter = system === "tekton" ? refusedTekton : refusedManager
    yield* Metric.update(Metric.withAttributes(counter, { reason }), 1)
    const told = isNews ? Effect.logWarning : Effect.logDebug
    yield* told("something of the platform was refused").pipe(
      Effect.annotateLogs({ system, reason, ...(tenantId === null ? {} : { tenantId }), ...of })
    )
  })
  return {
    refuse,
    /** Everything was read: what was refused before and is not refused any more is forgotten. */
    forget: (system: System, before: number) =>
      Effect.sync(() => {
        for (const [key, { at, system: of }] of refusals) if (of === system && at < before) refusals.delete(key)
      }),
    outcome: Effect.fnUntraced(function* (system: System, problem: string | null) {
      const readAt = problem === null ? clock.currentTimeMillisUnsafe() : (systems.get(system)?.readAt ?? null)
      systems.set(system, { readAt, problem })
      yield* Metric.update(Metric.withAttributes(reads, { system, outcome: problem === null ? "done" : "failed" }), 1)
      if (problem !== null) {
        yield* Effect.logWarning("a system of the platform could not be read").pipe(
          Effect.annotateLogs({ system, problem })
        )
      }
    }),
    reportOf: (system: System, url: string): SystemReport => ({
      url,
      ...(systems.get(system) ?? { readAt: null, problem: null })
    }),
    refusals: () => Array.from(refusals.values())
  }
})
export type Told = Effect.Success<typeof make>
