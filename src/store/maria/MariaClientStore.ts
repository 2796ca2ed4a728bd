/**
 * `ClientStore` on MariaDB: reads of committed rows, each by an index. The promises are those of
 * `ClientStore.ts`; rows are written by `MariaTenantStore` (`apply/clients.ts`).
 */
import { Effect, Layer } from "effect"
import {
  type ClientCredential,
  clientCredentialKinds,
  type FoundClient,
  nameKey
} from "../../domain/ClientCredential.ts"
import type { Page } from "../../domain/Page.ts"
import { type ClientQuery, ClientStore } from "../ClientStore.ts"
import {
  clientColumnCount,
  clientColumns,
  clientColumnsOfC,
  clientOf,
  nameHashBytes,
  nameHashOf,
  readClientOf
} from "./ClientRow.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Session, Value } from "./MariadbConnection.ts"
import { statusNumber } from "./TokenRow.ts"

/** A page that leaves statuses or a kind out looks at no more rows than this; the next page goes on behind them. */
const scanMax = 20_000

const findSql = `SELECT ${clientColumns} FROM client_credentials WHERE credential_id = ? AND tenant_id = ?`

/** The order of tables and the index are said, so that young statistics cannot choose a scan. */
export const byNamesSql = (marks: string): string =>
  `SELECT ${clientColumnsOfC}, ${Columns.clampedSql("k.revocation_seq")}
  FROM client_credentials c FORCE INDEX (uq_client_credentials_name)
    STRAIGHT_JOIN tenants n FORCE INDEX (PRIMARY) ON n.tenant_id = c.tenant_id AND n.removed_at IS NULL
    STRAIGHT_JOIN tenant_counters k FORCE INDEX (PRIMARY) ON k.tenant_id = c.tenant_id
  WHERE c.name_hash IN (${marks})`
const orphanedSql = `SELECT c.tenant_id, c.credential_id FROM tenants n FORCE INDEX (ix_tenants_removed)
    STRAIGHT_JOIN client_credentials c FORCE INDEX (ix_client_credentials_tenant) ON c.tenant_id = n.tenant_id
  WHERE n.removed_at > 0 LIMIT ?`

const list = async (session: Session, tenantId: string, query: ClientQuery): Promise<Page<ClientCredential>> => {
  const index = query.clientId === null ? "ix_client_credentials_tenant" : "ix_client_credentials_client"
  let from = `FROM client_credentials FORCE INDEX (${index}) WHERE tenant_id = ?`
  const values: Array<Value> = [tenantId]
  if (query.clientId !== null) {
    from += " AND client_id = ?"
    values.push(query.clientId)
  }
  if (query.after !== null) {
    from += " AND credential_id < ?"
    values.push(Columns.uuidBytesOrNull(query.after))
  }
  const statuses = Array.from(new Set(query.statuses), statusNumber).toSorted()
  const filters = [
    ...(statuses.length === 0 ? [] : [`status IN (${statuses.join(", ")})`]),
    ...(query.kind === null ? [] : [`kind = ${clientCredentialKinds.indexOf(query.kind)}`])
  ]
  let reached: string | null = null
  if (filters.length > 0) {
    const lastSql = `SELECT credential_id ${from} ORDER BY credential_id DESC LIMIT 1 OFFSET ${scanMax - 1}`
    const [last] = await session.rows(lastSql, values)
    if (last !== undefined) {
      from += " AND credential_id >= ?"
      values.push(Columns.bytes(last, 0))
      reached = Columns.uuid(last, 0)
    }
    from += ` AND ${filters.join(" AND ")}`
  }
  const rows = await session.rows(`SELECT ${clientColumns} ${from} ORDER BY credential_id DESC LIMIT ?`, [
    ...values,
    query.limit + 1
  ])
  const content = rows.slice(0, query.limit).map(clientOf)
  return { content, next: rows.length > query.limit ? (content.at(-1)?.credentialId ?? null) : reached }
}

const make = Effect.gen(function* () {
  const database = yield* Mariadb
  return ClientStore.of({
    find: (tenantId, credentialId) =>
      database.query(
        "ClientStore.find",
        async (session) => {
          const id = Columns.uuidBytesOrNull(credentialId)
          const [row] = id === null ? [] : await session.rows(findSql, [id, tenantId])
          return row === undefined ? undefined : clientOf(row)
        },
        tenantId
      ),
    list: (tenantId, query) =>
      database.query("ClientStore.list", (session) => list(session, tenantId, query), tenantId),
    byNames: (names) =>
      database.lookup("ClientStore.byNames", async (reader) => {
        const rows = await Columns.lookUp(reader, byNamesSql, names.map(nameHashBytes))
        const asked = new Map(names.map((name) => [nameHashBytes(name).toString("hex"), name]))
        const found = new Map(
          rows.flatMap((row): ReadonlyArray<readonly [string, FoundClient]> => {
            const name = asked.get(nameHashOf(row))
            if (name === undefined) return []
            const credential = readClientOf(row, name)
            return [[nameKey(credential.name), { credential, readSeq: Columns.whole(row, clientColumnCount) }]]
          })
        )
        // By the name itself, not by its hash.
        return names.map((name) => found.get(nameKey(name)))
      }),
    orphaned: (limit) =>
      database.query("ClientStore.orphaned", async (session) =>
        (await session.rows(orphanedSql, [limit])).map((row) => ({
          tenantId: Columns.text(row, 0),
          credentialId: Columns.uuid(row, 1)
        }))
      )
  })
})

export const layer: Layer.Layer<ClientStore, never, Mariadb> = Layer.effect(ClientStore, make)
