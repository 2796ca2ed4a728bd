/**
 * The tables of the memory layers: what MariaDB is to the others.
 *
 * Every operation on it is one synchronous step, so it is atomic and nothing overlaps. The rules that
 * MariaDB enforces by keys are enforced here by `rejection`, before anything is written. Nothing is
 * kept beyond the process.
 */
import { Context, Layer } from "effect"
import type { ClientCredential } from "../../domain/ClientCredential.ts"
import type { RevocationTarget } from "../../domain/Revocation.ts"
import type { Application, Tenant } from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import type { AuditRow } from "../AuditChain.ts"
import type { AuditStub } from "../AuditCuts.ts"
import type { AuditCheckpoint } from "../AuditStore.ts"
import type { StoredKey } from "../KeyStore.ts"
import type { RevokeAll } from "../RevokeAll.ts"
import type { IdempotentAnswer, OutboxEntry } from "../TenantStore.ts"
import { MemoryCredentialTables } from "./MemoryCredentialTables.ts"

export interface MemoryCounters {
  revocationSeq: number
  auditSeq: number
  auditHash: string | null
}

export interface MemoryOutboxRow {
  readonly id: number
  readonly tenantId: string
  readonly createdAt: number
  readonly entry: OutboxEntry
  readonly revocationSeq: number | null
}

export interface MemoryAsideRow {
  readonly row: MemoryOutboxRow
  readonly reason: string
  readonly asideAt: number
}

/** What `data_keys` and `key_rotation` hold beside the keys themselves. */
export interface MemoryKeyLife {
  readonly uses: Map<string, number>
  readonly retiredAt: Map<string, number>
  /** Keys of removed tenants, as long as their material is there. */
  readonly ended: Map<string, { readonly endedAt: number; readonly retentionMs: number | null }>
  mark:
    | {
        readonly startedAt: number
        readonly total: number | null
        readonly moved: number
        readonly movingSince: number | null
        readonly isOver: boolean
      }
    | undefined
}

export interface MemoryPending {
  readonly tenantId: string
  readonly seq: number
  readonly committedAt: number
  readonly targets: ReadonlyArray<RevocationTarget>
}

export interface MemoryTables {
  readonly tenants: Map<string, Tenant>
  /** By tenant, while there is one. */
  readonly tenantMacs: Map<string, Uint8Array>
  /** Outlive their tenants. */
  readonly counters: Map<string, MemoryCounters>
  readonly applications: Map<string, Application>
  /** By token id. */
  readonly tokens: Map<string, Token>
  /** Hex of the hash to token id: the unique key. */
  readonly tokenByHash: Map<string, string>
  /** By id, in order. */
  readonly outbox: Map<number, MemoryOutboxRow>
  outboxLastId: number
  /** By id, in order. */
  readonly aside: Map<number, MemoryAsideRow>
  /** By tenant and sequence. */
  readonly pending: Map<string, MemoryPending>
  /** By tenant and key hash. */
  readonly idempotency: Map<string, IdempotentAnswer & { readonly tenantId: string }>
  /** By tenant, in order. */
  readonly audit: Map<string, Array<AuditRow>>
  readonly credentials: MemoryCredentialTables
  /** By id. */
  readonly clients: Map<string, ClientCredential>
  readonly checkpoints: Array<AuditCheckpoint>
  /** By tenant. */
  readonly stubs: Map<string, AuditStub>
  readonly dataKeys: Map<string, StoredKey>
  readonly keyLife: MemoryKeyLife
  readonly masterKeys: Map<string, string>
  readonly relay: { term: number; process: string | null; expiresAt: number }
  readonly relayPositions: Map<string, number>
  /** By tenant and id. */
  readonly revokeAlls: Map<string, RevokeAll>
  readonly sweeps: Map<string, { readonly process: string; readonly expiresAt: number }>
}

const empty = (): MemoryTables => ({
  tenants: new Map(),
  tenantMacs: new Map(),
  counters: new Map(),
  applications: new Map(),
  tokens: new Map(),
  tokenByHash: new Map(),
  outbox: new Map(),
  outboxLastId: 0,
  aside: new Map(),
  pending: new Map(),
  idempotency: new Map(),
  audit: new Map(),
  credentials: new MemoryCredentialTables(),
  clients: new Map(),
  checkpoints: [],
  stubs: new Map(),
  dataKeys: new Map(),
  keyLife: { uses: new Map(), retiredAt: new Map(), ended: new Map(), mark: undefined },
  masterKeys: new Map(),
  revokeAlls: new Map(),
  relay: { term: 0, process: null, expiresAt: 0 },
  relayPositions: new Map(),
  sweeps: new Map()
})

export class MemoryDatabase extends Context.Service<MemoryDatabase, MemoryTables>()("cm/store/MemoryDatabase") {
  static readonly layer = Layer.sync(this, empty)
}

/** A key of two parts; the first is a tenant id, which holds no slash. */
export const pair = (tenantId: string, rest: string | number): string => `${tenantId}/${rest}`

/** Nothing of it validates any more. */
export const isLive = (tables: MemoryTables, token: Token): boolean =>
  tables.tenants.get(token.tenantId)?.removedAt === null && tables.applications.get(token.appName)?.removedAt === null

export const tokenCount = (tables: MemoryTables, is: (token: Token) => boolean): number => {
  let count = 0
  for (const token of tables.tokens.values()) if (is(token)) count += 1
  return count
}
