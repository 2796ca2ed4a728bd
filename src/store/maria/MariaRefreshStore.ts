/** `RefreshStore` on MariaDB, each look by an index. The promises are those of `RefreshStore.ts`. */
import { Clock, Effect, Layer } from "effect"
import { type CredentialVersion, historyVersionsMax, versionStates } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { providersMax } from "../../domain/ProviderEntry.ts"
import { heldVersions, type Refresh } from "../../domain/Refresh.ts"
import { rotatorsMax } from "../../domain/Rotator.ts"
import { isKeptAt, pickedMs, RefreshStore, type StoredProvider } from "../RefreshStore.ts"
import * as Columns from "./Columns.ts"
import {
  credentialColumnCount,
  credentialColumns,
  credentialOf,
  hasKnownState,
  providerColumns,
  providerOf,
  readSealedOfVSql,
  readSealedSql,
  readVersionColumns,
  rotatorColumns,
  rotatorOf,
  versionColumns,
  versionOf,
  versionValues
} from "./CredentialRow.ts"
import * as DuePick from "./DuePick.ts"
import * as DueSift from "./DueSift.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"
import * as Circuits from "./ProviderCircuits.ts"
import * as Turns from "./ProviderTurns.ts"
import { sureTransaction } from "./SureTransaction.ts"

// ---- one of them ---------------------------------------------------------------

const standingSql = `SELECT ${credentialColumns}, ${Columns.momentSql},
    (SELECT s.is_active FROM tenant_services s
      WHERE s.tenant_id = credentials.tenant_id AND s.service_name = credentials.service_name)
  FROM credentials WHERE credential_id = ? AND tenant_id = ?`
/**
 * The newest, answers first: more than are held of a grant. Of versions that overlap there may be more, and nobody asks for
 * those here.
 */
const versionsMax = 128
const versionsSql = `SELECT ${readVersionColumns} FROM credential_versions
  WHERE credential_id = ? AND tenant_id = ? AND key_id IS NOT NULL ORDER BY version DESC LIMIT ${versionsMax}`

const standing = async (session: Session, tenantId: string, credentialId: string) => {
  const id = Columns.uuidBytesOrNull(credentialId)
  if (id === null) return undefined
  // The answers first: one that is put between the two is seen the next time, and none is seen settled by halves.
  const [versionRows, [row]] = await Promise.all([
    session.rows(versionsSql, [id, tenantId]),
    session.rows(standingSql, [id, tenantId])
  ])
  if (row === undefined) return undefined
  return {
    credential: credentialOf(row),
    now: Columns.whole(row, credentialColumnCount),
    serviceActive: (Columns.wholeOrNull(row, credentialColumnCount + 1) ?? 1) === 1,
    versions: versionRows.filter(hasKnownState).map(versionOf).reverse()
  }
}

const answerSql = `INSERT IGNORE INTO credential_versions (${versionColumns})
  SELECT ${Array(12).fill("?").join(", ")} FROM credentials WHERE credential_id = ? AND tenant_id = ?
    AND (state <> 1 OR JSON_VALUE(refresh, '$.atProvider') = 'pending')`
const placeSql = `SELECT v.state, ${readSealedOfVSql}, c.refresh, c.former_refresh
  FROM credential_versions v JOIN credentials c ON c.credential_id = v.credential_id
  WHERE v.credential_id = ? AND v.version = ? AND c.tenant_id = ?`
const inPlaceSql = `REPLACE INTO credential_versions (${versionColumns})
  SELECT ${Array(12).fill("?").join(", ")} FROM credential_versions
  WHERE credential_id = ? AND version = ? AND state = ? AND ${readSealedSql} <=> ?`

/** What cannot be read holds nothing: nobody waits with an answer until a row is put right. */
const refreshIn = (json: string): Refresh | undefined => {
  try {
    const refresh = JSON.parse(json) as Refresh
    heldVersions(refresh.holding)
    return refresh
  } catch {
    return undefined
  }
}

/** Each statement commits by itself: the answer is durable when that was carried out. */
const putAnswer = async (session: Session, tenantId: string, answer: CredentialVersion): Promise<boolean> => {
  const id = Columns.uuidBytes(answer.credentialId)
  const values = versionValues(tenantId, answer)
  if ((await session.run(answerSql, [...values, id, tenantId])) > 0) return true
  const [row] = await session.rows(placeSql, [id, answer.version, tenantId])
  if (row === undefined) return false
  const stateNumber = Columns.whole(row, 0)
  const state = versionStates[stateNumber]
  const sealed = row[1] === null ? null : Columns.bytes(row, 1)
  const known = Columns.textOrNull(row, 2) ?? Columns.textOrNull(row, 3)
  const refresh = known === null ? undefined : refreshIn(known)
  if (state !== undefined && isKeptAt({ state, sealed }, answer, refresh)) return true
  // By nobody else since.
  const put = await session.run(inPlaceSql, [...values, id, answer.version, stateNumber, sealed])
  return put > 0 || putAnswer(session, tenantId, answer)
}

// ---- providers -----------------------------------------------------------------

const prefixed = providerColumns
  .split(", ")
  .map((column) => `p.${column}`)
  .join(", ")
const providersSql = (where: string): string => `SELECT ${prefixed}, ${readSealedOfVSql} FROM providers p
  LEFT JOIN credential_versions v ON v.credential_id = p.provider_id AND v.version = p.version
  WHERE p.tenant_id IN (?, ?)${where} ORDER BY p.name LIMIT ${2 * providersMax}`

const providers = async (
  session: Session,
  tenantId: string,
  name: string | null
): Promise<ReadonlyArray<StoredProvider>> => {
  const rows =
    name === null
      ? await session.rows(providersSql(""), [tenantId, globalTenantId])
      : await session.rows(providersSql(" AND p.name = ?"), [tenantId, globalTenantId, name])
  return rows.map((row) => ({
    entry: providerOf(row),
    sealed: row[10] === null ? undefined : new Uint8Array(Columns.bytes(row, 10))
  }))
}

const rotatorsSql = (where: string): string => `SELECT ${rotatorColumns} FROM rotators
  WHERE tenant_id IN (?, ?)${where} ORDER BY name LIMIT ${2 * rotatorsMax}`

const rotators = async (session: Session, tenantId: string, name: string | null) =>
  (name === null
    ? await session.rows(rotatorsSql(""), [tenantId, globalTenantId])
    : await session.rows(rotatorsSql(" AND name = ?"), [tenantId, globalTenantId, name])
  ).map(rotatorOf)

// ---- rows that no history shows ------------------------------------------------

const pruneSql = `DELETE FROM credential_versions WHERE credential_id = ? AND tenant_id = ? AND key_id IS NULL
  AND version < (SELECT version FROM (SELECT version FROM credential_versions WHERE credential_id = ? AND tenant_id = ?
    ORDER BY version DESC LIMIT 1 OFFSET ${historyVersionsMax - 1}) AS kept)`

const prune = (session: Session, tenantId: string, credentialId: string): Promise<number> => {
  const id = Columns.uuidBytes(credentialId)
  return session.run(pruneSql, [id, tenantId, id, tenantId])
}

// ---- the layer -----------------------------------------------------------------

const make = Effect.map(Mariadb, (database) => {
  const backlog = DuePick.noBacklog()
  const knownQueues: Turns.KnownQueues = new Map()
  const transaction = sureTransaction(database, "RefreshStore")
  return RefreshStore.of({
    pick: (limit, underWay) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const { chosen, more } = yield* database.query("RefreshStore.look", (session) =>
          DuePick.choose(session, { limit, underWay }, backlog, now)
        )
        if (chosen.length === 0) return { refs: [], more }
        return { refs: yield* transaction("pick", (session) => DuePick.take(session, chosen, pickedMs)), more }
      }),
    putBack: (credentialId, inMs) =>
      Effect.asVoid(database.query("RefreshStore.putBack", (session) => DuePick.putBack(session, credentialId, inMs))),
    rest: (credentialId, version, forMs) =>
      Effect.asVoid(
        database.query("RefreshStore.rest", (session) => DuePick.rest(session, credentialId, version, forMs))
      ),
    sift: (request) => transaction("sift", (session) => DueSift.sift(session, request)),
    standing: (tenantId, credentialId) =>
      database.query("RefreshStore.standing", (session) => standing(session, tenantId, credentialId), tenantId),
    putAnswer: (tenantId, answer) =>
      database.query("RefreshStore.putAnswer", (session) => putAnswer(session, tenantId, answer)),
    providers: (tenantId, name) =>
      database.query("RefreshStore.providers", (session) => providers(session, tenantId, name), tenantId),
    rotators: (tenantId, name) =>
      database.query("RefreshStore.rotators", (session) => rotators(session, tenantId, name), tenantId),
    knowQueue: (rules) =>
      database
        .query("RefreshStore.knowQueue", (session) => Turns.tellQueue(session, rules, knownQueues))
        .pipe(Effect.tap(() => Effect.sync(() => Turns.committedQueue(rules, knownQueues)))),
    takeTurn: (request) =>
      transaction("takeTurn", (session) => Turns.takeTurn(session, request, knownQueues)).pipe(
        Effect.tap(() => Effect.sync(() => Turns.committedQueue(request, knownQueues)))
      ),
    keepTurn: (turnId, route, forMs) =>
      transaction("keepTurn", (session) => Turns.keepTurn(session, turnId, route, forMs)),
    endTurn: (turnId, route, result, chance) => {
      const ended = transaction("endTurn", (session) => Turns.endTurn(session, turnId, route, result, chance))
      if (result._tag !== "ok") return ended
      return Effect.flatMap(
        database.query("RefreshStore.endTurnWell", (session) => Turns.endTurnWell(session, turnId, route)),
        (isAll) => (isAll ? Effect.succeed([]) : ended)
      )
    },
    circuits: (provider) => database.query("RefreshStore.circuits", (session) => Circuits.circuits(session, provider)),
    forgetCircuits: (provider) =>
      transaction("forgetCircuits", (session) => Circuits.forgetCircuits(session, provider)),
    pruneVersions: (tenantId, credentialId) =>
      database.query("RefreshStore.pruneVersions", (session) => prune(session, tenantId, credentialId))
  })
})

export const layer: Layer.Layer<RefreshStore, never, Mariadb> = Layer.effect(RefreshStore, make)
