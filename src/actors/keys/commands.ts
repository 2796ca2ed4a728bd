/**
 * The commands on the service's keys, in the tenant `global`. Contract section 3.6.
 *
 * What happens to the keys, the audit row and the event about it, and the answer for an idempotency
 * key are one transaction: none is there without the others. What changes nothing leaves no row and
 * no event. Nothing here holds a key, only wrapped ones and ids.
 */
import { Result } from "effect"
import * as RotationPlan from "../../crypto/RotationPlan.ts"
import * as errors from "../../domain/errors.ts"
import type { AgedKey, EndedKey } from "../../store/KeyRotationStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { EventWriter } from "../tenant/TokenEvents.ts"
import type { Workspace } from "../tenant/Workspace.ts"
import type { RotatedKeys } from "./Keys.ts"

export interface KeyCommandOptions {
  readonly events: EventWriter["Service"]
  readonly activationMs: number
  readonly ageMinMs: number
  /** So long a remembered answer is found by its fingerprint. */
  readonly comparedMs: number
}

/** Either it is done, or these keys need successors, which are made outside of any transaction. */
export type Rotation = RotatedKeys | { readonly wanted: ReadonlyArray<AgedKey> }

/** An event and an audit row, of the tenant `global`. */
const writeDown = (
  workspace: Workspace,
  options: {
    readonly events: EventWriter["Service"]
    readonly caller: Caller
    readonly action: "keys.rotated" | "keys.retired"
    readonly entityId: string
    readonly diff: Readonly<Record<string, unknown>>
    readonly told: Readonly<Record<string, unknown>>
  }
): void => {
  const { action, caller, diff, entityId, events, told } = options
  const { now, tenantId } = workspace
  workspace.record(caller, { action, entityType: "key", entityId, diff })
  workspace.announce(
    events.json({
      tenantId,
      type: action,
      entityKey: "keys",
      subject: entityId,
      version: now,
      at: now,
      data: { eventType: action, ...told, timestamp: events.iso(now) },
      afterRevocation: false
    })
  )
}

/**
 * Without `successors`, only what they are needed for is answered, unless there is nothing to do. With
 * them, each takes the place of its key if that is still the one to be followed: who was overtaken by
 * another rotation changes nothing.
 */
export const rotateKeys = (
  successors: ReadonlyArray<RotationPlan.Successor> | null,
  wanted: RotationPlan.Wanted,
  options: KeyCommandOptions,
  caller: Caller
): Command<Rotation> => ({
  name: "keys.rotate",
  caller,
  load: { keys: { ids: [], tenantKeys: successors !== null || wanted.purpose === "tenant-data" } },
  decide: (workspace) => {
    const { keys } = workspace
    const { crowded, due, young } = RotationPlan.followable(keys.ofService, options, wanted)
    if (successors === null && due.length > 0) {
      workspace.provisional()
      return Result.succeed({ wanted: due })
    }
    const rotated = due.flatMap((key) => {
      const successor = successors?.find(({ from }) => from === key.keyId)
      return successor === undefined ? [] : [{ key, to: successor.to }]
    })
    const left = (key: AgedKey, why: RotatedKeys["notRotated"][number]["why"]) => ({
      keyId: key.keyId,
      purpose: key.purpose,
      why
    })
    const notRotated = [...crowded.map((key) => left(key, "crowded")), ...young.map((key) => left(key, "young"))]
    const tenantsToo = wanted.purpose === "tenant-data" || (wanted.purpose === null && rotated.length > 0)
    if (rotated.length === 0 && !tenantsToo) return Result.succeed({ keyIds: [], tenants: 0, notRotated })
    for (const { key, to } of rotated) keys.replace(key, to)
    const keyIds = rotated.map(({ to }) => to.keyId)
    const tenants = tenantsToo ? keys.demoteTenantKeys() : 0
    const replaced = Object.fromEntries(rotated.map(({ key, to }) => [key.purpose, [key.keyId, to.keyId]]))
    // Not secret, and needed by who checks the audit without the service.
    const link = rotated.flatMap(({ to }) => to.link ?? []).map((text): unknown => JSON.parse(text))[0]
    const auditKey = link === undefined ? {} : { audit_key: link }
    writeDown(workspace, {
      events: options.events,
      caller,
      action: "keys.rotated",
      entityId: "service",
      diff: { ...replaced, tenants, ...(wanted.force ? { force: true } : {}), ...auditKey },
      told: { keyIds, tenants, ...auditKey }
    })
    return Result.succeed({ keyIds, tenants, notRotated })
  }
})

/** A key that is retired already stays so, and nothing is written about it. */
export const retireKey = (
  keyId: string,
  options: KeyCommandOptions,
  caller: Caller
): Command<{ readonly keyId: string }> => ({
  name: "keys.retire",
  caller,
  load: { keys: { ids: [keyId], tenantKeys: false } },
  // Another command of its group wrote a row with it; alone it sees that row.
  rejected: () => new errors.KeyInUse({ keyId, rows: 1, why: "rows" }),
  decide: (workspace) => {
    const { keys } = workspace
    const key = keys.key(keyId)
    if (key === undefined) return Result.fail(new errors.KeyNotFound({ keyId }))
    if (key.state === "retired") return Result.succeed({ keyId })
    const rows = keys.rowsOf(keyId)
    const used = rows > 0 ? "rows" : RotationPlan.stillUsed(key, keys.ofService, options)
    const why = key.state === "active" ? "active" : used
    if (why !== null) return Result.fail(new errors.KeyInUse({ keyId, rows, why }))
    keys.retire(key)
    writeDown(workspace, {
      events: options.events,
      caller,
      action: "keys.retired",
      entityId: keyId,
      diff: { state: ["retiring", "retired"] },
      told: { keyId }
    })
    return Result.succeed({ keyId })
  }
})

/**
 * Crypto-erasure: what was sealed for a tenant that was removed can be opened by nobody any more, whatever
 * copies of its rows there are. The row in the audit of `global` stands for it; it and the end of the material
 * are one transaction. A key that a row needs after all, or that is gone already, is left out.
 */
export const destroyTenantKeys = (
  tenantId: string,
  ended: ReadonlyArray<EndedKey>,
  caller: Caller
): Command<{ readonly keyIds: ReadonlyArray<string> }> => ({
  name: "keys.destroy",
  caller,
  load: { keys: { ids: ended.map(({ keyId }) => keyId), tenantKeys: false } },
  // A row came under one of them meanwhile: at the next turn it is not among them.
  rejected: () => new errors.KeyInUse({ keyId: ended[0]?.keyId ?? "", rows: 1, why: "rows" }),
  decide: (workspace) => {
    const { keys, now } = workspace
    const found = ended.flatMap((one) => {
      const key = keys.key(one.keyId)
      const mayGo = key?.tenantId === tenantId && key.state !== "active" && key.wrapped.byteLength > 0
      return key !== undefined && mayGo && keys.rowsOf(one.keyId) === 0 ? [{ key, one }] : []
    })
    if (found.length === 0) return Result.succeed({ keyIds: [] })
    for (const { key } of found) keys.destroy(key)
    const keyIds = found.map(({ key }) => key.keyId)
    workspace.record(caller, {
      action: "keys.destroyed",
      entityType: "tenant",
      entityId: tenantId,
      diff: {
        keyIds,
        destroyedAt: now,
        removedAt: Array.from(new Set(found.map(({ one }) => one.endedAt))),
        retentionMs: Array.from(new Set(found.map(({ one }) => one.retentionMs)))
      }
    })
    return Result.succeed({ keyIds })
  }
})
