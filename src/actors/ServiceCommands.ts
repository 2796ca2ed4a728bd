/** A tenant's services, on and off. Contract section 3.4. While one is off no secret of it is handed out. */
import { Result } from "effect"
import type { TenantService } from "../domain/Credential.ts"
import { noCredentials } from "../store/CredentialStore.ts"
import type { Command } from "./Command.ts"
import type { Caller } from "./Tenants.ts"

export const setService = (
  serviceName: string,
  isActive: boolean,
  reason: string | null,
  caller: Caller
): Command<TenantService> => ({
  name: isActive ? "service.enable" : "service.disable",
  caller,
  load: { credentials: { ...noCredentials, serviceNames: [serviceName] } },
  decide: (workspace) => {
    const before = workspace.credentials.service(serviceName)
    if (before !== undefined && before.isActive === isActive && before.reason === reason) return Result.succeed(before)
    const after = { tenantId: workspace.tenantId, serviceName, isActive, reason, updatedAt: workspace.now }
    workspace.credentials.putService(after)
    workspace.record({
      actor: caller.principal,
      action: isActive ? "service.enabled" : "service.disabled",
      entityType: "service",
      entityId: serviceName,
      diff: { is_active: [before?.isActive ?? null, isActive], ...(reason === null ? {} : { reason }) }
    })
    return Result.succeed(after)
  }
})
