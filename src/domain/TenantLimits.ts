/**
 * What one tenant may have and do, and what everybody has who was given nothing else.
 *
 * Source: contract, section 8.5.
 */
export interface TenantLimits {
  /** Management requests being worked on at once. */
  readonly requestsInFlight: number
  /** Validations that must ask MariaDB, in a second. */
  readonly missesPerSecond: number
  /** Tokens that are not Revoked. */
  readonly tokens: number
  /** Third-party credentials that are not revoked. */
  readonly credentials: number
  readonly clientCredentials: number
  /** Validations of client credentials, in a second. */
  readonly loginsPerSecond: number
  readonly batchItems: number
}

export const defaultLimits: TenantLimits = {
  requestsInFlight: 256,
  missesPerSecond: 20_000,
  tokens: 10_000_000,
  credentials: 100_000,
  clientCredentials: 100_000,
  loginsPerSecond: 200,
  batchItems: 1_000
}

/** A rate as a bucket: full at first, it holds what may happen in one second. */
export class RateBucket {
  private left = Number.POSITIVE_INFINITY
  private at = 0

  /** Takes one; false when the rate is used up. `nowMs` never goes back. */
  take(perSecond: number, nowMs: number): boolean {
    this.left = Math.min(perSecond, this.left + ((nowMs - this.at) * perSecond) / 1_000)
    this.at = nowMs
    if (this.left < 1) return false
    this.left -= 1
    return true
  }
}
