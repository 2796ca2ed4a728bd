/** A tenant's providers, put and deleted: decisions over a workspace. Contract 10.2. */
import { Result } from "effect"
import type { CredentialVersion } from "../../domain/Credential.ts"
import { LimitReached, ProviderInUse, ProviderNotFound } from "../../domain/errors.ts"
import type { ProviderFields } from "../../domain/Provider.ts"
import { type ProviderEntry, type ProviderSecrets, providersMax } from "../../domain/ProviderEntry.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"

interface Put {
  readonly definition: ProviderFields
  readonly clientId: string | null
  readonly secrets: ProviderSecrets
  readonly newId: string
  readonly seal: (providerId: string, version: number) => Pick<CredentialVersion, "sealed"> & { readonly keyId: string }
}

const versionsMax = 1_000_000

export const putProvider = (
  { clientId, definition, newId, seal, secrets }: Put,
  caller: Caller
): Command<{ readonly entry: ProviderEntry; readonly created: boolean }> => ({
  name: "provider.put",
  caller,
  load: { credentials: { ...noCredentials, providers: [definition.name] } },
  decide: (workspace) => {
    const { name } = definition
    const before = workspace.credentials.provider(name)
    if ((before?.version ?? 0) >= versionsMax) {
      return Result.fail(new LimitReached({ limit: "changes of a provider", max: versionsMax }))
    }
    if (before === undefined && workspace.credentials.providerCount() >= providersMax) {
      return Result.fail(new LimitReached({ limit: "providers", max: providersMax }))
    }
    const entry: ProviderEntry = {
      tenantId: workspace.tenantId,
      name,
      providerId: before?.providerId ?? newId,
      version: (before?.version ?? 0) + 1,
      definition,
      clientId,
      secrets: secrets.clientSecrets.length,
      hasKey: secrets.clientKey !== null,
      updatedAt: workspace.now
    }
    if (before !== undefined) workspace.credentials.deleteVersion(before.providerId, before.version)
    workspace.credentials.putProvider(entry)
    workspace.credentials.putVersion({
      credentialId: entry.providerId,
      version: entry.version,
      state: "current",
      ...seal(entry.providerId, entry.version),
      fingerprints: {},
      expiresAt: null,
      validUntil: null,
      reason: null,
      createdAt: workspace.now,
      createdBy: caller.principal
    })
    workspace.record(caller, {
      action: before === undefined ? "provider.added" : "provider.changed",
      entityType: "provider",
      entityId: name,
      diff: {
        token_url: [before?.definition.token_url ?? null, definition.token_url],
        client_secrets: [before?.secrets ?? null, entry.secrets],
        version: [before?.version ?? null, entry.version]
      }
    })
    return Result.succeed({ entry, created: before === undefined })
  }
})

export const removeProvider = (name: string, caller: Caller): Command<{ readonly deleted: 1 }> => ({
  name: "provider.delete",
  caller,
  load: { credentials: { ...noCredentials, providers: [name] } },
  decide: (workspace) => {
    const before = workspace.credentials.provider(name)
    if (before === undefined) return Result.fail(new ProviderNotFound({ name }))
    if (workspace.credentials.isProviderInUse(name)) return Result.fail(new ProviderInUse({ name }))
    workspace.credentials.deleteProvider(name)
    workspace.credentials.deleteVersion(before.providerId, before.version)
    workspace.record(caller, {
      action: "provider.deleted",
      entityType: "provider",
      entityId: name,
      diff: { version: [before.version, null] }
    })
    return Result.succeed({ deleted: 1 })
  }
})
