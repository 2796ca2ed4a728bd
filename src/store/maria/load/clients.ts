/** The client credentials that a transaction named: the tenant's by id, names whoever's they are. */
import { nameKey } from "../../../domain/ClientCredential.ts"
import type { ClientLoad, ClientLoaded } from "../../ClientStore.ts"
import { clientColumns, clientOf, nameHashBytes } from "../ClientRow.ts"
import * as Columns from "../Columns.ts"
import type { Session } from "../MariadbConnection.ts"

const byId = (marks: string): string =>
  `SELECT ${clientColumns} FROM client_credentials FORCE INDEX (PRIMARY)
    WHERE tenant_id = ? AND credential_id IN (${marks})`
const byName = (marks: string): string =>
  `SELECT ${clientColumns} FROM client_credentials FORCE INDEX (uq_client_credentials_name) WHERE name_hash IN (${marks})`

export const loadClients = async (
  session: Session,
  tenantId: string,
  load: ClientLoad | undefined
): Promise<ClientLoaded | undefined> => {
  if (load === undefined) return undefined
  const [ids, names] = await Promise.all([
    Columns.rowsIn(session, byId, Columns.uuidBytesOf(load.ids), [tenantId]),
    Columns.rowsIn(session, byName, load.names.map(nameHashBytes))
  ])
  return {
    credentials: new Map(ids.map(clientOf).map((credential) => [credential.credentialId, credential])),
    namesTaken: new Map(names.map(clientOf).map(({ credentialId, name }) => [nameKey(name), credentialId]))
  }
}
