/**
 * A removed tenant's opened data keys leave the memory of this replica where its removal is applied, so on
 * every replica before the removal is answered.
 */
import { Effect, FiberSet, Layer } from "effect"
import { TenantKeys } from "../../crypto/TenantKeys.ts"
import { HotState } from "../validation/HotState.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const beliefs = yield* HotState
    const { forget } = yield* TenantKeys
    const run = yield* FiberSet.makeRuntime<never>()
    beliefs.listen({
      applicationGone: () => {},
      applicationAppeared: () => {},
      tenantGone: (tenantId) => void run(forget(tenantId))
    })
  })
)
