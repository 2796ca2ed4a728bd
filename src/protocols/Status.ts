/**
 * Every failure's status, code and words: the one table.
 *
 * Codes are stable and public; `docs/failure-modes.md` lists each with its cause and remedy. A row
 * is missing when an error class is added without one: the table does not compile. Words and
 * details never hold a value of the request that could be a secret.
 *
 * Longer than 300 lines because it is one table.
 */
import type { RequestError } from "../domain/errors.ts"
import { entityIdPattern } from "../domain/Names.ts"
import type { ProtocolError } from "./ProtocolError.ts"

export const codes = {
  INVALID_TENANT: 400,
  INVALID_REQUEST: 400,
  INVALID_CURSOR: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  CONSUMER_NOT_ALLOWED: 403,
  SERVICE_INACTIVE: 403,
  OPERATION_NOT_FOUND: 404,
  TENANT_NOT_FOUND: 404,
  APPLICATION_NOT_FOUND: 404,
  TOKEN_NOT_FOUND: 404,
  CREDENTIAL_NOT_FOUND: 404,
  KEY_NOT_FOUND: 404,
  EVENT_NOT_FOUND: 404,
  REVOKE_ALL_NOT_FOUND: 404,
  PROVIDER_NOT_FOUND: 404,
  ROTATOR_NOT_FOUND: 404,
  TENANT_EXISTS: 409,
  APPLICATION_EXISTS: 409,
  TOKEN_EXISTS: 409,
  CREDENTIAL_EXISTS: 409,
  ISSUER_IN_USE: 409,
  TRANSITION_NOT_ALLOWED: 409,
  VERSION_CONFLICT: 409,
  LIMIT_REACHED: 409,
  MANAGED_ELSEWHERE: 409,
  KEY_IN_USE: 409,
  PROVIDER_IN_USE: 409,
  ROTATOR_IN_USE: 409,
  REFRESH_NOT_CONFIGURED: 409,
  RECONNECT_NEEDED: 409,
  CREDENTIAL_REVOKED: 410,
  CREDENTIAL_EXPIRED: 410,
  EVENT_GONE: 410,
  PAYLOAD_TOO_LARGE: 413,
  IDEMPOTENCY_KEY_REUSED: 422,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  PROVIDER_FAILED: 502,
  ROTATOR_FAILED: 502,
  UNAVAILABLE: 503,
  NOT_YET_IN_FORCE: 503,
  REFRESH_IN_DOUBT: 503,
  REFRESH_PENDING: 503
} as const
export type Code = keyof typeof codes

/** Everything that a management request can fail with, short of a bug. */
export type ManagementError = RequestError | ProtocolError

export interface Failure {
  readonly code: Code
  readonly statusCode: number
  readonly reasonPhrase: string
  readonly details: Readonly<Record<string, unknown>>
}

interface Row<E> {
  readonly code: Code
  readonly reason: (error: E) => string
  readonly details?: (error: E) => Readonly<Record<string, unknown>>
}
type Table = { readonly [Tag in ManagementError["_tag"]]: Row<Extract<ManagementError, { readonly _tag: Tag }>> }

/** Why a key cannot be retired, and what to do. */
const whyKeyInUse = {
  active: "The key is active: only one that another has followed can be retired",
  rows: "Rows need the key: wait until keys.status is idle, or until the answers remembered under it have ended",
  written: "A replica may still write with the key: wait for twice CM_KEYS_ACTIVATION after its rotation",
  compared: "Remembered answers are found by the key: wait for CM_IDEMPOTENCY_TTL after its rotation"
} as const

/** In words, by the reason in `details`. */
const whyUnauthenticated: Readonly<Record<string, string>> = {
  missing: "A bearer token is needed",
  malformed: "The bearer token is not of an accepted kind",
  signature: "The bearer token is not signed by a key of its issuer",
  issuer: "The bearer token is another issuer's",
  audience: "The bearer token is meant for another audience",
  expired: "The bearer token has expired",
  not_yet_valid: "The bearer token is not valid yet",
  no_issuer: "The tenant has no issuer"
}

const table: Table = {
  InvalidTenant: { code: "INVALID_TENANT", reason: () => "The tenant token of the subject is not a tenant id" },
  OperationNotFound: { code: "OPERATION_NOT_FOUND", reason: () => "The subject names no operation" },
  InvalidRequest: {
    code: "INVALID_REQUEST",
    reason: ({ path, reason }) => (path === "" ? reason : `${path}: ${reason}`),
    details: ({ path, reason }) => ({ path, reason })
  },
  InvalidCursor: { code: "INVALID_CURSOR", reason: () => "The cursor is not one of this list and order" },
  Unauthenticated: {
    code: "UNAUTHENTICATED",
    reason: ({ reason }) => whyUnauthenticated[reason] ?? "The caller is not known",
    details: ({ reason }) => ({ reason })
  },
  Forbidden: { code: "FORBIDDEN", reason: ({ reason }) => reason },
  ScopeMissing: {
    code: "FORBIDDEN",
    reason: ({ resource, scope }) => `The scope ${scope} on ${resource} is missing`,
    details: ({ resource, scope }) => ({ scope, resource })
  },
  TenantNotFound: {
    code: "TENANT_NOT_FOUND",
    reason: () => "Tenant not found",
    details: ({ tenantId }) => ({ tenantId })
  },
  ApplicationNotFound: {
    code: "APPLICATION_NOT_FOUND",
    reason: () => "Application not found",
    details: ({ appName }) => ({ appName })
  },
  TokenNotFound: {
    code: "TOKEN_NOT_FOUND",
    reason: () => "Token not found",
    // A text that is not an id of ours may be a token's value, put into the wrong field.
    details: ({ tokenId }) => (tokenId !== null && entityIdPattern.test(tokenId) ? { tokenId } : {})
  },
  TenantExists: { code: "TENANT_EXISTS", reason: () => "Tenant exists", details: ({ tenantId }) => ({ tenantId }) },
  ApplicationExists: {
    code: "APPLICATION_EXISTS",
    reason: ({ reason }) => `Application name not available: ${reason}`,
    details: ({ appName }) => ({ appName })
  },
  TokenExists: {
    code: "TOKEN_EXISTS",
    reason: () => "The application has a token of this value",
    details: ({ appName }) => ({ appName })
  },
  TransitionNotAllowed: {
    code: "TRANSITION_NOT_ALLOWED",
    reason: ({ from, to }) => `${from} does not become ${to}`,
    details: ({ from, to }) => ({ from, to })
  },
  VersionConflict: {
    code: "VERSION_CONFLICT",
    reason: () => "The version is another one",
    details: ({ actualVersion, expectedVersion }) => ({ expectedVersion, actualVersion })
  },
  LimitReached: {
    code: "LIMIT_REACHED",
    reason: ({ limit, max }) => `${limit}: ${max} at most`,
    details: ({ limit, max }) => ({ limit, max })
  },
  AuditRangeTooLong: {
    code: "LIMIT_REACHED",
    reason: ({ nextFrom }) =>
      `The range is too long for one request; its rows hold so far, go on with from ${nextFrom}`,
    details: ({ checked, nextFrom }) => ({ limit: "auditRowsPerRequest", checked, nextFrom })
  },
  IssuerNotFound: { code: "TENANT_NOT_FOUND", reason: () => "No tenant has this issuer" },
  IssuerInUse: { code: "ISSUER_IN_USE", reason: () => "The issuer is another tenant's, or the platform's" },
  ManagedElsewhere: {
    code: "MANAGED_ELSEWHERE",
    reason: ({ by }) => `Managed by ${by}`,
    details: ({ by }) => ({ by })
  },
  IdempotencyKeyReused: {
    code: "IDEMPOTENCY_KEY_REUSED",
    reason: () => "The idempotency key was used for another request"
  },
  CredentialNotFound: {
    code: "CREDENTIAL_NOT_FOUND",
    reason: () => "Credential not found",
    details: ({ credentialId }) =>
      credentialId !== null && entityIdPattern.test(credentialId) ? { credential_id: credentialId } : {}
  },
  CredentialExists: {
    code: "CREDENTIAL_EXISTS",
    reason: () => "An active credential exists for this tenant, service and owner",
    details: ({ credentialId, serviceName }) => ({ service_name: serviceName, credential_id: credentialId })
  },
  CredentialRevoked: {
    code: "CREDENTIAL_REVOKED",
    reason: () => "The credential is revoked",
    details: ({ credentialId }) => ({ credential_id: credentialId })
  },
  CredentialExpired: {
    code: "CREDENTIAL_EXPIRED",
    reason: () => "The credential is expired",
    details: ({ credentialId }) => ({ credential_id: credentialId })
  },
  ConsumerNotAllowed: { code: "CONSUMER_NOT_ALLOWED", reason: () => "Not among the credential's allowed consumers" },
  ServiceInactive: {
    code: "SERVICE_INACTIVE",
    reason: () => "The service is disabled for this tenant",
    details: ({ serviceName }) => ({ service_name: serviceName })
  },
  ClientCredentialNotFound: {
    code: "CREDENTIAL_NOT_FOUND",
    reason: () => "Client credential not found",
    details: ({ credentialId }) => (credentialId === null ? {} : { credentialId })
  },
  ClientCredentialExists: {
    code: "CREDENTIAL_EXISTS",
    reason: ({ kind }) =>
      kind === "basic" ? "The username is taken" : "A client credential of this issuer and serial number exists",
    details: ({ kind }) => ({ kind })
  },
  PayloadTooLarge: {
    code: "PAYLOAD_TOO_LARGE",
    reason: ({ part, bytesMax }) => `The ${part} is larger than ${bytesMax} bytes`,
    details: ({ part, bytesMax }) => ({ part, bytesMax })
  },
  RevokeAllNotFound: {
    code: "REVOKE_ALL_NOT_FOUND",
    reason: () => "No revocation of many tokens has this id",
    details: () => ({})
  },
  EventGone: { code: "EVENT_GONE", reason: () => "The stream has nothing of this id any more, or never had" },
  EventNotFound: { code: "EVENT_NOT_FOUND", reason: () => "No such event is set aside", details: ({ id }) => ({ id }) },
  KeyNotFound: {
    code: "KEY_NOT_FOUND",
    reason: () => "Key not found",
    details: ({ keyId }) => (entityIdPattern.test(keyId) ? { keyId } : {})
  },
  KeyInUse: {
    code: "KEY_IN_USE",
    reason: ({ why }) => (why === undefined ? "The key is in use" : whyKeyInUse[why]),
    details: ({ keyId, rows, why }) => ({ keyId, rows, ...(why === undefined ? {} : { why }) })
  },
  ProviderNotFound: {
    code: "PROVIDER_NOT_FOUND",
    reason: () => "Provider not found",
    details: ({ name }) => ({ name })
  },
  ProviderInUse: {
    code: "PROVIDER_IN_USE",
    reason: () => "A credential names the provider",
    details: ({ name }) => ({ name })
  },
  RotatorNotFound: {
    code: "ROTATOR_NOT_FOUND",
    reason: () => "Rotator not found",
    details: ({ name }) => ({ name })
  },
  RotatorInUse: {
    code: "ROTATOR_IN_USE",
    reason: () => "A credential names the rotator",
    details: ({ name }) => ({ name })
  },
  RotatorFailed: {
    code: "ROTATOR_FAILED",
    reason: ({ behind, reason }) =>
      behind === "overlap"
        ? 'The rotator was not asked: the secret before this one is still promised to its readers. Wait, or ask with "overlap": "PT0S", which ends that promise'
        : behind === "retire_pending"
          ? "The rotator was not asked: too many old secrets are not taken away yet (retire_pending)"
          : `The rotator brought no new secret into force: ${reason}`,
    details: ({ permanent, reason, retryAfterMs }) => ({
      reason,
      permanent,
      ...(retryAfterMs === null ? {} : { retryAfterMs })
    })
  },
  RefreshNotConfigured: {
    code: "REFRESH_NOT_CONFIGURED",
    reason: () => "No refresh is set up for this credential: the new secret must be given",
    details: ({ credentialId }) => ({ credential_id: credentialId })
  },
  ReconnectNeeded: {
    code: "RECONNECT_NEEDED",
    reason: () => "The provider takes the grant no more: a person must reconnect",
    details: ({ credentialId }) => ({ credential_id: credentialId })
  },
  ProviderFailed: {
    code: "PROVIDER_FAILED",
    reason: ({ reason }) => `The provider gave no new secret: ${reason}`,
    details: ({ reason, retryAfterMs }) => ({ reason, ...(retryAfterMs === null ? {} : { retryAfterMs }) })
  },
  RefreshInDoubt: {
    code: "REFRESH_IN_DOUBT",
    reason: () => "The grant may have been spent and no answer came; recovery is under way",
    details: ({ credentialId }) => ({ credential_id: credentialId })
  },
  RefreshPending: {
    code: "REFRESH_PENDING",
    reason: ({ state }) =>
      state === "reconnect_needed"
        ? "The secret has ended, and the provider takes its grant no more: a person must reconnect"
        : state === "paused"
          ? "The secret has ended, and its refresh is paused"
          : "The secret does not live long enough, and its refresh has not ended yet",
    details: ({ credentialId, state }) => ({ credential_id: credentialId, ...(state === undefined ? {} : { state }) })
  },
  RowChanged: {
    code: "INTERNAL",
    reason: ({ kind }) => {
      const name = kind === "revoke-all" ? "population" : kind === "client" ? "client credential" : kind
      return `The stored ${name} was changed outside of the service, and is not used`
    }
  },
  TooManyRequests: {
    code: "TOO_MANY_REQUESTS",
    reason: () => "Too many requests at once, try again later",
    details: ({ limit, retryAfterMs }) => ({ limit, retryAfterMs })
  },
  Unavailable: {
    code: "UNAVAILABLE",
    reason: ({ part }) => `Not available now: ${part}`,
    details: ({ committed, part }) => ({ part, committed })
  },
  NotReady: { code: "UNAVAILABLE", reason: () => "Not ready", details: ({ checks }) => ({ checks }) },
  NotYetInForce: {
    code: "NOT_YET_IN_FORCE",
    reason: () => "Committed, but not every replica is known to obey yet",
    details: () => ({ committed: true })
  }
}

/** A bug: nothing of it is told. */
export const internal: Failure = {
  code: "INTERNAL",
  statusCode: codes.INTERNAL,
  reasonPhrase: "Internal error",
  details: {}
}

/** What to answer for a failure. */
export const failureOf = (error: ManagementError): Failure => {
  const row = table[error._tag] as Row<ManagementError>
  return {
    code: row.code,
    statusCode: codes[row.code],
    reasonPhrase: row.reason(error),
    details: row.details?.(error) ?? {}
  }
}

/** `CODE: reason`, for `Nats-Service-Error` and statistics: one line, no control characters. */
export const errorLine = (failure: Failure): string =>
  `${failure.code}: ${failure.reasonPhrase}`.replaceAll(/\p{Cc}/gu, " ")
