/** `Audit` over the store's rows and checkpoints. */
import { Effect, Layer } from "effect"
import { AuditStore } from "../../store/AuditStore.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Audit } from "./Audit.ts"
import * as Verification from "./Verification.ts"

const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const existing = yield* ExistingTenant.make
  const verification = yield* Verification.make

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
        Effect.catchTag("StoreUnavailable", (error) => Effect.fail(ExistingTenant.readFailed(error)))
      )
  })
})

export const layer = Layer.effect(Audit, make)
