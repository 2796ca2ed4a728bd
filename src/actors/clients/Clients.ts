/**
 * Everything management may ask about client credentials. Changes go through the tenant's mailbox and are
 * answered after their commit, what takes a right away after it is in force; checks are `ClientChecks`.
 */
import { Context, type Effect, type Redacted } from "effect"
import type { ClientCredential, ClientCredentialKind } from "../../domain/ClientCredential.ts"
import type { NotYetInForce } from "../../domain/errors.ts"
import type { Page } from "../../domain/Page.ts"
import type { ClientQuery } from "../../store/ClientStore.ts"
import type { Caller, ChangeError, ReadError, Transition } from "../tenant/Tenants.ts"

/** As callers see it. */
export type ClientRecord = Omit<ClientCredential, "tenantId" | "passwordHash" | "reason" | "mac">

export interface CreatedClient {
  readonly record: ClientRecord
  /** Only one that was generated: shown here and in the idempotent repetition, never again. */
  readonly password: string | null
}

export interface NewBasic {
  readonly username: string
  /** Null: generated. */
  readonly password: Redacted.Redacted | null
  readonly clientId: string | null
  readonly description: string | null
}

export interface NewCertificate {
  readonly issuer: string
  readonly serialNumber: string
  readonly clientId: string | null
}

type ReadOrWait = ReadError | NotYetInForce

export class Clients extends Context.Service<
  Clients,
  {
    readonly createBasic: (
      tenantId: string,
      request: NewBasic,
      caller: Caller
    ) => Effect.Effect<CreatedClient, ChangeError>
    readonly createCertificate: (
      tenantId: string,
      request: NewCertificate,
      caller: Caller
    ) => Effect.Effect<CreatedClient, ChangeError>
    readonly get: (tenantId: string, credentialId: string) => Effect.Effect<ClientRecord, ReadOrWait>
    readonly list: (tenantId: string, query: ClientQuery) => Effect.Effect<Page<ClientRecord>, ReadOrWait>
    readonly transition: (
      tenantId: string,
      credentialId: string,
      transition: Transition,
      caller: Caller
    ) => Effect.Effect<ClientRecord, ChangeError>
    readonly delete: (
      tenantId: string,
      request: { readonly credentialId: string; readonly expectedVersion: number | null },
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: number }, ChangeError>
    /** Of which kind it is, for who decides what a caller may do; undefined when the tenant has none of that id. */
    readonly kindOf: (
      tenantId: string,
      credentialId: string
    ) => Effect.Effect<ClientCredentialKind | undefined, ReadError>
  }
>()("cm/actors/Clients") {}
