/**
 * The truth about tenants, applications and endpoint tokens.
 *
 * `transact` is the only way to change a tenant: it locks the tenant's counters, loads what the
 * commands named, lets a function decide that is pure, and writes everything it decided (rows, outbox,
 * pending revocation, idempotent answers, audit) in one transaction. Two transactions on one tenant
 * never overlap, whichever replicas run them; rows are locked after the counters, by ascending id.
 *
 * Promises:
 * - success means durably committed; a `StoreUnavailable` with outcome `none` means nothing happened;
 * - a deadlock or lock time-out is retried inside (the decision runs again over fresh rows);
 * - `StatementRejected` means that what was decided broke a constraint that only the database knows
 *   (a value that exists under another tenant): nothing happened;
 * - no token is inserted whose hash key is retired: `StoreUnavailable` with outcome `none`.
 * Reads see committed rows of the primary.
 *
 * Its layers: `layerMemory` here, `MariaTenantStore.ts`. Both pass `test/suites/tenantStoreSuite.ts`.
 */
import { Context, Effect, Schema } from "effect"
import type { Page, TokenQuery } from "../domain/Page.ts"
import type { KnownBy } from "../domain/Principal.ts"
import type { Revocation } from "../domain/Revocation.ts"
import type { Application, OutReason, Tenant, TenantSettings } from "../domain/Tenant.ts"
import type { Token } from "../domain/Token.ts"
import type { AuditCheckpoint } from "./AuditStore.ts"
import type { ClientChanges, ClientLoad, ClientLoaded } from "./ClientStore.ts"
import type { CredentialChanges, CredentialLoad, CredentialLoaded } from "./CredentialStore.ts"
import type { KeyChanges, KeyLoad, KeysLoaded } from "./KeyRotationStore.ts"
import type { AsideAction, AsideRow } from "./Outbox.ts"
import type { RevokeAll, RevokeAllLoaded } from "./RevokeAll.ts"
import type { Stock } from "./Stock.ts"
import type { StoreUnavailable } from "./StoreError.ts"

// ---- rows -------------------------------------------------------------------

/** An answer kept for an `Idempotency-Key`, for 24 hours. */
export interface IdempotentAnswer {
  /** Hex of the keyed hash over principal, operation and key. */
  readonly keyHash: string
  /** Keyed fingerprint of the request's body, hex. */
  readonly fingerprint: string
  /** Sealed record of the answer. */
  readonly sealedAnswer: Uint8Array
  /** The revocation sequence that must be in force before the answer may be repeated, or null. */
  readonly revocationSeq: number | null
  readonly createdAt: number
}

/** One message that has to leave. Ids are made by the writer, so that writing it twice is one message. */
export interface OutboxEntry {
  /** UUIDv7; becomes `Nats-Msg-Id` and `ce-id`. */
  readonly eventId: string
  /** Which stream it goes to. */
  readonly stream: "events" | "revocations"
  readonly subject: string
  /** Messages of one entity leave in the order in which they were written. */
  readonly entityKey: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array
  /** True: it may leave only when this transaction's revocation is in force. */
  readonly afterRevocation: boolean
}

/** Who did it, how that is known, and which request it was of. */
export interface AuditWho {
  /** The principal's name. */
  readonly actor: string
  readonly known: KnownBy
  /** Empty where there is none. */
  readonly correlationId: string
}

/** What happened. */
export interface AuditAct {
  readonly action: string
  readonly entityType: string
  readonly entityId: string
  /** JSON-able; never a secret, only keyed fingerprints. */
  readonly diff: Readonly<Record<string, unknown>> | null
}

/** One row of the tenant's audit chain, before the store gives it its place in the chain. */
export interface AuditEntry extends AuditWho, AuditAct {}

/** An application goes out of service or comes back. */
export interface ApplicationMoved {
  readonly appName: string
  readonly outOfService: OutReason | null
  /** When was read what this follows from, by the database's clock. */
  readonly decidedAt: number
}

/** From where on tokens of an application that went out of service at `takenAt` are announced. */
export interface WithdrawalPiece {
  readonly appName: string
  readonly takenAt: number
  readonly afterTokenId: string
}
/** How far they have been announced. Nothing when what the piece began with stands no more. */
export interface WithdrawalProgress {
  readonly of: WithdrawalPiece
  /** Null: all of them. */
  readonly afterTokenId: string | null
}

// ---- a transaction ----------------------------------------------------------

/** What a group of commands needs to see. Everything named is loaded and locked. */
export interface Load {
  readonly tokenIds: ReadonlyArray<string>
  /** Hex of token hashes, under every hash key in use. */
  readonly tokenHashes: ReadonlyArray<string>
  /** All tokens of these endpoints. */
  readonly endpointIds: ReadonlyArray<string>
  /** Only the number of tokens of these endpoints, whatever their status. */
  readonly endpointCounts: ReadonlyArray<string>
  readonly appNames: ReadonlyArray<string>
  readonly idempotencyKeyHashes: ReadonlyArray<string>
  readonly credentials?: CredentialLoad | undefined
  readonly clients?: ClientLoad | undefined
  readonly keys?: KeyLoad | undefined
  /** Ids of outbox rows that were set aside. */
  readonly aside?: ReadonlyArray<number> | undefined
  /** Ids of populations that are being revoked; an empty list to see only how many there are. */
  readonly revokeAlls?: ReadonlyArray<string> | undefined
  /** True: the tenant may be created, so its counters are made when they are not there, to be locked. */
  readonly createsTenant?: boolean | undefined
}

export interface Loaded {
  /** Undefined when no such tenant exists (or ever did). */
  readonly tenant: Tenant | undefined
  /** Before this transaction. */
  readonly revocationSeq: number
  /** The database's clock, UNIX milliseconds. All times written by the decision come from it. */
  readonly now: number
  /** By token id; holds those found by id, by hash and by endpoint. */
  readonly tokens: ReadonlyMap<string, Token>
  /** By endpoint id; 0 for one without tokens. */
  readonly endpointCounts: ReadonlyMap<string, number>
  /** By application name: those named (another tenant's too, names are unique on the platform) and those of the loaded tokens. */
  readonly applications: ReadonlyMap<string, Application>
  /** Number of tokens of each loaded application of this tenant that is asked for in `appNames`. */
  readonly applicationTokenCounts: ReadonlyMap<string, number>
  /** Number of tokens of the tenant, over all its applications. */
  readonly tenantTokenCount: number
  /** Of the tenant: what counts against its limits. */
  readonly stock: Stock
  readonly idempotent: ReadonlyMap<string, IdempotentAnswer>
  /** There when `Load.credentials` was. */
  readonly credentials?: CredentialLoaded | undefined
  /** There when `Load.clients` was. */
  readonly clients?: ClientLoaded | undefined
  /** There when `Load.keys` was. */
  readonly keys?: KeysLoaded | undefined
  /** There when `Load.aside` was: those that are still set aside. */
  readonly aside?: ReadonlyMap<number, AsideRow> | undefined
  /** There when `Load.revokeAlls` was. */
  readonly revokeAlls?: RevokeAllLoaded | undefined
}

export interface Changes {
  readonly tokensInserted: ReadonlyArray<Token>
  readonly tokensUpdated: ReadonlyArray<Token>
  readonly tokensDeleted: ReadonlyArray<string>
  readonly applicationsInserted: ReadonlyArray<string>
  readonly applicationsRemoved: ReadonlyArray<string>
  readonly applicationsMoved?: ReadonlyArray<ApplicationMoved> | undefined
  readonly withdrawals?: ReadonlyArray<WithdrawalProgress> | undefined
  /** Creates the tenant itself; only where there is none and `Load.createsTenant` was set. */
  readonly tenantCreated?: { readonly name: string | null; readonly settings?: TenantSettings | undefined } | undefined
  /** What the tenant's name and settings are from now on. An issuer that another tenant has breaks a constraint. */
  readonly tenantConfigured?: { readonly name: string | null; readonly settings: TenantSettings } | undefined
  /** Marks the tenant itself as removed. Nothing is sealed with its data keys any more; they end with its retention. */
  readonly tenantRemoved: boolean
  /** The tenant's tag from now on (`crypto/RowTags.ts`). */
  readonly tenantMac?: Uint8Array | undefined
  /** The same over what is configured for it. */
  readonly tenantSettingsMac?: Uint8Array | undefined
  /** Not null: the tenant's revocation sequence becomes `seq` and the barrier is pending until told in force. */
  readonly revocation: Revocation | null
  readonly outbox: ReadonlyArray<OutboxEntry>
  readonly idempotent: ReadonlyArray<IdempotentAnswer>
  readonly audit: ReadonlyArray<AuditEntry>
  readonly credentials?: CredentialChanges | undefined
  readonly clients?: ClientChanges | undefined
  readonly keys?: KeyChanges | undefined
  /** Outbox rows that were set aside and are so no more. */
  readonly asideEnded?: ReadonlyArray<{ readonly id: number; readonly action: AsideAction }> | undefined
  /** Begun, or gone on with: whole rows. */
  readonly revokeAlls?: ReadonlyArray<RevokeAll> | undefined
  /** Signed heads of the audit chain as it was committed before. */
  readonly auditCheckpoints?: ReadonlyArray<AuditCheckpoint> | undefined
}

/** Nothing is loaded but the tenant. */
export const emptyLoad: Load = {
  tokenIds: [],
  tokenHashes: [],
  endpointIds: [],
  endpointCounts: [],
  appNames: [],
  idempotencyKeyHashes: []
}

export const noChanges: Changes = {
  tokensInserted: [],
  tokensUpdated: [],
  tokensDeleted: [],
  applicationsInserted: [],
  applicationsRemoved: [],
  tenantRemoved: false,
  revocation: null,
  outbox: [],
  idempotent: [],
  audit: []
}

export class StatementRejected extends Schema.TaggedError<StatementRejected>()("StatementRejected", {
  /** The unique key or rule, as `table.key`. */
  constraint: Schema.String
}) {}

export interface Decision<A> {
  readonly changes: Changes
  readonly result: A
}

/** Of many things an effect, which leaves the thread to others meanwhile. */
export type Decide<A> = (loaded: Loaded) => Decision<A> | Effect.Effect<Decision<A>>

export const decided = <A>(decide: Decide<A>, loaded: Loaded): Effect.Effect<Decision<A>> => {
  const decision = decide(loaded)
  return Effect.isEffect(decision) ? decision : Effect.succeed(decision)
}

// ---- reads ------------------------------------------------------------------

export class TenantStore extends Context.Service<
  TenantStore,
  {
    readonly transact: <A>(
      tenantId: string,
      load: Load,
      decide: Decide<A>
    ) => Effect.Effect<A, StoreUnavailable | StatementRejected>

    /** Creates one that nobody asked for by request, as at the start; its audit names the service. */
    readonly createTenant: (
      tenantId: string,
      name: string | null,
      macsOf?: (tenant: Tenant) => Pick<Changes, "tenantMac" | "tenantSettingsMac">
    ) => Effect.Effect<"created" | "exists", StoreUnavailable>
    readonly findTenants: (tenantIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Tenant>, StoreUnavailable>
    /** The live tenant whose issuer this is. */
    readonly findTenantByIssuer: (issuer: string) => Effect.Effect<Tenant | undefined, StoreUnavailable>
    readonly listTenants: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<Tenant>, StoreUnavailable>

    readonly listApplications: (
      tenantId: string,
      options: { readonly limit: number; readonly after: string | null }
    ) => Effect.Effect<Page<Application>, StoreUnavailable>
    /** Whoever's they are; removed ones included. `forTenant`: for whose sake it is looked up. */
    readonly findApplications: (
      appNames: ReadonlyArray<string>,
      forTenant?: string | null
    ) => Effect.Effect<ReadonlyArray<Application>, StoreUnavailable>

    readonly findToken: (tenantId: string, tokenId: string) => Effect.Effect<Token | undefined, StoreUnavailable>
    readonly listTokens: (tenantId: string, query: TokenQuery) => Effect.Effect<Page<Token>, StoreUnavailable>
    /** How many tokens a page without a limit would have, as far as one page looks; `next` as of a page. */
    readonly countTokens: (
      tenantId: string,
      query: Omit<TokenQuery, "limit">
    ) => Effect.Effect<{ readonly count: number; readonly next: string | null }, StoreUnavailable>
    readonly findRevokeAll: (
      tenantId: string,
      operationId: string
    ) => Effect.Effect<RevokeAll | undefined, StoreUnavailable>
    /** Of all tenants, those that are not finished, the oldest first. */
    readonly openRevokeAlls: (limit: number) => Effect.Effect<ReadonlyArray<RevokeAll>, StoreUnavailable>
    /** Those of a tenant that is gone. */
    readonly dropRevokeAlls: (tenantId: string) => Effect.Effect<void, StoreUnavailable>
    /** Applications of the tenant that have tokens of this endpoint, whatever their status. */
    readonly applicationsOfEndpoint: (
      tenantId: string,
      endpointId: string
    ) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /** Tenants that have tokens of this endpoint, whatever their status. Endpoint ids are unique on the platform; tokens need not be. */
    readonly tenantsOfEndpoint: (endpointId: string) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  }
>()("cm/store/TenantStore") {}
