/**
 * The platform around us, as protocols see it: who owns tenants and applications, what its events lead
 * to, and what is in force. Without Tekton and a Tenant Manager nobody else owns anything.
 */
import { Context, Effect } from "effect"
import type { InboxSeen } from "../../store/PlatformStore.ts"
import type { ChangeError } from "./Tenants.ts"

/** 17/SCMP. `tenantId` null: everything; `appName` null: all of the tenant; `version` null: the application. */
export interface ConfigurationChange {
  readonly type: "upsert" | "delete"
  readonly tenantId: string | null
  readonly appName: string | null
  readonly version: string | null
}

/** Where the inbox stands, as `nats/Inbox.ts` says. */
export interface InboxStand {
  readonly madeAt: number
  readonly firstSeq: number
  readonly deliveredSeq: number
  readonly waiting: number
}

export interface InForceSettings {
  readonly name: string
  readonly tenantId: string
  /** Null: the defaults. */
  readonly settings: unknown
  readonly since: number
  readonly readAt: number
  readonly refused: string | null
  readonly refusedAt: number | null
}

export interface PlatformRefusal {
  readonly system: string
  readonly tenantId: string | null
  readonly appName: string | null
  readonly reason: string
  readonly at: number
}

export interface SystemReport {
  readonly url: string
  /** When everything was read last, by this replica. */
  readonly readAt: number | null
  /** Why the last reading failed. */
  readonly problem: string | null
}

export interface PlatformReport {
  readonly tekton: SystemReport | null
  readonly tenantManager: SystemReport | null
  readonly applications: ReadonlyArray<InForceSettings>
  readonly tenants: ReadonlyArray<InForceSettings>
  readonly refused: ReadonlyArray<PlatformRefusal>
}

export interface PlatformShape {
  /** Who owns them, or null: this service. */
  readonly owner: { readonly tenants: string | null; readonly applications: string | null }
  /** Asks whether a tenant that is not known is new. True: it is there now. */
  readonly newTenant: (tenantId: string) => Effect.Effect<boolean>
  /** 21/TLE, of the moment `at`. */
  readonly tenantUpdated: (tenantId: string, at: number) => Effect.Effect<void, ChangeError>
  /** `remove` is carried out once for each event, however often that is delivered. */
  readonly tenantUnregistered: (
    tenantId: string,
    at: number,
    remove: Effect.Effect<unknown, ChangeError>
  ) => Effect.Effect<void, ChangeError>
  readonly configurationChanged: (change: ConfigurationChange) => Effect.Effect<void, ChangeError>
  /** Notes how far the inbox came, and says what may have been lost. */
  readonly inboxStands: (stand: InboxStand, ageMs: number) => Effect.Effect<void, ChangeError>
  readonly report: Effect.Effect<PlatformReport>
}

const alone: PlatformShape = {
  owner: { tenants: null, applications: null },
  newTenant: () => Effect.succeed(false),
  tenantUpdated: () => Effect.void,
  tenantUnregistered: (_, __, remove) => Effect.asVoid(remove),
  configurationChanged: () => Effect.void,
  inboxStands: () => Effect.void,
  report: Effect.succeed({ tekton: null, tenantManager: null, applications: [], tenants: [], refused: [] })
}

export const Platform = Context.Reference<PlatformShape>("cm/actors/Platform", { defaultValue: () => alone })

/** Why events of the inbox may be lost, or null. `lostUpTo`: what was told before. Pure. */
export const inboxGap = (
  before: InboxSeen | null,
  stand: InboxStand,
  now: number,
  ageMs: number
): "made_anew" | "too_old" | "given_way" | null => {
  if (before === null) return null
  if (before.madeAt !== stand.madeAt) return "made_anew"
  if (stand.firstSeq - 1 > Math.max(stand.deliveredSeq, before.lostUpTo)) return "given_way"
  return now - before.seenAt > ageMs ? "too_old" : null
}
