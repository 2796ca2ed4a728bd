/** `{instance}.v1.{tenant}.credential.*`: third-party credentials. Contract section 3.4. */
import { Effect, Redacted, Result } from "effect"
import { type CredentialName, Credentials } from "../actors/credentials/Credentials.ts"
import { parseSecret, type ShapeError } from "../domain/CredentialShape.ts"
import { InvalidRequest } from "../domain/errors.ts"
import { entityIdPattern } from "../domain/Names.ts"
import * as Json from "../schema/CredentialJson.ts"
import { BusConfig } from "./BusConfig.ts"
import { consumerOf, refusalOfConsumers } from "./Consumers.ts"
import { encodeHandedOut, encodeMetadata, encodeVersion } from "./CredentialAnswers.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"
import { waitingBytesMax } from "./Places.ts"

const nameOf = (request: typeof Json.GetCredential.Type): CredentialName =>
  request.credential_id === undefined
    ? { serviceName: request.service_name ?? "", owner: Json.ownerOf(request.owner) }
    : { credentialId: request.credential_id }

const refuse = (error: ShapeError) => new InvalidRequest(error)

/** Fails where a list names a consumer that can be none. */
const checkConsumers = Effect.fnUntraced(function* (names: ReadonlyArray<string> | undefined) {
  const { gatewayAccount } = yield* BusConfig
  const refusal = refusalOfConsumers(names, gatewayAccount)
  if (refusal !== null) return yield* refusal
})

/**
 * Whoever reads secrets sends a few names: what is larger is not parsed, so that a flood of it costs little. And no more
 * than may wait for a provider in a place of those who wait: a larger `get` would have none, whenever it came.
 */
const askBytesMax = waitingBytesMax

export const credentialOperations = [
  operation({
    family: "tenant",
    name: "credential.store",
    about: "Stores a service's credentials, encrypted. One active for each tenant, service and owner.",
    request: Json.StoreCredential,
    answer: Json.StoreCredentialAnswer,
    statuses: [201],
    errors: ["CREDENTIAL_EXISTS", "LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const credentials = yield* Credentials
      yield* checkConsumers(request.allowed_consumers)
      const secret = yield* Effect.fromResult(Result.mapError(parseSecret(request.type, request.credentials), refuse))
      const { credentialId } = yield* credentials.store(
        tenantId,
        {
          serviceName: request.service_name,
          type: request.type,
          owner: Json.ownerOf(request.owner),
          secret: Redacted.make(secret),
          scopes: request.scopes,
          expiresAt: request.expires_at ?? null,
          allowedConsumers: request.allowed_consumers ?? [],
          metadata: request.metadata ?? {},
          rotation: request.rotation ?? null
        },
        caller
      )
      return { credential_id: credentialId, success: true, message: "stored" }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.get",
    about: "Hands out a secret to a consumer that the credential allows; each read is in the audit before it leaves.",
    request: Json.GetCredential,
    answer: Json.CredentialAnswer,
    errors: [
      "CONSUMER_NOT_ALLOWED",
      "SERVICE_INACTIVE",
      "CREDENTIAL_NOT_FOUND",
      "CREDENTIAL_REVOKED",
      "CREDENTIAL_EXPIRED",
      "REFRESH_PENDING"
    ],
    takesExtra: true,
    bytesMax: askBytesMax,
    handle: Effect.fnUntraced(function* (request, asked) {
      const credentials = yield* Credentials
      const options = {
        consumer: consumerOf(asked.caller),
        sealTo: request.seal_to ?? null,
        minTtlMs: request.min_ttl ?? null
      }
      return encodeHandedOut(yield* credentials.get(asked.tenantId, nameOf(request), options, asked.caller))
    })
  }),
  operation({
    family: "tenant",
    name: "credential.describe",
    about: "Everything about a credential but its secret; from the metadata cache, decrypts nothing.",
    request: Json.DescribeCredential,
    answer: Json.MetadataAnswer,
    errors: ["CREDENTIAL_NOT_FOUND"],
    bytesMax: askBytesMax,
    handle: Effect.fnUntraced(function* (request, { tenantId }) {
      const credentials = yield* Credentials
      return encodeMetadata(yield* credentials.describe(tenantId, nameOf(request)))
    })
  }),
  operation({
    family: "tenant",
    name: "credential.list",
    about: "The tenant's credentials without their secrets, newest first.",
    request: Json.ListCredentials,
    answer: Json.MetadataPage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* (request, { answerBytesMax, tenantId }) {
      const credentials = yield* Credentials
      const { cursor, expiring_within = null, is_active = null, limit, service_name = null } = request
      const query = { serviceName: service_name, isActive: is_active, expiringWithinMs: expiring_within }
      const { content, nextCursor } = yield* answerPage({
        list: "credential.list",
        of: [tenantId, service_name, is_active, expiring_within],
        place: entityIdPattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) => credentials.list(tenantId, { ...query, limit, after }),
        encode: encodeMetadata
      })
      return { content, ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.rotate",
    about: "A new secret takes over; the old one is kept for the overlap and then wiped.",
    request: Json.RotateCredential,
    answer: Json.ChangedCredentialAnswer,
    errors: [
      "CREDENTIAL_NOT_FOUND",
      "CREDENTIAL_EXISTS",
      "CREDENTIAL_REVOKED",
      "VERSION_CONFLICT",
      "SERVICE_INACTIVE",
      "REFRESH_NOT_CONFIGURED",
      "RECONNECT_NEEDED",
      "PROVIDER_FAILED",
      "ROTATOR_FAILED",
      "REFRESH_IN_DOUBT",
      "REFRESH_PENDING"
    ],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const credentials = yield* Credentials
      const { credentialId, version } = yield* credentials.rotate(
        tenantId,
        {
          credentialId: request.credential_id,
          secret: request.credentials === undefined ? null : Redacted.make<unknown>(request.credentials),
          expiresAt: request.expires_at,
          overlapMs: request.overlap ?? null,
          expectedVersion: request.expected_version ?? null
        },
        caller
      )
      return { credential_id: credentialId, success: true, message: "rotated", version }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.reconnect",
    about: "A person connected anew: a new version, from which refreshing goes on.",
    request: Json.ReconnectCredential,
    answer: Json.ChangedCredentialAnswer,
    errors: ["CREDENTIAL_NOT_FOUND", "CREDENTIAL_EXISTS", "CREDENTIAL_REVOKED"],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const credentials = yield* Credentials
      const { credentialId, version } = yield* credentials.reconnect(
        tenantId,
        {
          credentialId: request.credential_id,
          secret: Redacted.make<unknown>(request.credentials),
          expiresAt: request.expires_at,
          overlapMs: 0,
          expectedVersion: null
        },
        caller
      )
      return { credential_id: credentialId, success: true, message: "reconnected", version }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.update",
    about: "Changes what is known about a credential: consumers, scopes, end, metadata. Not its secret.",
    request: Json.UpdateCredential,
    answer: Json.MetadataAnswer,
    errors: [
      "CREDENTIAL_NOT_FOUND",
      "CREDENTIAL_REVOKED",
      "CREDENTIAL_EXPIRED",
      "VERSION_CONFLICT",
      "TRANSITION_NOT_ALLOWED"
    ],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const credentials = yield* Credentials
      yield* checkConsumers(request.allowed_consumers)
      const change = {
        credentialId: request.credential_id,
        allowedConsumers: request.allowed_consumers,
        scopes: request.scopes,
        expiresAt: request.expires_at,
        metadata: request.metadata,
        rotation: request.rotation,
        expectedVersion: request.expected_version ?? null
      }
      return encodeMetadata(yield* credentials.update(tenantId, change, caller))
    })
  }),
  operation({
    family: "tenant",
    name: "credential.revoke",
    about: "From the answer on no replica hands the secret out; it is wiped.",
    request: Json.RevokeCredential,
    answer: Json.RevokedCredentialAnswer,
    errors: ["CREDENTIAL_NOT_FOUND", "VERSION_CONFLICT"],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const credentials = yield* Credentials
      const change = {
        credentialId: request.credential_id,
        reason: request.reason ?? null,
        expectedVersion: request.expected_version ?? null,
        ...(request.at_provider === true ? { atProvider: true } : {})
      }
      const { atProvider, credentialId, version } = yield* credentials.revoke(tenantId, change, caller)
      const details = atProvider === undefined ? {} : { details: { at_provider: atProvider } }
      return { credential_id: credentialId, success: true, message: "revoked", version, ...details }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.history",
    about: "The versions of a credential's secret, newest first, without any secret.",
    request: Json.CredentialHistory,
    answer: Json.HistoryAnswer,
    errors: ["CREDENTIAL_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ credential_id }, { tenantId }) {
      const credentials = yield* Credentials
      return { content: (yield* credentials.history(tenantId, credential_id)).map(encodeVersion) }
    })
  }),
  operation({
    family: "tenant",
    name: "credential.delete",
    about: "Deletes a credential with all its versions; the audit keeps a tombstone.",
    request: Json.DeleteCredential,
    answer: Json.DeletedCredentialAnswer,
    errors: ["CREDENTIAL_NOT_FOUND", "VERSION_CONFLICT"],
    handle: Effect.fnUntraced(function* ({ credential_id, expected_version = null }, { caller, tenantId }) {
      const credentials = yield* Credentials
      const request = { credentialId: credential_id, expectedVersion: expected_version }
      return yield* credentials.delete(tenantId, request, caller)
    })
  })
]
