/**
 * What takes a right away, and what makes one appear, as messages between replicas.
 *
 * A `Revocation` is made by every change that takes a right away or brings its end nearer. Its
 * `seq` is the tenant's revocation sequence, raised in the transaction of the change; all targets
 * of one transaction share it. Applying it is idempotent and may happen in any order: a replica
 * remembers the highest sequence for each target.
 *
 * An `Appearance` only makes a replica forget a negative answer sooner; losing one costs a second.
 *
 * Nothing here holds a token's value: `cacheKey` is the lower-case hex of its keyed hash.
 */
import type { TenantLimitName } from "./PlatformSettings.ts"

export type RevocationTarget =
  | {
      readonly kind: "token"
      readonly tokenId: string
      readonly appName: string
      readonly cacheKey: string
      readonly version: number
      /**
       * Null: the token is not usable any more. Otherwise it stays usable until this moment
       * (rotation with overlap), and whatever is cached with a later end must go.
       */
      readonly usableUntil: number | null
    }
  | { readonly kind: "application"; readonly appName: string }
  | { readonly kind: "tenant" }
  | { readonly kind: "credential"; readonly credentialId: string; readonly version: number }
  | { readonly kind: "service"; readonly serviceName: string }
  /** What is configured for the tenant is something else: whom it believes, what it may. */
  | {
      readonly kind: "settings"
      /** Its own limits from now on, so that they hold where this was applied; missing: to be read from its row. */
      readonly limits?: Readonly<Partial<Record<TenantLimitName, number>>> | undefined
    }
  | { readonly kind: "client"; readonly credentialId: string; readonly version: number }

export interface Revocation {
  readonly tenantId: string
  readonly seq: number
  readonly targets: ReadonlyArray<RevocationTarget>
}

export interface Appearance {
  readonly tenantId: string
  readonly targets: ReadonlyArray<
    | { readonly kind: "token"; readonly cacheKey: string }
    | { readonly kind: "application"; readonly appName: string }
    | { readonly kind: "tenant" }
  >
}
