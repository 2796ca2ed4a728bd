// Verifies R-ACT-6, R-CLI-1, R-CLI-2, R-CLI-3, R-CLI-5, R-CLI-6, R-CLI-8, R-CLI-9, R-CLI-10, R-SEC-30.
/** Checks of client credentials over one memory database: what work each costs, and what ends them. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted } from "effect"
import { wireKeyOf } from "../../../../src/actors/clients/HotClients.ts"
import { Limits } from "../../../../src/actors/tenant/Limits.ts"
import * as RowTags from "../../../../src/crypto/RowTags.ts"
import type { ClientAnswer } from "../../../../src/domain/ClientCredential.ts"
import { defaultLimits } from "../../../../src/domain/TenantLimits.ts"
import { tokenStatuses } from "../../../../src/domain/Token.ts"
import { ClientCredentialsRevokedEvent } from "../../../../src/schema/Cap.ts"
import { ClientCredentialRevokedEvent } from "../../../../src/schema/Ecap.ts"
import { operator, type TenantWorld, tagOf, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

/** Lets promises and callbacks go on. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

type Replica = Effect.Success<ReturnType<TenantWorld["replica"]>>

const started = Effect.gen(function* () {
  const world = yield* tenantWorld
  const one = yield* world.replica("one")
  yield* one.tenants.createTenant({ tenantId: "acme", name: null }, operator)
  yield* one.tenants.createTenant({ tenantId: "beta", name: null }, operator)
  return { world, one }
})
const login = ({ checks }: Replica, username: string, password: string, tenantId: string | null = null) =>
  Effect.callback<ClientAnswer>((resume) =>
    checks.passwordUnsafe({ username, password, tenantId, untilMs: null }, (answer) => resume(Effect.succeed(answer)))
  )
const certified = ({ checks }: Replica, issuer: string, serialNumber: string) =>
  Effect.callback<ClientAnswer>((resume) =>
    checks.certificateUnsafe(issuer, serialNumber, (answer) => resume(Effect.succeed(answer)))
  )
const made = ({ clients }: Replica, username: string, password = "right") =>
  Effect.map(
    clients.createBasic(
      "acme",
      { username, password: Redacted.make(password), clientId: null, description: null },
      operator
    ),
    ({ record }) => record
  )
const moved = ({ clients }: Replica, credentialId: string, target: (typeof tokenStatuses)[number]) =>
  clients.transition("acme", credentialId, { target, expectedVersion: null, reason: null }, operator)
const statusOf = Effect.map((answer: ClientAnswer) => answer.statusCode)

describe("a check", () => {
  it.live("costs the same work and gets the same answer, whatever is wrong", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      for (const name of ["good", "suspended", "revoked"]) {
        const { credentialId } = yield* made(one, name)
        assert.strictEqual((yield* login(one, name, "right")).statusCode, 200)
        if (name === "suspended") yield* moved(one, credentialId, "Suspended")
        if (name === "revoked") yield* moved(one, credentialId, "Revoked")
      }
      const wrong: ReadonlyArray<readonly [string, string, string | null]> = [
        ["nobody", "right", null],
        ["good", "wrong", null],
        ["good", "right", "beta"],
        ["suspended", "right", null],
        ["suspended", "wrong", null],
        ["revoked", "right", null],
        ["revoked", "wrong", null]
      ]
      for (const [username, password, tenantId] of wrong) {
        world.passwords.verified.length = 0
        world.passwords.hashes = 0
        const answer = yield* login(one, username, password, tenantId)
        assert.deepStrictEqual(answer, { statusCode: 401, tenantId: null, credentialId: null, clientId: null })
        assert.deepStrictEqual([world.passwords.verified.length, world.passwords.hashes], [1, 0], username)
      }
    }).pipe(Effect.scoped)
  )

  it.live("that was right once costs no hash again, on that replica, until it is taken away", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const two = yield* world.replica("two")
      const record = yield* made(one, "known")
      const { credentialId } = record
      assert.notProperty(record, "passwordHash")
      assert.notProperty(record, "mac")
      const hashes = () => world.passwords.verified.length
      assert.strictEqual((yield* login(one, "known", "right")).credentialId, credentialId)
      assert.strictEqual(hashes(), 1)
      for (let n = 0; n < 10; n++) yield* login(one, "known", "right")
      assert.strictEqual(hashes(), 1)
      yield* login(two, "known", "right")
      assert.strictEqual(hashes(), 2)
      yield* moved(one, credentialId, "Suspended")
      assert.strictEqual((yield* login(one, "known", "right")).statusCode, 401)
      yield* moved(one, credentialId, "Active")
      assert.strictEqual((yield* login(one, "known", "right")).statusCode, 200)
      assert.strictEqual(hashes(), 4)
      // Without the lease nothing is believed.
      one.lease.trustedUntilMonotonicMs = 0
      assert.strictEqual((yield* login(one, "known", "right")).statusCode, 200)
      assert.strictEqual(hashes(), 5)
    }).pipe(Effect.scoped)
  )

  it.live("whose password is being hashed while the right is taken away is refused, and joined by nobody", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "slow")
      const hold = yield* Deferred.make<void>()
      world.passwords.hold = hold
      const waiting = yield* Effect.forkChild(statusOf(login(one, "slow", "right")))
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => world.passwords.verified.length === 1 }))
      yield* Effect.forkChild(moved(one, credentialId, "Revoked")).pipe(Effect.flatMap(Fiber.join))
      const after = yield* Effect.forkChild(statusOf(login(one, "slow", "right")))
      yield* Deferred.succeed(hold, undefined)
      assert.deepStrictEqual([yield* Fiber.join(waiting), yield* Fiber.join(after)], [401, 401])
      assert.strictEqual(one.checks.census().hot, 0)
    }).pipe(Effect.scoped)
  )

  it.live("that joins one from before an activation, or before its password was set anew, is not refused by it", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "late")
      yield* moved(one, credentialId, "Active")
      const anew = Effect.andThen(
        one.clients.delete("acme", { credentialId, expectedVersion: null }, operator),
        made(one, "late", "new")
      )
      for (const [change, password] of [
        [moved(one, credentialId, "Active"), "right"],
        [anew, "new"]
      ] as const) {
        if (password === "right") yield* moved(one, credentialId, "Suspended")
        const hold = yield* Deferred.make<void>()
        world.passwords.hold = hold
        world.passwords.verified.length = 0
        const early = yield* Effect.forkChild(statusOf(login(one, "late", password)))
        yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => world.passwords.verified.length === 1 }))
        yield* change
        const after = yield* Effect.forkChild(statusOf(login(one, "late", password)), { startImmediately: true })
        yield* Deferred.succeed(hold, undefined)
        assert.deepStrictEqual([yield* Fiber.join(early), yield* Fiber.join(after)], [401, 200], password)
      }
    }).pipe(Effect.scoped)
  )

  it.live("is joined by nobody once its row is being read for the last time", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "joined")
      yield* moved(one, credentialId, "Active")
      // Without the lease a right password is confirmed by a second read, which is held here with what it found.
      one.lease.trustedUntilMonotonicMs = 0
      const hold = yield* Deferred.make<void>()
      let reads = 0
      world.faults.byNames = async (names, real) => {
        const found = await real(names)
        if (++reads === 2) await Effect.runPromise(Deferred.await(hold))
        return found
      }
      const first = yield* Effect.forkChild(statusOf(login(one, "joined", "right")))
      yield* turn.pipe(Effect.repeat({ until: () => reads === 2 }))
      yield* moved(one, credentialId, "Revoked")
      const after = yield* Effect.forkChild(statusOf(login(one, "joined", "right")))
      yield* turn.pipe(Effect.repeat({ until: () => reads >= 3, times: 50 }))
      yield* Deferred.succeed(hold, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(after)], [200, 401])
    }).pipe(Effect.scoped)
  )

  it.live("is not believed from before the removal of its tenant, though it is kept late", () =>
    Effect.gen(function* () {
      const { one } = yield* started
      const tenant = one.beliefs.tenant("acme")
      one.beliefs.cover("acme", 4, one.lease.generation)
      assert.isTrue(one.beliefs.believesClient(tenant, "c", 4, true))
      one.beliefs.applyUnsafe({
        tenantId: "acme",
        seq: 5,
        targets: [{ kind: "client", credentialId: "c", version: 1 }]
      })
      assert.isFalse(one.beliefs.believesClient(tenant, "c", 4, true))
      assert.isTrue(one.beliefs.believesClient(tenant, "d", 4, true))
      one.beliefs.applyUnsafe({ tenantId: "acme", seq: 6, targets: [{ kind: "tenant" }] })
      assert.isFalse(one.beliefs.believesClient(tenant, "d", 4, true))
      assert.isTrue(one.beliefs.believesClient(tenant, "c", 6, true))
    }).pipe(Effect.scoped)
  )

  it.live("finds nothing good in a row that was changed outside of the service, whatever is done to it", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "forged")
      const other = yield* made(one, "own", "mine")
      const { record } = yield* one.clients.createCertificate(
        "acme",
        { issuer: "i", serialNumber: "1", clientId: null },
        operator
      )
      const { clients } = world.tables
      const forge = (id: string, changes: object) => clients.set(id, { ...clients.get(id)!, ...changes })
      forge(credentialId, { passwordHash: clients.get(other.credentialId)!.passwordHash })
      forge(record.credentialId, { name: { kind: "certificate", issuer: "i", serialNumber: "2" } })
      assert.strictEqual((yield* login(one, "forged", "mine")).statusCode, 401)
      assert.strictEqual((yield* certified(one, "i", "2")).statusCode, 401)
      const refused = yield* Effect.flip(moved(one, credentialId, "Active"))
      assert.deepInclude(refused, { _tag: "RowChanged", kind: "client" }, "a right is given by no such row")
      assert.strictEqual((yield* login(one, "forged", "mine")).statusCode, 401)
      assert.strictEqual((yield* moved(one, credentialId, "Revoked")).status, "Revoked", "and taken from any")
      const costly = yield* made(one, "costly")
      forge(costly.credentialId, { passwordHash: "$argon2id$v=19$m=9999999,t=99,p=1$of the one who wrote it" })
      assert.strictEqual((yield* login(one, "costly", "right")).statusCode, 401)
      assert.isNull(world.passwords.verified.at(-1), "what it says of its cost is not done")
      assert.strictEqual((yield* login(one, "own", "mine")).statusCode, 200)
    }).pipe(Effect.scoped)
  )

  it.live("of a certificate is answered from memory, and not beyond lease, revocation or tenant", () =>
    Effect.gen(function* () {
      const { one } = yield* started
      const create = (serialNumber: string) =>
        one.clients.createCertificate("acme", { issuer: "CN=x", serialNumber, clientId: "c" }, operator)
      const { record } = yield* create("7")
      yield* create("8")
      for (const serial of ["7", "8"]) assert.strictEqual((yield* certified(one, "CN=x", serial)).statusCode, 200)
      assert.strictEqual(one.checks.census().hot, 2)
      let answered: ClientAnswer | undefined
      one.checks.certificateUnsafe("CN=x", "7", (answer) => {
        answered = answer
      })
      assert.strictEqual(answered?.credentialId, record.credentialId)
      const wire = (serialNumber: string) =>
        one.checks.hotCertificateUnsafe(wireKeyOf({ kind: "certificate", issuer: "CN=x", serialNumber }))
      assert.strictEqual(wire("7")?.credentialId, record.credentialId)
      assert.strictEqual(wire("7"), wire("7"))
      assert.isUndefined(wire("9"))
      one.lease.trustedUntilMonotonicMs = 0
      assert.isUndefined(wire("7"))
      one.lease.trustedUntilMonotonicMs = Number.MAX_SAFE_INTEGER
      assert.strictEqual((yield* certified(one, "CN=y", "7")).statusCode, 401)
      yield* moved(one, record.credentialId, "Revoked")
      assert.strictEqual(one.checks.census().hot, 1)
      assert.isUndefined(wire("7"))
      assert.strictEqual((yield* certified(one, "CN=x", "7")).statusCode, 401)
      assert.strictEqual(wire("8")?.statusCode, 200)
      yield* one.tenants.removeTenant("acme", operator)
      assert.isUndefined(wire("8"))
      assert.strictEqual((yield* certified(one, "CN=x", "8")).statusCode, 401)
      assert.strictEqual(one.checks.census().hot, 0)
      yield* one.clientSweeps.purge
    }).pipe(Effect.scoped)
  )

  it.live("raises a hash that was made at less cost, once", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "old")
      const row = () => world.tables.clients.get(credentialId)!
      const before = { ...row(), passwordHash: row().passwordHash!.replace("new ", "old ") }
      world.tables.clients.set(credentialId, { ...before, mac: tagOf(RowTags.ofClient(before)) })
      assert.strictEqual((yield* login(one, "old", "right")).statusCode, 200)
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => row().passwordHash?.startsWith("new ") === true }))
      assert.strictEqual((yield* login(one, "old", "wrong")).statusCode, 401)
      const rows = (world.tables.audit.get("acme") ?? []).filter(
        ({ action }) => action === "client-credential.rehashed"
      )
      assert.deepStrictEqual(
        rows.map(({ actor, correlationId }) => [actor, correlationId !== ""]),
        [["sweep", true]]
      )
    }).pipe(Effect.scoped)
  )
})

describe("work that nobody asked for", () => {
  it.live("carries a principal of the contract and one correlation id, in rows and in events", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "used")
      yield* login(one, "used", "right")
      const row = () => world.tables.clients.get(credentialId)
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => row()?.status === "Active" }))
      assert.strictEqual(row()?.updatedBy, "sweep")
      yield* one.tenants.removeTenant("acme", operator)
      yield* one.clientSweeps.purge
      const rows = (world.tables.audit.get("acme") ?? []).filter(({ actor }) => actor === "sweep")
      assert.sameMembers(
        rows.map(({ action }) => action),
        ["client-credential.activated", "client-credential.deleted"]
      )
      for (const { correlationId } of rows) assert.notStrictEqual(correlationId, "")
      const deleted = rows.find(({ action }) => action === "client-credential.deleted")
      const events = Array.from(world.tables.outbox.values()).filter(({ entry }) => entry.stream === "revocations")
      assert.deepStrictEqual(
        events.map(({ entry: { payload, subject } }) =>
          subject.includes("client-credentials")
            ? ClientCredentialsRevokedEvent.decode(payload)?.correlationId
            : ClientCredentialRevokedEvent.decode(payload)?.correlationId
        ),
        [deleted?.correlationId, deleted?.correlationId]
      )
    }).pipe(Effect.scoped)
  )
})

describe("a first use", () => {
  it.live("that a bug kept from being recorded is told again by the next login, though that is hot", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "again")
      let deaths = 0
      world.faults.transact = () =>
        Effect.andThen(
          Effect.sync(() => deaths++),
          Effect.die(new Error("planted"))
        )
      // The first is answered from its row, the second from memory.
      for (const death of [1, 2]) {
        yield* login(one, "again", "right")
        yield* turn.pipe(Effect.repeat({ until: () => deaths === death }))
      }
      delete world.faults.transact
      yield* login(one, "again", "right").pipe(
        Effect.andThen(turn),
        Effect.repeat({ until: () => world.tables.clients.get(credentialId)?.status === "Active" })
      )
    }).pipe(Effect.scoped)
  )
})

describe("guesses", () => {
  it.live("keep nobody out who is known, and give whoever asks again a chance", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      yield* made(one, "target")
      yield* made(one, "fresh")
      yield* login(one, "target", "right")
      const hold = yield* Deferred.make<void>()
      world.passwords.hold = hold
      const guesses = yield* Effect.forEach(Array.from({ length: 500 }), (_, n) =>
        Effect.forkChild(statusOf(login(one, "target", `guess ${n}`)))
      )
      const floods = yield* Effect.forEach(Array.from({ length: 500 }), (_, n) =>
        Effect.forkChild(statusOf(login(one, `name ${n}`, "x")))
      )
      yield* Effect.yieldNow
      assert.isAtMost(one.checks.census().waiting, 64)
      assert.strictEqual((yield* login(one, "target", "right")).statusCode, 200)
      world.passwords.hold = undefined
      yield* Deferred.succeed(hold, undefined)
      // The flood goes on; who asks again comes through.
      let tries = 0
      yield* Effect.suspend(() => {
        tries++
        for (let n = 0; n < 200; n++) {
          one.checks.passwordUnsafe(
            { username: `more ${tries} ${n}`, password: "x", tenantId: null, untilMs: null },
            () => {}
          )
        }
        return login(one, "fresh", "right")
      }).pipe(Effect.repeat({ until: ({ statusCode }) => statusCode === 200, times: 200 }))
      assert.strictEqual((yield* login(one, "fresh", "right")).statusCode, 200)
      const answers = yield* Effect.forEach([...guesses, ...floods], Fiber.join)
      assert.deepStrictEqual(Array.from(new Set(answers)).toSorted(), [401, 429])
    }).pipe(Effect.scoped)
  )

  it.live("and logins of one tenant keep another tenant's waiting for few of them", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      yield* one.tenants.createTenant({ tenantId: "gamma", name: null }, operator)
      const flood = Array.from({ length: 40 }, (_, n) => `acme ${n}`)
      yield* Effect.forEach(flood, (name) => made(one, name))
      const others = ["beta", "gamma"]
      yield* Effect.forEach(others, (tenantId) =>
        one.clients.createBasic(
          tenantId,
          { username: tenantId, password: Redacted.make(tenantId), clientId: null, description: null },
          operator
        )
      )
      const hold = yield* Deferred.make<void>()
      world.passwords.hold = hold
      const waiting = yield* Effect.forEach(flood, (name) => Effect.forkChild(login(one, name, "right")))
      yield* turn.pipe(Effect.repeat({ until: () => one.checks.census().waiting === 36 }))
      const asked = yield* Effect.forEach(others, (name) => Effect.forkChild(login(one, name, name)))
      yield* turn.pipe(Effect.repeat({ until: () => one.checks.census().waiting === 38 }))
      yield* Deferred.succeed(hold, undefined)
      yield* Effect.forEach([...waiting, ...asked], Fiber.join)
      // Two tenants may be in one lane, three hardly ever.
      const hashOf = (name: string) =>
        Array.from(world.tables.clients.values()).find((row) => "username" in row.name && row.name.username === name)!
          .passwordHash
      const turns = others.map((name) => world.passwords.verified.indexOf(hashOf(name)))
      assert.isBelow(Math.min(...turns), 8, turns.join())
    }).pipe(Effect.scoped)
  )

  it.live("use up no login of the tenant; its own logins are limited, passwords and certificates alike", () =>
    Effect.gen(function* () {
      const { one } = yield* started
      yield* made(one, "busy")
      yield* one.clients.createCertificate("acme", { issuer: "i", serialNumber: "1", clientId: null }, operator)
      yield* login(one, "busy", "right")
      for (let n = 0; n < 20; n++) assert.strictEqual((yield* login(one, "busy", `wrong ${n}`)).statusCode, 401)
      assert.strictEqual((yield* login(one, "busy", "right")).statusCode, 200)
      // Asked faster than the rate gives, however slow this machine is.
      const until = { until: (statusCode: number) => statusCode === 429, times: 1_000 }
      assert.strictEqual(yield* Effect.repeat(statusOf(login(one, "busy", "right")), until), 429)
      assert.strictEqual(yield* Effect.repeat(statusOf(certified(one, "i", "1")), until), 429)
      assert.strictEqual((yield* login(one, "busy", "wrong")).statusCode, 401)
    }).pipe(
      Effect.scoped,
      Effect.provideService(Limits, { get: () => ({ ...defaultLimits, loginsPerSecond: 5 }), setUnsafe: () => {} })
    )
  )
})

describe("a change", () => {
  it.live("follows the table of tokens, on every path", () =>
    Effect.gen(function* () {
      const { one } = yield* started
      const allowed = new Set([
        "Inactive Active",
        "Inactive Revoked",
        "Active Suspended",
        "Active Revoked",
        "Suspended Active",
        "Suspended Revoked"
      ])
      const ways = {
        Inactive: [],
        Active: ["Active"],
        Suspended: ["Active", "Suspended"],
        Revoked: ["Revoked"]
      } as const
      for (const from of tokenStatuses) {
        for (const to of ["Active", "Suspended", "Revoked"] as const) {
          const { credentialId } = yield* made(one, `${from} ${to}`)
          for (const step of ways[from]) yield* moved(one, credentialId, step)
          const outcome = yield* Effect.result(moved(one, credentialId, to))
          const isRight = from === to || allowed.has(`${from} ${to}`)
          assert.strictEqual(outcome._tag === "Success", isRight, `${from} ${to}`)
          if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "TransitionNotAllowed")
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("that takes a right away is announced in both protocols behind its barrier; other changes are not", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const revocations = () =>
        Array.from(world.tables.outbox.values())
          .filter(({ entry }) => entry.stream === "revocations")
          .map(({ entry, revocationSeq }) => [entry.subject.slice("kaa.v1.events.cm.".length), revocationSeq !== null])
      const { credentialId } = yield* made(one, "told")
      yield* moved(one, credentialId, "Active")
      assert.deepStrictEqual(revocations(), [])
      yield* moved(one, credentialId, "Suspended")
      const both = [
        ["client.credential.revoked", true],
        ["client-credentials.basic.revoked", true]
      ]
      assert.deepStrictEqual(revocations(), both)
      yield* moved(one, credentialId, "Revoked")
      assert.deepStrictEqual(revocations(), both)
      yield* one.clients.delete("acme", { credentialId, expectedVersion: null }, operator)
      assert.deepStrictEqual(revocations(), [...both, ...both])
    }).pipe(Effect.scoped)
  )

  it.live("deletes the version that is expected, and no other", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "expected")
      yield* moved(one, credentialId, "Active")
      const deleted = (expectedVersion: number) =>
        Effect.result(one.clients.delete("acme", { credentialId, expectedVersion }, operator))
      for (const other of [1, 3]) {
        const refused = yield* deleted(other)
        assert.strictEqual(refused._tag === "Failure" && refused.failure._tag, "VersionConflict", String(other))
      }
      assert.strictEqual(world.tables.clients.get(credentialId)?.status, "Active")
      assert.strictEqual((yield* deleted(2))._tag, "Success")
      assert.isUndefined(world.tables.clients.get(credentialId))
    }).pipe(Effect.scoped)
  )

  it.live("is answered when it is in force, its repetition and what tells of it too", () =>
    Effect.gen(function* () {
      const { one, world } = yield* started
      const { credentialId } = yield* made(one, "waits")
      world.state.hold = true
      const asked = yield* Effect.forkChild(moved(one, credentialId, "Revoked"))
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => world.held.length === 1 }))
      const again = yield* Effect.forkChild(moved(one, credentialId, "Revoked"))
      const read = yield* Effect.forkChild(one.clients.get("acme", credentialId))
      const listed = yield* Effect.forkChild(
        one.clients.list("acme", { clientId: null, statuses: [], kind: null, limit: 5, after: null })
      )
      for (let n = 0; n < 50; n++) yield* Effect.yieldNow
      for (const fiber of [asked, again, read, listed]) assert.isUndefined(fiber.pollUnsafe())
      yield* world.release
      yield* Effect.forEach([asked, again, read], Fiber.join)
      assert.strictEqual((yield* Fiber.join(listed)).content[0]?.status, "Revoked")
    }).pipe(Effect.scoped)
  )

  it.live("is refused beyond the tenant's stock, and a generated password is told again to who repeats", () =>
    Effect.gen(function* () {
      const { one } = yield* started
      const ask = (username: string, key: string) =>
        one.clients.createBasic(
          "acme",
          { username, password: null, clientId: null, description: null },
          withKey(key, "client-credential.create-basic", username)
        )
      const first = yield* ask("a", "1")
      assert.deepStrictEqual(yield* ask("a", "1"), first)
      assert.lengthOf(first.password ?? "", 24)
      yield* ask("b", "2")
      const refused = yield* Effect.flip(ask("c", "3"))
      assert.deepInclude(refused, { _tag: "LimitReached", limit: "clientCredentials", max: 2 })
      const taken = yield* Effect.flip(ask("a", "4"))
      assert.strictEqual(taken._tag, "ClientCredentialExists")
      yield* moved(one, first.record.credentialId, "Revoked")
      // Asked at once they are decided together, each with what the ones before took.
      const together = yield* Effect.all([ask("d", "5"), ask("e", "6"), ask("f", "7")].map(Effect.result), {
        concurrency: "unbounded"
      })
      assert.strictEqual(together.filter(({ _tag }) => _tag === "Success").length, 1)
    }).pipe(
      Effect.scoped,
      Effect.provideService(Limits, { get: () => ({ ...defaultLimits, clientCredentials: 2 }), setUnsafe: () => {} })
    )
  )
})
