/** `Audit` over the store's rows and checkpoints. */
import { Effect, Layer } from "effect"
import * as errors from "../../domain/errors.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Audit } from "./Audit.ts"
import { AuditAlarm } from "./AuditAlarm.ts"
import * as Verification from "./Verification.ts"

const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const existing = yield* ExistingTenant.make
  const verification = yield* Verification.make
  const alarm = yield* AuditAlarm

  return Audit.of({
    // What a tenant wrote that had this name before is another tenant's.
    list: (tenantId, request) =>
      Effect.andThen(
        existing(tenantId),
        Effect.flatMap(store.beginning(tenantId), (first) =>
          store.list(tenantId, { ...request, after: String(Math.max(Number(request.after ?? 0), first - 1)) })
        ).pipe(Effect.mapError(ExistingTenant.readFailed))
      ),
    verify: (tenantId, range) =>
      Effect.andThen(existing(tenantId), verification.verify(tenantId, range)).pipe(
        Effect.tap(({ firstBroken }) => {
          if (firstBroken !== null) return alarm.broken(tenantId, firstBroken)
          return range.from === null && range.to === null ? alarm.holds(tenantId) : Effect.void
        }),
        Effect.catchTags({
          StoreUnavailable: (error) => Effect.fail(ExistingTenant.readFailed(error)),
          PublishedUnavailable: () => Effect.fail(new errors.Unavailable({ part: "events", committed: false }))
        })
      )
  })
})

export const layer = Layer.effect(Audit, make)
