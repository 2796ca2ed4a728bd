/** Rows and transactions for store suites: unique in a run, so that suites can share a database. */
import { Effect } from "effect"
import type { Token } from "../../src/domain/Token.ts"
import {
  type Changes,
  emptyLoad,
  type Load,
  type Loaded,
  noChanges,
  type OutboxEntry,
  TenantStore
} from "../../src/store/TenantStore.ts"

let last = 0
const next = (): number => {
  last += 1
  return last
}

/** A UUIDv7; later ones are greater. */
export const anId = (): string => `01890000-0000-7000-8000-${next().toString(16).padStart(12, "0")}`
export const aName = (prefix: string): string => `${prefix}-${next()}`
export const aHash = (): Uint8Array => {
  const bytes = Buffer.alloc(32, 0x5a)
  const count = next()
  // At both ends: some of what is stored is told from others by its end.
  bytes.writeUInt32BE(count, 0)
  bytes.writeUInt32BE(count, bytes.length - 4)
  return new Uint8Array(bytes)
}
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const hashKeyId = "01890000-0000-7000-8000-ffffffffffff"

export const aToken = (tenantId: string, appName: string, changes: Partial<Token> = {}): Token => ({
  tokenId: anId(),
  tenantId,
  appName,
  endpointId: aName("endpoint"),
  status: "Active",
  version: 1,
  tokenHint: "wxyz",
  createdAt: 1_700_000_000_001,
  updatedAt: 1_700_000_000_002,
  activatedAt: null,
  lastUsedAt: null,
  expiresAt: null,
  overlapEndsAt: null,
  endedBy: null,
  reason: null,
  description: null,
  createdBy: "bus",
  updatedBy: "bus",
  hash: aHash(),
  hashKeyId,
  ...changes
})

export const aMessage = (changes: Partial<OutboxEntry> = {}): OutboxEntry => ({
  eventId: anId(),
  stream: "events",
  subject: "cm.events.v1.acme.token.provisioned",
  entityKey: "token/1",
  headers: { "ce-type": "token.provisioned", "ce-entityversion": "1" },
  payload: new Uint8Array([0, 255, 1]),
  afterRevocation: false,
  ...changes
})

/** A transaction that loads `load` and writes what `decide` adds to nothing. */
export const transact = (tenantId: string, load: Partial<Load>, decide: (loaded: Loaded) => Partial<Changes>) =>
  TenantStore.use((store) =>
    store.transact(tenantId, { ...emptyLoad, ...load }, (loaded) => ({
      changes: { ...noChanges, ...decide(loaded) },
      result: loaded
    }))
  )

/** What a transaction that changes nothing sees. */
export const look = (tenantId: string, load: Partial<Load> = {}) => transact(tenantId, load, () => ({}))

/** A tenant with one application. */
export const aTenant = Effect.gen(function* () {
  const store = yield* TenantStore
  const tenantId = aName("tenant")
  const appName = aName("app")
  yield* store.createTenant(tenantId, null)
  yield* transact(tenantId, {}, () => ({ applicationsInserted: [appName] }))
  return { tenantId, appName }
})

/** Inserts tokens of one tenant. */
export const insert = (tokens: ReadonlyArray<Token>) =>
  transact(tokens[0]?.tenantId ?? "", {}, () => ({ tokensInserted: tokens }))

/** A revocation of everything of the tenant, one past what was loaded. */
export const nextRevocation = (tenantId: string, loaded: Loaded) => ({
  tenantId,
  seq: loaded.revocationSeq + 1,
  targets: [{ kind: "tenant" as const }]
})
