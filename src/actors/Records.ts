/**
 * What this replica knows of a tenant and of an application: small records, made once, that stay.
 *
 * Entries of the hot table name them by index. They hold what the protocol between replicas asks for
 * and decide nothing themselves.
 */
import { Negatives } from "./Negatives.ts"

/** Records of tenants and applications; what comes beyond is answered from MariaDB each time. */
export const tenantRecordsMax = 200_000
export const applicationRecordsMax = 500_000

export class TenantRecord {
  coveredSeq = 0
  /** The lease generation `coveredSeq` was read under; 0 for none. */
  coveredGeneration = 0
  /** The newest removal of the tenant that was applied. */
  epochSeq = 0
  /** Token id to the newest revocation applied, oldest first. */
  readonly tombstones = new Map<string, number>()
  readonly negatives = new Negatives()
  /** By name. A name that moves to another tenant has a record of its own there. */
  readonly applications = new Map<string, ApplicationRecord>()
  /** Requests that wait for a token of this tenant. */
  waiting = 0
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
  readonly index: number

  constructor(appName: string, tenant: TenantRecord, index: number) {
    this.appName = appName
    this.tenant = tenant
    this.index = index
  }
}
