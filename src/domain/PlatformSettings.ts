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

const alphabetPattern = /^[^+#/.\p{Cc}\p{Cs}]{10,64}$/u
export const isTokenLength = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 8 && (value as number) <= 256
export const isTokenAlphabet = (value: unknown): value is string =>
  typeof value === "string" && alphabetPattern.test(value) && new Set(value).size === Array.from(value).length
const isLifetime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

/** As they were stored, if they are within the bounds in which they are taken; null: somebody else wrote them. */
export const storedTokenSettings = (text: string): TokenSettings | null => {
  try {
    const { alphabet, defaultLifetimeMs, length }: Readonly<Record<keyof TokenSettings, unknown>> = JSON.parse(text)
    if (length !== null && !isTokenLength(length)) return null
    if (alphabet !== null && !isTokenAlphabet(alphabet)) return null
    if (defaultLifetimeMs !== null && !isLifetime(defaultLifetimeMs)) return null
    return { length, alphabet, defaultLifetimeMs }
  } catch {
    return null
  }
}

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
