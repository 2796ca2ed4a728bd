/** Verifies: R-SEC-3. */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer } from "effect"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyFile from "../../../src/crypto/KeyFile.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import { KeyStore } from "../../../src/store/KeyStore.ts"
import { masterKeySuite } from "../../suites/masterKeySuite.ts"
import * as tinyKeyStore from "./tinyKeyStore.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "keys-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
)

const settings = (env: Record<string, string>) =>
  CryptoConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))))

const open = (env: Record<string, string>, keys = tinyKeyStore.make()) =>
  Effect.gen(function* () {
    return yield* MasterKey
  }).pipe(
    Effect.provide(LocalMasterKey.layer.pipe(Layer.provide([settings(env), Layer.succeed(KeyStore, keys.store)])), {
      local: true
    })
  )

const write = (file: string, text: string, mode = 0o600) => {
  fs.writeFileSync(file, text, { mode })
  fs.chmodSync(file, mode)
}
const fileKey = (createdDate: string, n = 1) => ({
  id: `0193b0a0-0000-7000-8000-00000000000${n}`,
  key: randomBytes(32).toString("base64"),
  createdDate
})
const fileOf = (...masterKeys: ReadonlyArray<unknown>) => JSON.stringify({ version: 1, masterKeys })

masterKeySuite(
  "key file",
  Layer.succeed(MasterKey, LocalMasterKey.make(KeyFile.parse(fileOf(fileKey("2026-01-01T00:00:00.000Z")))!))
)

describe("key file", () => {
  it.effect("in development a missing one is made, readable by its owner only, and used again", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const env = { CM_KEY_FILE: file, CM_KEY_FILE_CREATE: "true" }
      const first = yield* open(env)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["keys.json"])
      const again = yield* open(env)
      assert.deepStrictEqual(again.fingerprints, first.fingerprints)
    })
  )

  it.effect("otherwise a missing one stops the start with one line that names it, and nothing is made", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const error = yield* open({ CM_KEY_FILE: file }).pipe(Effect.flip)
      assert.include(String(error.message), file)
      assert.notInclude(String(error.message), "\n")
      assert.isFalse(fs.existsSync(file))
    })
  )

  it.effect("where the database holds data, a missing one is never made anew", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const env = { CM_KEY_FILE: file, CM_KEY_FILE_CREATE: "true" }
      const withData = tinyKeyStore.make()
      withData.state.hasData = true
      const withFingerprint = tinyKeyStore.make()
      withFingerprint.fingerprints.push({ masterKeyId: "m", fingerprint: "f" })
      for (const keys of [withData, withFingerprint]) {
        const error = yield* open(env, keys).pipe(Effect.flip)
        assert.strictEqual(error._tag, "KeyFileMismatch")
        assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), [])
      }
    })
  )

  it.effect("rights for anybody but its owner are refused with one line", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      for (const mode of [0o644, 0o640, 0o660, 0o602, 0o610]) {
        write(file, fileOf(fileKey("2026-01-01T00:00:00.000Z")), mode)
        const error = yield* open({ CM_KEY_FILE: file, CM_KEY_FILE_CREATE: "true" }).pipe(Effect.flip)
        assert.match(String(error.message), /^[^\n]*chmod 600[^\n]*$/)
      }
      for (const mode of [0o600, 0o400]) {
        fs.chmodSync(file, mode)
        yield* open({ CM_KEY_FILE: file })
      }
    })
  )

  it("a file of root's may be read by the group of a service that is another user, and by nobody else", () => {
    const [root, own, other] = [0, 1000, 1001]
    const taken = (mode: number, uid: number, ownUid: number | undefined) => !KeyFile.isExposed({ mode, uid }, ownUid)
    for (const mode of [0o100440, 0o100640, 0o100400, 0o100600]) assert.isTrue(taken(mode, root, own))
    for (const mode of [0o100444, 0o100460, 0o100450, 0o100660, 0o100642]) assert.isFalse(taken(mode, root, own))
    for (const uid of [own, other]) assert.isFalse(taken(0o100440, uid, own))
    assert.isFalse(taken(0o100440, root, root))
    assert.isTrue(taken(0o100400, own, own))
  })

  it.effect("a mounted file is told from one of its own by who the service is", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      write(file, fileOf(fileKey("2026-01-01T00:00:00.000Z")), 0o440)
      const isRoots = fs.statSync(file).uid === 0
      const asWhom = vi.spyOn(process, "getuid").mockReturnValue(1000)
      yield* Effect.addFinalizer(() => Effect.sync(() => asWhom.mockRestore()))
      const opened = yield* Effect.exit(open({ CM_KEY_FILE: file }))
      assert.strictEqual(Exit.isSuccess(opened), isRoots)
    })
  )

  it.effect("the newest key is active, and the older ones open what they wrapped", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const [older, newer] = [fileKey("2026-01-01T00:00:00.000Z", 1), fileKey("2026-02-01T00:00:00.000Z", 2)]
      write(file, fileOf(older))
      const before = yield* open({ CM_KEY_FILE: file })
      const wrapped = yield* before.wrap("place", Buffer.alloc(32, 1))
      for (const order of [fileOf(older, newer), fileOf(newer, older)]) {
        write(file, order)
        const after = yield* open({ CM_KEY_FILE: file })
        assert.strictEqual(after.activeId, newer.id)
        assert.deepStrictEqual(Buffer.from(yield* after.unwrap("place", wrapped)), Buffer.alloc(32, 1))
        assert.strictEqual((yield* after.wrap("place", Buffer.alloc(32))).masterKeyId, newer.id)
      }
    })
  )

  it.effect("a key that is added to the file opens what it wrapped elsewhere, without a restart", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const older = fileKey("2026-01-01T00:00:00.000Z", 1)
      write(file, fileOf(older))
      const running = yield* open({ CM_KEY_FILE: file })
      execFileSync(process.execPath, ["scripts/master-key.mjs", file])
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      const restarted = yield* open({ CM_KEY_FILE: file })
      assert.notStrictEqual(restarted.activeId, older.id)
      const wrapped = yield* restarted.wrap("place", Buffer.alloc(32, 1))
      assert.deepStrictEqual(Buffer.from(yield* running.unwrap("place", wrapped)), Buffer.alloc(32, 1))
      assert.strictEqual(running.activeId, older.id)
      fs.rmSync(file)
      const stranger = { ...wrapped, masterKeyId: "0193b0a0-0000-7000-8000-00000000dead" }
      assert.strictEqual((yield* running.unwrap("place", stranger).pipe(Effect.flip)).reason, "UnknownKey")
    })
  )

  it.effect("anything else is refused without repeating a byte of it", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const good = fileKey("2026-01-01T00:00:00.000Z")
      const secret = good.key.slice(4, 30)
      const bad = [
        "",
        secret,
        fileOf(),
        fileOf(good, good),
        fileOf({ ...good, key: good.key.slice(0, 40) }),
        fileOf({ ...good, key: `${good.key.slice(0, 20)}====` }),
        fileOf({ ...good, id: `${secret}` }),
        fileOf({ ...good, createdDate: secret }),
        fileOf({ ...good, extra: secret }),
        JSON.stringify({ version: 2, masterKeys: [good] }),
        fileOf(good).slice(0, -1),
        `${fileOf(good)} `.padEnd(KeyFile.fileBytesMax + 1)
      ]
      for (const text of bad) {
        write(file, text)
        const error = yield* open({ CM_KEY_FILE: file, CM_KEY_FILE_CREATE: "true" }).pipe(Effect.flip)
        assert.match(String(error.message), /^the key file [^\n]* is not a key file/)
        assert.notInclude(String(error.message) + JSON.stringify(error), secret)
        assert.strictEqual(fs.readFileSync(file, "utf8"), text, "it is left as it is")
      }
    })
  )

  it.effect("of processes that make it at once, all use the same one", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "keys.json")
      const texts = ["1", "2", "3"].map((n) => KeyFile.newText(1_764_000_000_000, `2026-01-0${n}T00:00:00.000Z`))
      yield* Effect.forEach(texts, (text) => KeyFile.create(file, text), { concurrency: 3 })
      assert.strictEqual(fs.readFileSync(file, "utf8"), texts[0])
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["keys.json"])
    })
  )
})
