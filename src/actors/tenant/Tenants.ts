/**
 * The supervisor's face: everything a protocol may ask of tenants.
 *
 * A protocol handler decodes, calls one of these, and encodes. It never reaches a store, a cache or
 * a key. Changes go through the tenant's mailbox and are answered after their commit; a change that
 * takes a right away is answered after it is in force everywhere. Reads go straight to the store.
 *
 * Every effect ends within `requestTimeoutMs`; nothing waits for ever.
 */

import { Context, type Effect, type Result } from "effect"
import type { InvalidCursor, NotYetInForce, Refusal, TooManyRequests, Unavailable } from "../../domain/errors.ts"
import type { Page, TokenQuery } from "../../domain/Page.ts"
import type { TenantLimitName } from "../../domain/PlatformSettings.ts"
import type { Principal } from "../../domain/Principal.ts"
import type { Application, Tenant, TenantSettings } from "../../domain/Tenant.ts"
import type { Token, TokenStatus } from "../../domain/Token.ts"
import type { TokenPopulation } from "../../domain/TokenPopulation.ts"
import type { Trace } from "../../observability/Trace.ts"
import type { PlainItems } from "../../schema/PlainItems.ts"
import type { VerdictsWriter } from "../../schema/VerdictsJson.ts"
import type { RevokeAll } from "../../store/RevokeAll.ts"

/** Who asks, and how to recognise the same request again. */
export interface Caller extends Principal {
  readonly correlationId: string
  /** Set when the request carried an `Idempotency-Key`. */
  readonly idempotency: {
    readonly key: string
    /** `token.provision` and so on. */
    readonly operation: string
    /** The request's body as it came. */
    readonly body: Uint8Array
  } | null
  /** Where this stands in a trace, for the events of it. */
  readonly trace?: Trace
}

export type ChangeError = Refusal | TooManyRequests | Unavailable | NotYetInForce
export type ReadError = Refusal | InvalidCursor | TooManyRequests | Unavailable

/** A token as callers see it: without its hash; `expiresAt` is the nearer of its ends. */
export type TokenRecord = Omit<Token, "hash" | "hashKeyId" | "tenantId" | "overlapEndsAt" | "endedBy" | "reason">

/** What is to be configured; what is not there stays as it is. */
export interface TenantChange {
  readonly name?: string
  /** Null: no issuer any more. */
  readonly issuer?: string | null
  readonly audience?: string
  /** Null: found by discovery. */
  readonly jwksUri?: string | null
  readonly retentionMs?: number | null
  /** Null gives the default back. */
  readonly limits?: Readonly<Partial<Record<TenantLimitName, number | null>>>
}

export interface ProvisionItem {
  readonly endpointId: string
  /** Null: generated. */
  readonly token: string | null
  readonly expiresAt: number | null
  readonly description: string | null
}

export interface Provisioned {
  readonly record: TokenRecord
  /** The value: shown here and in the idempotent repetition, nowhere else, never again. */
  readonly token: string
}

export interface TokenPlace {
  readonly endpointId: string
  readonly appName: string
}

/** How a request names one token. */
export type TokenRef = { readonly tokenId: string } | { readonly appName: string; readonly token: string }

export interface Transition {
  readonly target: TokenStatus
  readonly expectedVersion: number | null
  readonly reason: string | null
}

export type ItemResult<A> = Result.Result<A, Refusal>

/** The answer of 16/ECAP, section 2.1 of the contract, before its encoding. */
export interface ValidationAnswer {
  readonly statusCode: 200 | 400 | 403 | 404 | 410 | 429 | 500 | 503
  readonly reasonPhrase: string | null
  readonly tokenId: string | null
  readonly endpointId: string | null
  readonly status: TokenStatus | null
}

/** The answers to a batch that was read where it lies. */
export interface Verdicts {
  /** With a place for each of the others. */
  readonly written: VerdictsWriter
  readonly others: ReadonlyArray<ValidationAnswer>
}

export class Tenants extends Context.Service<
  Tenants,
  {
    // ---- tenants and applications
    readonly createTenant: (
      options: { readonly tenantId: string; readonly name: string | null; readonly settings?: TenantSettings },
      caller: Caller
    ) => Effect.Effect<Tenant, ChangeError>
    /** Answered when it is in force everywhere: the old issuer's tokens are good nowhere any more. */
    readonly configureTenant: (
      tenantId: string,
      change: TenantChange,
      caller: Caller
    ) => Effect.Effect<Tenant, ChangeError>
    /** The live tenant whose issuer this is; undefined for nobody's. */
    readonly tenantOfIssuer: (issuer: string) => Effect.Effect<Tenant | undefined, ReadError>
    /** Revokes all it had, as one change. Answers the number of tokens at that moment. */
    readonly removeTenant: (
      tenantId: string,
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: number }, ChangeError>
    readonly listTenants: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<Tenant>, ReadError>
    readonly registerApplication: (
      tenantId: string,
      appName: string,
      caller: Caller
    ) => Effect.Effect<{ readonly application: Application; readonly created: boolean }, ChangeError>
    /**
     * `among`: only these, where they are the tenant's; null for all. What lacks was removed or is out of service,
     * and lacks when that is in force everywhere.
     */
    readonly listApplications: (
      tenantId: string,
      options: { readonly limit: number; readonly after: string | null; readonly among?: ReadonlyArray<string> | null }
    ) => Effect.Effect<Page<Application>, ReadError | NotYetInForce>
    readonly removeApplication: (
      tenantId: string,
      appName: string,
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: number }, ChangeError>

    // ---- tokens
    /** Per item, in order. A single `provision` is a batch of one whose failure the protocol lifts. */
    readonly provisionTokens: (
      tenantId: string,
      appName: string,
      items: ReadonlyArray<ProvisionItem>,
      caller: Caller
    ) => Effect.Effect<ReadonlyArray<ItemResult<Provisioned>>, ChangeError>
    /** One that is gone, suspended, or ends by a rotation is shown so when that is in force everywhere. */
    readonly getToken: (tenantId: string, tokenId: string) => Effect.Effect<TokenRecord, ReadError | NotYetInForce>
    /** Where each token is, in order; null for one that is not this tenant's. Says nothing of what became of it. */
    readonly whereTokensAre: (
      tenantId: string,
      refs: ReadonlyArray<TokenRef>
    ) => Effect.Effect<ReadonlyArray<TokenPlace | null>, ReadError>
    /** The applications that the endpoint has tokens of. */
    readonly applicationsOfEndpoint: (
      tenantId: string,
      endpointId: string
    ) => Effect.Effect<ReadonlyArray<string>, ReadError>
    /** The same for what it shows; what it does not show it says nothing of. */
    readonly listTokens: (
      tenantId: string,
      query: TokenQuery
    ) => Effect.Effect<Page<TokenRecord>, ReadError | NotYetInForce>
    readonly transitionTokens: (
      tenantId: string,
      refs: ReadonlyArray<TokenRef>,
      transition: Transition,
      caller: Caller
    ) => Effect.Effect<ReadonlyArray<ItemResult<TokenRecord>>, ChangeError>
    readonly rotateToken: (
      tenantId: string,
      options: {
        readonly tokenId: string
        readonly overlapMs: number
        readonly token: string | null
        readonly expectedVersion?: number | null
      },
      caller: Caller
    ) => Effect.Effect<Provisioned, ChangeError>
    /** How many tokens the population has; `isAtLeast` where not all were counted in time. */
    readonly countPopulation: (
      tenantId: string,
      population: TokenPopulation
    ) => Effect.Effect<{ readonly matched: number; readonly isAtLeast: boolean }, ReadError>
    /** Begins to revoke a population; a sweep goes on with it, and `findRevokeAll` says how far it came. */
    readonly revokeAll: (
      tenantId: string,
      asked: { readonly population: TokenPopulation; readonly reason: string | null },
      caller: Caller
    ) => Effect.Effect<
      { readonly operationId: string; readonly matched: number; readonly isAtLeast: boolean },
      ChangeError
    >
    /** One that is finished is in force everywhere. */
    readonly findRevokeAll: (tenantId: string, operationId: string) => Effect.Effect<RevokeAll, ReadError>
    readonly deleteTokens: (
      tenantId: string,
      options: { readonly tokenId: string; readonly expectedVersion?: number | null } | { readonly endpointId: string },
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: number }, ChangeError>
    /** 9/ELCE: deletes the endpoint's tokens under whichever tenants have any. */
    readonly unregisterEndpoint: (
      endpointId: string,
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: number }, ChangeError>
    /** 16/ECAP status transition: the tenant is found by the application's name. */
    readonly transitionByValue: (
      appName: string,
      token: string,
      target: TokenStatus,
      caller: Caller
    ) => Effect.Effect<void, ChangeError>

    // ---- validation
    /** Management's `validate` and `validate-batch`: same tables, same use, several at once. Fails only where the tenant is not there. */
    readonly validate: (
      tenantId: string,
      items: ReadonlyArray<{ readonly appName: string; readonly token: string }>,
      options: { readonly dryRun: boolean }
    ) => Effect.Effect<ReadonlyArray<ValidationAnswer>, ReadError>
    /** The same of items that were read where they lie, and no dry run; answered with the same verdicts. */
    readonly validatePlain: (tenantId: string, items: PlainItems) => Effect.Effect<Verdicts, ReadError>

    // ---- the replica itself
    /** Tenants with an actor here, messages waiting, hot entries. For health and metrics. */
    readonly census: Effect.Effect<{
      readonly actors: number
      readonly waiting: number
      readonly hotTokens: number
    }>
  }
>()("cm/actors/Tenants") {}
