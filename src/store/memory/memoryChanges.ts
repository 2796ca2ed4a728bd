/**
 * Writes what was decided into the memory tables: the twin of `apply/`.
 *
 * `rejection` names the key that MariaDB would find broken; only a change without one is applied, so
 * a change is written whole or not at all.
 */
import { hexOf } from "../../domain/Bytes.ts"
import { noSettings, settingsOf, withSettings } from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { chain, headAfter } from "../AuditChain.ts"
import type { Changes, Loaded } from "../TenantStore.ts"
import { applyClients, brokenClients } from "./MemoryClientStore.ts"
import { type MemoryTables, pair } from "./MemoryDatabase.ts"
import { applyAside } from "./memoryAside.ts"
import { applyKeys, brokenKey, endKeys } from "./memoryKeys.ts"
import { applyRevokeAlls } from "./memoryRevokeAll.ts"

/** Whether a tenant that is not being removed has the issuer. */
const isTaken = (tables: MemoryTables, tenantId: string, issuer: string): boolean =>
  Array.from(tables.tenants.values()).some(
    (tenant) =>
      tenant.tenantId !== tenantId && tenant.removedAt === null && settingsOf(tenant).issuer?.issuer === issuer
  )

/** The broken constraint, by its name in the schema, or null. */
export const rejection = (tables: MemoryTables, tenantId: string, changes: Changes): string | null => {
  const issuer = (changes.tenantConfigured ?? changes.tenantCreated)?.settings?.issuer?.issuer
  if (issuer !== undefined && isTaken(tables, tenantId, issuer)) return "tenants.uq_tenants_issuer"
  const leaving = new Set(changes.tokensDeleted)
  const taken = new Set<string>()
  const moving = new Set([...changes.tokensUpdated, ...changes.tokensInserted].map((token) => token.tokenId))
  for (const token of [...changes.tokensUpdated, ...changes.tokensInserted]) {
    const hash = hexOf(token.hash)
    const holder = tables.tokenByHash.get(hash)
    if (taken.has(hash)) return "tokens.PRIMARY"
    if (holder !== undefined && holder !== token.tokenId && !leaving.has(holder) && !moving.has(holder)) {
      return "tokens.PRIMARY"
    }
    taken.add(hash)
  }
  const inserted = new Set<string>()
  for (const { tokenId } of changes.tokensInserted) {
    if (inserted.has(tokenId) || (tables.tokens.has(tokenId) && !leaving.has(tokenId))) return "tokens.uq_tokens_id"
    inserted.add(tokenId)
  }
  if (changes.applicationsInserted.some((appName) => tables.applications.has(appName))) return "applications.PRIMARY"
  return (
    tables.credentials.broken(changes.credentials) ??
    brokenClients(tables, changes.clients) ??
    brokenKey(tables, changes)
  )
}

const removeToken = (tables: MemoryTables, tokenId: string): void => {
  const token = tables.tokens.get(tokenId)
  if (token === undefined) return
  tables.tokens.delete(tokenId)
  if (tables.tokenByHash.get(hexOf(token.hash)) === tokenId) tables.tokenByHash.delete(hexOf(token.hash))
}

const putToken = (tables: MemoryTables, token: Token): void => {
  tables.tokens.set(token.tokenId, token)
  tables.tokenByHash.set(hexOf(token.hash), token.tokenId)
}

const latest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b))

const applyTokens = (tables: MemoryTables, changes: Changes): void => {
  const before = new Map(changes.tokensUpdated.map(({ tokenId }) => [tokenId, tables.tokens.get(tokenId)]))
  for (const tokenId of changes.tokensDeleted) removeToken(tables, tokenId)
  for (const tokenId of before.keys()) removeToken(tables, tokenId)
  for (const token of changes.tokensUpdated) {
    const old = before.get(token.tokenId)
    if (old !== undefined) putToken(tables, { ...token, lastUsedAt: latest(old.lastUsedAt, token.lastUsedAt) })
  }
  for (const token of changes.tokensInserted) putToken(tables, token)
}

const applyApplications = (tables: MemoryTables, tenantId: string, changes: Changes, now: number): void => {
  for (const appName of changes.applicationsInserted) {
    const isNew = { createdAt: now, removedAt: null, outOfService: null, decidedAt: now }
    tables.applications.set(appName, { appName, tenantId, ...isNew })
  }
  for (const { appName, decidedAt, outOfService } of changes.applicationsMoved ?? []) {
    const application = tables.applications.get(appName)
    if (application?.tenantId === tenantId && application.removedAt === null) {
      tables.applications.set(appName, { ...application, outOfService, decidedAt })
    }
  }
  for (const appName of changes.applicationsRemoved) {
    const application = tables.applications.get(appName)
    if (application?.tenantId === tenantId && application.removedAt === null) {
      tables.applications.set(appName, { ...application, removedAt: now })
    }
  }
}

const applyOutbox = (tables: MemoryTables, tenantId: string, changes: Changes, now: number): void => {
  const { revocation } = changes
  if (revocation !== null) {
    const { seq, targets } = revocation
    tables.pending.set(pair(tenantId, seq), { tenantId, seq, committedAt: now, targets })
  }
  for (const entry of changes.outbox) {
    tables.outboxLastId += 1
    const revocationSeq = entry.afterRevocation && revocation !== null ? revocation.seq : null
    tables.outbox.set(tables.outboxLastId, { id: tables.outboxLastId, tenantId, createdAt: now, entry, revocationSeq })
  }
}

const appendAudit = (tables: MemoryTables, tenantId: string, now: number, entries: Changes["audit"]): void => {
  const counters = tables.counters.get(tenantId)
  if (counters === undefined) return
  const head = { seq: counters.auditSeq, hash: counters.auditHash }
  const rows = Pieces.atOnce(chain(tenantId, head, now, entries))
  const after = headAfter(head, rows)
  counters.auditSeq = after.seq
  counters.auditHash = after.hash
  tables.audit.set(tenantId, [...(tables.audit.get(tenantId) ?? []), ...rows])
}

export const applyChanges = (tables: MemoryTables, tenantId: string, loaded: Loaded, changes: Changes): void => {
  const { now } = loaded
  if (changes.tenantCreated !== undefined) {
    const { name, settings = noSettings } = changes.tenantCreated
    tables.tenants.set(tenantId, withSettings({ tenantId, name, createdAt: now, removedAt: null }, settings))
    tables.tenantMacs.delete(tenantId)
    if (!tables.counters.has(tenantId)) {
      tables.counters.set(tenantId, { revocationSeq: 0, auditSeq: 0, auditHash: null })
    }
  }
  const configured = changes.tenantConfigured
  const present = tables.tenants.get(tenantId)
  if (configured !== undefined && present !== undefined) {
    tables.tenants.set(tenantId, withSettings({ ...present, name: configured.name }, configured.settings))
  }
  const tenant = tables.tenants.get(tenantId)
  const counters = tables.counters.get(tenantId)
  if (changes.tenantRemoved && tenant?.removedAt === null) {
    tables.tenants.set(tenantId, { ...tenant, removedAt: now })
    endKeys(tables, tenantId, settingsOf(tenant).retentionMs, now)
  }
  const written = tables.tenants.get(tenantId)
  if (changes.tenantSettingsMac !== undefined && written !== undefined) {
    tables.tenants.set(tenantId, { ...written, settingsMac: changes.tenantSettingsMac })
  }
  if (changes.tenantMac !== undefined) tables.tenantMacs.set(tenantId, changes.tenantMac)
  if (changes.revocation !== null && counters !== undefined) counters.revocationSeq = changes.revocation.seq
  applyTokens(tables, changes)
  applyApplications(tables, tenantId, changes, now)
  applyOutbox(tables, tenantId, changes, now)
  tables.credentials.apply(changes.credentials, tenantId)
  applyClients(tables, changes.clients)
  for (const checkpoint of changes.auditCheckpoints ?? []) {
    if (checkpoint.accepted !== undefined) {
      const last = checkpoint.previous?.seq ?? 0
      const left = tables.checkpoints.filter((one) => one.tenantId !== tenantId || one.seq <= last)
      tables.checkpoints.splice(0, tables.checkpoints.length, ...left)
      continue
    }
    const kept = tables.checkpoints.some(
      ({ seq, tenantId }) => seq === checkpoint.seq && tenantId === checkpoint.tenantId
    )
    if (!kept) tables.checkpoints.push(checkpoint)
  }
  for (const answer of changes.idempotent) {
    tables.idempotency.set(pair(tenantId, answer.keyHash), { ...answer, tenantId })
  }
  applyKeys(tables, changes.keys, now)
  applyAside(tables, changes.asideEnded)
  applyRevokeAlls(tables, tenantId, changes.revokeAlls, now)
  appendAudit(tables, tenantId, now, changes.audit)
}
