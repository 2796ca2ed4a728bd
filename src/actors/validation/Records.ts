/**
 * What this replica knows of tenants and of applications: small records that entries of the hot table
 * name by index.
 *
 * They hold what the protocol between replicas asks for and decide nothing themselves. A record is
 * made for what a row or a revocation names, never for what a caller does. Bounded, and a single
 * tenant may have only so many applications; when it has, the records of removed ones are given up
 * together: the covered sequence of their tenant rises to theirs, so that nothing of them is believed.
 */
import { RateBucket } from "../../domain/TenantLimits.ts"
import { Negatives } from "./Negatives.ts"

/** Records; what comes beyond is answered from MariaDB each time. */
export const recordLimits = {
  tenantsMax: 200_000,
  applicationsMax: 500_000,
  applicationsPerTenantMax: 50_000
}
/** Removed applications of a tenant are given up when they are at least this part of what it may have. */
const reclaimedPart = 1 / 8

export class TenantRecord {
  /** Never falls, unless the tenant begins anew (`Sequences.ts`). */
  coveredSeq = 0
  /** The lease generation `coveredSeq` was read under; 0 for none. */
  coveredGeneration = 0
  /** The newest removal of the tenant that was applied. */
  epochSeq = 0
  /** Token id to the newest revocation applied, oldest first. Kept by `Tombstones`. */
  readonly tombstones = new Map<string, number>()
  readonly negatives = new Negatives()
  /** The highest sequence known, and the tick when that was learnt. These five are kept by `Sequences`. */
  topSeq = 0
  topTick = 0
  /** The highest sequence applied since that was not higher. */
  lateSeq = 0
  /** When the tenant began anew; 0 for never. */
  startedTick = 0
  /** Token or client credential id to the version that its newest revocation left, oldest first. */
  readonly versions = new Map<string, number>()
  /** By name. A name that moves to another tenant has a record of its own there. */
  readonly applications = new Map<string, ApplicationRecord>()
  /** How many of them were removed some time. */
  removedApplications = 0
  /** Requests that wait for a token of this tenant. */
  waiting = 0
  /** Of questions to MariaDB. */
  readonly missRate = new RateBucket()
  readonly tenantId: string
  /** -1: beyond the limit, nothing of it is kept. */
  readonly index: number

  constructor(tenantId: string, index: number) {
    this.tenantId = tenantId
    this.index = index
  }
}

export class ApplicationRecord {
  /** The newest removal that was applied. */
  epochSeq = 0
  readonly appName: string
  readonly tenant: TenantRecord
  /** -1: beyond the limit, nothing of it is kept. */
  readonly index: number

  constructor(appName: string, tenant: TenantRecord, index: number) {
    this.appName = appName
    this.tenant = tenant
    this.index = index
  }

  /** A removal was applied. */
  remove(seq: number): void {
    if (this.epochSeq === 0) this.tenant.removedApplications++
    this.epochSeq = Math.max(this.epochSeq, seq)
  }
}

export class Records {
  readonly tenants: Array<TenantRecord> = []
  readonly applications: Array<ApplicationRecord> = []
  private readonly byTenantId = new Map<string, TenantRecord>()
  /** Indexes of applications that nothing names any more. */
  private readonly free: Array<number> = []
  private readonly limits: typeof recordLimits
  private readonly onReclaimed: (tenant: TenantRecord, applications: ReadonlyArray<ApplicationRecord>) => void

  /** @param onReclaimed their indexes are given to others next, and the tenant's covered sequence has risen */
  constructor(
    limits: typeof recordLimits,
    onReclaimed: (tenant: TenantRecord, applications: ReadonlyArray<ApplicationRecord>) => void
  ) {
    this.limits = limits
    this.onReclaimed = onReclaimed
  }

  findTenant(tenantId: string): TenantRecord | undefined {
    return this.byTenantId.get(tenantId)
  }

  tenant(tenantId: string): TenantRecord {
    const present = this.byTenantId.get(tenantId)
    if (present !== undefined) return present
    if (this.tenants.length >= this.limits.tenantsMax) return new TenantRecord(tenantId, -1)
    const made = new TenantRecord(tenantId, this.tenants.length)
    this.tenants.push(made)
    this.byTenantId.set(tenantId, made)
    return made
  }

  application(appName: string, tenant: TenantRecord): ApplicationRecord {
    const present = tenant.applications.get(appName)
    if (present !== undefined) return present
    if (tenant.index < 0 || !this.hasRoom(tenant)) return new ApplicationRecord(appName, tenant, -1)
    const made = new ApplicationRecord(appName, tenant, this.free.pop() ?? this.applications.length)
    this.applications[made.index] = made
    tenant.applications.set(appName, made)
    return made
  }

  private hasRoom(tenant: TenantRecord): boolean {
    return !this.isFull(tenant) || (this.reclaim(tenant) && !this.isFull(tenant))
  }

  private isFull(tenant: TenantRecord): boolean {
    const { applicationsMax, applicationsPerTenantMax } = this.limits
    return (
      tenant.applications.size >= applicationsPerTenantMax ||
      (this.free.length === 0 && this.applications.length >= applicationsMax)
    )
  }

  private reclaim(tenant: TenantRecord): boolean {
    if (tenant.removedApplications < Math.max(1, this.limits.applicationsPerTenantMax * reclaimedPart)) return false
    const gone = Array.from(tenant.applications.values()).filter(({ epochSeq }) => epochSeq > 0)
    for (const { appName, epochSeq, index } of gone) {
      tenant.applications.delete(appName)
      tenant.coveredSeq = Math.max(tenant.coveredSeq, epochSeq)
      this.free.push(index)
    }
    tenant.removedApplications = 0
    this.onReclaimed(tenant, gone)
    return true
  }
}
