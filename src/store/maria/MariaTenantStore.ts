/**
 * `TenantStore` on MariaDB.
 *
 * A transaction locks the row of the tenant's counters, and nothing changes a tenant without that
 * lock; so what it reads afterwards, in plain reads of committed rows, cannot change under it and
 * needs no locks of its own. Loading and writing are a handful of statements and a round trip each,
 * whatever the size of the group; COMMIT is sent when all of them were answered, or with them where they are few.
 *
 * The promises are those of `TenantStore.ts`.
 */
import { Effect, Layer } from "effect"
import type { Page } from "../../domain/Page.ts"
import type { Application, Tenant } from "../../domain/Tenant.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { type AuditRow, type ChainHead, chain, headAfter } from "../AuditChain.ts"
import { checkChanges, isEmpty } from "../checkChanges.ts"
import { noStock, stockAfter } from "../Stock.ts"
import {
  type Changes,
  type Decide,
  decided,
  type Load,
  type Loaded,
  StatementRejected,
  TenantStore
} from "../TenantStore.ts"
import { createTenant } from "../tenantCreated.ts"
import { applyApplications } from "./apply/applications.ts"
import { applyAside } from "./apply/aside.ts"
import { applyAudit } from "./apply/audit.ts"
import { applyClients } from "./apply/clients.ts"
import { applyCheckpoints, applyCredentials } from "./apply/credentials.ts"
import { applyIdempotent } from "./apply/idempotency.ts"
import { applyKeys } from "./apply/keys.ts"
import { applyOutbox } from "./apply/outbox.ts"
import {
  applyCounters,
  applyTenantConfigured,
  applyTenantCreated,
  applyTenantMac,
  applyTenantRemoved
} from "./apply/tenant.ts"
import { applyTokens } from "./apply/tokens.ts"
import * as Columns from "./Columns.ts"
import type { DatabaseFailure } from "./DatabaseFailure.ts"
import { applicationColumns, applicationOf, loadApplications } from "./load/applications.ts"
import { loadAside } from "./load/aside.ts"
import { loadClients } from "./load/clients.ts"
import { loadCredentials } from "./load/credentials.ts"
import { loadIdempotent } from "./load/idempotency.ts"
import { loadKeys } from "./load/keys.ts"
import { type Counters, type LockedTenant, lockTenant, tenantColumns, tenantOf } from "./load/tenant.ts"
import { loadEndpointCounts, loadTokens } from "./load/tokens.ts"
import { fromSession, Mariadb, type TransactionResult } from "./Mariadb.ts"
import type { Row, Session } from "./MariadbConnection.ts"
import { applyRevokeAlls, dropRevokeAlls, findRevokeAlls, loadRevokeAlls, openRevokeAlls } from "./RevokeAllRow.ts"
import { countTokenPage, readTokenPage } from "./TokenPages.ts"
import { tokenColumns, tokenOf } from "./TokenRow.ts"
import * as Writes from "./Writes.ts"

// ---- transactions -----------------------------------------------------------

interface Locked {
  readonly locked: LockedTenant
  readonly loaded: Loaded
}

const loadAll = async (session: Session, tenantId: string, load: Load): Promise<Locked> => {
  // The lock is the first statement of the flight: what is behind it is read under it.
  const locking = lockTenant(session, tenantId, load.createsTenant === true)
  // Where it may be missing, it is got first.
  if (load.createsTenant === true) await locking
  const [locked, found, endpointCounts, named, idempotent, credentials, clients, keys, aside, revokeAlls] =
    await Promise.all([
      locking,
      loadTokens(session, tenantId, load),
      loadEndpointCounts(session, tenantId, load),
      loadApplications(session, tenantId, load.appNames),
      loadIdempotent(session, tenantId, load.idempotencyKeyHashes),
      loadCredentials(session, tenantId, load.credentials),
      loadClients(session, tenantId, load.clients),
      loadKeys(session, load.keys),
      loadAside(session, load.aside),
      loadRevokeAlls(session, tenantId, load.revokeAlls)
    ])
  const loaded: Loaded = {
    tenant: locked.tenant,
    revocationSeq: locked.counters?.revocationSeq ?? 0,
    now: locked.now,
    tokens: found.tokens,
    endpointCounts,
    applications: new Map([...found.applications, ...named.applications]),
    applicationTokenCounts: named.tokenCounts,
    tenantTokenCount: locked.counters?.tokenCount ?? 0,
    stock: locked.counters?.stock ?? noStock,
    idempotent,
    credentials,
    clients,
    keys,
    aside,
    revokeAlls
  }
  return { locked, loaded }
}

const countersAfter = (counters: Counters, loaded: Loaded, changes: Changes, head: ChainHead): Counters => ({
  revocationSeq: changes.revocation?.seq ?? counters.revocationSeq,
  auditSeq: head.seq,
  auditHash: head.hash,
  tokenCount: counters.tokenCount + changes.tokensInserted.length - changes.tokensDeleted.length,
  stock: stockAfter(counters.stock, loaded, changes)
})

/** The rows of the audit, and what the tenant's counters said before them. */
interface Chained {
  readonly counters: Counters
  readonly head: ChainHead
  readonly audit: ReadonlyArray<AuditRow>
}

/** In the order in which the statements run. */
const applyAll = (
  session: Session,
  tenantId: string,
  { audit, counters, head }: Chained,
  loaded: Loaded,
  changes: Changes
): ReadonlyArray<Promise<unknown>> => [
  ...applyAside(session, changes.asideEnded),
  ...applyTenantCreated(session, tenantId, changes.tenantCreated, loaded.now),
  ...applyTenantConfigured(session, tenantId, changes.tenantConfigured),
  ...applyTenantRemoved(session, tenantId, changes.tenantRemoved, loaded.now),
  ...applyTenantMac(session, tenantId, changes),
  ...applyTokens(session, tenantId, changes),
  ...applyApplications(session, tenantId, changes, loaded),
  ...applyOutbox(session, tenantId, changes, loaded.now),
  ...applyIdempotent(session, tenantId, changes.idempotent),
  ...applyCredentials(session, tenantId, changes.credentials),
  ...applyClients(session, tenantId, changes.clients),
  ...applyCheckpoints(session, changes.auditCheckpoints),
  ...applyKeys(session, changes.keys),
  ...applyRevokeAlls(session, tenantId, changes.revokeAlls, loaded.now),
  ...applyAudit(session, audit),
  ...applyCounters(session, tenantId, countersAfter(counters, loaded, changes, headAfter(head, audit)))
]

const runTransaction = <A>(
  session: Session,
  tenantId: string,
  load: Load,
  decide: Decide<A>
): Effect.Effect<TransactionResult<A>, DatabaseFailure> =>
  Effect.flatMap(
    fromSession(() => loadAll(session, tenantId, load)),
    ({ loaded, locked }) =>
      Effect.flatMap(
        decided(decide, loaded),
        ({ changes, result }): Effect.Effect<TransactionResult<A>, DatabaseFailure> => {
          checkChanges(tenantId, load, loaded, changes)
          const { counters } = locked
          if (counters === undefined || isEmpty(changes)) return Effect.succeed({ value: result, wrote: false })
          const head: ChainHead = { seq: counters.auditSeq, hash: counters.auditHash }
          return Pieces.runLocked(changes.audit.length, chain(tenantId, head, loaded.now, changes.audit)).pipe(
            Effect.flatMap((audit) =>
              fromSession(() =>
                Writes.written(session, (writing) =>
                  applyAll(writing, tenantId, { counters, head, audit }, loaded, changes)
                )
              )
            ),
            Effect.map((written) => ({ value: result, ...written }))
          )
        }
      )
  )

// ---- reads ------------------------------------------------------------------

const pageOf = <A>(rows: ReadonlyArray<Row>, limit: number, of: (row: Row) => A, key: (item: A) => string): Page<A> => {
  const content = rows.slice(0, limit).map(of)
  const last = content.at(-1)
  return { content, next: rows.length > limit && last !== undefined ? key(last) : null }
}

const listTenantsSql = `SELECT ${tenantColumns("tenants")} FROM tenants WHERE removed_at IS NULL AND tenant_id > ?
  ORDER BY tenant_id LIMIT ?`
const listApplicationsSql = `SELECT ${applicationColumns("applications")} FROM applications FORCE INDEX (ix_applications_tenant)
  WHERE tenant_id = ? AND app_name > ? AND removed_at IS NULL AND out_of_service IS NULL
  ORDER BY app_name LIMIT ?`
const findTenantsSql = (marks: string): string =>
  `SELECT ${tenantColumns("tenants")} FROM tenants WHERE tenant_id IN (${marks})`
const findByIssuerSql = `SELECT ${tenantColumns("tenants")} FROM tenants WHERE issuer_claimed = ? AND removed_at IS NULL`
const findApplicationsSql = (marks: string): string =>
  `SELECT ${applicationColumns("applications")} FROM applications WHERE app_name IN (${marks})`
const findTokenSql = `SELECT ${tokenColumns} FROM tokens WHERE token_id = ? AND tenant_id = ?`
const applicationsOfEndpointSql = `SELECT DISTINCT app_name FROM tokens FORCE INDEX (ix_tokens_endpoint)
  WHERE endpoint_id = ? AND tenant_id = ? ORDER BY app_name`
const tenantsOfEndpointSql =
  "SELECT DISTINCT tenant_id FROM tokens FORCE INDEX (ix_tokens_endpoint) WHERE endpoint_id = ? ORDER BY tenant_id"

const make = Effect.map(Mariadb, (database) => {
  const read = database.query
  const transact: TenantStore["Service"]["transact"] = (tenantId, load, decide) =>
    database
      .transaction("TenantStore.transact", (session) => runTransaction(session, tenantId, load, decide), tenantId)
      .pipe(Effect.catchTag("ConstraintBroken", ({ constraint }) => Effect.fail(new StatementRejected({ constraint }))))
  return TenantStore.of({
    transact,
    createTenant: createTenant(transact),
    findTenants: (tenantIds) =>
      read(
        "TenantStore.findTenants",
        async (session) =>
          (await Columns.rowsIn(session, findTenantsSql, Array.from(new Set(tenantIds)))).map(
            (row): Tenant => tenantOf(row)
          ),
        // Whether it is there, asked before all else: against the share of the one that is asked about.
        tenantIds.length === 1 ? tenantIds[0] : null
      ),
    findTenantByIssuer: (issuer) =>
      read("TenantStore.findTenantByIssuer", async (session) => {
        const [row] = await session.rows(findByIssuerSql, [issuer])
        return row === undefined ? undefined : tenantOf(row)
      }),
    listTenants: ({ after, limit }) =>
      read("TenantStore.listTenants", async (session) =>
        pageOf(
          await session.rows(listTenantsSql, [after ?? "", limit + 1]),
          limit,
          (row) => tenantOf(row),
          (tenant) => tenant.tenantId
        )
      ),
    listApplications: (tenantId, { after, limit }) =>
      read(
        "TenantStore.listApplications",
        async (session) =>
          pageOf(
            await session.rows(listApplicationsSql, [tenantId, after ?? "", limit + 1]),
            limit,
            (row) => applicationOf(row),
            (application) => application.appName
          ),
        tenantId
      ),
    findApplications: (appNames, forTenant = null) =>
      read(
        "TenantStore.findApplications",
        async (session) =>
          (await Columns.rowsIn(session, findApplicationsSql, Array.from(new Set(appNames)))).map(
            (row): Application => applicationOf(row)
          ),
        forTenant
      ),
    findToken: (tenantId, tokenId) =>
      read(
        "TenantStore.findToken",
        async (session) => {
          const id = Columns.uuidBytesOrNull(tokenId)
          const [row] = id === null ? [] : await session.rows(findTokenSql, [id, tenantId])
          return row === undefined ? undefined : tokenOf(row)
        },
        tenantId
      ),
    listTokens: (tenantId, query) =>
      read("TenantStore.listTokens", (session) => readTokenPage(session, tenantId, query), tenantId),
    countTokens: (tenantId, query) =>
      read("TenantStore.countTokens", (session) => countTokenPage(session, tenantId, query), tenantId),
    findRevokeAll: (tenantId, operationId) =>
      read(
        "TenantStore.findRevokeAll",
        async (session) => (await findRevokeAlls(session, tenantId, [operationId]))[0],
        tenantId
      ),
    openRevokeAlls: (limit) => read("TenantStore.openRevokeAlls", (session) => openRevokeAlls(session, limit)),
    dropRevokeAlls: (tenantId) =>
      Effect.asVoid(read("TenantStore.dropRevokeAlls", (session) => dropRevokeAlls(session, tenantId), tenantId)),
    applicationsOfEndpoint: (tenantId, endpointId) =>
      read(
        "TenantStore.applicationsOfEndpoint",
        async (session) =>
          (await session.rows(applicationsOfEndpointSql, [endpointId, tenantId])).map((row) => Columns.text(row, 0)),
        tenantId
      ),
    tenantsOfEndpoint: (endpointId) =>
      read("TenantStore.tenantsOfEndpoint", async (session) =>
        (await session.rows(tenantsOfEndpointSql, [endpointId])).map((row) => Columns.text(row, 0))
      )
  })
})

export const layer: Layer.Layer<TenantStore, never, Mariadb> = Layer.effect(TenantStore, make)
