/**
 * What may be configured for an application and for a tenant, wherever it comes from.
 *
 * Source: contract, sections 8.4 and 8.5.
 */

/** How an application's tokens are made. Null: the service's own default. */
export interface TokenSettings {
  readonly length: number | null
  /** Different characters that a token may have. */
  readonly alphabet: string | null
  /** Of tokens that are provisioned without an end. Null: they have none. */
  readonly defaultLifetimeMs: number | null
}

export const defaultTokenSettings: TokenSettings = { length: null, alphabet: null, defaultLifetimeMs: null }

export const tenantLimitNames = [
  "requestsInFlight",
  "missesPerSecond",
  "tokens",
  "credentials",
  "clientCredentials",
  "loginsPerSecond",
  "batchItems"
] as const
export type TenantLimitName = (typeof tenantLimitNames)[number]
