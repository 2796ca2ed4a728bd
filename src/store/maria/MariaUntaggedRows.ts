/** `UntaggedRows` on MariaDB: pages along the primary keys. */
import { Effect, Layer } from "effect"
import type { Token } from "../../domain/Token.ts"
import { type Tagged, type UntaggedKind, UntaggedRows } from "../UntaggedRows.ts"
import * as Columns from "./Columns.ts"
import { credentialColumns, credentialOf } from "./CredentialRow.ts"
import { taggedTenantColumns, taggedTenantOf } from "./load/credentials.ts"
import { tenantColumns, tenantOf } from "./load/tenant.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row, Value } from "./MariadbConnection.ts"
import { tokenColumns, tokenOf } from "./TokenRow.ts"

const tagTokensSql = "UPDATE tokens SET mac = ? WHERE hash = ? AND token_id = ? AND version = ? AND mac IS NULL"
const tagCredentialsSql = "UPDATE credentials SET mac = ? WHERE credential_id = ? AND version = ? AND mac IS NULL"
const tagTenantsSql = "UPDATE tenants SET mac = ? WHERE tenant_id = ? AND removed_at <=> ? AND mac IS NULL"
/** Beside no replica that configures (`RowAdoption.ts`). */
const tagSettingsSql =
  "UPDATE tenants SET settings_mac = ? WHERE tenant_id = ? AND removed_at <=> ? AND settings_mac IS NULL"

const hashOf = ({ hash }: Token): Buffer => Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength)

const make = Effect.map(Mariadb, (database) => {
  const kind = <A>(options: {
    readonly name: string
    readonly columns: string
    /** The column of the tag. */
    readonly mac?: string
    /** Of the table, by which the pages go. */
    readonly key: string
    readonly place: (after: string | null) => Value
    readonly of: (row: Row) => A
    readonly keyOf: (row: A) => string
    readonly tagSql: string
    readonly values: (row: A) => ReadonlyArray<Value>
  }): UntaggedKind<A> => ({
    page: (after, limit) =>
      database.query(`UntaggedRows.${options.name}`, async (session) => {
        const { columns, key, mac = "mac", name, of, place } = options
        const sql = `SELECT ${columns} FROM ${name} t WHERE t.${key} > ? AND t.${mac} IS NULL ORDER BY t.${key} LIMIT ?`
        const rows = (await session.rows(sql, [place(after), limit])).map(of)
        const last = rows.at(-1)
        return { rows, next: rows.length < limit || last === undefined ? null : options.keyOf(last) }
      }),
    tag: (rows: ReadonlyArray<Tagged<A>>) =>
      database.query(`UntaggedRows.tag ${options.name}`, (session) =>
        session.batch(
          options.tagSql,
          rows.map(({ mac, row }) => [Buffer.from(mac), ...options.values(row)])
        )
      )
  })
  return UntaggedRows.of({
    tokens: kind({
      name: "tokens",
      columns: tokenColumns,
      key: "hash",
      place: (after) => (after === null ? Buffer.alloc(32) : Buffer.from(after, "hex")),
      of: tokenOf,
      keyOf: (token) => hashOf(token).toString("hex"),
      tagSql: tagTokensSql,
      values: (token) => [hashOf(token), Columns.uuidBytes(token.tokenId), token.version]
    }),
    credentials: kind({
      name: "credentials",
      columns: credentialColumns,
      key: "credential_id",
      place: (after) => (after === null ? Buffer.alloc(16) : Columns.uuidBytes(after)),
      of: credentialOf,
      keyOf: ({ credentialId }) => credentialId,
      tagSql: tagCredentialsSql,
      values: ({ credentialId, version }) => [Columns.uuidBytes(credentialId), version]
    }),
    tenants: kind({
      name: "tenants",
      columns: taggedTenantColumns,
      key: "tenant_id",
      place: (after) => after ?? "",
      of: taggedTenantOf,
      keyOf: ({ tenantId }) => tenantId,
      tagSql: tagTenantsSql,
      values: ({ removedAt, tenantId }) => [tenantId, removedAt]
    }),
    settings: kind({
      name: "tenants",
      columns: tenantColumns("t"),
      mac: "settings_mac",
      key: "tenant_id",
      place: (after) => after ?? "",
      of: (row) => tenantOf(row),
      keyOf: ({ tenantId }) => tenantId,
      tagSql: tagSettingsSql,
      values: ({ removedAt, tenantId }) => [tenantId, removedAt]
    })
  })
})

export const layer: Layer.Layer<UntaggedRows, never, Mariadb> = Layer.effect(UntaggedRows, make)
