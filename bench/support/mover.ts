/**
 * Moving sealed records to another key, as the service does it with the limit of its rate off, against
 * the update that it comes to: the same columns of as many rows, each with other bytes of that length,
 * in transactions of as many rows.
 */
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { ConfigProvider, Effect, Layer } from "effect"
import { CryptoConfig } from "../../src/crypto/CryptoConfig.ts"
import * as KeyId from "../../src/crypto/KeyId.ts"
import * as KeyMover from "../../src/crypto/KeyMover.ts"
import * as LiveKeyring from "../../src/crypto/LiveKeyring.ts"
import * as LiveTenantKeys from "../../src/crypto/LiveTenantKeys.ts"
import * as LocalMasterKey from "../../src/crypto/LocalMasterKey.ts"
import { TenantKeys } from "../../src/crypto/TenantKeys.ts"
import { Replica } from "../../src/observability/Replica.ts"
import { KeyRotationStore } from "../../src/store/KeyRotationStore.ts"
import * as MariaStores from "../../src/store/maria/MariaStores.ts"
import { StoreConfig } from "../../src/store/maria/StoreConfig.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { settingsOf } from "../../test/support/storeLayers.ts"

export interface MovingSetup {
  readonly databaseUrl: string
  /** For a key file. */
  readonly folder: string
  readonly rows: number
  readonly secretBytes: number
}

const purpose = "credentials"
const seconds = async (run: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now()
  await run()
  return (performance.now() - startedAt) / 1_000
}

export const makeMoving = async ({ databaseUrl, folder, rows, secretBytes }: MovingSetup) => {
  const settings = ConfigProvider.layer(
    ConfigProvider.fromEnvRecord({
      CM_KEY_FILE: join(folder, "mover-keys.json"),
      CM_KEY_FILE_CREATE: "true",
      CM_KEYS_MOVE_RATE: "100000"
    })
  )
  const world = Layer.merge(LiveTenantKeys.layer, LiveKeyring.layer).pipe(
    Layer.provideMerge(LocalMasterKey.layer),
    Layer.provideMerge(CryptoConfig.layer.pipe(Layer.provide(settings))),
    Layer.provideMerge(MariaStores.layer),
    Layer.provideMerge(Layer.succeed(StoreConfig, StoreConfig.of(settingsOf(databaseUrl)))),
    Layer.provideMerge(Layer.succeed(Replica, { instance: "bench", replicaId: "mover", process: "mover.bench" }))
  )
  /** Over keys that were read anew, as after the seconds that a replica goes on with those it knows. */
  const inWorld = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof world>>) =>
    Effect.runPromise(Effect.scoped(Effect.provide(effect, Layer.fresh(world))))

  await inWorld(Effect.void)
  const sql = await connectSql(databaseUrl)
  const idsOf = (kind: number) =>
    Array.from({ length: rows }, (_, n) => KeyId.makeKeyId(1_700_000_000_000 + kind * 10_000_000 + n))
  const insert = (ids: ReadonlyArray<string>, keyId: string, sealed: ReadonlyArray<Uint8Array>) =>
    sql.batch(
      `INSERT INTO credential_versions (credential_id, version, tenant_id, state, sealed, key_id, fingerprints, created_at, created_by)
        VALUES (?, 1, 'demo', 0, ?, ?, '{}', 0, 'bench')`,
      ids.map((id, n) => [Buffer.from(KeyId.toBytes(id)), Buffer.from(sealed[n]!), Buffer.from(KeyId.toBytes(keyId))])
    )

  const moving = idsOf(0)
  const updating = idsOf(1)
  const { keyId, sealed } = await inWorld(
    Effect.map(
      TenantKeys.use((keys) => keys.sealerFor("demo")),
      (sealer) => ({
        keyId: sealer.keyId,
        sealed: moving.map(
          (credentialId) =>
            sealer.seal({ credentialId, version: 1, purpose }, new Uint8Array(secretBytes).fill(0x61)).sealed
        )
      })
    )
  )
  await insert(moving, keyId, sealed)
  const length = sealed[0]!.byteLength
  await insert(
    updating,
    KeyId.makeKeyId(1),
    updating.map(() => randomBytes(length))
  )

  let updates = 0
  return {
    end: () => sql.end(),
    /** Rows a second that the update alone takes. */
    update: async (): Promise<number> => {
      updates += 1
      const key = Buffer.from(KeyId.toBytes(KeyId.makeKeyId(1 + updates)))
      const values = updating.map((id) => [randomBytes(length), key, Buffer.from(KeyId.toBytes(id))])
      const took = await seconds(async () => {
        for (let at = 0; at < rows; at += KeyMover.pageMax) {
          await sql.query("START TRANSACTION")
          await sql.batch(
            "UPDATE credential_versions SET sealed = ?, key_id = ? WHERE credential_id = ? AND version = 1",
            values.slice(at, at + KeyMover.pageMax)
          )
          await sql.query("COMMIT")
        }
      })
      return rows / took
    },
    /** Rows a second that are opened, sealed with a new key and written. */
    move: async (): Promise<number> => {
      const from = await inWorld(
        KeyRotationStore.use((store) =>
          Effect.flatMap(store.activeKey("tenant-data", "demo"), (key) =>
            Effect.as(store.demote(key!.keyId), key!.keyId)
          )
        )
      )
      const took = await inWorld(
        Effect.flatMap(KeyMover.make, ({ turn }) => Effect.promise(() => seconds(() => Effect.runPromise(turn))))
      )
      const left = await inWorld(KeyRotationStore.use((store) => store.countRows(from, 1)))
      if (left !== 0) throw new Error("rows were not moved")
      return rows / took
    }
  }
}
