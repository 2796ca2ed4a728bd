/**
 * A group of commands deciding over loaded rows, in memory, before anything is written.
 *
 * The workspace starts as what was loaded under the tenant's lock. Each command sees what the ones
 * before it decided, checks everything first and only then changes anything, so a refusal leaves no
 * trace. At the end `changes` is what the store has to write, in one transaction.
 *
 * Pure but for the ids it is given: no clock (the database's `now` is in what was loaded), no I/O.
 *
 * Longer than 300 lines because all that a group decides together stands in one value.
 */

import { Result } from "effect"
import { hexOf } from "../../domain/Bytes.ts"
import type { Refusal } from "../../domain/errors.ts"
import { TenantNotFound } from "../../domain/errors.ts"
import type { Appearance, RevocationTarget } from "../../domain/Revocation.ts"
import {
  noSettings,
  type OutReason,
  settingsOf,
  type Tenant,
  type TenantSettings,
  withSettings
} from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import type { Pieces } from "../../observability/Pieces.ts"
import { formatTraceparent, type Trace } from "../../observability/Trace.ts"
import type { AuditCheckpoint } from "../../store/AuditStore.ts"
import type { AsideAction, AsideRow } from "../../store/Outbox.ts"
import type { RevokeAll } from "../../store/RevokeAll.ts"
import { countsAsToken } from "../../store/Stock.ts"
import type {
  ApplicationMoved,
  AuditAct,
  AuditEntry,
  Changes,
  IdempotentAnswer,
  Loaded,
  OutboxEntry,
  WithdrawalPiece,
  WithdrawalProgress
} from "../../store/TenantStore.ts"
import { ClientWorkspace } from "./ClientWorkspace.ts"
import type { Command } from "./Command.ts"
import { CredentialWorkspace } from "./CredentialWorkspace.ts"
import { KeyWorkspace } from "./KeyWorkspace.ts"
import { allHold, type Holding } from "./RowTagging.ts"
import type { Caller } from "./Tenants.ts"

/** What happened to a token, from which its events are made. */
export interface TokenFact {
  readonly type:
    | "provisioned"
    | "activated"
    | "suspended"
    | "reactivated"
    | "revoked"
    | "expired"
    | "rotated"
    | "deleted"
  /** As it is after the change; for a deleted one as it was, with the version after. */
  readonly token: Token
  readonly previousStatus: Token["status"] | null
  readonly reason: string | null
  /** A usable token became unusable or was deleted: the platform is told to end its sessions. */
  readonly endsSessions: boolean
  readonly caller: Caller
}

/** Whom a row of the audit names. */
export type AuditCaller = Pick<Caller, "principal" | "known" | "correlationId">

/** An event tells whoever hears it in which trace it came about. */
export const inTrace = (entry: OutboxEntry, trace: Trace | undefined): OutboxEntry =>
  trace === undefined ? entry : { ...entry, headers: { ...entry.headers, traceparent: formatTraceparent(trace) } }

export class Workspace {
  readonly loaded: Loaded
  readonly tenantId: string
  /** The database's clock, UNIX milliseconds. */
  readonly now: number
  private readonly tokens = new Map<string, Token>()
  private readonly byHash = new Map<string, string>()
  private readonly inserted = new Set<string>()
  private readonly updated = new Set<string>()
  private readonly deleted = new Set<string>()
  private readonly endpointCounts: Map<string, number>
  private tokensAdded = 0
  private readonly applications: Map<string, Loaded["applications"] extends ReadonlyMap<string, infer A> ? A : never>
  private readonly applicationsInserted = new Set<string>()
  private readonly applicationsRemoved = new Set<string>()
  private readonly applicationsMoved = new Map<string, ApplicationMoved>()
  private readonly withdrawals: Array<WithdrawalProgress> = []
  private tenantCreated: Tenant | undefined
  private tenantConfigured: Tenant | undefined
  private tenantRemoved = false
  private readonly targets: Array<RevocationTarget> = []
  private readonly appearances: Array<Appearance["targets"][number]> = []
  readonly facts: Array<TokenFact> = []
  private readonly audit: Array<AuditEntry> = []
  private readonly outbox: Array<OutboxEntry> = []
  private readonly remembered = new Map<string, IdempotentAnswer>()
  readonly credentials: CredentialWorkspace
  readonly clients: ClientWorkspace
  readonly keys: KeyWorkspace
  private readonly auditCheckpoints: Array<AuditCheckpoint> = []
  private readonly revokeAlls = new Map<string, RevokeAll>()
  private readonly asideEnded = new Map<number, AsideAction>()
  /** Set by a command whose answer says that a right is gone already: all up to now must be in force first. */
  private waitsForEarlier = false
  private isProvisional = false

  /** Which of the loaded rows are as the service wrote them. */
  readonly holds: Holding
  private readonly newCorrelationId: () => string
  private ownCorrelationId = ""
  private trace: Trace | undefined = undefined

  /** `newCorrelationId` is for what came without one. */
  constructor(tenantId: string, loaded: Loaded, holds: Holding = allHold, newCorrelationId: () => string = () => "") {
    this.newCorrelationId = newCorrelationId
    this.tenantId = tenantId
    this.loaded = loaded
    this.holds = holds
    this.now = loaded.now
    for (const token of loaded.tokens.values()) this.index(token)
    this.endpointCounts = new Map(loaded.endpointCounts)
    this.applications = new Map(loaded.applications)
    this.credentials = new CredentialWorkspace(tenantId, loaded.credentials)
    this.clients = new ClientWorkspace(loaded.clients)
    this.keys = new KeyWorkspace(loaded.keys)
  }

  /** The tenant's row, created by this group or there before. */
  get tenantRow(): Tenant | undefined {
    return this.tenantConfigured ?? this.tenantCreated ?? this.loaded.tenant
  }

  /** The live tenant, or the refusal that there is none. */
  tenant(onRemoved = false): Result.Result<Tenant, TenantNotFound> {
    const tenant = this.tenantRow
    if (tenant === undefined || ((tenant.removedAt !== null || this.tenantRemoved) && !onRemoved)) {
      return Result.fail(new TenantNotFound({ tenantId: this.tenantId }))
    }
    return Result.succeed(tenant)
  }

  /** Removed before, or by an earlier command of this group. */
  get isTenantRemoved(): boolean {
    return this.tenantRemoved || (this.loaded.tenant?.removedAt ?? null) !== null
  }

  // ---- tokens
  token(tokenId: string): Token | undefined {
    return this.tokens.get(tokenId)
  }

  /** By any of the hashes, of this tenant. */
  tokenByHash(hashes: ReadonlyArray<string>): Token | undefined {
    for (const hash of hashes) {
      const tokenId = this.byHash.get(hash)
      if (tokenId !== undefined) return this.tokens.get(tokenId)
    }
    return undefined
  }

  tokensOfEndpoint(endpointId: string): ReadonlyArray<Token> {
    return Array.from(this.tokens.values()).filter((token) => token.endpointId === endpointId)
  }

  endpointCount(endpointId: string): number {
    return this.endpointCounts.get(endpointId) ?? 0
  }

  /** What counts against the tenant's limit, that of the commands before included. */
  get tokenStock(): number {
    return this.loaded.stock.tokens + this.tokensAdded
  }

  get credentialStock(): number {
    return this.loaded.stock.credentials + this.credentials.added
  }

  get clientStock(): number {
    return this.loaded.stock.clients + this.clients.added
  }

  insert(token: Token): void {
    this.tokensAdded += Number(countsAsToken(token)) - Number(countsAsToken(this.tokens.get(token.tokenId)))
    this.index(token)
    this.inserted.add(token.tokenId)
    this.endpointCounts.set(token.endpointId, this.endpointCount(token.endpointId) + 1)
  }

  update(token: Token): void {
    this.tokensAdded += Number(countsAsToken(token)) - Number(countsAsToken(this.tokens.get(token.tokenId)))
    this.index(token)
    if (!this.inserted.has(token.tokenId)) this.updated.add(token.tokenId)
  }

  delete(token: Token): void {
    this.tokensAdded -= Number(countsAsToken(this.tokens.get(token.tokenId)))
    this.tokens.delete(token.tokenId)
    this.byHash.delete(hexOf(token.hash))
    this.updated.delete(token.tokenId)
    if (!this.inserted.delete(token.tokenId)) this.deleted.add(token.tokenId)
    this.endpointCounts.set(token.endpointId, this.endpointCount(token.endpointId) - 1)
  }

  // ---- applications and the tenant
  application(appName: string) {
    return this.applications.get(appName)
  }

  insertApplication(appName: string): void {
    this.applications.set(appName, {
      appName,
      tenantId: this.tenantId,
      createdAt: this.now,
      removedAt: null,
      outOfService: null,
      decidedAt: this.now
    })
    this.applicationsInserted.add(appName)
  }

  removeApplication(appName: string): void {
    const application = this.applications.get(appName)!
    this.applications.set(appName, { ...application, removedAt: this.now })
    this.applicationsRemoved.add(appName)
  }

  /** Out of service, or back in it. The caller has seen that nothing newer was decided. */
  moveApplication(appName: string, outOfService: OutReason | null, decidedAt: number): void {
    const application = this.applications.get(appName)!
    this.applications.set(appName, { ...application, outOfService, decidedAt })
    this.applicationsMoved.set(appName, { appName, outOfService, decidedAt })
  }

  /** Its tokens up to this one were told that they are out of service; null: all were. */
  withdrawn(of: WithdrawalPiece, afterTokenId: string | null): void {
    this.withdrawals.push({ of, afterTokenId })
  }

  createTenant(name: string | null, settings: TenantSettings = noSettings): Tenant {
    const tenant = { tenantId: this.tenantId, name, createdAt: this.now, removedAt: null }
    this.tenantCreated = withSettings(tenant, settings)
    return this.tenantCreated
  }

  configureTenant(tenant: Tenant, name: string | null, settings: TenantSettings): Tenant {
    this.tenantConfigured = withSettings({ ...tenant, name }, settings)
    return this.tenantConfigured
  }

  removeTenant(): void {
    this.tenantRemoved = true
  }

  // ---- what follows from the change
  /** A right is gone or ends earlier: part of this transaction's revocation. */
  takeAway(target: RevocationTarget): void {
    this.targets.push(target)
  }

  tokenTarget(token: Token, usableUntil: number | null = null): RevocationTarget {
    const { appName, tokenId, version } = token
    return { kind: "token", tokenId, appName, cacheKey: hexOf(token.hash), version, usableUntil }
  }

  /** Something may be usable now that a replica remembers as unknown or refused. */
  appear(target: Appearance["targets"][number]): void {
    this.appearances.push(target)
  }

  appearToken(token: Token): void {
    this.appear({ kind: "token", cacheKey: hexOf(token.hash) })
  }

  alreadyGone(): void {
    this.waitsForEarlier = true
  }

  /** Its asker will ask again in a moment: the answer is not kept for the idempotency key. */
  provisional(): void {
    this.isProvisional = true
  }

  /** A row of the audit: what happened, and by whom. */
  record({ correlationId, known, principal }: AuditCaller, { action, diff, entityId, entityType }: AuditAct): void {
    this.audit.push({
      actor: principal,
      known,
      correlationId: this.correlationIdOf({ correlationId }),
      action,
      entityType,
      entityId,
      diff
    })
  }

  /** That of whoever caused it; one of this group where there is none, so that no row and no event is without. */
  correlationIdOf({ correlationId }: Pick<Caller, "correlationId">): string {
    if (correlationId !== "") return correlationId
    if (this.ownCorrelationId === "") this.ownCorrelationId = this.newCorrelationId()
    return this.ownCorrelationId
  }

  checkpoint(checkpoint: AuditCheckpoint): void {
    this.auditCheckpoints.push(checkpoint)
  }

  /** One that was set aside, and that no command before this one has decided about. */
  asideRow(id: number): AsideRow | undefined {
    return this.asideEnded.has(id) ? undefined : this.loaded.aside?.get(id)
  }

  endAside(id: number, action: AsideAction): void {
    this.asideEnded.set(id, action)
  }

  /** A population that is being revoked, as the commands before left it. */
  revokeAll(operationId: string): RevokeAll | undefined {
    return this.revokeAlls.get(operationId) ?? this.loaded.revokeAlls?.found.get(operationId)
  }

  /** How many are not finished, those of the commands before included. */
  get revokeAllsOpen(): number {
    const begun = Array.from(this.revokeAlls.keys()).filter((id) => !this.loaded.revokeAlls?.found.has(id))
    return (this.loaded.revokeAlls?.open ?? 0) + begun.length
  }

  writeRevokeAll(one: RevokeAll): void {
    this.revokeAlls.set(one.operationId, one)
  }

  /** With the trace of the command that is deciding, when it is in one. */
  announce(entry: OutboxEntry): void {
    this.outbox.push(inTrace(entry, this.trace))
  }

  // ---- idempotent answers
  rememberedAnswer(keyHash: string): IdempotentAnswer | undefined {
    return this.remembered.get(keyHash) ?? this.loaded.idempotent.get(keyHash)
  }

  remember(answer: IdempotentAnswer): void {
    this.remembered.set(answer.keyHash, answer)
  }

  // ---- for the actor
  get targetCount(): number {
    return this.targets.length
  }

  /** The sequence that this transaction's revocation gets, when it has one. */
  get nextSeq(): number {
    return this.loaded.revocationSeq + 1
  }

  /** Runs one command's decision; answers what its reply has to wait for. No other command decides meanwhile. */
  *run<A>(
    { decide, inPieces }: Pick<Command<A>, "decide" | "inPieces">,
    trace: Trace | undefined = undefined
  ): Pieces<{
    readonly result: Result.Result<A, Refusal>
    readonly takesAway: boolean
    readonly waitsForEarlier: boolean
    readonly provisional: boolean
  }> {
    const before = this.targets.length
    this.waitsForEarlier = false
    this.isProvisional = false
    this.trace = trace
    const result = inPieces === undefined ? decide(this) : yield* inPieces.decide(this)
    this.trace = undefined
    return {
      result,
      takesAway: this.targets.length > before,
      waitsForEarlier: this.waitsForEarlier,
      provisional: this.isProvisional
    }
  }

  appearance(): Appearance | null {
    return this.appearances.length === 0 ? null : { tenantId: this.tenantId, targets: this.appearances }
  }

  /** The tokens as they are now that were inserted or changed. */
  changedTokens(): ReadonlyArray<Token> {
    return [...this.inserted, ...this.updated].map((tokenId) => this.tokens.get(tokenId)!)
  }

  changes(): Changes {
    return {
      tokensInserted: Array.from(this.inserted, (tokenId) => this.tokens.get(tokenId)!),
      tokensUpdated: Array.from(this.updated, (tokenId) => this.tokens.get(tokenId)!),
      tokensDeleted: Array.from(this.deleted),
      applicationsInserted: Array.from(this.applicationsInserted),
      applicationsRemoved: Array.from(this.applicationsRemoved),
      ...(this.applicationsMoved.size === 0 ? {} : { applicationsMoved: Array.from(this.applicationsMoved.values()) }),
      ...(this.withdrawals.length === 0 ? {} : { withdrawals: this.withdrawals }),
      ...(this.tenantCreated === undefined
        ? {}
        : { tenantCreated: { name: this.tenantCreated.name, settings: settingsOf(this.tenantCreated) } }),
      ...(this.tenantConfigured === undefined
        ? {}
        : { tenantConfigured: { name: this.tenantConfigured.name, settings: settingsOf(this.tenantConfigured) } }),
      tenantRemoved: this.tenantRemoved,
      revocation:
        this.targets.length === 0 ? null : { tenantId: this.tenantId, seq: this.nextSeq, targets: this.targets },
      outbox: this.outbox,
      idempotent: Array.from(this.remembered.values()),
      audit: this.audit,
      ...(this.loaded.credentials === undefined ? {} : { credentials: this.credentials.changes() }),
      ...(this.loaded.clients === undefined ? {} : { clients: this.clients.changes() }),
      ...(this.loaded.keys === undefined ? {} : { keys: this.keys.changes() }),
      ...(this.asideEnded.size === 0
        ? {}
        : { asideEnded: Array.from(this.asideEnded, ([id, action]) => ({ id, action })) }),
      ...(this.revokeAlls.size === 0 ? {} : { revokeAlls: Array.from(this.revokeAlls.values()) }),
      ...(this.auditCheckpoints.length === 0 ? {} : { auditCheckpoints: this.auditCheckpoints })
    }
  }

  private index(token: Token): void {
    this.tokens.set(token.tokenId, token)
    this.byHash.set(hexOf(token.hash), token.tokenId)
  }
}
