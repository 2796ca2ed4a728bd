/**
 * Says which tenants' audits are not what was signed: a gauge by tenant for the alert, a line in the log
 * whenever that changes.
 *
 * Bounded: `tenantsShownMax` tenants have a series of their own, which stays; what comes later is `(others)`.
 */
import { Context, Effect, Layer, Metric } from "effect"
import type { Broken } from "../../store/AuditWalk.ts"

export const tenantsShownMax = 200
const others = "(others)"

const gauge = Metric.gauge("cm_audit_broken", {
  description: "1 while a tenant's audit is not what was signed before, and is signed no more; by tenant"
})

export class AuditAlarm extends Context.Service<
  AuditAlarm,
  {
    readonly broken: (tenantId: string, broken: Broken) => Effect.Effect<void>
    readonly holds: (tenantId: string) => Effect.Effect<void>
    readonly brokenUnsafe: () => ReadonlyArray<string>
  }
>()("cm/actors/AuditAlarm") {
  static readonly layer = Layer.sync(this, () => {
    const broken = new Set<string>()
    const shown = new Set<string>()
    const show = (tenantId: string) => {
      if (broken.has(tenantId) && shown.size < tenantsShownMax) shown.add(tenantId)
      if (shown.has(tenantId)) {
        return Metric.update(Metric.withAttributes(gauge, { tenant: tenantId }), broken.has(tenantId) ? 1 : 0)
      }
      const hidden = [...broken].some((other) => !shown.has(other))
      return Metric.update(Metric.withAttributes(gauge, { tenant: others }), hidden ? 1 : 0)
    }
    return {
      broken: (tenantId, { reason, seq }) =>
        Effect.suspend(() => {
          const isNew = !broken.has(tenantId)
          broken.add(tenantId)
          const told = Effect.logError("an audit is not what was signed before: nothing of it is signed any more", {
            tenantId,
            seq,
            reason
          })
          return Effect.andThen(show(tenantId), isNew ? told : Effect.void)
        }),
      holds: (tenantId) =>
        Effect.suspend(() => {
          if (!broken.delete(tenantId)) return Effect.void
          return Effect.andThen(show(tenantId), Effect.logWarning("an audit is what was signed again", { tenantId }))
        }),
      brokenUnsafe: () => [...broken]
    }
  })
}
