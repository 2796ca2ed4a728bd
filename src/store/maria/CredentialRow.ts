/** A credential, a version of its secret and a service as rows, and back. */
import {
  type Credential,
  type CredentialVersion,
  credentialStates,
  type JsonObject,
  ownerKey,
  ownerOfKey,
  type TenantService,
  versionStates
} from "../../domain/Credential.ts"
import type { ProviderFields } from "../../domain/Provider.ts"
import type { ProviderEntry } from "../../domain/ProviderEntry.ts"
import { queueOf, type Refresh, urgencyOf } from "../../domain/Refresh.ts"
import { type Rotating, rotatorQueue } from "../../domain/Rotating.ts"
import type { RotatorEntry, RotatorFields } from "../../domain/Rotator.ts"
import * as Columns from "./Columns.ts"
import type { Row, Value } from "./MariadbConnection.ts"

/** Stands for "no notice yet", so that a range over the index finds it. */
export const noNoticeYet = Number.MAX_SAFE_INTEGER

const json = <A>(row: Row, index: number): A => JSON.parse(Columns.text(row, index)) as A

// ---- credentials
export const credentialColumns =
  "credential_id, tenant_id, service_name, type, owner_key, state, version, secret_version, scopes, allowed_consumers, metadata, rotation, expires_at, noticed_ms, reason, created_at, updated_at, created_by, updated_by, mac, refresh, refresh_due_at, refresh_final_at, refresh_provider, refresh_queue, refresh_urgency, refresh_noticed_ms, rotating, rotator, former_refresh"
export const credentialColumnCount = credentialColumns.split(", ").length
/** The same where many tenants' are read: no number of one ends the reading. A row whose number was another does not hold. */
export const clampedCredentialColumns = credentialColumns
  .split(", ")
  .map((column) => (/_(?:at|ms|urgency)$/u.test(column) ? Columns.clampedSql(column) : column))
  .join(", ")

export const credentialOf = (row: Row): Credential => {
  const noticedMs = Columns.whole(row, 13)
  return {
    credentialId: Columns.uuid(row, 0),
    tenantId: Columns.text(row, 1),
    serviceName: Columns.text(row, 2),
    type: Columns.text(row, 3),
    owner: ownerOfKey(Columns.text(row, 4)),
    state: Columns.literal(row, 5, credentialStates),
    version: Columns.whole(row, 6),
    secretVersion: Columns.whole(row, 7),
    scopes: json<ReadonlyArray<string>>(row, 8),
    allowedConsumers: json<ReadonlyArray<string>>(row, 9),
    metadata: json<JsonObject>(row, 10),
    rotation: row[11] === null ? null : json<JsonObject>(row, 11),
    expiresAt: Columns.wholeOrNull(row, 12),
    noticedMs: noticedMs === noNoticeYet ? null : noticedMs,
    reason: Columns.textOrNull(row, 14),
    createdAt: Columns.whole(row, 15),
    updatedAt: Columns.whole(row, 16),
    createdBy: Columns.text(row, 17),
    updatedBy: Columns.text(row, 18),
    ...Columns.macOf(row, 19),
    ...(row[20] === null && row[27] === null ? {} : { refreshDueAt: Columns.wholeOrNull(row, 21) }),
    ...(row[20] === null ? {} : { refresh: json<Refresh>(row, 20) }),
    ...(row[27] === null ? {} : { rotating: json<Rotating>(row, 27) }),
    ...(row[29] === null ? {} : { formerRefresh: json<Refresh>(row, 29) })
  }
}

/** What is not read again is for looking things up. */
export const refreshValues = ({
  formerRefresh,
  refresh,
  refreshDueAt,
  rotating,
  state
}: Credential): ReadonlyArray<Value> => [
  refresh === undefined ? null : JSON.stringify(refresh),
  refresh === undefined && rotating === undefined ? null : (refreshDueAt ?? null),
  refresh?.grantExpiresAt ?? null,
  refresh?.provider ?? null,
  queueIn(refresh, rotating),
  refresh === undefined ? null : urgencyOf(refresh),
  state === "revoked" || refresh === undefined || refresh.grantExpiresAt === null
    ? null
    : (refresh.grantNoticedMs ?? noNoticeYet),
  rotating === undefined ? null : JSON.stringify(rotating),
  rotating?.rotator ?? null,
  formerRefresh === undefined ? null : JSON.stringify(formerRefresh)
]

/** A rotation is picked beside the refreshes, in a queue of its own. */
const queueIn = (refresh: Refresh | undefined, rotating: Rotating | undefined): Value => {
  if (refresh !== undefined) return Buffer.from(queueOf(refresh), "hex")
  return rotating === undefined ? null : Buffer.from(rotatorQueue, "hex")
}

export const credentialValues = (credential: Credential): ReadonlyArray<Value> => [
  Columns.uuidBytes(credential.credentialId),
  credential.tenantId,
  credential.serviceName,
  credential.type,
  ownerKey(credential.owner),
  credentialStates.indexOf(credential.state),
  credential.version,
  credential.secretVersion,
  JSON.stringify(credential.scopes),
  JSON.stringify(credential.allowedConsumers),
  JSON.stringify(credential.metadata),
  credential.rotation === null ? null : JSON.stringify(credential.rotation),
  credential.expiresAt,
  credential.noticedMs ?? noNoticeYet,
  credential.reason,
  credential.createdAt,
  credential.updatedAt,
  credential.createdBy,
  credential.updatedBy,
  Columns.macValue(credential.mac),
  ...refreshValues(credential)
]

// ---- versions
export const versionColumns =
  "credential_id, version, tenant_id, state, sealed, key_id, fingerprints, expires_at, valid_until, reason, created_at, created_by"

/**
 * No record of ours is longer: the longest is that of an exchange, with its secret, what was sent of it and the answer,
 * 64 KiB each, of which a character is six at most. What is longer is handed over empty, and does not open.
 */
export const sealedBytesMax = 2_097_152
const sealedOf = (prefix: string): string => `IF(LENGTH(${prefix}sealed) > ${sealedBytesMax}, '', ${prefix}sealed)`
/** `sealed` as it is read, of the table that is meant without saying so, and of `v`. */
export const readSealedSql = sealedOf("")
export const readSealedOfVSql = sealedOf("v.")
/** `versionColumns` as they are read. */
export const readVersionColumns = versionColumns.replace("sealed", readSealedSql)
export const readVersionColumnsOfV = versionColumns
  .split(", ")
  .map((column) => (column === "sealed" ? readSealedOfVSql : `v.${column}`))
  .join(", ")

/** What else stands in a row was not written by the service. */
export const hasKnownState = (row: Row): boolean => versionStates[Columns.whole(row, 3)] !== undefined

export const versionOf = (row: Row): CredentialVersion => ({
  credentialId: Columns.uuid(row, 0),
  version: Columns.whole(row, 1),
  state: Columns.literal(row, 3, versionStates),
  sealed: row[4] === null ? null : new Uint8Array(Columns.bytes(row, 4)),
  keyId: row[5] === null ? null : Columns.uuid(row, 5),
  fingerprints: json<Readonly<Record<string, string>>>(row, 6),
  expiresAt: Columns.wholeOrNull(row, 7),
  validUntil: Columns.wholeOrNull(row, 8),
  reason: Columns.textOrNull(row, 9),
  createdAt: Columns.whole(row, 10),
  createdBy: Columns.text(row, 11)
})

export const versionValues = (tenantId: string, version: CredentialVersion): ReadonlyArray<Value> => [
  Columns.uuidBytes(version.credentialId),
  version.version,
  tenantId,
  versionStates.indexOf(version.state),
  version.sealed === null ? null : Buffer.from(version.sealed),
  version.keyId === null ? null : Columns.uuidBytes(version.keyId),
  JSON.stringify(version.fingerprints),
  version.expiresAt,
  version.validUntil,
  version.reason,
  version.createdAt,
  version.createdBy
]

// ---- services
export const serviceColumns = "tenant_id, service_name, is_active, reason, updated_at"

export const serviceOf = (row: Row): TenantService => ({
  tenantId: Columns.text(row, 0),
  serviceName: Columns.text(row, 1),
  isActive: Columns.whole(row, 2) === 1,
  reason: Columns.textOrNull(row, 3),
  updatedAt: Columns.whole(row, 4)
})

export const serviceValues = (service: TenantService): ReadonlyArray<Value> => [
  service.tenantId,
  service.serviceName,
  service.isActive ? 1 : 0,
  service.reason,
  service.updatedAt
]

// ---- providers
export const providerColumns =
  "tenant_id, name, provider_id, version, definition, client_id, secrets, has_key, updated_at, mac"

export const providerOf = (row: Row): ProviderEntry => ({
  tenantId: Columns.text(row, 0),
  name: Columns.text(row, 1),
  providerId: Columns.uuid(row, 2),
  version: Columns.whole(row, 3),
  definition: json<ProviderFields>(row, 4),
  clientId: Columns.textOrNull(row, 5),
  secrets: Columns.whole(row, 6),
  hasKey: Columns.whole(row, 7) === 1,
  updatedAt: Columns.whole(row, 8),
  ...Columns.macOf(row, 9)
})

export const providerValues = (entry: ProviderEntry): ReadonlyArray<Value> => [
  entry.tenantId,
  entry.name,
  Columns.uuidBytes(entry.providerId),
  entry.version,
  JSON.stringify(entry.definition),
  entry.clientId,
  entry.secrets,
  entry.hasKey ? 1 : 0,
  entry.updatedAt,
  Columns.macValue(entry.mac)
]

// ---- rotators
export const rotatorColumns = "tenant_id, name, version, definition, updated_at, mac"

export const rotatorOf = (row: Row): RotatorEntry => ({
  tenantId: Columns.text(row, 0),
  name: Columns.text(row, 1),
  version: Columns.whole(row, 2),
  definition: json<RotatorFields>(row, 3),
  updatedAt: Columns.whole(row, 4),
  ...Columns.macOf(row, 5)
})

export const rotatorValues = (entry: RotatorEntry): ReadonlyArray<Value> => [
  entry.tenantId,
  entry.name,
  entry.version,
  JSON.stringify(entry.definition),
  entry.updatedAt,
  Columns.macValue(entry.mac)
]
