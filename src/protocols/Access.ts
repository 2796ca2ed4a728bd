/**
 * Who asks, and whether the operation is theirs: the third look at a request, after its payload.
 *
 * `layerBus` takes the bus's word (`BusAccess`). Who sends an `Authorization` header is refused, since
 * nothing here could verify it.
 * A layer that reads bearer tokens takes its place without a change elsewhere.
 */

import { Context, Effect, Layer } from "effect"
import { type Forbidden, Unauthenticated, type Unavailable } from "../domain/errors.ts"
import type { Principal } from "../domain/Principal.ts"
import { type BusRequest, decideBus } from "./BusAccess.ts"
import { BusConfig } from "./BusConfig.ts"

export interface AccessRequest extends BusRequest {
  readonly family: "tenant" | "admin"
  readonly tenantId: string | null
  /** The `Authorization` header; null when there is none. */
  readonly authorization: string | null
}

export class Access extends Context.Service<
  Access,
  {
    /** The principal, which goes into `createdBy`, the audit and the idempotency key's scope. */
    readonly authorize: (request: AccessRequest) => Effect.Effect<Principal, Unauthenticated | Forbidden | Unavailable>
  }
>()("cm/protocols/Access") {
  /** Needs `BusConfig`. */
  static readonly layerBus = Layer.effect(
    Access,
    Effect.map(BusConfig, ({ gatewayAccount }) => ({
      authorize: (request: AccessRequest) =>
        request.authorization === null
          ? Effect.fromResult(decideBus(request, gatewayAccount))
          : Effect.fail(new Unauthenticated({ reason: "no_issuer" }))
    }))
  )
}
