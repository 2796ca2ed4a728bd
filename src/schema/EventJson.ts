/**
 * The JSON events of contract section 4: what stands in the body of each type. Endpoint tokens speak
 * Kaa's camelCase, credentials the component document's snake_case. None holds a secret, a token
 * value or a hash of one. `ce-*` headers carry the CloudEvents attributes.
 */
import { Schema } from "effect"
import { AuditKeyLink } from "../domain/AuditKeyLink.ts"
import { refreshReasons } from "../domain/Provider.ts"
import { tokenStatuses } from "../domain/Token.ts"
import { AnsweredDate } from "./Field.ts"

const Status = Schema.Literals(tokenStatuses)
const RefreshReason = Schema.Literals(refreshReasons)
const NullableDate = Schema.NullOr(AnsweredDate)

const tokenEvent = (type: string) =>
  Schema.Struct({
    eventType: Schema.Literals([type]),
    tenantId: Schema.String,
    appName: Schema.String,
    endpointId: Schema.String,
    tokenId: Schema.String,
    status: Status,
    previousStatus: Schema.NullOr(Status),
    reason: Schema.optionalKey(Schema.String),
    timestamp: AnsweredDate
  })

const credentialFields = (type: string) => ({
  event_type: Schema.Literals([type]),
  credential_id: Schema.String,
  tenant_id: Schema.String,
  service_name: Schema.String,
  type: Schema.String,
  scopes: Schema.Array(Schema.String),
  timestamp: AnsweredDate
})
const credentialEvent = <Own extends Schema.Struct.Fields>(type: string, own: Own) =>
  Schema.Struct({ ...credentialFields(type), ...own })

const plainEvent = <Own extends Schema.Struct.Fields>(type: string, own: Own) =>
  Schema.Struct({ eventType: Schema.Literals([type]), ...own, timestamp: AnsweredDate })

const checkpointFields = {
  tenant_id: Schema.String,
  seq: Schema.Int,
  hash: Schema.String,
  at: Schema.Int,
  /** 1, 2, 3… within a tenant, and the one before it; not there in those of the first release. */
  number: Schema.optionalKey(Schema.Int),
  previous_seq: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  previous_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** Only where a loss was accepted: the chain goes on from here, and not from the lost head, which was signed before. */
  accepted: Schema.optionalKey(
    Schema.Struct({ lost_seq: Schema.Int, lost_hash: Schema.String, by: Schema.String, reason: Schema.String })
  ),
  key_id: Schema.String,
  public_key: Schema.String,
  signature: Schema.String
}
/** What a checkpoint's event says that is signed; for those who read it again. */
export const CheckpointEvent = Schema.Struct(checkpointFields)

export interface EventDescription {
  /** The last tokens of the subject, and `ce-type`. */
  readonly type: string
  readonly about: string
  readonly schema: Schema.Constraint
}

const describe = (type: string, about: string, schema: (type: string) => Schema.Constraint): EventDescription => ({
  type,
  about,
  schema: schema(type)
})

export const events: ReadonlyArray<EventDescription> = [
  describe("token.provisioned", "A token was made.", tokenEvent),
  describe("token.activated", "A token was used for the first time, or activated on request.", tokenEvent),
  describe("token.suspended", "A token was suspended; it is in force everywhere.", tokenEvent),
  describe("token.reactivated", "A suspended token is good again.", tokenEvent),
  describe("token.revoked", "A token was revoked, or its overlap is over; it is in force everywhere.", tokenEvent),
  describe("token.expired", "A token's own end has come.", tokenEvent),
  describe("token.rotated", "A token got a successor.", tokenEvent),
  describe("token.deleted", "A token was deleted; it is in force everywhere.", tokenEvent),
  describe("credential.stored", "A credential was stored.", (type) => credentialEvent(type, {})),
  describe("credential.rotated", "A credential has a new secret.", (type) =>
    credentialEvent(type, {
      version: Schema.Int,
      expires_at: NullableDate,
      overlap_until: NullableDate,
      cause: Schema.Literals(["request", "refresh", "rotator"])
    })
  ),
  describe("credential.refresh_failed", "A refresh failed: the first of a series, for good, or once a day.", (type) =>
    credentialEvent(type, {
      reason: RefreshReason,
      permanent: Schema.Boolean,
      attempts: Schema.Int,
      next_attempt_at: Schema.optionalKey(NullableDate)
    })
  ),
  describe(
    "credential.health_failed",
    "A token that never expires was not taken by its provider: the first of a series, then once a day.",
    (type) =>
      credentialEvent(type, {
        reason: RefreshReason,
        http_status: Schema.optionalKey(Schema.Int),
        attempts: Schema.Int,
        version: Schema.Int
      })
  ),
  describe(
    "credential.refresh_in_doubt",
    "A grant may have been spent, and no answer came; or one that is stored cannot be opened.",
    (type) => credentialEvent(type, { version: Schema.Int })
  ),
  describe(
    "credential.recovered",
    "A refresh succeeded after failures, doubt or a lost grant that were told.",
    (type) => credentialEvent(type, { version: Schema.Int })
  ),
  describe("credential.reconnect_needed", "The grant is gone for good: a person must reconnect.", (type) =>
    credentialEvent(type, { reason: RefreshReason, version: Schema.Int })
  ),
  describe("credential.revoked", "A credential is not handed out any more, for good; or was deleted.", (type) =>
    credentialEvent(type, { version: Schema.Int, reason: Schema.NullOr(Schema.String) })
  ),
  describe("credential.expired", "A credential's end has come; it is not handed out any more.", (type) =>
    credentialEvent(type, { expires_at: NullableDate })
  ),
  describe("credential.expiring", "A credential's end, or its grant's, is near: once for each threshold.", (type) =>
    credentialEvent(type, {
      expires_at: NullableDate,
      grant_expires_at: Schema.optionalKey(
        NullableDate.annotate({ description: "the notice is of the grant's end: then only a person can reconnect" })
      ),
      within_days: Schema.Int,
      version: Schema.Int
    })
  ),
  describe("notification", "The tenant's people should act: said in words.", (type) =>
    Schema.Struct({
      event_type: Schema.Literals([type]),
      about: Schema.String,
      tenant_id: Schema.String,
      credential_id: Schema.String,
      service_name: Schema.String,
      message: Schema.String,
      expires_at: Schema.optionalKey(NullableDate),
      within_days: Schema.optionalKey(Schema.Int),
      reason: Schema.optionalKey(RefreshReason),
      version: Schema.optionalKey(Schema.Int),
      timestamp: AnsweredDate
    })
  ),
  describe("audit.checkpoint", "The head of a tenant's audit chain, signed: keep it elsewhere.", (type) =>
    Schema.Struct({ event_type: Schema.Literals([type]), ...checkpointFields, timestamp: AnsweredDate })
  ),
  describe("keys.rotated", "The service has new keys; rows follow.", (type) =>
    plainEvent(type, {
      keyIds: Schema.Array(Schema.String),
      tenants: Schema.Int,
      /** The audit is signed with another key from now on. */
      audit_key: Schema.optionalKey(AuditKeyLink)
    })
  ),
  describe("keys.retired", "A key opens nothing any more.", (type) => plainEvent(type, { keyId: Schema.String })),
  describe("platform.outbox_blocked", "An event cannot be published and was set aside; of the tenant global.", (type) =>
    plainEvent(type, {
      id: Schema.Int,
      tenantId: Schema.String,
      eventId: Schema.String,
      stream: Schema.Literals(["events", "revocations"]),
      eventSubject: Schema.String,
      bytes: Schema.Int,
      reason: Schema.String
    })
  ),
  describe("tenant.updated", "What is configured for a tenant has changed, and is in force.", (type) =>
    plainEvent(type, { tenantId: Schema.String })
  ),
  describe("tenant.unregistered", "A tenant was removed; nothing of it validates any more.", (type) =>
    plainEvent(type, { tenantId: Schema.String })
  ),
  describe("platform.inbox_gap", "Events of other services may have been lost while this one was away.", (type) =>
    plainEvent(type, { tenantId: Schema.String, reason: Schema.String, since: AnsweredDate })
  )
]
