/**
 * A third-party credential as everything inside the service sees it: all but its secret.
 *
 * The secret lives in the row of its version, sealed, and is opened only to be handed out or to be
 * sealed again under a newer key. A credential has one version that counts (its newest); an older
 * one is kept for the overlap of a rotation and wiped after it.
 *
 * All times are UNIX milliseconds. `null` means "never" or "none".
 */
import { globalTenantId } from "./Names.ts"
import type { Refresh } from "./Refresh.ts"
import type { Rotating } from "./Rotating.ts"

export const credentialStates = ["active", "revoked", "expired"] as const
export type CredentialState = (typeof credentialStates)[number]

export type Owner = { readonly level: "tenant" } | { readonly level: "user"; readonly userId: string }

export type JsonObject = Readonly<Record<string, unknown>>

export interface Credential {
  /** UUIDv7, lower case, with dashes. */
  readonly credentialId: string
  readonly tenantId: string
  readonly serviceName: string
  /** `oauth`, `api_key`, `basic` or a free one. */
  readonly type: string
  readonly owner: Owner
  /** As stored. What a caller is shown is `shownState`: an ended credential is expired before the sweep was there. */
  readonly state: CredentialState
  /** Starts at 1 and grows by 1 with every change. */
  readonly version: number
  /** The version of the change that brought the secret in force now. */
  readonly secretVersion: number
  readonly scopes: ReadonlyArray<string>
  /** Names as `Access.consumerNames` makes them. Empty: nobody. */
  readonly allowedConsumers: ReadonlyArray<string>
  readonly metadata: JsonObject
  readonly rotation: JsonObject | null
  readonly expiresAt: number | null
  /** Threshold of the last notice given before this very `expiresAt`, in milliseconds. Not a change of the credential. */
  readonly noticedMs: number | null
  /** Why it is revoked or expired; else null. */
  readonly reason: string | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly createdBy: string
  readonly updatedBy: string
  /** The row's tag (`crypto/RowTags.ts`), as it was read. */
  readonly mac?: Uint8Array | undefined
  /** There while `rotation` names a provider. */
  readonly refresh?: Refresh | undefined
  /** There while `rotation` names a rotator. */
  readonly rotating?: Rotating | undefined
  /** What was known of its grants when `rotation` ceased to name a provider: an exchange of then may still bring one. */
  readonly formerRefresh?: Refresh | undefined
  /** When somebody looks whether it has to be refreshed or rotated. Decides nothing else. */
  readonly refreshDueAt?: number | null | undefined
}

/**
 * `current` is the one that is handed out. `overlapping` was rotated out and is kept until
 * `validUntil`. The others have no secret any more, but for `expired`, which a rotation may revive,
 * `spare`, a grant that is kept in case that what followed it is refused, and `answer`: what a provider
 * said, whole, not looked at yet. `pending` is a new secret that a rotator brings into force.
 */
export const versionStates = [
  "current",
  "overlapping",
  "superseded",
  "revoked",
  "expired",
  "spare",
  "answer",
  "pending"
] as const
export type VersionState = (typeof versionStates)[number]

export interface CredentialVersion {
  readonly credentialId: string
  readonly version: number
  readonly state: VersionState
  /** Sealed record bound to tenant, credential id, version and purpose; null once wiped. */
  readonly sealed: Uint8Array | null
  /** The key it was sealed with; null once wiped. */
  readonly keyId: string | null
  /** Field name to keyed fingerprint, so that an audit diff needs no secret. */
  readonly fingerprints: Readonly<Record<string, string>>
  readonly expiresAt: number | null
  /** End of the overlap. */
  readonly validUntil: number | null
  readonly reason: string | null
  readonly createdAt: number
  readonly createdBy: string
}

/** Whether a tenant uses a service. Without a row a service is active. */
export interface TenantService {
  readonly tenantId: string
  readonly serviceName: string
  readonly isActive: boolean
  readonly reason: string | null
  readonly updatedAt: number
}

/** The text an owner has in the unique index: empty for the tenant itself. */
export const ownerKey = (owner: Owner): string => (owner.level === "user" ? owner.userId : "")

export const ownerOfKey = (key: string): Owner => (key === "" ? { level: "tenant" } : { level: "user", userId: key })

/** Whether its own end has come. The boundary itself is past. */
export const hasRunOut = (credential: Pick<Credential, "expiresAt">, now: number): boolean =>
  credential.expiresAt !== null && now >= credential.expiresAt

/** The state a caller is shown. */
export const shownState = (credential: Pick<Credential, "state" | "expiresAt">, now: number): CredentialState =>
  credential.state === "active" && hasRunOut(credential, now) ? "expired" : credential.state

export const isGlobal = (credential: Pick<Credential, "tenantId">): boolean => credential.tenantId === globalTenantId

/** A provider's answer to the exchange of a term is kept as this version and the term: no version comes that far. */
export const answerVersionBase = 1_000_000_000
export const isAnswer = ({ state, version }: Pick<CredentialVersion, "state" | "version">): boolean =>
  version > answerVersionBase && state === "answer"

/** Where earlier versions of the service kept a secret that its provider is still to be asked to revoke. */
export const revocationVersion = 2_000_000_000

// ---- limits ------------------------------------------------------------------
export const scopesMax = 128
export const scopeLengthMax = 256
export const allowedConsumersMax = 128
/** UTF-8 bytes of the JSON text of `metadata`, and of `rotation`. */
export const metadataBytesMax = 8_192
/** Services of a tenant, stored or switched, before one more that nothing is stored for may no longer be switched. */
export const servicesSwitchedMax = 10_000
export const historyVersionsMax = 1_000
/** Versions of a credential whose secrets are kept, before one more is kept for an overlap. */
export const versionsKeptMax = 1_000
/** One overlap may last this long at most, 90 days. */
export const overlapMsMax = 90 * 86_400_000

export const credentialTypePattern = /^[a-z][a-z0-9_-]{0,31}$/u
export const userIdPattern = /^[A-Za-z0-9._~@-]{1,128}$/u
