/**
 * With whom a login takes turns while it waits to be hashed: with all of its tenant's.
 *
 * Whose a name is, the question says (22/CAP may) or the database does; a name that nobody has is in a lane
 * as well, by its own text. The lanes are few and drawn by chance of this process, so that unknown names are
 * spread among those of tenants: a flood of invented names fills all of them alike, and how long a name waits
 * does not tell whether it exists. Two tenants are seldom in one lane. What is left: who fills a tenant's lane
 * with names that he knows to be its, can find out of another name whether it may be of the same tenant.
 *
 * Nothing is looked up while nothing waits. Bounded as `NameLookups` is.
 */
import { createHmac, randomBytes } from "node:crypto"
import { NameLookups, type NameLookupsOptions } from "./NameLookups.ts"

export const lanesMax = 256

export class LoginLanes {
  private readonly key = randomBytes(32)
  private readonly owners: NameLookups
  private readonly isIdle: () => boolean

  /** `reads` of its own, so that a flood of logins that wait delays none that is being decided, and no certificate. */
  constructor(reads: NameLookupsOptions, isIdle: () => boolean) {
    this.owners = new NameLookups(reads)
    this.isIdle = isIdle
  }

  /** `then` is called once, at once or later. `tenantId`: whose it must be; null where that was not said. */
  find(username: string, tenantId: string | null, then: (lane: number) => void): void {
    if (tenantId !== null || this.isIdle()) {
      then(this.laneOf(tenantId ?? username))
      return
    }
    this.owners.ask({ kind: "basic", username }, (outcome) =>
      then(this.laneOf(typeof outcome === "string" ? username : outcome.credential.tenantId))
    )
  }

  private laneOf(whose: string): number {
    return createHmac("sha256", this.key).update(whose).digest().readUInt16BE(0) % lanesMax
  }
}
