/** What is asked of a refresh, by whom, and the place of the one that is done for it. */
import type { Caller } from "../actors/tenant/Tenants.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import type { Place } from "./AtWork.ts"

const background: Caller = { ...servicePrincipal("service"), correlationId: "refresh", idempotency: null }

export interface Asking {
  readonly tenantId: string
  readonly credentialId: string
  readonly caller: Caller
  readonly asked: boolean
  /** A person asked for it: no circuit holds it back. */
  readonly insists: boolean
  /** Of a rotator; null: as is usual. */
  readonly overlapMs: number | null
  /** The credential's version that who asks has seen; null: any. */
  readonly expectedVersion: number | null
}

/** What nobody waits for. */
export const ofNobody = (tenantId: string, credentialId: string): Asking => ({
  tenantId,
  credentialId,
  caller: background,
  asked: false,
  insists: false,
  overlapMs: null,
  expectedVersion: null
})

export interface Job extends Asking {
  readonly place: Place
}
