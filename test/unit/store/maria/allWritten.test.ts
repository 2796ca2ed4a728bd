// Verifies P1, P2, R-DUR-2.
/** A server that was told to end a statement answers as if a row were missing: nothing of the transaction is committed. */
import { assert, describe, it } from "@effect/vitest"
import type { ClientCredential } from "../../../../src/domain/ClientCredential.ts"
import { allOf } from "../../../../src/store/maria/AllWritten.ts"
import { applyApplications } from "../../../../src/store/maria/apply/applications.ts"
import { applyClients } from "../../../../src/store/maria/apply/clients.ts"
import { applyCredentials } from "../../../../src/store/maria/apply/credentials.ts"
import { applyTokens } from "../../../../src/store/maria/apply/tokens.ts"
import { type DatabaseFailure, isPassing } from "../../../../src/store/maria/DatabaseFailure.ts"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import * as Writes from "../../../../src/store/maria/Writes.ts"
import { type Changes, type Loaded, noChanges } from "../../../../src/store/TenantStore.ts"
import { changesOf, credentialRow } from "../../../support/credentialRows.ts"
import { anId, aToken } from "../../../support/storeFixtures.ts"

const [tenantId, count] = ["acme", Writes.writesMax + 1]
const client = (): ClientCredential => ({
  ...{ credentialId: anId(), tenantId, clientId: null, name: { kind: "basic", username: anId() }, status: "Active" },
  ...{ passwordHash: "hash", version: 1, reason: null, description: null },
  ...{ createdAt: 1, updatedAt: 1, createdBy: "bus", updatedBy: "bus" }
})

/** Of each statement it finds all rows but `lacking`. */
const sessionOf = (lacking: number): Session => ({
  rows: async () => [],
  run: async () => 1 - lacking,
  batch: async (_, rows, matches) => allOf(matches === "each" ? rows.length : 0)(rows.length - lacking),
  command: async () => undefined
})
const ids = (length: number): ReadonlyArray<string> => Array.from({ length }, anId)
const written = (
  lacking: number,
  changes: Partial<Changes>,
  apply: (session: Session, changes: Changes) => ReadonlyArray<Promise<unknown>>
) =>
  Writes.written(sessionOf(lacking), (writing) => apply(writing, { ...noChanges, ...changes })).then(
    () => "committed",
    (cause: DatabaseFailure) => `${cause.code}, ${isPassing(cause) ? "passing" : "for good"}`
  )

const applyOf = {
  tokens: (session: Session, changes: Changes) => applyTokens(session, tenantId, changes),
  applications: (session: Session, changes: Changes) =>
    applyApplications(session, tenantId, changes, { tokens: new Map(), now: 1 } as unknown as Loaded),
  credentials: (session: Session, { credentials }: Changes) => applyCredentials(session, tenantId, credentials),
  clients: (session: Session, { clients }: Changes) => applyClients(session, tenantId, clients)
}
const noClients = { inserted: [], updated: [], deleted: [] }
const many = <A>(of: () => A): ReadonlyArray<A> => Array.from({ length: count }, of)

const cases: ReadonlyArray<readonly [what: string, of: keyof typeof applyOf, changes: Partial<Changes>]> = [
  ["changed tokens", "tokens", { tokensUpdated: many(() => aToken(tenantId, "app")) }],
  ["deleted tokens", "tokens", { tokensDeleted: ids(1) }],
  ["removed applications", "applications", { applicationsRemoved: ids(count) }],
  ["changed credentials", "credentials", changesOf({ updated: many(() => credentialRow()) })],
  ["deleted credentials", "credentials", changesOf({ deleted: ids(1) })],
  ["changed client credentials", "clients", { clients: { ...noClients, updated: many(client) } }],
  ["deleted client credentials", "clients", { clients: { ...noClients, deleted: ids(1) } }]
]

describe("a row that seems to be missing, though it was loaded under its tenant's lock,", () => {
  for (const [what, of, changes] of cases) {
    it(`keeps ${what} from being committed`, async () => {
      assert.strictEqual(await written(0, changes, applyOf[of]), "committed")
      assert.strictEqual(await written(1, changes, applyOf[of]), "ER_QUERY_INTERRUPTED, passing")
    })
  }
})
