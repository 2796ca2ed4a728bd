/** The rows of third-party credentials and of the services that they are for: the component document's paths. */
import { Effect } from "effect"
import {
  ChangedCredentialAnswer,
  CredentialAnswer,
  CredentialHistory,
  DeleteCredential,
  DeletedCredentialAnswer,
  DescribeCredential,
  DisableService,
  EnableService,
  GetCredential,
  HistoryAnswer,
  ListCredentials,
  ListServices,
  MetadataAnswer,
  MetadataPage,
  RevokeCredential,
  RevokedCredentialAnswer,
  RotateCredential,
  ServiceAnswer,
  ServicePage,
  StoreCredential,
  StoreCredentialAnswer,
  UpdateCredential
} from "../schema/CredentialJson.ts"
import { invalid } from "./Problem.ts"
import type { Call, Parameter, Row } from "./Row.ts"
import { usual } from "./usual.ts"

const list = "/api/v1/credentials"
const one = `${list}/{credential_id}`
const services = "/api/v1/services"
const version = "expected_version"

export const pageParameters: ReadonlyArray<Parameter> = [
  { name: "limit", kind: "integer", about: "How many at most", minimum: 1, maximum: 1_000 },
  { name: "cursor", kind: "text", about: "Where the page before ended" }
]

/** With its secret only for who asks for that. */
const getCredential = (call: Call) => {
  const { secret, ...request } = call.request
  const asked = secret === true ? "credential.get" : "credential.describe"
  return usual({ ...call, carryOut: () => call.look(asked, request) })
}

/** The component document has the id in the body, too: it must be the path's. */
const withoutId = (call: Call) => {
  const { credential_id_again: again, ...request } = call.request
  return again === undefined || again === call.path.credential_id
    ? usual({ ...call, request })
    : Effect.fail(invalid("credential_id", "must be the one of the path"))
}
const again = { credential_id: "credential_id_again" }

export const credentialRows: ReadonlyArray<Row> = [
  {
    method: "POST",
    path: list,
    tag: "credentials",
    about: "Stores a credential of another service.",
    operation: "credential.store",
    request: StoreCredential,
    answer: StoreCredentialAnswer,
    statuses: [201],
    body: {
      fields: {
        service_name: "service_name",
        type: "type",
        credentials: "credentials",
        scopes: "scopes",
        expires_at: "expires_at",
        owner: "owner",
        allowed_consumers: "allowed_consumers",
        rotation: "rotation",
        metadata: "metadata"
      },
      required: ["service_name", "type", "credentials"],
      example: { service_name: "mailer", type: "api_key", credentials: { api_key: "an example" }, scopes: ["send"] }
    },
    location: one,
    errors: ["CREDENTIAL_EXISTS", "LIMIT_REACHED"]
  },
  {
    method: "GET",
    path: list,
    tag: "credentials",
    about: "What there is, without secrets.",
    operation: "credential.list",
    request: ListCredentials,
    answer: MetadataPage,
    statuses: [200],
    query: [
      { name: "service_name", kind: "text", about: "Only of this service" },
      { name: "is_active", kind: "boolean", about: "Only those that are handed out, or only those that are not" },
      { name: "expiring_within", kind: "text", about: "Only those that end within this time, an ISO 8601 duration" },
      ...pageParameters
    ],
    errors: ["INVALID_CURSOR"]
  },
  {
    method: "GET",
    path: one,
    tag: "credentials",
    about:
      "A credential: what is known of it, and with `secret=true` the secret, for who is named in allowed_consumers.",
    operation: "credential.get",
    request: GetCredential,
    answer: CredentialAnswer,
    statuses: [200, 304],
    query: [
      { name: "secret", kind: "boolean", about: "Hand out the secret; without it the answer is that of `describe`" },
      { name: "seal_to", kind: "text", about: "With secret: seal it to this public curve key of nkeys" },
      { name: "min_ttl", kind: "text", about: "With secret: how long it must be good at least, an ISO 8601 duration" }
    ],
    errors: [
      "CREDENTIAL_NOT_FOUND",
      "CONSUMER_NOT_ALLOWED",
      "SERVICE_INACTIVE",
      "CREDENTIAL_REVOKED",
      "CREDENTIAL_EXPIRED"
    ],
    tagged: true,
    carryOut: getCredential
  },
  {
    method: "PUT",
    path: `${one}/rotate`,
    tag: "credentials",
    about: "Gives it a new secret; without `credentials` the provider's refresh is run.",
    operation: "credential.rotate",
    request: RotateCredential,
    answer: ChangedCredentialAnswer,
    statuses: [200],
    body: {
      fields: {
        credentials: "credentials",
        expires_at: "expires_at",
        overlap: "overlap",
        expected_version: version,
        ...again
      },
      required: [],
      example: { credentials: { api_key: "another example" } }
    },
    version,
    tagged: true,
    errors: ["CREDENTIAL_NOT_FOUND", "CREDENTIAL_REVOKED", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"],
    carryOut: withoutId
  },
  {
    method: "POST",
    path: `${one}/revoke`,
    tag: "credentials",
    about: "Hands it out no more, for good.",
    operation: "credential.revoke",
    request: RevokeCredential,
    answer: RevokedCredentialAnswer,
    statuses: [200],
    body: {
      fields: { reason: "reason", at_provider: "at_provider", expected_version: version, ...again },
      required: [],
      example: { reason: "leaked" }
    },
    version,
    tagged: true,
    errors: ["CREDENTIAL_NOT_FOUND", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"],
    carryOut: withoutId
  },
  {
    method: "PATCH",
    path: one,
    tag: "credentials",
    about: "Changes what is not the secret.",
    operation: "credential.update",
    request: UpdateCredential,
    answer: MetadataAnswer,
    statuses: [200],
    body: {
      fields: {
        allowed_consumers: "allowed_consumers",
        scopes: "scopes",
        expires_at: "expires_at",
        metadata: "metadata",
        expected_version: version
      },
      required: [],
      example: { allowed_consumers: ["mail"] }
    },
    version,
    tagged: true,
    errors: ["CREDENTIAL_NOT_FOUND", "CREDENTIAL_REVOKED", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"]
  },
  {
    method: "DELETE",
    path: one,
    tag: "credentials",
    about: "Removes it and its secret; the audit keeps that it was.",
    operation: "credential.delete",
    request: DeleteCredential,
    answer: DeletedCredentialAnswer,
    statuses: [200],
    version,
    errors: ["CREDENTIAL_NOT_FOUND", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"]
  },
  {
    method: "GET",
    path: `${one}/history`,
    tag: "credentials",
    about: "Its versions, without secrets.",
    operation: "credential.history",
    request: CredentialHistory,
    answer: HistoryAnswer,
    statuses: [200],
    errors: ["CREDENTIAL_NOT_FOUND"]
  },
  {
    method: "GET",
    path: services,
    tag: "services",
    about: "The services that the tenant has credentials of.",
    operation: "service.list",
    request: ListServices,
    answer: ServicePage,
    statuses: [200],
    query: pageParameters,
    errors: ["INVALID_CURSOR"]
  },
  {
    method: "POST",
    path: `${services}/{service_name}/enable`,
    tag: "services",
    about: "Its credentials are handed out again.",
    operation: "service.enable",
    request: EnableService,
    answer: ServiceAnswer,
    statuses: [200],
    body: { fields: {}, required: [], example: {} },
    errors: []
  },
  {
    method: "POST",
    path: `${services}/{service_name}/disable`,
    tag: "services",
    about: "Its credentials are not handed out until it is enabled again.",
    operation: "service.disable",
    request: DisableService,
    answer: ServiceAnswer,
    statuses: [200],
    body: { fields: { reason: "reason" }, required: [], example: { reason: "unpaid" } },
    errors: []
  }
]
/** What `GET` answers without `secret=true`; for the published document. */
export const described = { request: DescribeCredential, answer: MetadataAnswer }
