/**
 * What is known of the applications × what Tekton said → what is to be done. Pure.
 *
 * An application goes out of service when Tekton deleted its configuration, or when an answer that was
 * read whole has it neither in its owner's list nor with configuration. It comes back when it is listed
 * again; one whose configuration was deleted, when an `upsert` names it or what was read of more than it has
 * configuration of it again. A reading of it alone was asked for by a message: when a `delete` came since, that
 * has the last word.
 * Nothing that was read moves an application to another tenant: the old owner stays.
 *
 * Source: contract, section 8.4.
 */
import { appNamePattern } from "../domain/Names.ts"
import type { OutReason } from "../domain/Tenant.ts"

export interface KnownApplication {
  readonly tenantId: string
  /** Removed by hand; its rows are not gone yet. */
  readonly isRemoved: boolean
  readonly out: OutReason | null
}

export interface TektonRead {
  /** By tenant: the names in its list. Only tenants whose list was read. */
  readonly lists: ReadonlyMap<string, ReadonlyArray<string>>
  /** Names that have configuration for this instance. */
  readonly configured: ReadonlySet<string>
  /** Every served tenant's list and all configuration were read. */
  readonly isWhole: boolean
  /** Names that an `upsert` gave. */
  readonly named: ReadonlySet<string>
  /** Null: everything read is decided; else only this name. */
  readonly only: string | null
}

export type ApplicationProblem = "moved" | "claimed_twice" | "invalid_name" | "owner_unknown" | "being_removed"

export type ApplicationDecision =
  | { readonly _tag: "Register"; readonly tenantId: string; readonly appName: string }
  | { readonly _tag: "TakeOut"; readonly tenantId: string; readonly appName: string; readonly reason: OutReason }
  | { readonly _tag: "PutBack"; readonly tenantId: string; readonly appName: string }
  | {
      readonly _tag: "Refuse"
      /** Who claims it; empty when nobody does. */
      readonly tenantId: string
      readonly appName: string
      readonly reason: ApplicationProblem
    }

export interface DecidedApplications {
  readonly decisions: ReadonlyArray<ApplicationDecision>
  /** Something lacks that was there: whether it is gone can only be said when everything is read. */
  readonly needsWhole: boolean
}

const refuse = (appName: string, tenantId: string, reason: ApplicationProblem): ApplicationDecision => ({
  _tag: "Refuse",
  tenantId,
  appName,
  reason
})

const claimed = (
  appName: string,
  claimants: ReadonlyArray<string>,
  known: KnownApplication | undefined,
  read: TektonRead
): ReadonlyArray<ApplicationDecision> => {
  if (!appNamePattern.test(appName)) return claimants.map((tenantId) => refuse(appName, tenantId, "invalid_name"))
  if (known === undefined) {
    return claimants.length === 1
      ? [{ _tag: "Register", tenantId: claimants[0]!, appName }]
      : claimants.map((tenantId) => refuse(appName, tenantId, "claimed_twice"))
  }
  const others = claimants.filter((tenantId) => tenantId !== known.tenantId)
  const refused = others.map((tenantId) => refuse(appName, tenantId, "moved"))
  if (others.length === claimants.length) return refused
  if (known.isRemoved) return [...refused, refuse(appName, known.tenantId, "being_removed")]
  const comesBack =
    known.out === "absent" ||
    (known.out === "deleted" && (read.named.has(appName) || (read.only === null && read.configured.has(appName))))
  return comesBack ? [...refused, { _tag: "PutBack", tenantId: known.tenantId, appName }] : refused
}

export const decideApplications = (
  known: ReadonlyMap<string, KnownApplication>,
  read: TektonRead
): DecidedApplications => {
  const isAsked = (appName: string): boolean => read.only === null || read.only === appName
  const claimantsOf = new Map<string, Array<string>>()
  for (const [tenantId, names] of read.lists) {
    for (const appName of names) {
      if (!isAsked(appName)) continue
      const claimants = claimantsOf.get(appName)
      if (claimants === undefined) claimantsOf.set(appName, [tenantId])
      else claimants.push(tenantId)
    }
  }
  const decisions: Array<ApplicationDecision> = []
  for (const [appName, claimants] of claimantsOf) {
    decisions.push(...claimed(appName, claimants, known.get(appName), read))
  }
  for (const appName of read.configured) {
    if (isAsked(appName) && !claimantsOf.has(appName) && !known.has(appName)) {
      decisions.push(refuse(appName, "", appNamePattern.test(appName) ? "owner_unknown" : "invalid_name"))
    }
  }
  let needsWhole = false
  for (const [appName, { isRemoved, out, tenantId }] of known) {
    const lacks = isAsked(appName) && read.lists.has(tenantId) && !claimantsOf.has(appName)
    if (!lacks || isRemoved || out !== null || read.configured.has(appName)) continue
    if (read.isWhole) decisions.push({ _tag: "TakeOut", tenantId, appName, reason: "absent" })
    else needsWhole = true
  }
  return { decisions, needsWhole }
}

/** 17/SCMP `delete` of one application's configuration. Null: there is nothing to do. */
export const decideDeleted = (
  known: KnownApplication | undefined,
  tenantId: string,
  appName: string
): ApplicationDecision | null => {
  if (known === undefined || known.isRemoved) return null
  if (known.tenantId !== tenantId) return refuse(appName, tenantId, "moved")
  return known.out === null ? { _tag: "TakeOut", tenantId, appName, reason: "deleted" } : null
}
