/** `TenantStore` in memory, with the promises of the contract. `now` is Effect's clock. */
import { Clock, Effect, Layer, Semaphore } from "effect"
import type { Page, TokenQuery } from "../../domain/Page.ts"
import { isInService, settingsOf } from "../../domain/Tenant.ts"
import { endOf, shownStatus, type Token } from "../../domain/Token.ts"
import type { TaggedTenant } from "../CredentialStore.ts"
import { checkChanges, isEmpty } from "../checkChanges.ts"
import { countsAsToken } from "../Stock.ts"
import { StoreUnavailable } from "../StoreError.ts"
import {
  type Decide,
  decided,
  type IdempotentAnswer,
  type Load,
  type Loaded,
  StatementRejected,
  TenantStore
} from "../TenantStore.ts"
import { createTenant } from "../tenantCreated.ts"
import { clientStock, loadClients } from "./MemoryClientStore.ts"
import { MemoryDatabase, type MemoryTables, pair, tokenCount } from "./MemoryDatabase.ts"
import { loadAside } from "./memoryAside.ts"
import { applyChanges, rejection } from "./memoryChanges.ts"
import { loadKeys } from "./memoryKeys.ts"
import { dropRevokeAlls, loadRevokeAlls, openRevokeAlls } from "./memoryRevokeAll.ts"

const loadTokens = (tables: MemoryTables, tenantId: string, load: Load): ReadonlyMap<string, Token> => {
  const found = new Map<string, Token>()
  const add = (token: Token | undefined): void => {
    if (token?.tenantId === tenantId) found.set(token.tokenId, token)
  }
  for (const tokenId of load.tokenIds) add(tables.tokens.get(tokenId))
  for (const hash of load.tokenHashes) add(tables.tokens.get(tables.tokenByHash.get(hash) ?? ""))
  const endpointIds = new Set(load.endpointIds)
  if (endpointIds.size > 0) {
    for (const token of tables.tokens.values()) if (endpointIds.has(token.endpointId)) add(token)
  }
  return found
}

const present = <A>(keys: ReadonlyArray<string>, find: (key: string) => A | undefined): ReadonlyMap<string, A> => {
  const found = new Map<string, A>()
  for (const key of keys) {
    const value = find(key)
    if (value !== undefined) found.set(key, value)
  }
  return found
}

const answerOf = (tables: MemoryTables, tenantId: string, keyHash: string): IdempotentAnswer | undefined => {
  const kept = tables.idempotency.get(pair(tenantId, keyHash))
  if (kept === undefined) return undefined
  const { tenantId: _, ...answer } = kept
  return answer
}

const applicationsOf = (tables: MemoryTables, load: Load, tokens: ReadonlyMap<string, Token>) =>
  present([...load.appNames, ...Array.from(tokens.values(), (token) => token.appName)], (appName) =>
    tables.applications.get(appName)
  )

export const taggedTenant = (tables: MemoryTables, tenantId: string): TaggedTenant | undefined => {
  const tenant = tables.tenants.get(tenantId)
  if (tenant === undefined) return undefined
  const { createdAt, removedAt } = tenant
  const mac = tables.tenantMacs.get(tenantId)
  const servicesOff = tables.credentials.servicesOffDigest(tenantId)
  return { tenantId, createdAt, removedAt, servicesOff, ...(mac === undefined ? {} : { mac }) }
}

const loadAll = (
  tables: MemoryTables,
  tenantId: string,
  load: Load,
  now: number,
  tokens = loadTokens(tables, tenantId, load)
): Loaded => ({
  tenant: tables.tenants.get(tenantId),
  revocationSeq: tables.counters.get(tenantId)?.revocationSeq ?? 0,
  now,
  tokens,
  endpointCounts: present(load.endpointCounts, (endpointId) =>
    tokenCount(tables, (token) => token.tenantId === tenantId && token.endpointId === endpointId)
  ),
  applications: applicationsOf(tables, load, tokens),
  applicationTokenCounts: present(load.appNames, (appName) =>
    tables.applications.get(appName)?.tenantId === tenantId
      ? tokenCount(tables, (token) => token.appName === appName)
      : undefined
  ),
  tenantTokenCount: tokenCount(tables, (token) => token.tenantId === tenantId),
  stock: {
    tokens: tokenCount(tables, (token) => token.tenantId === tenantId && countsAsToken(token)),
    credentials: tables.credentials.stock(tenantId),
    clients: clientStock(tables, tenantId)
  },
  idempotent: present(load.idempotencyKeyHashes, (keyHash) => answerOf(tables, tenantId, keyHash)),
  credentials: tables.credentials.load(tenantId, load.credentials, (id) => taggedTenant(tables, id)),
  clients: loadClients(tables, tenantId, load.clients),
  keys: loadKeys(tables, load.keys, now),
  aside: loadAside(tables, load.aside),
  revokeAlls: loadRevokeAlls(tables, tenantId, load.revokeAlls)
})

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const pageOf = <A>(
  all: ReadonlyArray<A>,
  key: (item: A) => string,
  options: { readonly limit: number; readonly after: string | null; readonly order?: "ASC" | "DESC" }
): Page<A> => {
  const direction = options.order === "DESC" ? -1 : 1
  const { after } = options
  const rest = all
    .filter((item) => after === null || direction * compare(key(item), after) > 0)
    .toSorted((a, b) => direction * compare(key(a), key(b)))
  const content = rest.slice(0, options.limit)
  const last = content.at(-1)
  return { content, next: rest.length > options.limit && last !== undefined ? key(last) : null }
}

const isBefore = (time: number, limit: number | null | undefined): boolean =>
  limit === null || limit === undefined || time < limit

const isExpiringBefore = (token: Token, limit: number | null | undefined, now: number): boolean => {
  const end = endOf(token)
  return limit === null || limit === undefined || (end !== null && end < limit && shownStatus(token, now) !== "Revoked")
}

const matches = (token: Token, tenantId: string, query: Omit<TokenQuery, "limit">, now: number): boolean =>
  token.tenantId === tenantId &&
  (query.appName === null || token.appName === query.appName) &&
  (query.endpointId === null || token.endpointId === query.endpointId) &&
  (query.applications?.includes(token.appName) ?? true) &&
  isBefore(token.createdAt, query.createdBefore) &&
  (query.createdBy ?? token.createdBy) === token.createdBy &&
  isBefore(token.lastUsedAt ?? token.createdAt, query.unusedSince) &&
  isExpiringBefore(token, query.expiringBefore, now) &&
  (query.statuses.length === 0 || query.statuses.includes(shownStatus(token, now)))

const locks = new WeakMap<MemoryTables, Map<string, Semaphore.Semaphore>>()
const lockOf = (tables: MemoryTables, tenantId: string): Semaphore.Semaphore => {
  const all = locks.get(tables) ?? new Map<string, Semaphore.Semaphore>()
  const lock = all.get(tenantId) ?? Semaphore.makeUnsafe(1)
  locks.set(tables, all.set(tenantId, lock))
  return lock
}

const make = Effect.map(MemoryDatabase, (tables) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  const found = <A>(keys: ReadonlyArray<string>, find: (key: string) => A | undefined): ReadonlyArray<A> =>
    Array.from(present(keys, find).values())
  const transactLocked = <A>(tenantId: string, load: Load, decide: Decide<A>) =>
    Effect.gen(function* (): Effect.fn.Return<A, StoreUnavailable | StatementRejected> {
      const loaded = loadAll(tables, tenantId, load, yield* Clock.currentTimeMillis)
      const { changes, result } = yield* decided(decide, loaded)
      checkChanges(tenantId, load, loaded, changes)
      if (isEmpty(changes)) return result
      const constraint = rejection(tables, tenantId, changes)
      if (constraint !== null) return yield* new StatementRejected({ constraint })
      // No replica looks for a token under a retired key.
      if (changes.tokensInserted.some(({ hashKeyId }) => tables.dataKeys.get(hashKeyId)?.state === "retired")) {
        return yield* new StoreUnavailable({ operation: "TenantStore.transact", outcome: "none" })
      }
      applyChanges(tables, tenantId, loaded, changes)
      return result
    })
  const transact: TenantStore["Service"]["transact"] = (tenantId, load, decide) =>
    Effect.suspend(() => lockOf(tables, tenantId).withPermit(transactLocked(tenantId, load, decide)))
  return TenantStore.of({
    transact,
    createTenant: createTenant(transact),
    findTenants: (tenantIds) => step(() => found(tenantIds, (tenantId) => tables.tenants.get(tenantId))),
    findTenantByIssuer: (issuer) =>
      step(() =>
        Array.from(tables.tenants.values()).find(
          (tenant) => tenant.removedAt === null && settingsOf(tenant).issuer?.issuer === issuer
        )
      ),
    listTenants: (options) =>
      step(() =>
        pageOf(
          Array.from(tables.tenants.values()).filter((tenant) => tenant.removedAt === null),
          (tenant) => tenant.tenantId,
          options
        )
      ),
    listApplications: (tenantId, options) =>
      step(() =>
        pageOf(
          Array.from(tables.applications.values()).filter(
            (application) => application.tenantId === tenantId && isInService(application)
          ),
          (application) => application.appName,
          options
        )
      ),
    findApplications: (appNames) => step(() => found(appNames, (appName) => tables.applications.get(appName))),
    findToken: (tenantId, tokenId) =>
      step(() => {
        const token = tables.tokens.get(tokenId)
        return token?.tenantId === tenantId ? token : undefined
      }),
    listTokens: (tenantId, query) =>
      step((now) =>
        pageOf(
          Array.from(tables.tokens.values()).filter((token) => matches(token, tenantId, query, now)),
          (token) => token.tokenId,
          query
        )
      ),
    countTokens: (tenantId, query) =>
      step((now) => ({
        count: Array.from(tables.tokens.values()).filter(
          (token) =>
            matches(token, tenantId, query, now) &&
            (query.after === null ||
              (query.order === "ASC" ? token.tokenId > query.after : token.tokenId < query.after))
        ).length,
        next: null
      })),
    findRevokeAll: (tenantId, operationId) => step(() => tables.revokeAlls.get(pair(tenantId, operationId))),
    openRevokeAlls: (limit) => step(() => openRevokeAlls(tables, limit)),
    dropRevokeAlls: (tenantId) => step(() => dropRevokeAlls(tables, tenantId)),
    applicationsOfEndpoint: (tenantId, endpointId) =>
      step(() => {
        const tokens = Array.from(tables.tokens.values()).filter(
          (token) => token.tenantId === tenantId && token.endpointId === endpointId
        )
        return Array.from(new Set(tokens.map((token) => token.appName))).toSorted()
      }),
    tenantsOfEndpoint: (endpointId) =>
      step(() => {
        const tokens = Array.from(tables.tokens.values()).filter((token) => token.endpointId === endpointId)
        return Array.from(new Set(tokens.map((token) => token.tenantId))).toSorted()
      })
  })
})

export const layer: Layer.Layer<TenantStore, never, MemoryDatabase> = Layer.effect(TenantStore, make)
