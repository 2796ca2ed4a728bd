/**
 * The port to whatever fetches a new secret from a provider. `rotation` implements it.
 *
 * `layerNone` is for a service without one: a rotation must bring its secret along, and nobody waits.
 */
import { Context, Effect, Layer } from "effect"
import { InvalidRequest } from "../../domain/errors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import type { ChangedCredential } from "./Credentials.ts"

export class Refresher extends Context.Service<
  Refresher,
  {
    /** Runs the provider's refresh now; answers when the new secret is durable. */
    readonly refresh: (
      tenantId: string,
      credentialId: string,
      caller: Caller
    ) => Effect.Effect<ChangedCredential, ChangeError>
    /** Returns when no refresh of the credential is under way here any more, or at once. Bounded. */
    readonly settled: (tenantId: string, credentialId: string) => Effect.Effect<void>
  }
>()("cm/actors/Refresher") {
  static readonly layerNone = Layer.succeed(Refresher, {
    refresh: () =>
      Effect.fail(
        new InvalidRequest({ path: "credentials", reason: "is required: no refresh is set up for this credential" })
      ),
    settled: () => Effect.void
  })
}
