/** A client credential as a row of the table `client_credentials`. */
import {
  type ClientCredential,
  type ClientName,
  clientCredentialKinds,
  nameHash
} from "../../domain/ClientCredential.ts"
import { tokenStatuses } from "../../domain/Token.ts"
import * as Columns from "./Columns.ts"
import type { Row, Value } from "./MariadbConnection.ts"
import { statusNumber } from "./TokenRow.ts"

const columns = [
  "credential_id",
  "tenant_id",
  "client_id",
  "kind",
  "username",
  "issuer",
  "serial_number",
  "password_hash",
  "status",
  "version",
  "reason",
  "description",
  "created_at",
  "updated_at",
  "created_by",
  "updated_by",
  "name_hash",
  "mac"
]
export const clientColumns = columns.join(", ")
export const clientColumnCount = columns.length
/** The same of a table that a statement calls `c`, and that is read for many tenants: no number ends the reading. */
export const clientColumnsOfC = columns
  .map((column) => (column.endsWith("_at") ? Columns.clampedSql(`c.${column}`) : `c.${column}`))
  .join(", ")

const nameOf = (row: Row): ClientName =>
  Columns.literal(row, 3, clientCredentialKinds) === "basic"
    ? { kind: "basic", username: Columns.text(row, 4) }
    : { kind: "certificate", issuer: Columns.text(row, 5), serialNumber: Columns.text(row, 6) }

export const clientOf = (row: Row): ClientCredential => ({
  credentialId: Columns.uuid(row, 0),
  tenantId: Columns.text(row, 1),
  clientId: Columns.textOrNull(row, 2),
  name: nameOf(row),
  passwordHash: Columns.textOrNull(row, 7),
  status: Columns.literal(row, 8, tokenStatuses),
  version: Columns.whole(row, 9),
  reason: Columns.textOrNull(row, 10),
  description: Columns.textOrNull(row, 11),
  createdAt: Columns.whole(row, 12),
  updatedAt: Columns.whole(row, 13),
  createdBy: Columns.text(row, 14),
  updatedBy: Columns.text(row, 15),
  ...Columns.macOf(row, 17)
})

/** Of a row that this service cannot have written: it has no tag, so it is nobody's right. */
const changedClientOf = (row: Row, name: ClientName): ClientCredential => ({
  credentialId: Columns.uuid(row, 0),
  tenantId: Columns.text(row, 1),
  clientId: null,
  name,
  passwordHash: null,
  status: "Active",
  version: 0,
  reason: null,
  description: null,
  createdAt: 0,
  updatedAt: 0,
  createdBy: "",
  updatedBy: ""
})

/** Total: `name` is whose hash the row has, and is looked for beside names of other tenants. */
export const readClientOf = (row: Row, name: ClientName): ClientCredential => {
  try {
    return clientOf(row)
  } catch {
    return changedClientOf(row, name)
  }
}
/** Of a row, in hexadecimal. */
export const nameHashOf = (row: Row): string => Columns.bytes(row, 16).toString("hex")

export const nameHashBytes = (name: ClientName): Buffer => Buffer.from(nameHash(name))

export const clientValues = (credential: ClientCredential): ReadonlyArray<Value> => {
  const { name } = credential
  return [
    Columns.uuidBytes(credential.credentialId),
    credential.tenantId,
    credential.clientId,
    clientCredentialKinds.indexOf(name.kind),
    name.kind === "basic" ? name.username : null,
    name.kind === "certificate" ? name.issuer : null,
    name.kind === "certificate" ? name.serialNumber : null,
    credential.passwordHash,
    statusNumber(credential.status),
    credential.version,
    credential.reason,
    credential.description,
    credential.createdAt,
    credential.updatedAt,
    credential.createdBy,
    credential.updatedBy,
    nameHashBytes(name),
    Columns.macValue(credential.mac)
  ]
}
