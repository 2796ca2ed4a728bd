import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as ChosenMasterKey from "../../../src/crypto/ChosenMasterKey.ts"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import * as MemoryStores from "../../../src/store/memory/MemoryStores.ts"
import { startVaultStub } from "../../support/vaultStub.ts"

const chosen = (env: Record<string, string>) =>
  Layer.build(
    Layer.fresh(ChosenMasterKey.layer).pipe(
      Layer.provide(Layer.fresh(CryptoConfig.layer)),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))),
      Layer.provide(MemoryStores.layer)
    )
  ).pipe(Effect.flatMap((context) => Effect.provide(MasterKey, context)))

const setup = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "keys-"))),
    (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
  )
  const stub = yield* Effect.acquireRelease(
    Effect.promise(() => startVaultStub()),
    (started) => Effect.promise(started.stop)
  )
  return {
    CM_KEY_FILE: path.join(folder, "keys.json"),
    CM_KEY_FILE_CREATE: "true",
    CM_VAULT_ADDR: stub.address,
    CM_VAULT_KEY: "cm",
    CM_VAULT_TOKEN: "s.good"
  }
})
const key = Buffer.alloc(32, 7)

describe("ChosenMasterKey", () => {
  it.live("moves from a key file to Vault: the new one wraps, both open", () =>
    Effect.gen(function* () {
      const env = yield* setup
      const file = yield* chosen(env)
      const old = yield* file.wrap("place", key)
      const both = yield* chosen({ ...env, CM_MASTER_KEY: "vault", CM_MASTER_KEY_BEFORE: "file" })
      const next = yield* both.wrap("place", key)
      assert.strictEqual(next.masterKeyId, "vault:transit/cm")
      assert.strictEqual(both.activeId, next.masterKeyId)
      for (const wrapped of [old, next]) {
        assert.deepStrictEqual(Buffer.from(yield* both.unwrap("place", wrapped)), key)
      }
      assert.deepStrictEqual(
        both.fingerprints.map(({ masterKeyId }) => masterKeyId),
        [next.masterKeyId, old.masterKeyId]
      )
      const vault = yield* chosen({ ...env, CM_MASTER_KEY: "vault" })
      assert.deepStrictEqual(Buffer.from(yield* vault.unwrap("place", next)), key)
      assert.strictEqual((yield* vault.unwrap("place", old).pipe(Effect.flip)).reason, "UnknownKey")
    })
  )

  it.live("needs nothing of what was not chosen", () =>
    Effect.gen(function* () {
      const { CM_VAULT_ADDR, CM_VAULT_KEY, CM_VAULT_TOKEN } = yield* setup
      const vault = yield* chosen({ CM_MASTER_KEY: "vault", CM_VAULT_ADDR, CM_VAULT_KEY, CM_VAULT_TOKEN })
      yield* vault.wrap("place", key)
    })
  )
})
