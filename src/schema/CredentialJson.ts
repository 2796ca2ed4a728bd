/**
 * `credential.*` and `service.*`: what travels, in the component document's snake_case.
 *
 * The secret stands in `credentials` of `store` and `rotate` requests and of the answer to `get`, and
 * nowhere else. What it must hold depends on the type and is checked by `domain/CredentialShape.ts`.
 */
import { Effect, Schema } from "effect"
import { consumerNamePattern } from "../domain/Access.ts"
import {
  allowedConsumersMax,
  credentialStates,
  credentialTypePattern,
  metadataBytesMax,
  type Owner as OwnerOf,
  scopeLengthMax,
  scopesMax,
  userIdPattern
} from "../domain/Credential.ts"
import { serviceNamePattern } from "../domain/Names.ts"
import { refreshReasons } from "../domain/Provider.ts"
import { refreshStates } from "../domain/Refresh.ts"
import * as Field from "./Field.ts"
import { IsoDate, IsoDuration } from "./Timestamp.ts"

// ---- fields --------------------------------------------------------------------
const ServiceName = Schema.String.check(Schema.isPattern(serviceNamePattern))
const Type = Schema.String.check(Schema.isPattern(credentialTypePattern)).annotate({
  description: "oauth, api_key, basic or a type of one's own"
})
const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed() || "must be well-formed Unicode")
const Scope = Schema.String.check(Schema.isMinLength(1), Field.atMost(scopeLengthMax), wellFormed)
const Scopes = Schema.Array(Scope).check(Schema.isMaxLength(scopesMax))
const ConsumerName = Schema.String.check(Schema.isPattern(consumerNamePattern)).annotate({
  description:
    "the last token of the subject `credential.get.<consumer>`, `account:<NATS account>`, `account:<NATS account>/<user>`, or `bearer:<tenant>/<subject>`"
})
const AllowedConsumers = Schema.Array(ConsumerName).check(Schema.isMaxLength(allowedConsumersMax))

/** A public key of nkeys has 56 characters. */
const sealToLengthMax = 128

const encoder = new TextEncoder()
/** JSON of the caller's own, bounded as text. */
const OpenObject = Schema.Record(Schema.String, Schema.Unknown).check(
  Schema.makeFilter(
    (value: Readonly<Record<string, unknown>>) =>
      encoder.encode(JSON.stringify(value)).length <= metadataBytesMax || `must have at most ${metadataBytesMax} bytes`
  )
)

const OwnerFields = Schema.Struct({
  level: Schema.Literals(["tenant", "user"]),
  user_id: Schema.optionalKey(Schema.String.check(Schema.isPattern(userIdPattern)))
}).check(
  Schema.makeFilter(
    ({ level, user_id }: { readonly level: string; readonly user_id?: string }) =>
      (level === "user") === (user_id !== undefined)
  ).annotate({ expected: "user_id for the level user and for no other" })
)

export const ownerOf = (owner: typeof OwnerFields.Type | undefined): OwnerOf =>
  owner?.user_id === undefined ? { level: "tenant" } : { level: "user", userId: owner.user_id }
export const encodeOwner = (owner: OwnerOf): typeof OwnerFields.Type =>
  owner.level === "user" ? { level: "user", user_id: owner.userId } : { level: "tenant" }

/** Any JSON here; the shape is looked at once the type is known. Never repeated in a refusal. */
const SecretFields = Schema.Record(Schema.String, Schema.Unknown).annotate({
  description: "basic: username, password; api_key: api_key; oauth: access_token and others; else strings by name"
})

// ---- requests ------------------------------------------------------------------
export const StoreCredential = Schema.Struct({
  service_name: ServiceName,
  type: Type,
  credentials: SecretFields,
  scopes: Scopes.pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  expires_at: Schema.optionalKey(Schema.NullOr(IsoDate)),
  owner: Schema.optionalKey(OwnerFields),
  allowed_consumers: Schema.optionalKey(AllowedConsumers),
  rotation: Schema.optionalKey(Schema.NullOr(OpenObject)),
  metadata: Schema.optionalKey(OpenObject)
})

interface NameFields {
  readonly credential_id?: string
  readonly service_name?: string
  readonly owner?: unknown
}
const nameFields = {
  credential_id: Schema.optionalKey(Field.EntityId),
  service_name: Schema.optionalKey(ServiceName),
  owner: Schema.optionalKey(OwnerFields)
}
const namesOne = Schema.makeFilter(({ credential_id, owner, service_name }: NameFields) =>
  credential_id === undefined ? service_name !== undefined : service_name === undefined && owner === undefined
).annotate({ expected: "either credential_id, or service_name and perhaps owner" })

const readFields = {
  ...nameFields,
  seal_to: Schema.optionalKey(
    Schema.String.check(Field.atMost(sealToLengthMax)).annotate({
      description: "a public curve key of nkeys, X…"
    })
  ),
  min_ttl: Schema.optionalKey(IsoDuration)
}
export const GetCredential = Schema.Struct(readFields).check(namesOne)
/** As `get`; what only concerns the secret is taken and has no effect. */
export const DescribeCredential = Schema.Struct(readFields).check(namesOne)

export const ListCredentials = Schema.Struct({
  service_name: Schema.optionalKey(ServiceName),
  is_active: Schema.optionalKey(Schema.Boolean),
  expiring_within: Schema.optionalKey(IsoDuration),
  limit: Field.Limit,
  cursor: Field.Cursor
})

const expectedVersion = { expected_version: Schema.optionalKey(Field.Version) }

export const RotateCredential = Schema.Struct({
  credential_id: Field.EntityId,
  credentials: Schema.optionalKey(SecretFields),
  expires_at: Schema.optionalKey(Schema.NullOr(IsoDate)),
  overlap: Schema.optionalKey(IsoDuration),
  ...expectedVersion
})
export const UpdateCredential = Schema.Struct({
  credential_id: Field.EntityId,
  allowed_consumers: Schema.optionalKey(AllowedConsumers),
  scopes: Schema.optionalKey(Scopes),
  expires_at: Schema.optionalKey(Schema.NullOr(IsoDate)),
  metadata: Schema.optionalKey(OpenObject),
  rotation: Schema.optionalKey(Schema.NullOr(OpenObject)),
  ...expectedVersion
})
export const ReconnectCredential = Schema.Struct({
  credential_id: Field.EntityId,
  credentials: SecretFields,
  expires_at: Schema.optionalKey(Schema.NullOr(IsoDate))
})
export const RevokeCredential = Schema.Struct({
  credential_id: Field.EntityId,
  reason: Schema.optionalKey(Field.FreeText),
  at_provider: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "asks the provider, too (RFC 7009); what fails there is tried again" })
  ),
  ...expectedVersion
})
export const CredentialHistory = Schema.Struct({ credential_id: Field.EntityId })
export const DeleteCredential = Schema.Struct({ credential_id: Field.EntityId, ...expectedVersion })

export const ListServices = Schema.Struct({ limit: Field.WholeLimit, cursor: Field.Cursor })
export const EnableService = Schema.Struct({ service_name: ServiceName })
export const DisableService = Schema.Struct({ service_name: ServiceName, reason: Schema.optionalKey(Field.FreeText) })

// ---- answers -------------------------------------------------------------------
const NullableDate = Schema.NullOr(Field.AnsweredDate)

export const StoreCredentialAnswer = Schema.Struct({
  credential_id: Schema.String,
  success: Schema.Boolean,
  message: Schema.String
})
/** RotateCredentialResponse, RevokeCredentialResponse. */
export const ChangedCredentialAnswer = Schema.Struct({
  credential_id: Schema.String,
  success: Schema.Boolean,
  message: Schema.String,
  version: Schema.Int
})

export const RevokedCredentialAnswer = Schema.Struct({
  ...ChangedCredentialAnswer.fields,
  details: Schema.optionalKey(
    Schema.Struct({
      at_provider: Schema.Literals(["revoked", "failed", "not_possible"]).annotate({
        description: "there when it was asked for; failed: tried again; not_possible: it has no revoke_url"
      })
    })
  )
})

/** What is said of a credential's refresh; null where nothing is refreshed. */
const Refresh = Schema.NullOr(
  Schema.Struct({
    state: Schema.Literals(refreshStates),
    last_refreshed_at: Schema.optionalKey(Field.AnsweredDate),
    next_refresh_at: Schema.optionalKey(Field.AnsweredDate),
    grant_expires_at: Schema.optionalKey(Field.AnsweredDate),
    attempts: Schema.Int,
    last_error: Schema.optionalKey(
      Schema.Struct({
        reason: Schema.Literals(refreshReasons),
        message: Schema.String,
        at: Field.AnsweredDate,
        http_status: Schema.optionalKey(Schema.Int)
      })
    )
  })
)

const commonFields = {
  credential_id: Schema.String,
  tenant_id: Schema.String,
  service_name: Schema.String,
  type: Schema.String,
  scopes: Schema.Array(Schema.String),
  expires_at: NullableDate,
  is_active: Schema.Boolean,
  owner: OwnerFields,
  version: Schema.Int,
  created_at: Field.AnsweredDate,
  updated_at: Field.AnsweredDate,
  refresh: Refresh,
  retire_pending: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        generation: Schema.Int,
        since: Field.AnsweredDate,
        attempts: Schema.Int,
        reason: Schema.optionalKey(Schema.Literals(refreshReasons)),
        next_attempt_at: Field.AnsweredDate
      })
    ).annotate({ description: "old secrets that a rotator has not been able to take away yet" })
  )
}
export const CredentialAnswer = Schema.Struct({
  ...commonFields,
  credentials: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  sealed: Schema.optionalKey(Schema.String),
  sealed_by: Schema.optionalKey(Schema.String)
})
export const MetadataAnswer = Schema.Struct({
  ...commonFields,
  state: Schema.Literals(credentialStates),
  reason: Schema.NullOr(Schema.String),
  service_active: Schema.Boolean,
  allowed_consumers: Schema.Array(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.Unknown),
  created_by: Schema.String,
  updated_by: Schema.String
})
export const MetadataPage = Schema.Struct({
  content: Schema.Array(MetadataAnswer),
  next_cursor: Schema.optionalKey(Schema.String)
})
export const HistoryAnswer = Schema.Struct({
  content: Schema.Array(
    Schema.Struct({
      version: Schema.Int,
      state: Schema.String,
      created_at: Field.AnsweredDate,
      created_by: Schema.String,
      reason: Schema.NullOr(Schema.String),
      expires_at: NullableDate
    })
  )
})

export const ServiceAnswer = Schema.Struct({
  service_name: Schema.String,
  is_active: Schema.Boolean,
  reason: Schema.optionalKey(Schema.String),
  updated_at: Field.AnsweredDate
})
export const ServicePage = Schema.Struct({
  content: Schema.Array(ServiceAnswer),
  next_cursor: Schema.optionalKey(Schema.String)
})
export const DeletedCredentialAnswer = Schema.Struct({ deleted: Schema.Literals([1]) })
