// Verifies R-ROT-5, R-SEC-30.
/** What is a rotator's alone reaches no reader, whatever becomes of the rotation. */
import { assert, describe, it } from "@effect/vitest"
import { createCurve } from "@nats-io/nkeys"
import { Effect, Redacted } from "effect"
import type { StoreRequest } from "../../../../src/actors/credentials/Credentials.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Credential } from "../../../../src/domain/Credential.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const read = { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: null } as const
const own = { host: "127.0.0.1", username: "crm_a", password: "a password" }
const administrative = { admin_username: "admin", admin_password: "planted" }
const rotation = { rotator: "mariadb-user", every: "P30D", params: { user_a: "crm_a", user_b: "crm_b" } }
const nothingElse = { allowedConsumers: undefined, scopes: undefined, expiresAt: undefined, metadata: undefined }
const noChanges = { inserted: [], updated: [], deleted: [], versions: [], services: [] }
const request = (secret: unknown, over: Partial<StoreRequest> = {}): StoreRequest => ({
  serviceName: "crm",
  type: "mariadb",
  owner: { level: "tenant" },
  secret: Redacted.make(secret) as StoreRequest["secret"],
  scopes: [],
  expiresAt: null,
  allowedConsumers: ["mail"],
  metadata: {},
  rotation,
  ...over
})

const world = Effect.gen(function* () {
  const { credentials } = yield* (yield* credentialWorld).replica("one")
  const readerOf = (credentialId: string) =>
    Effect.map(credentials.get("demo", { credentialId }, read, caller), ({ secret }) =>
      secret._tag === "Clear" ? Redacted.value(secret.value) : assert.fail("it is sealed")
    )
  const stop = (credentialId: string) =>
    credentials.update("demo", { ...nothingElse, credentialId, rotation: null, expectedVersion: null }, caller)
  return { credentials, readerOf, stop }
})

describe("the administrator's account of a rotator", () => {
  it.effect("is not laid open by ending the rotation", () =>
    Effect.gen(function* () {
      const { credentials, readerOf, stop } = yield* world
      const { credentialId } = yield* credentials.store("demo", request({ ...own, ...administrative }), caller)
      const error = yield* Effect.flip(stop(credentialId))
      assert.strictEqual(error._tag === "InvalidRequest" ? error.path : error._tag, "rotation")
      assert.notInclude(JSON.stringify(error), "planted")
      assert.deepEqual(yield* readerOf(credentialId), own)
      const secret = Redacted.make<unknown>(own)
      const without = { credentialId, secret, overlapMs: 0, expectedVersion: null, expiresAt: undefined }
      yield* credentials.rotate("demo", without, caller)
      yield* stop(credentialId)
      assert.deepEqual(yield* readerOf(credentialId), own)
    })
  )

  it.effect("is nothing special where no rotator ever was", () =>
    Effect.gen(function* () {
      const { credentials, readerOf, stop } = yield* world
      const plain = { ...own, ...administrative }
      const { credentialId } = yield* credentials.store("demo", request(plain, { rotation: null }), caller)
      yield* stop(credentialId)
      assert.deepEqual(yield* readerOf(credentialId), plain)
    })
  )
})

it.effect("a tenant's own rotator whose row is gone is followed by no other of its name", () =>
  Effect.gen(function* () {
    const made = yield* credentialWorld
    const { credentials, rotators } = yield* made.replica("one", true)
    const put = (tenantId: string) => {
      const seal_to = createCurve().getPublicKey()
      const generate = { length: 32, alphabet: "abcdefghijklmnopqrstuvwxyz012345" }
      return rotators.put(tenantId, { name: "crm", seal_to, generate }, caller)
    }
    yield* put("demo")
    yield* put("global")
    const named = { type: "basic", rotation: { rotator: "crm", every: "P30D" } }
    const secret = { username: "u", password: "a password" }
    const { credentialId } = yield* credentials.store("demo", request(secret, named), caller)
    assert.isTrue(made.tables.credentials.get(credentialId)?.rotating?.own)
    made.tables.credentials.rotators.delete("demo/crm")
    const asked = { credentialId, secret: null, overlapMs: null, expectedVersion: null, expiresAt: undefined }
    const refused = yield* Effect.flip(credentials.rotate("demo", asked, caller))
    assert.deepInclude(refused, { _tag: "RowChanged", kind: "rotator" })
    // Nor is it by who changes what is asked of it. Whoever means the one of global says so.
    const update = { ...nothingElse, credentialId, expectedVersion: null }
    const changed = { ...update, rotation: { ...named.rotation, params: { a: "b" } } }
    assert.deepInclude(yield* Effect.flip(credentials.update("demo", changed, caller)), {
      _tag: "RowChanged",
      kind: "rotator"
    })
    yield* credentials.update("demo", { ...update, rotation: null }, caller)
    yield* credentials.update("demo", { ...update, rotation: named.rotation }, caller)
    assert.isUndefined(made.tables.credentials.get(credentialId)?.rotating?.own)
  })
)

it.effect.each(["provider", "rotator"] as const)(
  "a tenant's own %s that is deleted while a credential is stored for it, or changed to it, is named by none",
  (kind) =>
    Effect.gen(function* () {
      const made = yield* credentialWorld
      const { credentials } = yield* made.replica("one", true)
      const { providers, rotators } = yield* made.replica("two", true)
      const definition = { name: "crm", token_url: "https://crm.example/token" }
      const secrets = { clientSecrets: ["s"], clientKey: null }
      const generate = { length: 32, alphabet: "abcdefghijklmnopqrstuvwxyz012345" }
      const [put, remove] =
        kind === "provider"
          ? [
              providers.put("demo", { definition, clientId: "id", secrets }, caller),
              providers.remove("demo", "crm", caller)
            ]
          : [
              rotators.put("demo", { name: "crm", seal_to: createCurve().getPublicKey(), generate }, caller),
              rotators.remove("demo", "crm", caller)
            ]
      const rotation = kind === "provider" ? { provider: "crm" } : { rotator: "crm", every: "P30D" }
      const type = kind === "provider" ? "oauth" : "basic"
      const secret = kind === "provider" ? { access_token: "a", refresh_token: "r" } : { username: "u", password: "p" }
      const plain = request(secret, { type, rotation: null, serviceName: "another" })
      const { credentialId } = yield* credentials.store("demo", plain, caller)
      const update = { ...nothingElse, credentialId, expectedVersion: null, rotation }
      for (const change of [
        credentials.store("demo", request(secret, { type, rotation }), caller),
        credentials.update("demo", update, caller)
      ]) {
        yield* put
        made.beforeTransactions.push(Effect.orDie(remove))
        assert.deepInclude(yield* Effect.flip(change), { _tag: "InvalidRequest", path: `rotation.${kind}` })
        assert.isEmpty(made.beforeTransactions)
      }
      const { refresh, rotating } = made.tables.credentials.get(credentialId)!
      assert.deepStrictEqual([refresh, rotating, made.tables.credentials.all().length], [undefined, undefined, 1])
      yield* put
      yield* credentials.update("demo", update, caller)
      assert.include((yield* Effect.flip(remove))._tag, "InUse")
    })
)

it.effect(
  "each reading of a rotation is believed by itself: a row changed between two names nobody to seal a secret for",
  () =>
    Effect.gen(function* () {
      const made = yield* credentialWorld
      const { credentials, refresher, rotators } = yield* made.replica("one", true)
      const generate = { length: 32, alphabet: "abcdefghijklmnopqrstuvwxyz012345" }
      yield* rotators.put("demo", { name: "crm", seal_to: createCurve().getPublicKey(), generate }, caller)
      const named = { type: "basic", rotation: { rotator: "crm", every: "P30D" } }
      const secret = { username: "u", password: "a password" }
      const { credentialId } = yield* credentials.store("demo", request(secret, named), caller)
      const row = made.tables.credentials.get(credentialId)!
      const write = (changed: Credential) => made.tables.credentials.apply({ ...noChanges, updated: [changed] })
      const asking = Effect.flip(refresher.refresh("demo", credentialId, caller))
      const forgeries: ReadonlyArray<Credential> = [
        { ...row, rotating: { ...row.rotating!, rotator: "other" } },
        { ...row, rotation: { rotator: "other", every: "P30D" } }
      ]
      for (const forged of forgeries) {
        // Who asks looks, then the refresh, then the rotation.
        made.beforeLooks.push(
          Effect.void,
          Effect.void,
          Effect.sync(() => write(forged))
        )
        assert.deepInclude(yield* asking, { _tag: "RowChanged", kind: "credential" })
        write(row)
      }
      // And behind its claim what the rotator is to be asked.
      const forging = Effect.sync(() => write({ ...made.tables.credentials.get(credentialId)!, rotation: null }))
      made.beforeLooks.push(Effect.void, Effect.void, Effect.void, forging)
      assert.deepInclude(yield* asking, { _tag: "RowChanged", kind: "credential" })
      assert.deepStrictEqual(made.beforeLooks, [])
    })
)

it.effect("a step that was claimed before its replica stops is not begun, and is another replica's at once", () =>
  Effect.gen(function* () {
    const made = yield* credentialWorld
    const { credentials, refresher, rotators, shutdown } = yield* made.replica("one", true)
    yield* rotators.put("demo", { name: "crm", seal_to: createCurve().getPublicKey() }, caller)
    const named = { type: "basic", rotation: { rotator: "crm", every: "P30D" } }
    const secret = { username: "u", password: "a password" }
    const { credentialId } = yield* credentials.store("demo", request(secret, named), caller)
    const row = () => made.tables.credentials.get(credentialId)!
    made.tables.credentials.put(made.tagged({ ...row(), rotating: { ...row().rotating!, nextRotationAt: 0 } }))
    // The refresh, then the rotation, then, behind its claim, what the rotator is to be asked; last, whether it may be.
    made.beforeLooks.push(Effect.void, Effect.void, Effect.void, shutdown.request)
    yield* refresher.due("demo", credentialId)
    assert.lengthOf(made.beforeLooks, 0)
    const { attempts, claim, lastError, term, underWay } = row().rotating!
    assert.deepStrictEqual([attempts, claim, lastError, term, underWay?.step], [0, null, null, 1, "prepare"])
    assert.strictEqual(row().refreshDueAt, 0)
    // Which has no bus here, and says so.
    const { refresher: second } = yield* made.replica("two", true)
    yield* second.due("demo", credentialId)
    assert.deepStrictEqual([row().rotating?.attempts, row().rotating?.term], [1, 2])
  })
)

it.effect("another interval counts from the last rotation, and what is over by it is due now and not before", () =>
  Effect.gen(function* () {
    const day = 86_400_000
    const made = yield* credentialWorld
    const { credentials, rotators } = yield* made.replica("one")
    yield* rotators.put("demo", { name: "crm", seal_to: createCurve().getPublicKey() }, caller)
    const named = { type: "basic", rotation: { rotator: "crm", every: "P30D" } }
    const secret = { username: "u", password: "a password" }
    const { credentialId } = yield* credentials.store("demo", request(secret, named), caller)
    const row = () => made.tables.credentials.get(credentialId)!
    // The world's time begins at 0.
    const lastRotatedAt = -40 * day
    made.tables.credentials.put(made.tagged({ ...row(), rotating: { ...row().rotating!, lastRotatedAt } }))
    for (const [every, due] of [
      ["P60D", 20 * day],
      ["P20D", 0]
    ] as const) {
      const changed = { ...nothingElse, credentialId, rotation: { rotator: "crm", every }, expectedVersion: null }
      yield* credentials.update("demo", changed, caller)
      const { nextRotationAt } = row().rotating!
      assert.deepStrictEqual([nextRotationAt, row().refreshDueAt], [due, due], every)
    }
  })
)
