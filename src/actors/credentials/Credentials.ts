/**
 * Everything a protocol may ask about third-party credentials and a tenant's services.
 *
 * Changes and reads of secrets go through the tenant's mailbox. A secret leaves only after the row
 * of the audit that tells of it is committed, and it is read from the database in the very
 * transaction of that row; so a credential that was revoked, or a service that was disabled, is
 * handed out by no replica from the answer on, without a barrier. `describe` may be answered from
 * the metadata cache; it and `list` never touch a key.
 *
 * Every effect ends within `CM_REQUEST_TIMEOUT`.
 */
import { Context, type Effect, type Redacted } from "effect"
import type { Consumer } from "../../domain/Access.ts"
import type { CredentialState, JsonObject, Owner, TenantService, VersionState } from "../../domain/Credential.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import type { Page, PageQuery } from "../../domain/Page.ts"
import type { RefreshReason } from "../../domain/Provider.ts"
import type { RefreshFailure, RefreshState } from "../../domain/Refresh.ts"
import type { Caller, ChangeError, ReadError } from "../tenant/Tenants.ts"
import type { RevokedAtProvider } from "./Refresher.ts"

/** How a request names a credential: by id, or the one that wins for a service and owner. */
export type CredentialName = { readonly credentialId: string } | { readonly serviceName: string; readonly owner: Owner }

export interface StoreRequest {
  readonly serviceName: string
  readonly type: string
  readonly owner: Owner
  /** Already of the shape of its type (`CredentialShape.parseSecret`). */
  readonly secret: Redacted.Redacted<Secret>
  readonly scopes: ReadonlyArray<string>
  readonly expiresAt: number | null
  readonly allowedConsumers: ReadonlyArray<string>
  readonly metadata: JsonObject
  readonly rotation: JsonObject | null
}

export interface RotateRequest {
  readonly credentialId: string
  /** Null: the provider's refresh is run. Unchecked: what it must hold depends on the credential's type. */
  readonly secret: Redacted.Redacted<unknown> | null
  /** Undefined: as it was. */
  readonly expiresAt: number | null | undefined
  /** Null: as is usual for who makes the new secret. */
  readonly overlapMs: number | null
  readonly expectedVersion: number | null
}

export interface UpdateRequest {
  readonly credentialId: string
  readonly allowedConsumers: ReadonlyArray<string> | undefined
  readonly scopes: ReadonlyArray<string> | undefined
  readonly expiresAt: number | null | undefined
  readonly metadata: JsonObject | undefined
  /** Undefined: as it was. */
  readonly rotation?: JsonObject | null | undefined
  readonly expectedVersion: number | null
}

/** A credential as `describe` and `list` show it: everything but the secret. */
export interface CredentialMetadata {
  readonly credentialId: string
  readonly tenantId: string
  readonly serviceName: string
  readonly type: string
  readonly owner: Owner
  readonly scopes: ReadonlyArray<string>
  readonly allowedConsumers: ReadonlyArray<string>
  readonly metadata: JsonObject
  readonly expiresAt: number | null
  /** As of the answer: an end that has come counts. */
  readonly state: CredentialState
  readonly reason: string | null
  /** Whether the asking tenant's service is active. */
  readonly serviceActive: boolean
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly createdBy: string
  readonly updatedBy: string
  /** Null where nothing is refreshed. An answer that was remembered before anything was does not say. */
  readonly refresh?: RefreshShown | null
  /**
   * Old secrets whose taking away failed, and is tried until they are seen to be dead; null where nothing is rotated. An
   * answer that was remembered before there were rotators does not say.
   */
  readonly retirePending?: ReadonlyArray<RetirePending> | null
}

export interface RetirePending {
  readonly generation: number
  readonly since: number
  readonly attempts: number
  readonly reason: RefreshReason | null
  readonly nextAttemptAt: number
}

/** What is said of a credential's refresh. */
export interface RefreshShown {
  readonly state: RefreshState
  readonly lastRefreshedAt: number | null
  readonly nextRefreshAt: number | null
  readonly grantExpiresAt: number | null
  readonly attempts: number
  readonly lastError: RefreshFailure | null
}

export interface HandedOut extends CredentialMetadata {
  readonly secret:
    | { readonly _tag: "Clear"; readonly value: Redacted.Redacted<Secret> }
    | { readonly _tag: "Sealed"; readonly sealed: string; readonly sealedBy: string }
}

export interface ReadOptions {
  readonly consumer: Consumer
  /** An nkeys curve public key (`X…`) that the answer is sealed to. */
  readonly sealTo: string | null
  readonly minTtlMs: number | null
}

export interface VersionEntry {
  readonly version: number
  readonly state: VersionState | "active"
  readonly createdAt: number
  readonly createdBy: string
  readonly reason: string | null
  readonly expiresAt: number | null
}

export interface ChangedCredential {
  readonly credentialId: string
  readonly version: number
}

export class Credentials extends Context.Service<
  Credentials,
  {
    readonly store: (
      tenantId: string,
      request: StoreRequest,
      caller: Caller
    ) => Effect.Effect<ChangedCredential, ChangeError>
    readonly get: (
      tenantId: string,
      name: CredentialName,
      options: ReadOptions,
      caller: Caller
    ) => Effect.Effect<HandedOut, ChangeError>
    readonly describe: (tenantId: string, name: CredentialName) => Effect.Effect<CredentialMetadata, ReadError>
    readonly list: (
      tenantId: string,
      query: {
        readonly serviceName: string | null
        readonly isActive: boolean | null
        readonly expiringWithinMs: number | null
        readonly limit: number
        readonly after: string | null
      }
    ) => Effect.Effect<Page<CredentialMetadata>, ReadError>
    readonly rotate: (
      tenantId: string,
      request: RotateRequest,
      caller: Caller
    ) => Effect.Effect<ChangedCredential, ChangeError>
    /** After `reconnect_needed`, and else a rotation by hand. */
    readonly reconnect: (
      tenantId: string,
      request: RotateRequest,
      caller: Caller
    ) => Effect.Effect<ChangedCredential, ChangeError>
    readonly update: (
      tenantId: string,
      request: UpdateRequest,
      caller: Caller
    ) => Effect.Effect<CredentialMetadata, ChangeError>
    /** Revoking what is revoked succeeds and changes nothing. */
    readonly revoke: (
      tenantId: string,
      request: {
        readonly credentialId: string
        readonly reason: string | null
        readonly expectedVersion: number | null
        /** Asks the provider to revoke it, too. Whatever it answers, here it is revoked. */
        readonly atProvider?: boolean
      },
      caller: Caller
    ) => Effect.Effect<ChangedCredential & { readonly atProvider?: RevokedAtProvider }, ChangeError>
    /** Newest first, at most `historyVersionsMax`. */
    readonly history: (tenantId: string, credentialId: string) => Effect.Effect<ReadonlyArray<VersionEntry>, ReadError>
    readonly delete: (
      tenantId: string,
      request: { readonly credentialId: string; readonly expectedVersion: number | null },
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: 1 }, ChangeError>

    /** By name. */
    readonly services: (tenantId: string, query: PageQuery) => Effect.Effect<Page<TenantService>, ReadError>
    readonly enableService: (
      tenantId: string,
      serviceName: string,
      caller: Caller
    ) => Effect.Effect<TenantService, ChangeError>
    readonly disableService: (
      tenantId: string,
      serviceName: string,
      reason: string | null,
      caller: Caller
    ) => Effect.Effect<TenantService, ChangeError>
  }
>()("cm/actors/Credentials") {}
