/**
 * Store layers for suites: on a database of their own on the shared server.
 *
 * `settingsOf` gives the settings a test would otherwise read from the environment.
 */
import { Duration, Effect, Layer, Redacted } from "effect"
import type { AuditRow } from "../../src/store/AuditChain.ts"
import { auditColumns, auditRowOf } from "../../src/store/maria/MariaAuditStore.ts"
import { Mariadb } from "../../src/store/maria/Mariadb.ts"
import * as MariaStores from "../../src/store/maria/MariaStores.ts"
import { StoreConfig, type StoreSettings } from "../../src/store/maria/StoreConfig.ts"
import { freshDatabase } from "./freshDatabase.ts"

export const settingsOf = (databaseUrl: string, others: Partial<StoreSettings> = {}): StoreSettings => ({
  databaseUrl: Redacted.make(databaseUrl),
  connections: 6,
  lookupConnections: 2,
  connectTimeout: Duration.seconds(10),
  operationTimeout: Duration.seconds(30),
  lockWaitTimeout: Duration.seconds(5),
  migrationWait: Duration.seconds(30),
  connectLimit: Duration.seconds(60),
  ...others
})

/** Settings for a database that is made now and dropped when the layer is released. */
export const layerFreshDatabase = (serverUrl: string, others: Partial<StoreSettings> = {}) =>
  Layer.effect(
    StoreConfig,
    Effect.map(
      Effect.acquireRelease(
        Effect.promise(() => freshDatabase(serverUrl)),
        (database) => Effect.promise(() => database.drop())
      ),
      (database) => StoreConfig.of(settingsOf(database.url, others))
    )
  )

/** All stores on a fresh database, with the pool and the settings. */
export const layerMariaStores = (serverUrl: string, others: Partial<StoreSettings> = {}) =>
  MariaStores.layer.pipe(Layer.provideMerge(layerFreshDatabase(serverUrl, others)))

/** A tenant's audit as it stands in the table. */
export const auditRowsOf = (tenantId: string) =>
  Mariadb.use((database) =>
    database.query("test.auditRows", async (session): Promise<ReadonlyArray<AuditRow>> => {
      const rows = await session.rows(`SELECT ${auditColumns} FROM audit WHERE tenant_id = ? ORDER BY seq`, [tenantId])
      return rows.map(auditRowOf)
    })
  )
