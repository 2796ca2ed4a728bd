/**
 * What can go wrong with a request, as values.
 *
 * One class per situation, with what the caller needs to act on. Nothing here carries a secret, a
 * token value or a hash. Status codes and texts are given in one place, `protocols/Status.ts`.
 * Everything else that goes wrong is a defect.
 */
import { Effect, Schema } from "effect"
import { entityIdPattern } from "./Names.ts"
import { refreshStates } from "./Refresh.ts"

/** What is refused is no bug, and where it was made helps nobody: finding that out takes ten times as long as the rest. */
const withoutStack = <C extends object>(made: C): C =>
  new Proxy(made, {
    construct: (target, values, as) => {
      const limit = Error.stackTraceLimit
      Error.stackTraceLimit = 0
      try {
        return Reflect.construct(target as unknown as new () => object, values, as)
      } finally {
        Error.stackTraceLimit = limit
      }
    }
  })

/** As `Schema.TaggedError`. */
export const tagged = ((identifier?: string) => {
  const describe = Schema.TaggedError(identifier as string) as unknown as (...described: Array<unknown>) => object
  return (...described: Array<unknown>) => withoutStack(describe(...described))
}) as unknown as typeof Schema.TaggedError

export class InvalidRequest extends tagged<InvalidRequest>()("InvalidRequest", {
  /** Dotted path of the offending field, empty for the whole body. */
  path: Schema.String,
  reason: Schema.String
}) {}
export class InvalidCursor extends tagged<InvalidCursor>()("InvalidCursor", {}) {}
/** `reason`: `missing`, `malformed`, `signature`, `issuer`, `audience`, `expired`, `not_yet_valid` or `no_issuer`. */
export class Unauthenticated extends tagged<Unauthenticated>()("Unauthenticated", { reason: Schema.String }) {}
export class Forbidden extends tagged<Forbidden>()("Forbidden", { reason: Schema.String }) {}
/** The caller is known, and lacks this scope on this resource. */
export class ScopeMissing extends tagged<ScopeMissing>()("ScopeMissing", {
  scope: Schema.String,
  resource: Schema.String
}) {}

export class TenantNotFound extends tagged<TenantNotFound>()("TenantNotFound", { tenantId: Schema.String }) {}
export class ApplicationNotFound extends tagged<ApplicationNotFound>()("ApplicationNotFound", {
  appName: Schema.String
}) {}
export class TokenNotFound extends tagged<TokenNotFound>()("TokenNotFound", {
  /** Null when the caller named the token by its value, or gave for its id what is none: neither is repeated. */
  tokenId: Schema.NullOr(Schema.String)
}) {
  /** What was given for an id may be anything, a token's value by mistake included. */
  static readonly ofId = (given: string) => new TokenNotFound({ tokenId: entityIdPattern.test(given) ? given : null })
}

/** No population of this tenant's tokens was revoked under that id, or it is too long ago. */
export class RevokeAllNotFound extends tagged<RevokeAllNotFound>()("RevokeAllNotFound", {}) {}

export class TenantExists extends tagged<TenantExists>()("TenantExists", { tenantId: Schema.String }) {}
export class ApplicationExists extends tagged<ApplicationExists>()("ApplicationExists", {
  appName: Schema.String,
  /** `taken`: another tenant's or still being removed. */
  reason: Schema.String
}) {}
export class TokenExists extends tagged<TokenExists>()("TokenExists", { appName: Schema.String }) {}
export class TransitionNotAllowed extends tagged<TransitionNotAllowed>()("TransitionNotAllowed", {
  from: Schema.String,
  to: Schema.String
}) {}
export class VersionConflict extends tagged<VersionConflict>()("VersionConflict", {
  expectedVersion: Schema.Int,
  actualVersion: Schema.Int
}) {}
export class LimitReached extends tagged<LimitReached>()("LimitReached", {
  limit: Schema.String,
  max: Schema.Int
}) {}
/** No tenant has this issuer. */
export class IssuerNotFound extends tagged<IssuerNotFound>()("IssuerNotFound", {}) {}
/** Another tenant's issuer, or the platform's. */
export class IssuerInUse extends tagged<IssuerInUse>()("IssuerInUse", {}) {}
export class ManagedElsewhere extends tagged<ManagedElsewhere>()("ManagedElsewhere", { by: Schema.String }) {}
export class IdempotencyKeyReused extends tagged<IdempotencyKeyReused>()("IdempotencyKeyReused", {}) {}

// ---- credentials
export class CredentialNotFound extends tagged<CredentialNotFound>()("CredentialNotFound", {
  /** Null when the caller named the credential by its service. */
  credentialId: Schema.NullOr(Schema.String)
}) {}
/** An active one is there for the same tenant, service and owner. */
export class CredentialExists extends tagged<CredentialExists>()("CredentialExists", {
  serviceName: Schema.String,
  /** Null when it is not known which (two stores at once). */
  credentialId: Schema.NullOr(Schema.String)
}) {}
export class CredentialRevoked extends tagged<CredentialRevoked>()("CredentialRevoked", {
  credentialId: Schema.String
}) {}
export class CredentialExpired extends tagged<CredentialExpired>()("CredentialExpired", {
  credentialId: Schema.String
}) {}
export class ConsumerNotAllowed extends tagged<ConsumerNotAllowed>()("ConsumerNotAllowed", {}) {}
export class ServiceInactive extends tagged<ServiceInactive>()("ServiceInactive", { serviceName: Schema.String }) {}

// ---- client credentials
export class ClientCredentialNotFound extends tagged<ClientCredentialNotFound>()("ClientCredentialNotFound", {
  /** Null when what was given for its id is none. */
  credentialId: Schema.NullOr(Schema.String)
}) {
  static readonly ofId = (given: string) =>
    new ClientCredentialNotFound({ credentialId: entityIdPattern.test(given) ? given : null })
}
/** Its name is somebody's on the platform: whose is not told. */
export class ClientCredentialExists extends tagged<ClientCredentialExists>()("ClientCredentialExists", {
  kind: Schema.Literals(["basic", "certificate"])
}) {}

// ---- providers and refresh
export class ProviderNotFound extends tagged<ProviderNotFound>()("ProviderNotFound", { name: Schema.String }) {}
/** A credential names it. */
export class ProviderInUse extends tagged<ProviderInUse>()("ProviderInUse", { name: Schema.String }) {}
export class RotatorNotFound extends tagged<RotatorNotFound>()("RotatorNotFound", { name: Schema.String }) {}
/** A credential names it. */
export class RotatorInUse extends tagged<RotatorInUse>()("RotatorInUse", { name: Schema.String }) {}
/**
 * The system outside has no new secret. `permanent`: trying again does not help. `behind`: the rotator was not asked, since
 * the secret before this one is promised to its readers, or too many old ones are not taken away yet.
 */
export class RotatorFailed extends tagged<RotatorFailed>()("RotatorFailed", {
  reason: Schema.String,
  behind: Schema.optionalKey(Schema.Literals(["overlap", "retire_pending"])),
  permanent: Schema.Boolean,
  retryAfterMs: Schema.NullOr(Schema.Int)
}) {}
/** The credential names nothing that could be asked for a new secret. */
export class RefreshNotConfigured extends tagged<RefreshNotConfigured>()("RefreshNotConfigured", {
  credentialId: Schema.String
}) {}
/** The provider said for good that the grant is gone: a person must connect anew. */
export class ReconnectNeeded extends tagged<ReconnectNeeded>()("ReconnectNeeded", { credentialId: Schema.String }) {}
export class ProviderFailed extends tagged<ProviderFailed>()("ProviderFailed", {
  reason: Schema.String,
  retryAfterMs: Schema.NullOr(Schema.Int)
}) {}
/** The grant may have been spent, and no answer came: recovery is under way. */
export class RefreshInDoubt extends tagged<RefreshInDoubt>()("RefreshInDoubt", { credentialId: Schema.String }) {}
/** The secret does not live, and no refresh has brought another; `state`, where it is known, says what it waits for. */
export class RefreshPending extends tagged<RefreshPending>()("RefreshPending", {
  credentialId: Schema.String,
  state: Schema.optionalKey(Schema.Literals(refreshStates))
}) {}

// ---- the audit
/** Rows up to the one before `nextFrom` hold; the time of one request did not suffice for more. */
export class AuditRangeTooLong extends tagged<AuditRangeTooLong>()("AuditRangeTooLong", {
  checked: Schema.Int,
  nextFrom: Schema.Int
}) {}

// ---- keys
export class KeyNotFound extends tagged<KeyNotFound>()("KeyNotFound", { keyId: Schema.String }) {}
/**
 * `active`: new rows are written with the key; `rows`: some need it, counted up to a limit; `written`: a replica may still write
 * with it; `compared`: remembered answers are found by it. Answers that an earlier build remembered do not say why.
 */
export class KeyInUse extends tagged<KeyInUse>()("KeyInUse", {
  keyId: Schema.String,
  rows: Schema.Int,
  why: Schema.optionalKey(Schema.Literals(["active", "rows", "written", "compared"]))
}) {}

// ---- the outbox
/** No event of that id is set aside. */
export class EventNotFound extends tagged<EventNotFound>()("EventNotFound", { id: Schema.Int }) {}

// ---- what was stored
/** A row does not carry the tag of what it says: it was changed outside of the service. Nothing is handed out on its word. */
export class RowChanged extends tagged<RowChanged>()("RowChanged", {
  kind: Schema.Literals(["token", "credential", "client", "tenant", "provider", "rotator", "revoke-all", "answer"]),
  id: Schema.String
}) {}

// ---- the service itself
/** A bound of this tenant or replica is reached: mailbox, misses in flight. Trying later helps. */
export class TooManyRequests extends tagged<TooManyRequests>()("TooManyRequests", {
  limit: Schema.String,
  /** After which asking again may help. */
  retryAfterMs: Schema.Int.pipe(Schema.withConstructorDefault(Effect.succeed(1_000)))
}) {}
/** A part that is needed cannot be reached. `committed` null: it is not known whether the change happened. */
export class Unavailable extends tagged<Unavailable>()("Unavailable", {
  part: Schema.String,
  committed: Schema.NullOr(Schema.Boolean)
}) {}
/** The change is committed, but not every replica is known to obey yet. */
export class NotYetInForce extends tagged<NotYetInForce>()("NotYetInForce", {}) {}

/** What deciding over loaded rows may refuse; remembered with an idempotency key like a success. */
export const Refusal = Schema.Union([
  InvalidRequest,
  Forbidden,
  TenantNotFound,
  ApplicationNotFound,
  TokenNotFound,
  TenantExists,
  ApplicationExists,
  TokenExists,
  TransitionNotAllowed,
  VersionConflict,
  LimitReached,
  IssuerInUse,
  ManagedElsewhere,
  IdempotencyKeyReused,
  CredentialNotFound,
  CredentialExists,
  CredentialRevoked,
  CredentialExpired,
  ConsumerNotAllowed,
  ServiceInactive,
  ClientCredentialNotFound,
  ClientCredentialExists,
  KeyNotFound,
  KeyInUse,
  EventNotFound,
  ProviderNotFound,
  ProviderInUse,
  RotatorNotFound,
  RotatorInUse,
  RotatorFailed,
  RefreshNotConfigured,
  ReconnectNeeded,
  ProviderFailed,
  RefreshInDoubt,
  RefreshPending,
  RowChanged,
  RevokeAllNotFound
])
export type Refusal = typeof Refusal.Type

export type RequestError =
  | Refusal
  | InvalidCursor
  | Unauthenticated
  | ScopeMissing
  | IssuerNotFound
  | AuditRangeTooLong
  | TooManyRequests
  | Unavailable
  | NotYetInForce
