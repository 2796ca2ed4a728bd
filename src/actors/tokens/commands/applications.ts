/**
 * The commands on applications and on the tenant itself. Contract sections 3.1 and 3.6.
 *
 * Removing is one change under one sequence and one barrier, however many tokens there are: from
 * its answer on nothing of it validates. Rows and their events follow in pieces (`purgeTokens`).
 */
import { Result } from "effect"
import * as errors from "../../../domain/errors.ts"
import { globalTenantId } from "../../../domain/Names.ts"
import type { Application, Tenant, TenantSettings } from "../../../domain/Tenant.ts"
import type { OutboxEntry } from "../../../store/TenantStore.ts"
import { tenantCreated } from "../../../store/tenantCreated.ts"
import type { Command } from "../../tenant/Command.ts"
import type { Caller } from "../../tenant/Tenants.ts"

export const registerApplication = (
  appName: string,
  caller: Caller
): Command<{ readonly application: Application; readonly created: boolean }> => ({
  name: "application.register",
  caller,
  load: { appNames: [appName] },
  rejected: () => new errors.ApplicationExists({ appName, reason: "taken" }),
  decide: (workspace) => {
    if (workspace.tenantId === globalTenantId) {
      return Result.fail(new errors.Forbidden({ reason: "the tenant global has no applications" }))
    }
    const found = workspace.application(appName)
    if (found !== undefined) {
      if (found.tenantId === workspace.tenantId && found.removedAt === null) {
        return Result.succeed({ application: found, created: false })
      }
      const reason = found.tenantId === workspace.tenantId ? "is still being removed" : "taken"
      return Result.fail(new errors.ApplicationExists({ appName, reason }))
    }
    workspace.insertApplication(appName)
    workspace.appear({ kind: "application", appName })
    workspace.record(caller, {
      action: "application.registered",
      entityType: "application",
      entityId: appName,
      diff: null
    })
    return Result.succeed({ application: workspace.application(appName)!, created: true })
  }
})

export const removeApplication = (appName: string, caller: Caller): Command<{ readonly deleted: number }> => ({
  name: "application.remove",
  caller,
  load: { appNames: [appName] },
  decide: (workspace) => {
    const found = workspace.application(appName)
    if (found === undefined || found.tenantId !== workspace.tenantId || found.removedAt !== null) {
      // Whoever removed it a moment ago may not have been answered yet.
      workspace.alreadyGone()
      return Result.fail(new errors.ApplicationNotFound({ appName }))
    }
    const deleted = workspace.loaded.applicationTokenCounts.get(appName) ?? 0
    workspace.removeApplication(appName)
    workspace.takeAway({ kind: "application", appName })
    workspace.record(caller, {
      action: "application.removed",
      entityType: "application",
      entityId: appName,
      diff: { tokens: deleted }
    })
    return Result.succeed({ deleted })
  }
})

/** One transaction: the tenant, its first audit row, and what is kept for an idempotency key. */
export const createTenant = (name: string | null, settings: TenantSettings, caller: Caller): Command<Tenant> => ({
  name: "tenants.create",
  caller,
  load: { createsTenant: true },
  rejected: () => new errors.IssuerInUse(),
  decide: (workspace) => {
    const { tenantId } = workspace
    // One that is still being removed has its id, too.
    if (workspace.tenantRow !== undefined) return Result.fail(new errors.TenantExists({ tenantId }))
    const tenant = workspace.createTenant(name, settings)
    workspace.appear({ kind: "tenant" })
    workspace.record(caller, tenantCreated(tenantId, name))
    return Result.succeed(tenant)
  }
})

/** `announce` makes the event; it leaves when nothing of the tenant validates any more. */
export const removeTenant = (
  announce: (tenantId: string, version: number, at: number) => OutboxEntry,
  caller: Caller
): Command<{ readonly deleted: number }> => ({
  name: "tenants.remove",
  caller,
  load: {},
  onRemovedTenant: true,
  outlivesTenant: true,
  decide: (workspace) => {
    if (workspace.tenantId === globalTenantId) {
      return Result.fail(new errors.Forbidden({ reason: "the tenant global cannot be removed" }))
    }
    if (workspace.isTenantRemoved) {
      // Whoever removed it a moment ago may not have been answered yet.
      workspace.alreadyGone()
      return Result.fail(new errors.TenantNotFound({ tenantId: workspace.tenantId }))
    }
    workspace.removeTenant()
    workspace.takeAway({ kind: "tenant" })
    workspace.announce(announce(workspace.tenantId, workspace.nextSeq, workspace.now))
    workspace.record(caller, {
      action: "tenant.removed",
      entityType: "tenant",
      entityId: workspace.tenantId,
      diff: null
    })
    return Result.succeed({ deleted: workspace.loaded.tenantTokenCount })
  }
})
