/** Background work over many tenants: one whose turn fails, by a bug included, is said and keeps no other waiting. */
import { Effect } from "effect"
import type { Seldom } from "../../observability/Seldom.ts"

/** A bug is said, and `otherwise` is the answer. */
export const unlessItDies =
  <A>(what: string, otherwise: A, lines?: Seldom) =>
  <E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.catchDefect(work, (defect) => {
      const line = Effect.logError(`a sweep of ${what} died`, defect)
      return Effect.as(lines === undefined ? line : lines.tell(line), otherwise)
    })

/**
 * Answers whether it was done.
 *
 * @param what whose turn it is, for the log: "a tenant's credentials"
 */
export const goingOn = <E extends { readonly _tag: string }>(
  what: string,
  tenantId: string,
  work: Effect.Effect<void, E>
): Effect.Effect<boolean> =>
  work.pipe(
    Effect.as(true),
    Effect.catch((error) =>
      error._tag === "TenantNotFound"
        ? Effect.succeed(false)
        : Effect.as(Effect.logWarning(`${what} wait for the next turn`, { error: error._tag }), false)
    ),
    unlessItDies(what, false),
    Effect.annotateLogs({ tenantId })
  )
