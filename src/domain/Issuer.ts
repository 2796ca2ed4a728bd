/**
 * Who signs a tenant's bearer tokens, and which addresses of issuers are asked at all. Contract, sections 8.2 and 8.3.
 *
 * An address is asked only over TLS, unless it is this machine's own or the operator allowed it: whoever
 * can change the keys on the way can sign for the tenant.
 */

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

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u

/** Why an address is not asked, or null. `insecure`: the operator allows HTTP to other machines. */
export const whyNotAsked = (address: string, insecure: boolean): string | null => {
  const url = URL.parse(address)
  if (url === null) return "must be a URL"
  if (url.username !== "" || url.password !== "") return "must hold no user and no password"
  if (url.hash !== "") return "must hold no fragment"
  if (url.protocol === "https:") return null
  if (url.protocol !== "http:") return "must be an https URL"
  return insecure || loopback.test(url.hostname) ? null : "must be an https URL: CM_HTTP_INSECURE allows others"
}

export const sameIssuer = (a: Issuer | null, b: Issuer | null): boolean =>
  a === b || (a !== null && b !== null && a.issuer === b.issuer && a.audience === b.audience && a.jwksUri === b.jwksUri)
