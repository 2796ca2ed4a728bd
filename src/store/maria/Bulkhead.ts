/**
 * How many connections one tenant may use at a time: a part of them, so that however slow its rows or
 * long its lists are, others find some free. What is nobody's takes no part.
 */
import { Effect, Semaphore } from "effect"

const part = 1 / 3

export interface Bulkhead {
  /** Waits, in order, for the tenant's own share; null for what is no tenant's. */
  readonly within: (tenantId: string | null) => <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

export const make = (connections: number): Bulkhead => {
  const max = Math.max(1, Math.ceil(connections * part))
  const shares = new Map<string, { readonly permits: Semaphore.Semaphore; users: number }>()
  return {
    within: (tenantId) => (effect) =>
      tenantId === null
        ? effect
        : Effect.suspend(() => {
            const share = shares.get(tenantId) ?? { permits: Semaphore.makeUnsafe(max), users: 0 }
            shares.set(tenantId, share)
            share.users++
            return Effect.ensuring(
              share.permits.withPermit(effect),
              Effect.sync(() => {
                share.users--
                if (share.users === 0) shares.delete(tenantId)
              })
            )
          })
  }
}
