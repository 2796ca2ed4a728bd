/** Tenants and their applications. Times are UNIX milliseconds. */
import { type Issuer, sameIssuer } from "./Issuer.ts"
import type { TenantLimitName } from "./PlatformSettings.ts"

/** What is configured for a tenant. */
export interface TenantSettings {
  /** Null: it has none, and no bearer token is its own. */
  readonly issuer: Issuer | null
  /** How long its data keys outlive it, so that a backup can be opened. Null: the service's default. */
  readonly retentionMs: number | null
  /** What is not here has its default. */
  readonly limits: Readonly<Partial<Record<TenantLimitName, number>>>
}

export const noSettings: TenantSettings = { issuer: null, retentionMs: null, limits: {} }

export interface Tenant {
  readonly tenantId: string
  readonly name: string | null
  readonly createdAt: number
  /** Set when it was removed or unregistered; its rows follow in the background. */
  readonly removedAt: number | null
  /** Missing where nothing is configured. */
  readonly settings?: TenantSettings
  /** The tag over what is configured, "nothing" included, as the row has it (`crypto/RowTags.ts`). */
  readonly settingsMac?: Uint8Array
}

export const settingsOf = (tenant: Tenant | undefined): TenantSettings => tenant?.settings ?? noSettings

const isNothing = ({ issuer, limits, retentionMs }: TenantSettings): boolean =>
  issuer === null && retentionMs === null && Object.keys(limits).length === 0

/** The tenant with these settings; where they say nothing, with none. */
export const withSettings = ({ settings: _, ...tenant }: Tenant, settings: TenantSettings): Tenant =>
  isNothing(settings) ? tenant : { ...tenant, settings }

export const sameSettings = (a: TenantSettings, b: TenantSettings): boolean =>
  sameIssuer(a.issuer, b.issuer) &&
  a.retentionMs === b.retentionMs &&
  JSON.stringify(Object.entries(a.limits).toSorted()) === JSON.stringify(Object.entries(b.limits).toSorted())

export interface Application {
  readonly appName: string
  readonly tenantId: string
  readonly createdAt: number
  /** Set when it was removed; nothing of it validates any more, its rows follow in the background. */
  readonly removedAt: number | null
  /** Not null: Tekton has it no more. It is answered like an unknown one, its rows stay, and it may come back. */
  readonly outOfService: OutReason | null
  /** When was read what decided last about being in service, by the database's clock. */
  readonly decidedAt: number
}

export const outReasons = ["absent", "deleted"] as const
/** `absent`: a whole answer lacked it. `deleted`: its configuration was deleted. */
export type OutReason = (typeof outReasons)[number]

export const isInService = ({ outOfService, removedAt }: Application): boolean =>
  removedAt === null && outOfService === null
