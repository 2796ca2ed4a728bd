/**
 * A tenant's services, on and off. Contract section 3.4. While one is off no secret of it is handed out.
 *
 * One that the tenant has stored nothing for may be switched, too: global credentials are of such
 * services, and somebody may want to refuse a service before it is there. Their rows are bounded.
 */
import { Result } from "effect"
import { servicesSwitchedMax, type TenantService } from "../../domain/Credential.ts"
import { LimitReached } from "../../domain/errors.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { tenantChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"

export const setService = (
  serviceName: string,
  isActive: boolean,
  reason: string | null,
  caller: Caller
): Command<TenantService> => ({
  name: isActive ? "service.enable" : "service.disable",
  caller,
  load: { credentials: { ...noCredentials, serviceNames: [serviceName], countServices: true } },
  decide: (workspace) => {
    const { tenantId } = workspace
    // What is switched off already would be tagged anew with what is switched now.
    if (!workspace.holds.tenant(tenantId)) return Result.fail(tenantChanged(tenantId))
    const before = workspace.credentials.service(serviceName)
    if (before !== undefined && before.isActive === isActive && before.reason === reason) return Result.succeed(before)
    if (before === undefined && workspace.credentials.serviceCount() >= servicesSwitchedMax) {
      return Result.fail(new LimitReached({ limit: "servicesPerTenant", max: servicesSwitchedMax }))
    }
    const after = { tenantId, serviceName, isActive, reason, updatedAt: workspace.now }
    workspace.credentials.putService(after)
    workspace.record(caller, {
      action: isActive ? "service.enabled" : "service.disabled",
      entityType: "service",
      entityId: serviceName,
      diff: { is_active: [before?.isActive ?? null, isActive], ...(reason === null ? {} : { reason }) }
    })
    return Result.succeed(after)
  }
})
