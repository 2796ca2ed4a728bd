/**
 * Who asks, and by whose word that is known.
 *
 * The name goes into `createdBy`, the audit's `actor` and the scope of an idempotency key. How it is known
 * stands beside it in the audit, so that two that happen to have the same name are told apart.
 *
 * Source: contract, section 8.1.
 */

/** Who vouches: an issuer, the bus across a service import, bus permissions on a subject, the bus at all, this service. */
export type VouchedBy = "bearer" | "import" | "subject" | "bus" | "service"

export interface KnownBy {
  readonly by: VouchedBy
  /** Account and user of the bus, where the server said them. */
  readonly account: string | null
  readonly user: string | null
  /** The OAuth client of a bearer token: `azp`, else `client_id`. */
  readonly client: string | null
}

export interface Principal {
  /** `ADMIN/alice`, `bearer:acme/8f3…`, `mail`, `bus`, `sweep`. */
  readonly principal: string
  readonly known: KnownBy
}

const nobody = { account: null, user: null, client: null }

/** A caller of whom nothing is known but that the bus let it publish. */
export const busPrincipal: Principal = { principal: "bus", known: { by: "bus", ...nobody } }

/** Work that nobody asked for by request, or that an event of another service asked for. */
export const servicePrincipal = (name: string): Principal => ({ principal: name, known: { by: "service", ...nobody } })
