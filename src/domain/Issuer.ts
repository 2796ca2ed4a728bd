/**
 * Who signs a tenant's bearer tokens, and which addresses of issuers are asked at all. Contract, sections 8.2 and 8.3.
 *
 * An address is asked only over TLS, unless it is this machine's own or the operator allowed it: whoever
 * can change the keys on the way can sign for the tenant.
 */
import { httpAddressProblem, isLoopbackAddress } from "./HttpAddress.ts"

/** What a tenant's bearer tokens must say, and where the keys are. */
export interface Issuer {
  /** The text that `iss` equals. */
  readonly issuer: string
  readonly audience: string
  /** Null: found by discovery. */
  readonly jwksUri: string | null
}

/** Visible ASCII, so that nobody takes one text for another and a column can hold its bytes. */
export const issuerPattern = /^[\x21-\x7e]{1,512}$/u
export const audiencePattern = /^[\x21-\x7e]{1,256}$/u

/** The name of the platform's own issuer among principals: a tenant of this name can have no issuer. */
export const platformName = "kaa"

/** Why an issuer's address, or its keys', is not asked; null for one that may be. */
export const issuerAddressProblem = (address: string, insecure: boolean): string | null =>
  httpAddressProblem(address, insecure) ?? (new URL(address).hash === "" ? null : "holds a fragment")

export const sameIssuer = (a: Issuer | null, b: Issuer | null): boolean =>
  a === b || (a !== null && b !== null && a.issuer === b.issuer && a.audience === b.audience && a.jwksUri === b.jwksUri)

/** Whether an issuer may say that its keys are there: one elsewhere must not make us knock at this machine's own doors. */
export const mayNameKeysAt = (issuer: string, jwksUri: string): boolean =>
  !isLoopbackAddress(jwksUri) || isLoopbackAddress(issuer)
