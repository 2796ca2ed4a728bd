import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import * as VaultMasterKey from "../../../src/crypto/VaultMasterKey.ts"
import { masterKeySuite } from "../../suites/masterKeySuite.ts"
import { key, remoteMasterKeySuite } from "../../suites/remoteMasterKeySuite.ts"
import { startVaultDevServer } from "../../support/vaultDevServer.ts"
import { startVaultStub } from "../../support/vaultStub.ts"

const layerOf = (env: Record<string, string>) =>
  Layer.fresh(VaultMasterKey.layer).pipe(
    Layer.provide(Layer.fresh(CryptoConfig.layer)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_VAULT_KEY: "cm", ...env })))
  )

const stubbed = (options: { readonly derived?: boolean } = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => startVaultStub(options)),
    (stub) => Effect.promise(stub.stop)
  )

const stubLayer = (options: { readonly derived?: boolean }) =>
  Layer.unwrap(
    Effect.map(stubbed(options), (stub) => layerOf({ CM_VAULT_ADDR: stub.address, CM_VAULT_TOKEN: "s.good" }))
  )

masterKeySuite("Vault transit, stub", stubLayer({}))
masterKeySuite("Vault transit, stub, derived key", stubLayer({ derived: true }))

const devServer = await startVaultDevServer()
if (devServer === null) {
  it("no `bao` or `vault` is on the path: the real server was not tried, the stub only", () => {
    assert.isNull(devServer)
  })
} else {
  const acquired = Layer.unwrap(
    Effect.acquireRelease(Effect.succeed(devServer), (server) => Effect.promise(server.stop)).pipe(
      Effect.map((server) => layerOf({ CM_VAULT_ADDR: server.address, CM_VAULT_TOKEN: server.token }))
    )
  )
  masterKeySuite(`Vault transit, ${devServer.program}`, acquired)
}

const build = (env: Record<string, string>) =>
  Layer.build(layerOf(env)).pipe(Effect.flatMap((context) => MasterKey.pipe(Effect.provide(context))))
/** `timeout` is short only where an answer never comes. */
const setup = Effect.fnUntraced(function* (timeout = "10 seconds") {
  const stub = yield* stubbed()
  const master = yield* build({
    CM_VAULT_ADDR: stub.address,
    CM_VAULT_TOKEN: "s.good",
    CM_MASTER_KEY_TIMEOUT: timeout
  })
  return { stub, master }
})

describe("VaultMasterKey", () => {
  remoteMasterKeySuite(setup)

  it.live("a sealed server and one that is not there are told apart, and both may pass", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      stub.faults.sealed = true
      const sealed = yield* master.wrap("place", key).pipe(Effect.flip)
      assert.deepStrictEqual([sealed.reason, sealed.isRetryable], ["Sealed", true])
      yield* Effect.promise(stub.stop)
      const gone = yield* master.wrap("place", key).pipe(Effect.flip)
      assert.deepStrictEqual([gone.reason, gone.isRetryable], ["Unreachable", true])
    })
  )

  it.live("a token that is not good is not tried again", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      stub.tokens.clear()
      const error = yield* master.wrap("place", key).pipe(Effect.flip)
      assert.deepStrictEqual([error.reason, error.isRetryable, stub.seen.length], ["Denied", false, 1])
    })
  )

  it.live("a key that another Vault holds under the same name does not open what is stored", () =>
    Effect.gen(function* () {
      const { master } = yield* setup()
      const other = yield* setup()
      const wrapped = yield* master.wrap("place", key)
      assert.strictEqual((yield* other.master.unwrap("place", wrapped).pipe(Effect.flip)).reason, "NotOpenable")
    })
  )

  it.live("a key that Vault does not have is named so", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      const wrapped = yield* master.wrap("place", key)
      stub.keys.clear()
      assert.strictEqual((yield* master.unwrap("place", wrapped).pipe(Effect.flip)).reason, "UnknownKey")
      assert.strictEqual((yield* master.wrap("place", key).pipe(Effect.flip)).reason, "Denied")
    })
  )

  it.live("an answer that is none of Vault's is refused and not repeated", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      const wrapped = yield* master.wrap("place", key)
      const secret = key.toString("base64")
      for (const body of ["", "{}", `{"data":{}}`, `{"data":"${secret}"}`, secret, `${"x".repeat(70_000)}`]) {
        stub.faults.nonsense = body
        for (const call of [master.wrap("place", key), master.unwrap("place", wrapped)]) {
          const error = yield* Effect.flip(
            call as Effect.Effect<unknown, { readonly reason: string; readonly message: string }>
          )
          assert.strictEqual(error.reason, "Malformed")
          assert.notInclude(error.message + JSON.stringify(error), secret)
        }
      }
    })
  )

  it.live("takes the token from its file at each call, so that it may be renewed", () =>
    Effect.gen(function* () {
      const { stub } = yield* setup()
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "vault-"))),
        (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
      )
      const file = path.join(folder, "token")
      const master = yield* build({ CM_VAULT_ADDR: stub.address, CM_VAULT_TOKEN_FILE: file })
      assert.strictEqual((yield* master.wrap("place", key).pipe(Effect.flip)).reason, "Denied")
      fs.writeFileSync(file, "s.good\n")
      yield* master.wrap("place", key)
      stub.tokens.clear()
      stub.tokens.add("s.next")
      fs.writeFileSync(file, "s.next\n")
      yield* master.wrap("place", key)
      assert.deepStrictEqual(
        stub.seen.map(({ token }) => token),
        ["s.good", "s.next"]
      )
    })
  )

  it.live("does not send keys in clear to another machine unless told to", () =>
    Effect.gen(function* () {
      for (const address of ["http://vault.example:8200", "http://10.0.0.1:8200", "http://127.0.0.1.example:8200"]) {
        const error = yield* build({ CM_VAULT_ADDR: address, CM_VAULT_TOKEN: "s.good" }).pipe(Effect.flip)
        assert.strictEqual(error._tag, "MasterKeyError")
        yield* build({ CM_VAULT_ADDR: address, CM_VAULT_TOKEN: "s.good", CM_VAULT_INSECURE: "true" })
      }
    })
  )
})
