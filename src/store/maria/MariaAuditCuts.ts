/** `AuditCuts` on MariaDB. */
import { Effect, Layer } from "effect"
import { AuditCuts, type AuditStub } from "../AuditCuts.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row } from "./MariadbConnection.ts"

const stubSql = `SELECT tenant_id, first_seq, last_seq, hash, row_count, cut_by, at, key_id, signature
  FROM audit_stubs WHERE tenant_id = ?`
const insertSql = `INSERT IGNORE INTO audit_stubs
    (first_seq, last_seq, hash, row_count, cut_by, at, key_id, signature, tenant_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const updateSql = `UPDATE audit_stubs SET first_seq = ?, last_seq = ?, hash = ?, row_count = ?, cut_by = ?, at = ?,
    key_id = ?, signature = ?
  WHERE tenant_id = ? AND last_seq < ?`
const eraseSql = "DELETE FROM audit WHERE tenant_id = ? AND seq <= ? ORDER BY seq LIMIT ?"
const unfinishedSql = `SELECT s.tenant_id FROM audit_stubs s
  WHERE s.tenant_id > ? AND EXISTS (SELECT 1 FROM audit a WHERE a.tenant_id = s.tenant_id AND a.seq <= s.last_seq)
  ORDER BY s.tenant_id LIMIT ?`
const abandonedSql = `SELECT c.tenant_id FROM tenant_counters c
    STRAIGHT_JOIN audit a ON a.tenant_id = c.tenant_id AND a.seq = c.audit_seq
  WHERE c.tenant_id > ? AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.tenant_id = c.tenant_id)
    AND a.at <= ${Columns.nowSql} - ? ORDER BY c.tenant_id LIMIT ?`

const stubOf = (row: Row): AuditStub => ({
  tenantId: Columns.text(row, 0),
  first: Columns.whole(row, 1),
  last: Columns.whole(row, 2),
  hash: Columns.bytes(row, 3).toString("hex"),
  count: Columns.whole(row, 4),
  by: Columns.text(row, 5),
  at: Columns.whole(row, 6),
  keyId: Columns.uuid(row, 7),
  signature: new Uint8Array(Columns.bytes(row, 8))
})

const make = Effect.map(Mariadb, ({ query }) =>
  AuditCuts.of({
    stub: (tenantId) =>
      query("AuditCuts.stub", async (session) => {
        const [row] = await session.rows(stubSql, [tenantId])
        return row === undefined ? null : stubOf(row)
      }),
    save: (stub) =>
      query("AuditCuts.save", async (session) => {
        const { at, by, count, first, hash, keyId, last, signature, tenantId } = stub
        const values = [first, last, Buffer.from(hash, "hex"), count, by, at]
        const all = [...values, Columns.uuidBytes(keyId), Buffer.from(signature), tenantId]
        if ((await session.run(insertSql, all)) === 0) await session.run(updateSql, [...all, last])
      }),
    erase: (tenantId, last, limit) =>
      query("AuditCuts.erase", (session) => session.run(eraseSql, [tenantId, last, limit]), tenantId),
    unfinished: (after, limit) =>
      query("AuditCuts.unfinished", async (session) =>
        (await session.rows(unfinishedSql, [after, limit])).map((row) => Columns.text(row, 0))
      ),
    abandoned: (ageMs, after, limit) =>
      query("AuditCuts.abandoned", async (session) =>
        (await session.rows(abandonedSql, [after, ageMs, limit])).map((row) => Columns.text(row, 0))
      )
  })
)

export const layer: Layer.Layer<AuditCuts, never, Mariadb> = Layer.effect(AuditCuts, make)
