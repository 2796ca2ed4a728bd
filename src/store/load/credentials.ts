/**
 * The credentials, versions and services that a transaction named: the tenant's own under its lock,
 * those of `global` as last committed.
 */
import { type Credential, type CredentialVersion, ownerKey, type TenantService } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import * as Columns from "../Columns.ts"
import {
  credentialColumns,
  credentialOf,
  serviceColumns,
  serviceOf,
  versionColumns,
  versionOf
} from "../CredentialRow.ts"
import { type CredentialLoad, type CredentialLoaded, serviceNameOfSlot, slotKey } from "../CredentialStore.ts"
import type { Session } from "../MariadbConnection.ts"

const byId = (marks: string): string =>
  `SELECT ${credentialColumns} FROM credentials WHERE tenant_id IN (?, ?) AND credential_id IN (${marks})`
const activeInSlots = (marks: string): string =>
  `SELECT ${credentialColumns} FROM credentials FORCE INDEX (uq_credentials_active)
    WHERE tenant_id = ? AND active_slot IN (${marks})`
const newestInSlots = (marks: string): string =>
  `SELECT ${credentialColumns} FROM credentials WHERE credential_id IN (
    SELECT MAX(credential_id) FROM credentials FORCE INDEX (ix_credentials_slot)
    WHERE tenant_id = ? AND slot IN (${marks}) GROUP BY slot)`
const versionsOfIds = (marks: string): string =>
  `SELECT ${versionColumns} FROM credential_versions WHERE credential_id IN (${marks}) AND key_id IS NOT NULL
    ORDER BY credential_id, version`
const servicesByName = (marks: string): string =>
  `SELECT ${serviceColumns} FROM tenant_services WHERE tenant_id IN (?, ?) AND service_name IN (${marks})`

const unique = (texts: Iterable<string>): ReadonlyArray<string> => Array.from(new Set(texts))
const slotOf = (credential: Credential): string => slotKey(credential.serviceName, ownerKey(credential.owner))

/** The active one of each slot. */
const loadActive = async (session: Session, tenantId: string, slots: ReadonlyArray<string>) =>
  (await Columns.rowsIn(session, activeInSlots, slots, [tenantId])).map(credentialOf)

/** The active one of each slot, or else the newest. */
const loadSlots = async (session: Session, tenantId: string, slots: ReadonlyArray<string>) => {
  const active = await loadActive(session, tenantId, unique(slots))
  const taken = new Set(active.map(slotOf))
  const rest = unique(slots).filter((slot) => !taken.has(slot))
  return [...active, ...(await Columns.rowsIn(session, newestInSlots, rest, [tenantId])).map(credentialOf)]
}

const loadIds = async (session: Session, tenantId: string, ids: ReadonlyArray<string>) => {
  const rows = await Columns.rowsIn(session, byId, Columns.uuidBytesOf(ids), [tenantId, globalTenantId])
  const found = rows.map(credentialOf)
  const ended = found.filter((credential) => credential.tenantId === tenantId && credential.state !== "active")
  return [...found, ...(await loadActive(session, tenantId, unique(ended.map(slotOf))))]
}

/** The credentials alone: what `CredentialStore.find` needs as well. */
export const findCredentials = async (
  session: Session,
  tenantId: string,
  load: Pick<CredentialLoad, "ids" | "slots" | "globalSlots">
): Promise<ReadonlyMap<string, Credential>> => {
  const found = await Promise.all([
    loadIds(session, tenantId, load.ids),
    loadSlots(session, tenantId, load.slots),
    loadSlots(session, globalTenantId, load.globalSlots)
  ])
  return new Map(found.flat().map((credential) => [credential.credentialId, credential]))
}

export const findServices = async (
  session: Session,
  tenantId: string,
  names: Iterable<string>
): Promise<ReadonlyMap<string, TenantService>> => {
  const rows = await Columns.rowsIn(session, servicesByName, unique(names), [tenantId, globalTenantId])
  return new Map(rows.map(serviceOf).map((service) => [`${service.tenantId}/${service.serviceName}`, service]))
}

export const loadCredentials = async (
  session: Session,
  tenantId: string,
  load: CredentialLoad | undefined
): Promise<CredentialLoaded | undefined> => {
  if (load === undefined) return undefined
  const credentials = await findCredentials(session, tenantId, load)
  const names = [
    ...load.serviceNames,
    ...load.slots.map(serviceNameOfSlot),
    ...Array.from(credentials.values(), (credential) => credential.serviceName)
  ]
  const [rows, services] = await Promise.all([
    Columns.rowsIn(session, versionsOfIds, Columns.uuidBytesOf(credentials.keys())),
    findServices(session, tenantId, names)
  ])
  const versions = new Map<string, Array<CredentialVersion>>()
  for (const version of rows.map(versionOf)) {
    const known = versions.get(version.credentialId)
    if (known === undefined) versions.set(version.credentialId, [version])
    else known.push(version)
  }
  return { credentials, versions, services }
}
