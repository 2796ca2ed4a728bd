/**
 * Credentials, versions and services in memory: what the memory `TenantStore` loads and writes.
 *
 * The twin of `load/credentials.ts` and `apply/credentials.ts`, the unique index on the active
 * credential of a slot included (`broken`).
 */
import { createHash } from "node:crypto"
import {
  type Credential,
  type CredentialVersion,
  isGlobal,
  ownerKey,
  servicesSwitchedMax,
  type TenantService
} from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { type ProviderEntry, providersMax } from "../../domain/ProviderEntry.ts"
import { type RotatorEntry, rotatorsMax } from "../../domain/Rotator.ts"
import {
  type CredentialChanges,
  type CredentialLoad,
  type CredentialLoaded,
  serviceNameOfSlot,
  slotKey,
  type TaggedTenant,
  uniqueActiveConstraint
} from "../CredentialStore.ts"
import { countsAsCredential } from "../Stock.ts"

const slotOf = (credential: Credential): string => slotKey(credential.serviceName, ownerKey(credential.owner))
export const newestFirst = (a: Credential, b: Credential): number => (a.credentialId < b.credentialId ? 1 : -1)

export class MemoryCredentialTables {
  private readonly credentials = new Map<string, Credential>()
  private readonly versions = new Map<string, Map<number, CredentialVersion>>()
  private readonly services = new Map<string, TenantService>()
  /** By `tenantId/name`. */
  readonly providers = new Map<string, ProviderEntry>()
  readonly rotators = new Map<string, RotatorEntry>()

  all(): ReadonlyArray<Credential> {
    return Array.from(this.credentials.values())
  }

  /** How many of the tenant's count against its limit. */
  stock(tenantId: string): number {
    return this.all().filter((credential) => credential.tenantId === tenantId && countsAsCredential(credential)).length
  }

  get(credentialId: string): Credential | undefined {
    return this.credentials.get(credentialId)
  }

  versionsOf(credentialId: string): ReadonlyArray<CredentialVersion> {
    return Array.from(this.versions.get(credentialId)?.values() ?? []).toSorted((a, b) => a.version - b.version)
  }

  allVersions(): ReadonlyArray<CredentialVersion> {
    return Array.from(this.versions.values()).flatMap((versions) => Array.from(versions.values()))
  }

  servicesOf(tenantId: string): ReadonlyArray<TenantService> {
    return Array.from(this.services.values()).filter((service) => service.tenantId === tenantId)
  }

  servicesOff(tenantId: string): ReadonlyArray<string> {
    return this.servicesOf(tenantId)
      .filter(({ isActive }) => !isActive)
      .map(({ serviceName }) => serviceName)
  }

  /** As MariaDB makes it of its rows. */
  servicesOffDigest(tenantId: string): string {
    const names = this.servicesOff(tenantId)
    return names.length === 0 ? "" : createHash("sha256").update(names.toSorted().join("/"), "utf8").digest("hex")
  }

  deleteServices(tenantId: string): void {
    for (const { serviceName } of this.servicesOf(tenantId)) this.services.delete(`${tenantId}/${serviceName}`)
  }

  /** What a removed tenant had beside its credentials. */
  deleteEntries(tenantId: string): void {
    for (const [key, { providerId, tenantId: of }] of this.providers) {
      if (of !== tenantId) continue
      this.versions.delete(providerId)
      this.providers.delete(key)
    }
    for (const [key, { tenantId: of }] of this.rotators) if (of === tenantId) this.rotators.delete(key)
  }

  isOn(tenantId: string, serviceName: string): boolean {
    return this.services.get(`${tenantId}/${serviceName}`)?.isActive ?? true
  }

  private active(tenantId: string, slot: string): Credential | undefined {
    return this.all().find(
      (credential) => credential.tenantId === tenantId && credential.state === "active" && slotOf(credential) === slot
    )
  }

  private slot(tenantId: string, slot: string): ReadonlyArray<Credential> {
    const found = this.active(tenantId, slot)
    if (found !== undefined) return [found]
    return this.all()
      .filter((credential) => credential.tenantId === tenantId && slotOf(credential) === slot)
      .toSorted(newestFirst)
      .slice(0, 1)
  }

  private byId(tenantId: string, credentialId: string): ReadonlyArray<Credential> {
    const found = this.credentials.get(credentialId)
    if (found === undefined || (found.tenantId !== tenantId && !isGlobal(found))) return []
    const active = found.tenantId === tenantId ? this.active(tenantId, slotOf(found)) : undefined
    return active === undefined ? [found] : [found, active]
  }

  find(tenantId: string, load: Pick<CredentialLoad, "ids" | "slots" | "globalSlots">): ReadonlyMap<string, Credential> {
    const found = [
      ...load.ids.flatMap((credentialId) => this.byId(tenantId, credentialId)),
      ...load.slots.flatMap((slot) => this.slot(tenantId, slot)),
      ...load.globalSlots.flatMap((slot) => this.slot(globalTenantId, slot))
    ]
    return new Map(found.map((credential) => [credential.credentialId, credential]))
  }

  load(
    tenantId: string,
    load: CredentialLoad | undefined,
    tenantOf: (tenantId: string) => TaggedTenant | undefined
  ): CredentialLoaded | undefined {
    if (load === undefined) return undefined
    const credentials = this.find(tenantId, load)
    const names = new Set([
      ...load.serviceNames,
      ...load.slots.map(serviceNameOfSlot),
      ...Array.from(credentials.values(), (credential) => credential.serviceName)
    ])
    const versions = Array.from(credentials.keys(), (credentialId) => {
      const kept = this.versionsOf(credentialId).filter((version) => version.sealed !== null)
      return [credentialId, kept] as const
    })
    const services = Array.from(this.services).filter(
      ([, service]) => [tenantId, globalTenantId].includes(service.tenantId) && names.has(service.serviceName)
    )
    const tenants = [tenantId, globalTenantId].flatMap((id) => {
      const tenant = tenantOf(id)
      return tenant === undefined ? [] : [[id, tenant] as const]
    })
    return {
      credentials,
      versions: new Map(versions.filter(([, kept]) => kept.length > 0)),
      services: new Map(services),
      serviceCount: load.countServices ? Math.min(this.servicesOf(tenantId).length, servicesSwitchedMax) : null,
      servicesOff: load.countServices ? this.servicesOff(tenantId) : null,
      tenants: new Map(tenants),
      ...(load.providers === undefined ? {} : this.loadProviders(tenantId, load.providers)),
      ...(load.rotators === undefined ? {} : this.loadRotators(tenantId, load.rotators))
    }
  }

  private loadProviders(tenantId: string, names: ReadonlyArray<string>) {
    const named = (credential: Credential) => credential.refresh?.provider
    const { count, entries, inUse } = this.loadEntries(tenantId, names, this.providers, named, providersMax)
    return { providers: entries, providersInUse: inUse, providerCount: count }
  }

  private loadRotators(tenantId: string, names: ReadonlyArray<string>) {
    const named = (credential: Credential) => credential.rotating?.rotator
    const { count, entries, inUse } = this.loadEntries(tenantId, names, this.rotators, named, rotatorsMax)
    return { rotators: entries, rotatorsInUse: inUse, rotatorCount: count }
  }

  /** A name of `global` is meant by every tenant that has none of its own of that name. */
  private loadEntries<Entry extends { readonly name: string; readonly tenantId: string }>(
    tenantId: string,
    names: ReadonlyArray<string>,
    all: ReadonlyMap<string, Entry>,
    named: (credential: Credential) => string | undefined,
    max: number
  ) {
    const entries = names.flatMap((name) => all.get(`${tenantId}/${name}`) ?? [])
    const means = (credential: Credential, name: string): boolean =>
      named(credential) === name &&
      credential.state !== "revoked" &&
      (credential.tenantId === tenantId || (tenantId === globalTenantId && !all.has(`${credential.tenantId}/${name}`)))
    const own = Array.from(all.values()).filter((entry) => entry.tenantId === tenantId)
    return {
      entries: new Map(entries.map((entry) => [entry.name, entry])),
      inUse: new Set(names.filter((name) => this.all().some((credential) => means(credential, name)))),
      count: Math.min(own.length, max)
    }
  }

  putVersion(version: CredentialVersion): void {
    const versions = this.versions.get(version.credentialId) ?? new Map<number, CredentialVersion>()
    this.versions.set(version.credentialId, versions.set(version.version, version))
  }

  deleteVersion(credentialId: string, version: number): void {
    this.versions.get(credentialId)?.delete(version)
  }

  put(credential: Credential): void {
    this.credentials.set(credential.credentialId, credential)
  }

  /** The constraint that the changes break, or null. Nothing is changed by asking. */
  broken(changes: CredentialChanges | undefined): string | null {
    if (changes === undefined) return null
    const after = new Map(this.credentials)
    for (const credentialId of changes.deleted) after.delete(credentialId)
    for (const credential of [...changes.updated, ...changes.inserted]) after.set(credential.credentialId, credential)
    const taken = new Set<string>()
    for (const credential of after.values()) {
      if (credential.state !== "active") continue
      const place = `${credential.tenantId}/${slotOf(credential)}`
      if (taken.has(place)) return uniqueActiveConstraint
      taken.add(place)
    }
    return null
  }

  apply(changes: CredentialChanges | undefined, tenantId = ""): void {
    if (changes === undefined) return
    for (const credentialId of changes.deleted) {
      this.credentials.delete(credentialId)
      this.versions.delete(credentialId)
    }
    for (const credential of [...changes.updated, ...changes.inserted]) {
      this.credentials.set(credential.credentialId, credential)
    }
    for (const version of changes.versions) {
      this.putVersion(version)
    }
    for (const { credentialId, version } of changes.versionsDeleted ?? []) {
      this.deleteVersion(credentialId, version)
    }
    for (const entry of changes.providers ?? []) this.providers.set(`${entry.tenantId}/${entry.name}`, entry)
    for (const name of changes.providersDeleted ?? []) this.providers.delete(`${tenantId}/${name}`)
    for (const entry of changes.rotators ?? []) this.rotators.set(`${entry.tenantId}/${entry.name}`, entry)
    for (const name of changes.rotatorsDeleted ?? []) this.rotators.delete(`${tenantId}/${name}`)
    for (const service of changes.services) this.services.set(`${service.tenantId}/${service.serviceName}`, service)
  }
}
