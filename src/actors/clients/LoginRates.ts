/**
 * Logins of each tenant in a second. Only what would be answered 200 counts: guesses use up nobody's rate, so
 * that they cannot keep anybody out, and 429 tells nothing to who does not know the password.
 */
import { RateBucket } from "../../domain/TenantLimits.ts"

/** Tenants whose rate is remembered; the one that was remembered first is forgotten, and begins anew. */
const tenantsMax = 100_000

export class LoginRates {
  private readonly buckets = new Map<string, RateBucket>()

  /** Takes one; false when the rate is used up. `nowMs` never goes back. */
  take(tenantId: string, perSecond: number, nowMs: number): boolean {
    return (this.buckets.get(tenantId) ?? this.begin(tenantId)).take(perSecond, nowMs)
  }

  private begin(tenantId: string): RateBucket {
    if (this.buckets.size >= tenantsMax) this.buckets.delete(this.buckets.keys().next().value!)
    const bucket = new RateBucket()
    this.buckets.set(tenantId, bucket)
    return bucket
  }
}
