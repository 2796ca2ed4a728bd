/**
 * The credentials, versions and services that a transaction named: the tenant's own under its lock,
 * those of `global` as last committed.
 */
import {
  type Credential,
  type CredentialVersion,
  ownerKey,
  servicesSwitchedMax,
  type TenantService,
  versionsKeptMax
} from "../../../domain/Credential.ts"
import { globalTenantId } from "../../../domain/Names.ts"
import { defaultLimits } from "../../../domain/TenantLimits.ts"
import {
  type CredentialLoad,
  type CredentialLoaded,
  serviceNameOfSlot,
  slotKey,
  type TaggedTenant
} from "../../CredentialStore.ts"
import * as Columns from "../Columns.ts"
import {
  credentialColumns,
  credentialOf,
  readVersionColumns,
  readVersionColumnsOfV,
  serviceColumns,
  serviceOf,
  versionOf
} from "../CredentialRow.ts"
import type { Row, Session } from "../MariadbConnection.ts"
import { loadProviders, loadRotators } from "./entries.ts"

const prefixed = (table: string, columns: string): string =>
  columns
    .split(", ")
    .map((column) => `${table}.${column}`)
    .join(", ")

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
  `SELECT ${readVersionColumns} FROM credential_versions WHERE credential_id IN (${marks}) AND key_id IS NOT NULL`
const versionsInSlots = (marks: string): string =>
  `SELECT ${readVersionColumnsOfV} FROM credentials c FORCE INDEX (uq_credentials_active)
    JOIN credential_versions v ON v.credential_id = c.credential_id AND v.key_id IS NOT NULL
    WHERE c.tenant_id = ? AND c.active_slot IN (${marks})`
const servicesByName = (marks: string): string =>
  `SELECT ${serviceColumns} FROM tenant_services WHERE tenant_id IN (?, ?) AND service_name IN (${marks})`
const servicesOfIds = (marks: string): string =>
  `SELECT ${prefixed("s", serviceColumns)} FROM credentials c
    JOIN tenant_services s ON s.service_name = c.service_name AND s.tenant_id IN (?, ?)
    WHERE c.credential_id IN (${marks})`

/** As many as a rotation leaves, and those of which no overlap is counted. */
const kept = { each: 2 * versionsKeptMax, what: `${versionsKeptMax} versions of a credential whose secrets are kept` }
/** Twice the credentials that a tenant may have, unless somebody set it higher. */
const servicesOffMax = 2 * defaultLimits.credentials

const serviceCountSql = `SELECT COUNT(*) FROM (SELECT 1 FROM tenant_services WHERE tenant_id = ?
  LIMIT ${servicesSwitchedMax}) some`

const servicesOffSql = "SELECT service_name FROM tenant_services WHERE tenant_id = ? AND is_active = 0 LIMIT ?"
/** One statement, so that a tenant's tag and the services that it covers are of one moment. */
export const taggedTenantColumns = `t.tenant_id, t.created_at, t.removed_at, t.mac,
    (SELECT SHA2(GROUP_CONCAT(s.service_name ORDER BY s.service_name SEPARATOR '/'), 256)
      FROM tenant_services s FORCE INDEX (ix_tenant_services_off)
      WHERE s.tenant_id = t.tenant_id AND s.is_active = 0)`
const taggedTenantsSql = `SELECT ${taggedTenantColumns} FROM tenants t WHERE t.tenant_id IN (?, ?)`

export const taggedTenantOf = (row: Row): TaggedTenant => ({
  tenantId: Columns.text(row, 0),
  createdAt: Columns.whole(row, 1),
  removedAt: Columns.wholeOrNull(row, 2),
  servicesOff: Columns.textOrNull(row, 4) ?? "",
  ...Columns.macOf(row, 3)
})

const serviceKey = (service: TenantService): string => `${service.tenantId}/${service.serviceName}`
const unique = (texts: Iterable<string>): ReadonlyArray<string> => Array.from(new Set(texts))
const slotOf = (credential: Credential): string => slotKey(credential.serviceName, ownerKey(credential.owner))

/** The active one of each slot. */
const loadActive = async (session: Session, tenantId: string, slots: ReadonlyArray<string>) =>
  (await Columns.rowsIn(session, activeInSlots, slots, [tenantId])).map(credentialOf)

/**
 * The active one of each slot, or else the newest. Both are asked for at once: what is stored is new as a rule, and a name
 * that is read seldom has one of the global tenant's.
 */
const loadSlots = async (session: Session, tenantId: string, slots: ReadonlyArray<string>) => {
  const [active, newest] = await Promise.all([
    loadActive(session, tenantId, unique(slots)),
    Columns.rowsIn(session, newestInSlots, unique(slots), [tenantId])
  ])
  const taken = new Set(active.map(slotOf))
  return [...active, ...newest.map(credentialOf).filter((credential) => !taken.has(slotOf(credential)))]
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
  return new Map(rows.map(serviceOf).map((service) => [serviceKey(service), service]))
}

const countServices = async (session: Session, tenantId: string): Promise<number> => {
  const [row] = await session.rows(serviceCountSql, [tenantId])
  return row === undefined ? 0 : Columns.whole(row, 0)
}

const byVersion = (a: CredentialVersion, b: CredentialVersion): number => a.version - b.version

const grouped = (versions: ReadonlyArray<CredentialVersion>): ReadonlyMap<string, ReadonlyArray<CredentialVersion>> => {
  const known = new Map<string, Map<number, CredentialVersion>>()
  for (const version of versions) {
    const ofOne = known.get(version.credentialId) ?? new Map<number, CredentialVersion>()
    known.set(version.credentialId, ofOne.set(version.version, version))
  }
  return new Map(Array.from(known, ([id, ofOne]) => [id, Array.from(ofOne.values()).toSorted(byVersion)]))
}

/**
 * One round trip for what most requests need: an id, or a slot with an active credential or with none. What was
 * found in another way (an ended one, the active one of an ended one's slot) costs one more.
 */
export const loadCredentials = async (
  session: Session,
  tenantId: string,
  load: CredentialLoad | undefined
): Promise<CredentialLoaded | undefined> => {
  if (load === undefined) return undefined
  const ids = Columns.uuidBytesOf(load.ids)
  const names = [...load.serviceNames, ...load.slots.map(serviceNameOfSlot), ...load.globalSlots.map(serviceNameOfSlot)]
  const both = [tenantId, globalTenantId]
  const [
    credentials,
    ofIds,
    inSlots,
    inGlobalSlots,
    services,
    idServices,
    serviceCount,
    off,
    tenants,
    providers,
    rotators
  ] = await Promise.all([
    findCredentials(session, tenantId, load),
    Columns.rowsWithin(session, versionsOfIds, ids, [], kept),
    Columns.rowsWithin(session, versionsInSlots, unique(load.slots), [tenantId], kept),
    Columns.rowsWithin(session, versionsInSlots, unique(load.globalSlots), [globalTenantId], kept),
    findServices(session, tenantId, names),
    Columns.rowsIn(session, servicesOfIds, ids, both),
    load.countServices ? countServices(session, tenantId) : null,
    load.countServices ? session.rows(servicesOffSql, [tenantId, servicesOffMax + 1]) : null,
    session.rows(taggedTenantsSql, both),
    loadProviders(session, tenantId, load.providers),
    loadRotators(session, tenantId, load.rotators)
  ])
  const first = [...ofIds, ...inSlots, ...inGlobalSlots].map(versionOf)
  const seen = new Set([...load.ids, ...first.map((version) => version.credentialId)])
  const rest = Array.from(credentials.keys()).filter((credentialId) => !seen.has(credentialId))
  const more = (await Columns.rowsWithin(session, versionsOfIds, Columns.uuidBytesOf(rest), [], kept)).map(versionOf)
  const own = [...first, ...more].filter((version) => credentials.has(version.credentialId))
  return {
    credentials,
    versions: grouped(own),
    services: new Map([
      ...services,
      ...idServices.map(serviceOf).map((service) => [serviceKey(service), service] as const)
    ]),
    serviceCount,
    servicesOff:
      off === null
        ? null
        : Columns.within(servicesOffMax, `${servicesOffMax} services that are switched off`, off).map((row) =>
            Columns.text(row, 0)
          ),
    tenants: new Map(tenants.map(taggedTenantOf).map((tenant) => [tenant.tenantId, tenant])),
    ...providers,
    ...rotators
  }
}
