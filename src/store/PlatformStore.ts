/**
 * What is known of the platform around us, so that a start while the others are away serves what it knew:
 * which tenants have ended by 21/TLE and which were named since, what is configured for applications and
 * tenants (the last good one, and what was refused since), what has still to be announced of applications
 * out of service, and up to where the inbox was seen.
 *
 * Tenants and applications themselves are rows of `TenantStore`; here they are only read.
 * Its layer is `maria/MariaPlatformStore.ts`; there is none in memory, since nothing is tested without it.
 */
import { Context, type Effect } from "effect"
import type { Issuer } from "../domain/Issuer.ts"
import type { OutReason } from "../domain/Tenant.ts"
import type { StoreUnavailable } from "./StoreError.ts"
import type { WithdrawalPiece } from "./TenantStore.ts"

export interface ApplicationRow {
  readonly appName: string
  readonly tenantId: string
  readonly isRemoved: boolean
  readonly out: OutReason | null
}

export interface TenantRow {
  readonly tenantId: string
  readonly row: "served" | "being_removed" | "none"
  /** `ended` also while its end is not carried out. */
  readonly mark: "ended" | "named_again" | null
  readonly issuer: Issuer | null
}

export type SettingsKind = "application" | "tenant"

export interface SettingsRow {
  readonly kind: SettingsKind
  /** The application or the tenant. */
  readonly name: string
  readonly tenantId: string
  /** JSON of the last good one; null: the defaults. */
  readonly settings: string | null
  /** When what is in force came into force. */
  readonly since: number
  /** When it was read last. */
  readonly readAt: number
  /** Why what was read last is not in force. */
  readonly refused: string | null
  readonly refusedAt: number | null
}

/** When it went out of service, and up to where that was announced. */
export interface Withdrawal extends WithdrawalPiece {
  readonly tenantId: string
}

export interface InboxSeen {
  readonly madeAt: number
  readonly lostUpTo: number
  readonly seenAt: number
}

type Stored<A> = Effect.Effect<A, StoreUnavailable>

export class PlatformStore extends Context.Service<
  PlatformStore,
  {
    /** The database's clock: the order in which answers were read. */
    readonly now: Stored<number>
    /** Of these tenants, or of these names. */
    readonly applicationsOf: (tenantIds: ReadonlyArray<string>) => Stored<ReadonlyArray<ApplicationRow>>
    readonly applicationsNamed: (appNames: ReadonlyArray<string>) => Stored<ReadonlyArray<ApplicationRow>>
    /** Every tenant that has a row or a mark; those named, or all. */
    readonly tenants: (tenantIds: ReadonlyArray<string> | null) => Stored<ReadonlyArray<TenantRow>>

    /** 21/TLE `unregistered` of this moment. False: it was carried out before. */
    readonly markEnded: (tenantId: string, at: number) => Stored<boolean>
    readonly markEndDone: (tenantId: string, at: number) => Stored<void>
    /** 21/TLE `updated` of this moment. */
    readonly markNamed: (tenantId: string, at: number) => Stored<void>

    /** What was written at or after this moment. */
    readonly settingsSince: (changedAt: number) => Stored<ReadonlyArray<SettingsRow & { readonly changedAt: number }>>
    readonly settingsOf: (kind: SettingsKind, names: ReadonlyArray<string>) => Stored<ReadonlyArray<SettingsRow>>
    /** Does not undo what was read later. */
    readonly saveSettings: (rows: ReadonlyArray<SettingsRow>) => Stored<void>

    /** By name, after `after`. */
    readonly withdrawals: (after: string, limit: number) => Stored<ReadonlyArray<Withdrawal>>
    /** Those that were there when it went out of service. */
    readonly tokensAfter: (withdrawal: Withdrawal, limit: number) => Stored<ReadonlyArray<string>>
    readonly dropWithdrawal: (appName: string) => Stored<void>

    readonly inboxSeen: Stored<InboxSeen | null>
    readonly saveInboxSeen: (seen: InboxSeen) => Stored<void>
  }
>()("cm/store/PlatformStore") {}
