/**
 * Configuring a tenant: whom it believes, how much it may, how long it is kept. Contract sections 8.3 and 8.5.
 *
 * What is configured is a right that somebody has: with another issuer the old one's tokens must be good
 * nowhere any more, with a first one nobody may pass without a token. So every change takes away, and is
 * answered when it is in force on every replica; "already so" as well.
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import type { Issuer } from "../../../domain/Issuer.ts"
import { sameSettings, settingsOf, type Tenant, type TenantSettings } from "../../../domain/Tenant.ts"
import type { OutboxEntry } from "../../../store/TenantStore.ts"
import type { Command } from "../../tenant/Command.ts"
import { tenantChanged } from "../../tenant/RowTagging.ts"
import type { Caller, TenantChange } from "../../tenant/Tenants.ts"

const refuse = (path: string, reason: string) => Result.fail(new errors.InvalidRequest({ path, reason }))

/** Another issuer begins anew: nothing of the one before is kept with it. */
export const issuerAfter = (
  before: Issuer | null,
  { audience, issuer, jwksUri }: TenantChange
): Result.Result<Issuer | null, errors.InvalidRequest> => {
  if (typeof issuer === "string") {
    return audience === undefined
      ? refuse("audience", "must be given with an issuer")
      : Result.succeed({ issuer, audience, jwksUri: jwksUri ?? null })
  }
  const isKept = issuer === undefined && before !== null
  if (!isKept && audience !== undefined) return refuse("audience", "is for a tenant with an issuer")
  if (!isKept && typeof jwksUri === "string") return refuse("jwksUri", "is for a tenant with an issuer")
  if (!isKept) return Result.succeed(null)
  return Result.succeed({
    issuer: before.issuer,
    audience: audience ?? before.audience,
    jwksUri: jwksUri === undefined ? before.jwksUri : jwksUri
  })
}

const limitsAfter = (
  before: TenantSettings["limits"],
  changes: NonNullable<TenantChange["limits"]>
): TenantSettings["limits"] =>
  Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => typeof value === "number"))

export const settingsAfter = (
  before: TenantSettings,
  change: TenantChange
): Result.Result<TenantSettings, errors.InvalidRequest> =>
  Result.map(issuerAfter(before.issuer, change), (issuer) => ({
    issuer,
    retentionMs: change.retentionMs === undefined ? before.retentionMs : change.retentionMs,
    limits: limitsAfter(before.limits, change.limits ?? {})
  }))

/** `announce` makes the event; it leaves when the change is in force. */
export const configureTenant = (
  change: TenantChange,
  announce: (tenantId: string, version: number, at: number) => OutboxEntry,
  caller: Caller
): Command<Tenant> => ({
  name: "tenants.configure",
  caller,
  load: {},
  outlivesTenant: true,
  rejected: () => new errors.IssuerInUse(),
  decide: (workspace) => {
    const tenant = workspace.tenantRow
    if (tenant === undefined) return Result.fail(new errors.TenantNotFound({ tenantId: workspace.tenantId }))
    // What was not written by the service does not pass into what is: put back, it can be configured again.
    if (!workspace.holds.settings()) return Result.fail(tenantChanged(workspace.tenantId))
    const before = settingsOf(tenant)
    return Result.map(settingsAfter(before, change), (after) => {
      const name = change.name ?? tenant.name
      if (name === tenant.name && sameSettings(before, after)) {
        // Whoever configured it a moment ago may not have been answered yet.
        workspace.alreadyGone()
        return tenant
      }
      const configured = workspace.configureTenant(tenant, name, after)
      workspace.takeAway({ kind: "settings", limits: after.limits })
      workspace.announce(announce(workspace.tenantId, workspace.nextSeq, workspace.now))
      workspace.record(caller, {
        action: "tenant.configured",
        entityType: "tenant",
        entityId: workspace.tenantId,
        diff: {
          ...(name === tenant.name ? {} : { name: [tenant.name, name] }),
          issuer: [before.issuer, after.issuer],
          retentionMs: [before.retentionMs, after.retentionMs],
          limits: [before.limits, after.limits]
        }
      })
      return configured
    })
  }
})
