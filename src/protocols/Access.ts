/**
 * Who asks, and whether the operation is theirs: the third look at a request, after its payload.
 *
 * `layerBus` trusts the bus: whoever may publish the subject may ask, as the principal `bus`. Who sends
 * an `Authorization` header is refused, since nothing here could verify it.
 * A layer that reads bearer tokens takes its place without a change elsewhere.
 */

import { Context, Effect, Layer } from "effect"
import { type Forbidden, Unauthenticated, type Unavailable } from "../domain/errors.ts"
import { busPrincipal, type Principal } from "../domain/Principal.ts"

export interface AccessRequest {
  readonly family: "tenant" | "admin"
  readonly operation: string
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
  static readonly layerBus = Layer.succeed(Access, {
    authorize: ({ authorization }) =>
      authorization === null ? Effect.succeed(busPrincipal) : Effect.fail(new Unauthenticated({ reason: "no_issuer" }))
  })
}
