/**
 * Writes what was decided about credentials: deletes first, then those that end, so that a slot is
 * free before another takes it.
 */
import type { Credential } from "../../../domain/Credential.ts"
import type { AuditCheckpoint } from "../../AuditStore.ts"
import type { CredentialChanges } from "../../CredentialStore.ts"
import { allOf } from "../AllWritten.ts"
import * as Columns from "../Columns.ts"
import {
  credentialColumnCount,
  credentialColumns,
  credentialValues,
  providerColumns,
  providerValues,
  refreshValues,
  rotatorColumns,
  rotatorValues,
  serviceColumns,
  serviceValues,
  versionColumns,
  versionValues
} from "../CredentialRow.ts"
import type { Session, Value } from "../MariadbConnection.ts"

const marks = (count: number): string => Array(count).fill("?").join(", ")

const deleteSql = (list: string): string => `DELETE FROM credentials WHERE tenant_id = ? AND credential_id IN (${list})`
const deleteVersionsSql = (list: string): string => `DELETE FROM credential_versions WHERE credential_id IN (${list})`
const insertSql = `INSERT INTO credentials (${credentialColumns}) VALUES (${marks(credentialColumnCount)})`
const updateSql = `UPDATE credentials SET state = ?, version = ?, secret_version = ?, scopes = ?, allowed_consumers = ?,
    metadata = ?, rotation = ?, expires_at = ?, noticed_ms = ?, reason = ?, updated_at = ?, updated_by = ?, mac = ?,
    refresh = ?, refresh_due_at = ?, refresh_final_at = ?, refresh_provider = ?,
    refresh_queue = ?, refresh_urgency = ?, refresh_noticed_ms = ?, rotating = ?, rotator = ?,
    former_refresh = ?
  WHERE credential_id = ? AND tenant_id = ?`
const versionSql = `INSERT INTO credential_versions (${versionColumns}) VALUES (${marks(12)})
  ON DUPLICATE KEY UPDATE state = VALUES(state), sealed = VALUES(sealed), key_id = VALUES(key_id),
    expires_at = VALUES(expires_at), valid_until = VALUES(valid_until), reason = VALUES(reason)`
const deleteVersionSql = "DELETE FROM credential_versions WHERE credential_id = ? AND version = ? AND tenant_id = ?"
const providerSql = `INSERT INTO providers (${providerColumns}) VALUES (${marks(10)})
  ON DUPLICATE KEY UPDATE version = VALUES(version), definition = VALUES(definition), client_id = VALUES(client_id),
    secrets = VALUES(secrets), has_key = VALUES(has_key), updated_at = VALUES(updated_at), mac = VALUES(mac)`
const deleteProviderSql = "DELETE FROM providers WHERE tenant_id = ? AND name = ?"
const rotatorSql = `INSERT INTO rotators (${rotatorColumns}) VALUES (${marks(6)})
  ON DUPLICATE KEY UPDATE version = VALUES(version), definition = VALUES(definition), updated_at = VALUES(updated_at),
    mac = VALUES(mac)`
const deleteRotatorSql = "DELETE FROM rotators WHERE tenant_id = ? AND name = ?"
const serviceSql = `INSERT INTO tenant_services (${serviceColumns}) VALUES (${marks(5)})
  ON DUPLICATE KEY UPDATE is_active = VALUES(is_active), reason = VALUES(reason), updated_at = VALUES(updated_at)`
const checkpointSql = `INSERT IGNORE INTO audit_checkpoints
    (tenant_id, seq, hash, at, key_id, signature, number, previous_seq, previous_hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** Of a branch that was given up: the stream of events has them, and their places are taken anew. */
const givenUpSql = "DELETE FROM audit_checkpoints WHERE tenant_id = ? AND seq > ?"

const updateValues = (credential: Credential): ReadonlyArray<Value> => {
  const values = credentialValues(credential)
  const { mac, tenantId, updatedAt, updatedBy } = credential
  const written = [updatedAt, updatedBy, Columns.macValue(mac), ...refreshValues(credential)]
  return [...values.slice(5, 15), ...written, values[0]!, tenantId]
}

const byId = (a: Credential, b: Credential): number => (a.credentialId < b.credentialId ? -1 : 1)
/** Those that end before those that become active. */
const endingFirst = (a: Credential, b: Credential): number =>
  Number(a.state === "active") - Number(b.state === "active") || byId(a, b)

export const applyCredentials = (
  session: Session,
  tenantId: string,
  changes: CredentialChanges | undefined
): ReadonlyArray<Promise<unknown>> => {
  if (changes === undefined) return []
  const deleted = Columns.chunksOf(changes.deleted.toSorted().map(Columns.uuidBytes))
  return [
    ...deleted.map((chunk) =>
      session.run(deleteSql(chunk.marks), [tenantId, ...chunk.values]).then(allOf(chunk.count))
    ),
    ...deleted.map((chunk) => session.run(deleteVersionsSql(chunk.marks), chunk.values)),
    session.batch(updateSql, changes.updated.toSorted(endingFirst).map(updateValues), "each"),
    session.batch(insertSql, changes.inserted.toSorted(byId).map(credentialValues)),
    session.batch(
      versionSql,
      changes.versions.map((version) => versionValues(tenantId, version))
    ),
    session.batch(
      deleteVersionSql,
      (changes.versionsDeleted ?? []).map(({ credentialId, version }) => [
        Columns.uuidBytes(credentialId),
        version,
        tenantId
      ])
    ),
    session.batch(providerSql, (changes.providers ?? []).map(providerValues)),
    session.batch(
      deleteProviderSql,
      (changes.providersDeleted ?? []).map((name) => [tenantId, name])
    ),
    session.batch(rotatorSql, (changes.rotators ?? []).map(rotatorValues)),
    session.batch(
      deleteRotatorSql,
      (changes.rotatorsDeleted ?? []).map((name) => [tenantId, name])
    ),
    session.batch(serviceSql, changes.services.map(serviceValues))
  ]
}

export const applyCheckpoints = (
  session: Session,
  checkpoints: ReadonlyArray<AuditCheckpoint> | undefined
): ReadonlyArray<Promise<unknown>> => [
  // An acceptance stands in the chain itself; nothing else is signed in its transaction.
  ...(checkpoints ?? [])
    .filter(({ accepted }) => accepted !== undefined)
    .map(({ previous, tenantId }) => session.run(givenUpSql, [tenantId, previous?.seq ?? 0])),
  session.batch(
    checkpointSql,
    (checkpoints ?? [])
      .filter(({ accepted }) => accepted === undefined)
      .map(({ at, hash, keyId, number, previous, seq, signature, tenantId }) => [
        tenantId,
        seq,
        Buffer.from(hash, "hex"),
        at,
        Columns.uuidBytes(keyId),
        Buffer.from(signature),
        number,
        previous?.seq ?? null,
        previous === null ? null : Buffer.from(previous.hash, "hex")
      ])
  )
]
