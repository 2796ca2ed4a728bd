/** A tenant's rotators, put and deleted: decisions over a workspace. Contract 10.5. */
import { Result } from "effect"
import { LimitReached, RotatorInUse, RotatorNotFound } from "../../domain/errors.ts"
import { type RotatorEntry, type RotatorFields, rotatorsMax } from "../../domain/Rotator.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"

export const putRotator = (
  definition: RotatorFields,
  caller: Caller
): Command<{ readonly entry: RotatorEntry; readonly created: boolean }> => ({
  name: "rotator.put",
  caller,
  load: { credentials: { ...noCredentials, rotators: [definition.name] } },
  decide: (workspace) => {
    const { name } = definition
    const before = workspace.credentials.rotator(name)
    if (before === undefined && workspace.credentials.rotatorCount() >= rotatorsMax) {
      return Result.fail(new LimitReached({ limit: "rotators", max: rotatorsMax }))
    }
    const entry: RotatorEntry = {
      tenantId: workspace.tenantId,
      name,
      version: (before?.version ?? 0) + 1,
      definition,
      updatedAt: workspace.now
    }
    workspace.credentials.putRotator(entry)
    workspace.record(caller, {
      action: before === undefined ? "rotator.added" : "rotator.changed",
      entityType: "rotator",
      entityId: name,
      diff: {
        seal_to: [before?.definition.seal_to ?? null, definition.seal_to],
        generate: [before?.definition.generate ?? null, definition.generate ?? null],
        version: [before?.version ?? null, entry.version]
      }
    })
    return Result.succeed({ entry, created: before === undefined })
  }
})

export const removeRotator = (name: string, caller: Caller): Command<{ readonly deleted: 1 }> => ({
  name: "rotator.delete",
  caller,
  load: { credentials: { ...noCredentials, rotators: [name] } },
  decide: (workspace) => {
    const before = workspace.credentials.rotator(name)
    if (before === undefined) return Result.fail(new RotatorNotFound({ name }))
    if (workspace.credentials.isRotatorInUse(name)) return Result.fail(new RotatorInUse({ name }))
    workspace.credentials.deleteRotator(name)
    workspace.record(caller, {
      action: "rotator.deleted",
      entityType: "rotator",
      entityId: name,
      diff: { version: [before.version, null] }
    })
    return Result.succeed({ deleted: 1 })
  }
})
