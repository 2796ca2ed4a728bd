/**
 * `client-credential.*`: what travels.
 *
 * A record never holds a password; only the answer to `create-basic` does, when it was generated.
 */
import { Schema } from "effect"
import {
  type ClientCredential,
  clientCredentialKinds,
  isPassword,
  passwordBytesMax,
  serialNumberPattern
} from "../domain/ClientCredential.ts"
import { tokenStatuses } from "../domain/Token.ts"
import * as Field from "./Field.ts"
import { formatDate } from "./Timestamp.ts"
import { TargetStatus } from "./TokenJson.ts"

const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed() || "must be well-formed Unicode")
/** Its length is in the reason of a refusal, the password never. */
const Password = Schema.String.check(
  Schema.isPattern(/^[\s\S]{1,1024}$/u),
  Schema.makeFilter((text: string) => isPassword(text)).annotate({
    expected: `1 to ${passwordBytesMax} bytes of well-formed text`
  })
)

// ---- requests ---------------------------------------------------------------

export const CreateBasic = Schema.Struct({
  username: Field.NameText,
  password: Schema.optionalKey(Password),
  clientId: Schema.optionalKey(Field.NameText),
  description: Schema.optionalKey(Field.FreeText)
})
export const CreateCertificate = Schema.Struct({
  issuer: Schema.String.check(Schema.isPattern(/^[\s\S]{1,1024}$/u), wellFormed),
  serialNumber: Schema.String.check(Schema.isPattern(serialNumberPattern)),
  clientId: Schema.optionalKey(Field.NameText)
})
export const GetClient = Schema.Struct({ credentialId: Field.EntityId })
export const DeleteClient = Schema.Struct({
  credentialId: Field.EntityId,
  expectedVersion: Schema.optionalKey(Field.Version)
})
export const ListClients = Schema.Struct({
  clientId: Schema.optionalKey(Field.NameText),
  kind: Schema.optionalKey(
    Schema.Literals(clientCredentialKinds).annotate({ description: "without it the kinds that the caller may read" })
  ),
  status: Schema.optionalKey(Schema.Array(Field.TokenStatus).check(Schema.isMaxLength(tokenStatuses.length))),
  limit: Field.Limit,
  cursor: Field.Cursor
})
const changeFields = {
  credentialId: Field.EntityId,
  expectedVersion: Schema.optionalKey(Field.Version),
  reason: Schema.optionalKey(Field.FreeText)
}
export const TransitionClient = Schema.Struct({ ...changeFields, targetStatus: TargetStatus })
/** `suspend`, `activate`, `revoke`. */
export const ChangeClient = Schema.Struct(changeFields)

// ---- answers ----------------------------------------------------------------

const recordFields = {
  credentialId: Schema.String,
  clientId: Schema.NullOr(Schema.String),
  kind: Schema.Literals(clientCredentialKinds),
  username: Schema.optionalKey(Schema.String),
  issuer: Schema.optionalKey(Schema.String),
  serialNumber: Schema.optionalKey(Schema.String),
  status: Field.TokenStatus,
  version: Field.Version,
  createdDate: Field.AnsweredDate,
  updatedDate: Field.AnsweredDate,
  description: Schema.optionalKey(Schema.String),
  createdBy: Schema.String,
  updatedBy: Schema.String
}
export const ClientRecord = Schema.Struct(recordFields)
/** With the password, if it was generated: shown here and never again. */
export const NewBasicClient = Schema.Struct({ ...recordFields, password: Schema.optionalKey(Schema.String) })
export const ClientPage = Field.page(ClientRecord)

type Shown = Omit<ClientCredential, "tenantId" | "passwordHash" | "reason" | "mac">

export const encodeClient = (credential: Shown): typeof ClientRecord.Type => {
  const { clientId, createdAt, createdBy, credentialId, description, name, status, updatedAt, updatedBy, version } =
    credential
  return {
    credentialId,
    clientId,
    ...name,
    status,
    version,
    createdDate: formatDate(createdAt),
    updatedDate: formatDate(updatedAt),
    ...(description === null ? {} : { description }),
    createdBy,
    updatedBy
  }
}
