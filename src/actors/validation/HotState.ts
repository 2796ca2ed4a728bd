/**
 * Everything this replica believes about tokens, and the one place where it stops believing.
 *
 * Tenants and applications are small records (`Records.ts`); an entry of the hot table names them by
 * index. A tenant's record holds what the protocol between replicas asks for:
 * - `coveredSeq` and the lease generation it was read under. It comes from the rows themselves: a row
 *   read by a statement that was sent under the lease, in this very generation, carries the tenant's
 *   revocation sequence after the renewal that began the generation was acknowledged;
 * - tombstones (`Tombstones.ts`), one for each token revoked while listening;
 * - the epochs of its own removal and (in the application's record) of the application's.
 *
 * `applyUnsafe` is synchronous: when it returns, no answer of this replica comes from before the
 * revocation. `dropUnsafe` forgets what may have been taken away and remembers no sequence, so that it
 * costs one read when nothing was. Nothing here does I/O, and nothing is written to a shared cache.
 *
 * A sequence that somebody set back in the database is found by `Sequences.ts`: the tenant begins anew.
 *
 * Longer than 300 lines because what is believed and what ends it are one promise.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Applier, type LeaseState, LeaseView } from "../../coherence/Coherence.ts"
import { mayBelieve } from "../../domain/Belief.ts"
import type { HotToken } from "../../domain/HotToken.ts"
import type { Appearance, Revocation, RevocationTarget } from "../../domain/Revocation.ts"
import type { TenantSettings } from "../../domain/Tenant.ts"
import { isPast } from "../../domain/Token.ts"
import { isUsable } from "../../domain/TokenLifecycle.ts"
import { encodeTail } from "../../schema/EcapReply.ts"
import { ActorsConfig } from "../tenant/ActorsConfig.ts"
import { inactiveFlag, rotatedFlag, toldFlag } from "./HotRecord.ts"
import { HotTable } from "./HotTable.ts"
import { type ApplicationRecord, Records, recordLimits, type TenantRecord } from "./Records.ts"
import { isImpossible, remember, Sequences } from "./Sequences.ts"
import { fits } from "./TokenIdTag.ts"
import { Tombstones, tombstonesMax } from "./Tombstones.ts"
import { Uses } from "./Uses.ts"

/** Heard when applications and client credentials come and go, so that who remembers them forgets. */
export interface DirectoryListener {
  readonly applicationGone: (tenantId: string, appName: string) => void
  readonly tenantGone: (tenantId: string) => void
  readonly applicationAppeared: (appName: string) => void
  /** What is configured for the tenant is something else. `seq`: null where it is not known whether it is. */
  readonly settingsChanged?: (
    tenantId: string,
    limits: TenantSettings["limits"] | undefined,
    seq: number | null
  ) => void
  readonly clientGone?: (tenantId: string, credentialId: string) => void
}

export class Beliefs {
  readonly hot: HotTable
  readonly uses: Uses
  readonly tombstones: Tombstones
  readonly sequences = new Sequences()
  /** A tenant's revocation sequence was set back. Called before anything more is believed; must not throw. */
  onFallen: (tenantId: string) => void = () => {}
  private readonly records: Records
  readonly tenants: ReadonlyArray<TenantRecord>
  readonly applications: ReadonlyArray<ApplicationRecord>
  /** Rows of the shared cache that were refused, for the metrics. */
  disbelieved = 0
  private readonly listeners: Array<DirectoryListener> = []
  private readonly lease: LeaseState
  private readonly now: () => number

  constructor(options: {
    readonly hotTokensMax: number
    readonly tombstonesPerTenantMax: number
    readonly limits?: typeof recordLimits
    readonly lease: LeaseState
    /** UNIX milliseconds. */
    readonly now: () => number
  }) {
    this.lease = options.lease
    this.now = options.now
    this.uses = new Uses()
    this.hot = new HotTable({ max: options.hotTokensMax, onUseLeft: (tokenId, at) => this.uses.add(tokenId, at) })
    this.tombstones = new Tombstones({ perTenantMax: options.tombstonesPerTenantMax, max: tombstonesMax })
    this.records = new Records(options.limits ?? recordLimits, (tenant, reclaimed) => {
      const indexes = new Set(reclaimed.map(({ index }) => index))
      this.hot.removeWhere((ref) => indexes.has(this.hot.applicationIndex(ref)))
      this.tombstones.covered(tenant)
    })
    this.tenants = this.records.tenants
    this.applications = this.records.applications
  }

  readonly hotCount = (): number => this.hot.count
  readonly hotCountOf = (tenantId: string): number => {
    const tenant = this.records.findTenant(tenantId)
    return tenant === undefined ? 0 : this.hot.countOf(tenant.index)
  }
  readonly listen = (listener: DirectoryListener): void => {
    this.listeners.push(listener)
  }

  // ---- records --------------------------------------------------------------------

  tenant(tenantId: string): TenantRecord {
    return this.records.tenant(tenantId)
  }

  application(appName: string, tenant: TenantRecord): ApplicationRecord {
    return this.records.application(appName, tenant)
  }

  // ---- believing ------------------------------------------------------------------

  /** The tenant's covered sequence, or null when it was not read under the present lease generation. */
  covered(tenant: TenantRecord): number | null {
    return tenant.coveredGeneration === this.lease.generation ? tenant.coveredSeq : null
  }

  /** Whether a hot entry may be used now. Applying a revocation drops entries, so there is no tombstone to ask. */
  believesHot(ref: number, leaseHolds: boolean): boolean {
    const application = this.applications[this.hot.applicationIndex(ref)]!
    const { tenant } = application
    return mayBelieve(leaseHolds, this.covered(tenant), this.hot.readSeq(ref), 0, application.epochSeq, tenant.epochSeq)
  }

  /** Whether a token from the shared cache may be used, or one from anywhere kept. */
  believes(token: HotToken, leaseHolds: boolean): boolean {
    const tenant = this.tenant(token.tenantId)
    if (tenant.index < 0 || isImpossible(tenant, token.tokenId, token.version, token.readSeq)) return false
    return mayBelieve(
      leaseHolds,
      this.covered(tenant),
      token.readSeq,
      this.tombstones.seqOf(tenant, token.tokenId),
      this.application(token.appName, tenant).epochSeq,
      tenant.epochSeq
    )
  }

  /** The same for a client credential, whose name is in no application. What is kept is asked with no `version`. */
  believesClient(
    tenant: TenantRecord,
    credentialId: string,
    readSeq: number,
    leaseHolds: boolean,
    version?: number
  ): boolean {
    if (tenant.index < 0) return false
    if (version !== undefined && isImpossible(tenant, credentialId, version, readSeq)) return false
    const tombstoneSeq = this.tombstones.seqOf(tenant, credentialId)
    return mayBelieve(leaseHolds, this.covered(tenant), readSeq, tombstoneSeq, 0, tenant.epochSeq)
  }

  /**
   * A row came from MariaDB. Where the tenant is not covered yet in the present generation, the row's
   * own sequence covers it, if its statement was sent under the lease and in this generation.
   *
   * @param sentGeneration the lease's generation when the statement was sent; 0 when the lease did not hold
   * @param sentTick the sequences' tick at that time; 0 where it is not known
   */
  cover(tenantId: string, readSeq: number, sentGeneration: number, sentTick = 0): void {
    const tenant = this.tenant(tenantId)
    if (tenant.index < 0) return
    if (this.sequences.read(tenant, readSeq, sentTick)) this.beginAnew(tenant, readSeq)
    if (sentGeneration === 0 || sentGeneration !== this.lease.generation) return
    if (tenant.coveredGeneration === sentGeneration || sentTick < tenant.startedTick) return
    tenant.coveredSeq = Math.max(tenant.coveredSeq, readSeq)
    tenant.coveredGeneration = sentGeneration
    this.tombstones.covered(tenant)
  }

  private beginAnew(tenant: TenantRecord, readSeq: number): void {
    this.dropUnsafe(tenant.tenantId, [{ kind: "tenant" }])
    this.sequences.beginAnew(tenant, readSeq)
    this.tombstones.forget(tenant)
    this.onFallen(tenant.tenantId)
  }

  // ---- keeping --------------------------------------------------------------------

  /** Keeps a usable token under the hash of its request's bytes, if it may be believed and nothing newer is there. */
  keep(h0: number, h1: number, h2: number, h3: number, token: HotToken, tail: Uint8Array, leaseHolds: boolean): void {
    if (this.hot.max === 0 || !fits(token.tokenId) || !this.believes(token, leaseHolds)) return
    const { hot } = this
    const present = hot.find(h0, h1, h2, h3)
    if (present !== 0 && hot.tokenId(present) !== token.tokenId && hot.readSeq(present) > token.readSeq) return
    const same = hot.findById(token.tokenId)
    if (same !== 0 && isOlder(token, hot.version(same), hot.readSeq(same))) return
    if (!isUsable(token.status) || isPast(token.endsAt, this.now())) {
      if (same !== 0) hot.remove(same)
      return
    }
    const tenant = this.tenant(token.tenantId)
    const application = this.application(token.appName, tenant)
    if (application.index < 0) return
    hot.put({
      h0,
      h1,
      h2,
      h3,
      tenantIndex: tenant.index,
      applicationIndex: application.index,
      version: token.version,
      readSeq: token.readSeq,
      expiresAt: token.endsAt ?? Number.POSITIVE_INFINITY,
      flags:
        (token.status === "Inactive" ? inactiveFlag : 0) |
        (token.ending === "rotated" ? rotatedFlag : 0) |
        (same === 0 ? 0 : hot.flags(same) & toldFlag),
      tail
    })
  }

  // ---- forgetting -----------------------------------------------------------------

  readonly applyUnsafe = (revocation: Revocation): void => {
    // Listeners know tenants that have no record here, too.
    for (const target of revocation.targets) this.tell(revocation.tenantId, target, revocation.seq)
    const tenant = this.tenant(revocation.tenantId)
    if (tenant.index < 0) return
    const { seq } = revocation
    const isLate = this.sequences.applied(tenant, seq)
    for (const target of revocation.targets) {
      switch (target.kind) {
        case "token": {
          this.tombstones.bury(tenant, target.tokenId, seq)
          remember(tenant, target.tokenId, target.version)
          // Whatever it was read under: the sequence may have been set back since.
          const ref = this.hot.findById(target.tokenId)
          if (ref !== 0) this.hot.remove(ref)
          break
        }
        case "application": {
          const application = this.application(target.appName, tenant)
          // Beyond the limit there is no record to remember it in: everything older of the tenant goes.
          if (application.index < 0) tenant.epochSeq = Math.max(tenant.epochSeq, seq)
          else application.remove(seq)
          if (isLate && application.index >= 0) this.forgetHot(tenant, application)
          break
        }
        case "tenant":
          tenant.epochSeq = Math.max(tenant.epochSeq, seq)
          if (isLate) this.forgetHot(tenant)
          break
        case "client":
          this.tombstones.bury(tenant, target.credentialId, seq)
          remember(tenant, target.credentialId, target.version)
          break
        case "credential":
        case "service":
        case "settings":
          break
      }
    }
    tenant.negatives.forgetAll()
  }

  /** If the change happened after all, it comes here as a revocation, with the sequence that it got. */
  readonly dropUnsafe = (tenantId: string, targets: ReadonlyArray<RevocationTarget>): void => {
    for (const target of targets) this.tell(tenantId, target, null)
    const tenant = this.records.findTenant(tenantId)
    if (tenant === undefined) return
    const { hot } = this
    for (const target of targets) {
      if (target.kind === "token") {
        const ref = hot.findById(target.tokenId)
        if (ref !== 0) hot.remove(ref)
      } else if (target.kind === "application") {
        const application = tenant.applications.get(target.appName)
        if (application !== undefined) this.forgetHot(tenant, application)
      } else if (target.kind === "tenant") this.forgetHot(tenant)
    }
  }

  /** What is hot of the tenant, or of one of its applications. */
  private forgetHot(tenant: TenantRecord, application?: ApplicationRecord): void {
    const { hot } = this
    if (hot.countOf(tenant.index) === 0) return
    if (application === undefined) hot.removeWhere((ref) => hot.tenantIndex(ref) === tenant.index)
    else hot.removeWhere((ref) => hot.applicationIndex(ref) === application.index)
  }

  readonly appearUnsafe = (appearance: Appearance): void => {
    for (const target of appearance.targets) {
      if (target.kind !== "application") continue
      for (const listener of this.listeners) listener.applicationAppeared(target.appName)
    }
    this.records.findTenant(appearance.tenantId)?.negatives.forgetAll()
  }

  private tell(tenantId: string, target: RevocationTarget, seq: number | null): void {
    for (const listener of this.listeners) {
      if (target.kind === "application") listener.applicationGone(tenantId, target.appName)
      else if (target.kind === "tenant") listener.tenantGone(tenantId)
      else if (target.kind === "settings") listener.settingsChanged?.(tenantId, target.limits, seq)
      else if (target.kind === "client") listener.clientGone?.(tenantId, target.credentialId)
    }
  }
}

/** Whether a token's state is from before what is known of the same token. */
const isOlder = (token: HotToken, version: number, readSeq: number): boolean =>
  token.version < version || (token.version === version && token.readSeq < readSeq)

/** The end of the 200 reply for a token. */
export const tailOf = (token: HotToken): Uint8Array =>
  encodeTail({ tokenId: token.tokenId, endpointId: token.endpointId, statusCode: 200, reasonPhrase: null })

export class HotState extends Context.Service<HotState, Beliefs>()("cm/actors/HotState") {
  /** Provides the `Applier` of the protocol between replicas too. */
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const settings = yield* ActorsConfig
      const lease = yield* LeaseView
      const clock = yield* Clock.Clock
      const beliefs = new Beliefs({
        hotTokensMax: settings.hotTokensMax,
        tombstonesPerTenantMax: settings.tombstonesPerTenantMax,
        lease,
        now: () => clock.currentTimeMillisUnsafe()
      })
      return Context.make(HotState, beliefs).pipe(
        Context.add(Applier, {
          applyUnsafe: beliefs.applyUnsafe,
          appearUnsafe: beliefs.appearUnsafe,
          dropUnsafe: beliefs.dropUnsafe
        })
      )
    })
  )
}
