/**
 * Who asks, and whether the operation is theirs: the third look at a request, after its payload.
 *
 * `layerBus` takes the bus's word (`BusAccess`). Who sends an `Authorization` header is refused, since
 * nothing here could verify it.
 * A layer that reads bearer tokens takes its place without a change elsewhere.
 */

import { Context, Effect, Layer } from "effect"
import type { Place } from "../access/Decision.ts"
import type { Family } from "../access/Scopes.ts"
import { Unauthenticated } from "../domain/errors.ts"
import type { Principal } from "../domain/Principal.ts"
import { type BusRequest, decideBus } from "./BusAccess.ts"
import { BusConfig } from "./BusConfig.ts"
import type { ManagementError } from "./Status.ts"

export interface AccessRequest<out R = never> extends BusRequest {
  readonly family: Family
  readonly tenantId: string | null
  /** The `Authorization` header; null when there is none. */
  readonly authorization: string | null
  /** What each item of the request touches, for who may not touch everything; null for what is not there. */
  readonly places: Effect.Effect<ReadonlyArray<Place | null>, ManagementError, R>
}

export interface Granted extends Principal {
  /** Of a list, the names that may be seen; null or missing for all. */
  readonly among?: ReadonlyArray<string> | null
}

export class Access extends Context.Service<
  Access,
  {
    /** The principal, which goes into `createdBy`, the audit and the idempotency key's scope. */
    readonly authorize: <R>(request: AccessRequest<R>) => Effect.Effect<Granted, ManagementError, R>
  }
>()("cm/protocols/Access") {
  /** Needs `BusConfig`. */
  static readonly layerBus = Layer.effect(
    Access,
    Effect.map(BusConfig, ({ gatewayAccount }) => ({
      authorize: <R>(request: AccessRequest<R>) =>
        request.authorization === null
          ? Effect.fromResult(decideBus(request, gatewayAccount))
          : Effect.fail(new Unauthenticated({ reason: "no_issuer" }))
    }))
  )
}
