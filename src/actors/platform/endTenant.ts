/**
 * 21/TLE `unregistered`, carried out once for each event, however often that is delivered.
 *
 * Its end is done when it is committed, though a replica has not said yet that it is in force: the inbox
 * does not deliver the event again then, and a tenant whose end is not done can never begin anew.
 */
import { Effect } from "effect"
import type { ChangeError } from "../tenant/Tenants.ts"

interface End {
  /** False: it was carried out before. */
  readonly markEnded: Effect.Effect<boolean, ChangeError>
  readonly markDone: Effect.Effect<void, ChangeError>
  readonly remove: Effect.Effect<unknown, ChangeError>
}

export const endTenant = ({ markDone, markEnded, remove }: End): Effect.Effect<void, ChangeError> =>
  Effect.gen(function* () {
    if (!(yield* markEnded)) return
    yield* remove.pipe(
      Effect.catchTags({
        TenantNotFound: () => Effect.void,
        NotYetInForce: (error) => Effect.andThen(markDone, Effect.fail(error))
      })
    )
    yield* markDone
  })
