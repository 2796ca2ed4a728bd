/** Writes what was decided about client credentials: deletes first, so that a name is free before another takes it. */
import type { ClientCredential } from "../../../domain/ClientCredential.ts"
import type { ClientChanges } from "../../ClientStore.ts"
import { allOf } from "../AllWritten.ts"
import { clientColumnCount, clientColumns, clientValues } from "../ClientRow.ts"
import * as Columns from "../Columns.ts"
import type { Session, Value } from "../MariadbConnection.ts"
import { statusNumber } from "../TokenRow.ts"

const deleteSql = (marks: string): string =>
  `DELETE FROM client_credentials WHERE tenant_id = ? AND credential_id IN (${marks})`
const insertSql = `INSERT INTO client_credentials (${clientColumns})
  VALUES (${Array(clientColumnCount).fill("?").join(", ")})`
const updateSql = `UPDATE client_credentials SET password_hash = ?, status = ?, version = ?, reason = ?, updated_at = ?,
    updated_by = ?, mac = ?
  WHERE credential_id = ? AND tenant_id = ?`

const updateValues = (credential: ClientCredential): ReadonlyArray<Value> => [
  credential.passwordHash,
  statusNumber(credential.status),
  credential.version,
  credential.reason,
  credential.updatedAt,
  credential.updatedBy,
  Columns.macValue(credential.mac),
  Columns.uuidBytes(credential.credentialId),
  credential.tenantId
]

const byId = (a: ClientCredential, b: ClientCredential): number => (a.credentialId < b.credentialId ? -1 : 1)

export const applyClients = (
  session: Session,
  tenantId: string,
  changes: ClientChanges | undefined
): ReadonlyArray<Promise<unknown>> =>
  changes === undefined
    ? []
    : [
        ...Columns.chunksOf(changes.deleted.toSorted().map(Columns.uuidBytes)).map((chunk) =>
          session.run(deleteSql(chunk.marks), [tenantId, ...chunk.values]).then(allOf(chunk.count))
        ),
        session.batch(updateSql, changes.updated.toSorted(byId).map(updateValues), "each"),
        session.batch(insertSql, changes.inserted.toSorted(byId).map(clientValues))
      ]
