/**
 * What is known of the tenants × what the Tenant Manager said → what is to be done. Pure.
 *
 * Nothing that was read ever ends a tenant: only 21/TLE `unregistered` does. A known tenant that is not
 * listed, or not `AVAILABLE` any more, is served as it was, and that is told. One that has ended stays so
 * until 21/TLE `updated` has named it and it is `AVAILABLE`; then it begins anew, empty, once nothing
 * of the old one is left.
 *
 * Source: contract, section 8.3.
 */
import { type Issuer, sameIssuer } from "../domain/Issuer.ts"
import { globalTenantId, tenantIdPattern } from "../domain/Names.ts"
import type { ListedTenant } from "./TenantManager.ts"

export const available = "AVAILABLE"

export interface KnownTenant {
  /** `being_removed`: it is served no more, and its rows are not gone yet. `none`: there is no row. */
  readonly row: "served" | "being_removed" | "none"
  /** `ended`: 21/TLE ended it. `named_again`: and named it as updated since. */
  readonly mark: "ended" | "named_again" | null
  readonly issuer: Issuer | null
}

/** `unread`: it could not be read; `refused`: it was, and may not be used. */
export type IssuerRead = { readonly settings: Issuer | null } | "unread" | "refused"

export type TenantDecision =
  /** `anew`: its mark goes with it. */
  | {
      readonly _tag: "Create"
      readonly tenantId: string
      readonly anew: boolean
      /** It has its issuer from its first moment on. */
      readonly settings: Issuer | null
    }
  | { readonly _tag: "SetIssuer"; readonly tenantId: string; readonly settings: Issuer | null }
  | { readonly _tag: "Tell"; readonly tenantId: string; readonly reason: TenantProblem }

export type TenantProblem =
  | "invalid_id"
  | "reserved_id"
  | "missing"
  | "not_available"
  | "ended"
  | "ends_still"
  | "issuer_in_use"
  | "issuer_refused"
  | "issuer_unread"

const tell = (tenantId: string, reason: TenantProblem): TenantDecision => ({ _tag: "Tell", tenantId, reason })

/** What a listed tenant's id alone decides. */
const idProblem = (tenantId: string): TenantProblem | null =>
  !tenantIdPattern.test(tenantId) ? "invalid_id" : tenantId === globalTenantId ? "reserved_id" : null

/** Whether its row is to be made, and what has to be said. */
const presence = (listed: ListedTenant, known: KnownTenant | undefined): TenantDecision | null => {
  const { status, tenantId } = listed
  const isAvailable = status === available
  if (known === undefined || (known.row === "none" && known.mark === null)) {
    return isAvailable ? { _tag: "Create", tenantId, anew: false, settings: null } : null
  }
  if (known.row === "served") return isAvailable ? null : tell(tenantId, "not_available")
  if (known.mark !== "named_again" && known.mark !== null) return tell(tenantId, "ended")
  if (!isAvailable) return null
  // Removed by hand before there was a Tenant Manager, or named again: it begins when the old one is gone.
  return known.row === "being_removed"
    ? tell(tenantId, "ends_still")
    : { _tag: "Create", tenantId, anew: true, settings: null }
}

/**
 * `isWhole`: the list is all there is, so that what lacks is missing. `issuers`: what was read for the
 * tenants whose issuer was asked for.
 */
export const decideTenants = (
  known: ReadonlyMap<string, KnownTenant>,
  listed: ReadonlyArray<ListedTenant>,
  issuers: ReadonlyMap<string, IssuerRead>,
  isWhole: boolean
): ReadonlyArray<TenantDecision> => {
  const decisions: Array<TenantDecision> = []
  const holderOf = new Map<string, string>()
  for (const [tenantId, { issuer, row }] of known) {
    if (row === "served" && issuer !== null) holderOf.set(issuer.issuer, tenantId)
  }
  for (const one of listed) {
    const { tenantId } = one
    const problem = idProblem(tenantId)
    if (problem !== null) {
      decisions.push(tell(tenantId, problem))
      continue
    }
    const before = known.get(tenantId)
    const decided = presence(one, before)
    const read = issuers.get(tenantId)
    if (decided?._tag === "Create") {
      decisions.push(...created(decided, read, holderOf))
      continue
    }
    if (decided !== null) decisions.push(decided)
    if (before?.row !== "served" || one.status !== available) continue
    decisions.push(...issuerDecision(tenantId, before.issuer, read, holderOf))
  }
  if (isWhole) {
    const names = new Set(listed.map(({ tenantId }) => tenantId))
    for (const [tenantId, { row }] of known) {
      if (row === "served" && tenantId !== globalTenantId && !names.has(tenantId)) {
        decisions.push(tell(tenantId, "missing"))
      }
    }
  }
  return decisions
}

/** A tenant whose issuer is not known, or may not be its, would be open to whoever the bus lets in: it is left for later. */
const created = (
  decided: Extract<TenantDecision, { readonly _tag: "Create" }>,
  read: IssuerRead | undefined,
  holderOf: Map<string, string>
): ReadonlyArray<TenantDecision> => {
  if (read === "unread") return [tell(decided.tenantId, "issuer_unread")]
  const [first] = issuerDecision(decided.tenantId, null, read, holderOf)
  if (first === undefined) return [decided]
  return first._tag === "SetIssuer" ? [{ ...decided, settings: first.settings }] : [first]
}

const issuerDecision = (
  tenantId: string,
  before: Issuer | null,
  read: IssuerRead | undefined,
  holderOf: Map<string, string>
): ReadonlyArray<TenantDecision> => {
  if (read === undefined || read === "unread") return []
  if (read === "refused") return [tell(tenantId, "issuer_refused")]
  const { settings } = read
  if (sameIssuer(before, settings)) return []
  if (settings !== null) {
    const holder = holderOf.get(settings.issuer)
    if (holder !== undefined && holder !== tenantId) return [tell(tenantId, "issuer_in_use")]
    holderOf.set(settings.issuer, tenantId)
  }
  if (before !== null && before.issuer !== settings?.issuer) holderOf.delete(before.issuer)
  return [{ _tag: "SetIssuer", tenantId, settings }]
}
