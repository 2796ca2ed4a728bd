/**
 * What makes this replica ready: MariaDB answers, the lease holds, and its keys were read lately.
 *
 * A replica that is not ready still serves what it can: without MariaDB hot validations go on, without
 * a lease every validation is read from MariaDB, and with old keys what is not found is 503. `ready`
 * says which of them is missing and why.
 */
import { Effect, Layer } from "effect"
import { Coherence } from "../../coherence/Coherence.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { Readiness } from "../../observability/Health.ts"
import { TenantStore } from "../../store/TenantStore.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const store = yield* TenantStore
    const coherence = yield* Coherence
    const keyring = yield* Keyring
    yield* readiness.register(
      "database",
      store.findTenants([globalTenantId]).pipe(
        Effect.as(null),
        Effect.catchTag("StoreUnavailable", () => Effect.succeed("MariaDB does not answer"))
      )
    )
    yield* readiness.register("lease", coherence.lapse)
    yield* readiness.register(
      "keys",
      Effect.sync(() => (keyring.isCurrent() ? null : "its keys were read too long ago"))
    )
  })
)
