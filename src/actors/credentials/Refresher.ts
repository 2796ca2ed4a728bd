/**
 * The port to whatever fetches a new secret from a provider. `rotation` implements it.
 *
 * `layerNone` is for a service without one: a rotation must bring its secret along, and nobody waits.
 */
import { Context, Effect, Layer } from "effect"
import { RefreshNotConfigured } from "../../domain/errors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import type { ChangedCredential } from "./Credentials.ts"

/** `not_possible`: its provider takes no revocation, or nothing is there to revoke. */
export const revokedAtProvider = ["revoked", "failed", "not_possible"] as const
export type RevokedAtProvider = (typeof revokedAtProvider)[number]

export class Refresher extends Context.Service<
  Refresher,
  {
    /**
     * Runs the provider's refresh now; answers when the new secret is durable. Who asks while one is under
     * way, here or at another replica, gets what comes of that one.
     */
    readonly refresh: (
      tenantId: string,
      credentialId: string,
      caller: Caller,
      /** Of a rotator: how long the old secret is promised; null: as is usual. */
      overlapMs?: number | null,
      /** Another one than the credential's: `VersionConflict`, and nothing is asked of the provider. */
      expectedVersion?: number | null
    ) => Effect.Effect<ChangedCredential, ChangeError>
    /** Starts a refresh when none is under way, and returns when it has ended, whatever came of it. Bounded. */
    readonly settled: (tenantId: string, credentialId: string, caller: Caller) => Effect.Effect<void>
    /** Asks the provider to revoke what was revoked here; what fails is tried again by itself. Bounded. */
    readonly revoke: (tenantId: string, credentialId: string, caller: Caller) => Effect.Effect<RevokedAtProvider>
    /** One that is due: refreshed, when its turn has come. Never fails; what failed is tried again. */
    readonly due: (tenantId: string, credentialId: string) => Effect.Effect<void>
    /** How many that are due have not begun, because others are at work. */
    readonly waitingUnsafe: () => number
  }
>()("cm/actors/Refresher") {
  static readonly layerNone = Layer.succeed(Refresher, {
    refresh: (_, credentialId) => Effect.fail(new RefreshNotConfigured({ credentialId })),
    settled: () => Effect.void,
    revoke: () => Effect.succeed("not_possible" as const),
    due: () => Effect.void,
    waitingUnsafe: () => 0
  })
}
