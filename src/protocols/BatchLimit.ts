/** How many items one request of a tenant may have: what the schema allows, or less where the tenant's own limit says so. */
import { Effect } from "effect"
import { Limits } from "../actors/tenant/Limits.ts"
import { InvalidRequest } from "../domain/errors.ts"

export const withinBatch = Effect.fnUntraced(function* (
  tenantId: string,
  path: string,
  items: { readonly length: number }
) {
  const limits = yield* Limits
  const { batchItems } = limits.get(tenantId)
  if (items.length > batchItems) {
    return yield* new InvalidRequest({ path, reason: `must have at most ${batchItems} items` })
  }
})
