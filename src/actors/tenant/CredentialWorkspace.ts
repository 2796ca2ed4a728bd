/**
 * The credentials and services of a group of commands, in memory, before anything is written.
 *
 * Part of `Workspace`: starts as what was loaded under the tenant's lock, shows each command what
 * the ones before it decided, and says at the end what the store has to write. Rows of the tenant
 * `global` that another tenant loaded are seen here and never changed.
 */
import {
  type Credential,
  type CredentialVersion,
  type Owner,
  ownerKey,
  type TenantService
} from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import type { ProviderEntry } from "../../domain/ProviderEntry.ts"
import type { RotatorEntry } from "../../domain/Rotator.ts"
import type { CredentialChanges, CredentialLoaded } from "../../store/CredentialStore.ts"
import { countsAsCredential } from "../../store/Stock.ts"

export class CredentialWorkspace {
  private readonly tenantId: string
  private readonly credentials: Map<string, Credential>
  private readonly versions = new Map<string, Map<number, CredentialVersion>>()
  private readonly services: Map<string, TenantService>
  private readonly inserted = new Set<string>()
  private readonly updated = new Set<string>()
  private readonly deleted = new Set<string>()
  private readonly versionsWritten = new Map<string, CredentialVersion>()
  private readonly servicesWritten = new Map<string, TenantService>()
  private readonly versionsDeleted: Array<{ readonly credentialId: string; readonly version: number }> = []
  private readonly providers: Map<string, ProviderEntry>
  private readonly providersInUse: ReadonlySet<string>
  private readonly providersCounted: number
  private readonly providersWritten = new Map<string, ProviderEntry>()
  private readonly providersDeleted = new Set<string>()
  private readonly rotators: Map<string, RotatorEntry>
  private readonly rotatorsInUse: ReadonlySet<string>
  private readonly rotatorsCounted: number
  private readonly rotatorsWritten = new Map<string, RotatorEntry>()
  private readonly rotatorsDeleted = new Set<string>()
  private readonly servicesCounted: number | null
  private servicesAdded = 0
  /** By how many the tenant has more that count against its limit. */
  added = 0

  constructor(tenantId: string, loaded: CredentialLoaded | undefined) {
    this.tenantId = tenantId
    this.credentials = new Map(loaded?.credentials)
    this.services = new Map(loaded?.services)
    this.providers = new Map(loaded?.providers)
    this.providersInUse = loaded?.providersInUse ?? new Set()
    this.providersCounted = loaded?.providerCount ?? 0
    this.rotators = new Map(loaded?.rotators)
    this.rotatorsInUse = loaded?.rotatorsInUse ?? new Set()
    this.rotatorsCounted = loaded?.rotatorCount ?? 0
    this.servicesCounted = loaded?.serviceCount ?? null
    for (const [credentialId, versions] of loaded?.versions ?? []) {
      this.versions.set(credentialId, new Map(versions.map((version) => [version.version, version])))
    }
  }

  // ---- seeing
  /** Of this tenant: what may be changed. */
  own(credentialId: string): Credential | undefined {
    const credential = this.credentials.get(credentialId)
    return credential?.tenantId === this.tenantId ? credential : undefined
  }

  /** Of this tenant or global: what may be read. */
  readable(credentialId: string): Credential | undefined {
    return this.credentials.get(credentialId)
  }

  /** All that a request by service name may mean: the named owner's, the tenant's, the global ones. */
  candidates(serviceName: string, owner: Owner): ReadonlyArray<Credential> {
    const keys = new Set([ownerKey(owner), ""])
    return Array.from(this.credentials.values()).filter(
      (credential) =>
        credential.serviceName === serviceName &&
        (credential.tenantId === this.tenantId
          ? keys.has(ownerKey(credential.owner))
          : ownerKey(credential.owner) === "")
    )
  }

  /** The one of this tenant that is stored as active for that service and owner. */
  activeInSlot(serviceName: string, owner: Owner): Credential | undefined {
    return Array.from(this.credentials.values()).find(
      (credential) =>
        credential.tenantId === this.tenantId &&
        credential.state === "active" &&
        credential.serviceName === serviceName &&
        ownerKey(credential.owner) === ownerKey(owner)
    )
  }

  /** Those that still hold a secret, ascending. */
  versionsOf(credentialId: string): ReadonlyArray<CredentialVersion> {
    return Array.from(this.versions.get(credentialId)?.values() ?? []).toSorted((a, b) => a.version - b.version)
  }

  /** The version whose secret is handed out. */
  currentVersion(credential: Credential): CredentialVersion | undefined {
    return this.versions.get(credential.credentialId)?.get(credential.secretVersion)
  }

  /** This tenant's row. */
  service(serviceName: string): TenantService | undefined {
    return this.services.get(`${this.tenantId}/${serviceName}`)
  }

  /** This tenant's rows, those of the commands before included; for a command that asked to count them. */
  serviceCount(): number {
    if (this.servicesCounted === null) throw new Error("services were not counted")
    return this.servicesCounted + this.servicesAdded
  }

  /** The rows that decide whether this tenant may read a credential of that service. */
  servicesFor(credential: Credential): ReadonlyArray<TenantService> {
    const tenantIds = new Set([this.tenantId, credential.tenantId === globalTenantId ? globalTenantId : this.tenantId])
    return Array.from(tenantIds).flatMap((tenantId) => this.services.get(`${tenantId}/${credential.serviceName}`) ?? [])
  }

  /** This tenant's own provider of that name, as a command that asked for it finds it. */
  provider(name: string): ProviderEntry | undefined {
    return this.providers.get(name)
  }

  /** By a credential that a command before made or changed, too. */
  isProviderInUse(name: string): boolean {
    return this.providersInUse.has(name) || this.isNamed(({ refresh }) => refresh?.provider === name)
  }

  /** Those that the commands before made included; what they deleted still counts. */
  providerCount(): number {
    return this.providersCounted + this.providersWritten.size
  }

  rotator(name: string): RotatorEntry | undefined {
    return this.rotators.get(name)
  }

  isRotatorInUse(name: string): boolean {
    return this.rotatorsInUse.has(name) || this.isNamed(({ rotating }) => rotating?.rotator === name)
  }

  private isNamed(names: (credential: Credential) => boolean): boolean {
    return Array.from(this.credentials.values()).some(
      (credential) => credential.tenantId === this.tenantId && credential.state !== "revoked" && names(credential)
    )
  }

  /** As `providerCount`. */
  rotatorCount(): number {
    return this.rotatorsCounted + this.rotatorsWritten.size
  }

  // ---- changing
  putRotator(entry: RotatorEntry): void {
    this.rotators.set(entry.name, entry)
    this.rotatorsWritten.set(entry.name, entry)
    this.rotatorsDeleted.delete(entry.name)
  }

  deleteRotator(name: string): void {
    this.rotators.delete(name)
    this.rotatorsWritten.delete(name)
    this.rotatorsDeleted.add(name)
  }

  putProvider(entry: ProviderEntry): void {
    this.providers.set(entry.name, entry)
    this.providersWritten.set(entry.name, entry)
    this.providersDeleted.delete(entry.name)
  }

  deleteProvider(name: string): void {
    this.providers.delete(name)
    this.providersWritten.delete(name)
    this.providersDeleted.add(name)
  }

  /** The row goes: an answer that was settled, or what was sealed for a provider. */
  deleteVersion(credentialId: string, version: number): void {
    this.versions.get(credentialId)?.delete(version)
    this.versionsWritten.delete(`${credentialId}/${version}`)
    this.versionsDeleted.push({ credentialId, version })
  }

  insert(credential: Credential): void {
    this.count(credential)
    this.credentials.set(credential.credentialId, credential)
    this.inserted.add(credential.credentialId)
  }

  update(credential: Credential): void {
    this.count(credential)
    this.credentials.set(credential.credentialId, credential)
    if (!this.inserted.has(credential.credentialId)) this.updated.add(credential.credentialId)
  }

  delete(credentialId: string): void {
    for (const version of this.versions.get(credentialId)?.keys() ?? []) {
      this.versionsWritten.delete(`${credentialId}/${version}`)
    }
    this.added -= Number(countsAsCredential(this.credentials.get(credentialId)))
    this.credentials.delete(credentialId)
    this.versions.delete(credentialId)
    this.updated.delete(credentialId)
    if (!this.inserted.delete(credentialId)) this.deleted.add(credentialId)
  }

  putVersion(version: CredentialVersion): void {
    const versions = this.versions.get(version.credentialId) ?? new Map<number, CredentialVersion>()
    versions.set(version.version, version)
    this.versions.set(version.credentialId, versions)
    this.versionsWritten.set(`${version.credentialId}/${version.version}`, version)
  }

  putService(service: TenantService): void {
    if (this.service(service.serviceName) === undefined) this.servicesAdded++
    this.services.set(`${service.tenantId}/${service.serviceName}`, service)
    this.servicesWritten.set(service.serviceName, service)
  }

  private count(credential: Credential): void {
    const before = this.credentials.get(credential.credentialId)
    this.added += Number(countsAsCredential(credential)) - Number(countsAsCredential(before))
  }

  changes(): CredentialChanges {
    const now = (credentialId: string) => this.credentials.get(credentialId)!
    return {
      inserted: Array.from(this.inserted, now),
      updated: Array.from(this.updated, now),
      deleted: Array.from(this.deleted),
      versions: Array.from(this.versionsWritten.values()),
      services: Array.from(this.servicesWritten.values()),
      ...(this.versionsDeleted.length === 0 ? {} : { versionsDeleted: this.versionsDeleted }),
      ...(this.providersWritten.size === 0 ? {} : { providers: Array.from(this.providersWritten.values()) }),
      ...(this.providersDeleted.size === 0 ? {} : { providersDeleted: Array.from(this.providersDeleted) }),
      ...(this.rotatorsWritten.size === 0 ? {} : { rotators: Array.from(this.rotatorsWritten.values()) }),
      ...(this.rotatorsDeleted.size === 0 ? {} : { rotatorsDeleted: Array.from(this.rotatorsDeleted) })
    }
  }
}
