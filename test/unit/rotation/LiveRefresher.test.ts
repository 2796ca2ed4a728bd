/**
 * What goes on beside refreshes, over memory stores and a provider that stands in on loopback.
 *
 * Verifies: R-REF-8, R-REF-9, R-REF-10, R-REF-11, R-REF-13, R-REF-15, R-REF-16, R-REF-22, R-REF-23, R-REF-24, R-REF-25, R-REF-26, R-REF-27, R-REF-28, R-SEC-30.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { setImmediate } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Logger, Metric, Redacted, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { RotateRequest, StoreRequest } from "../../../src/actors/credentials/Credentials.ts"
import { rowsChanged } from "../../../src/actors/tenant/RowTagging.ts"
import type { Caller } from "../../../src/actors/tenant/Tenants.ts"
import { WaitingPlace } from "../../../src/actors/tenant/WaitingPlace.ts"
import type { Credential, CredentialVersion } from "../../../src/domain/Credential.ts"
import { answerVersionBase, isAnswer } from "../../../src/domain/Credential.ts"
import { TooManyRequests } from "../../../src/domain/errors.ts"
import { busPrincipal } from "../../../src/domain/Principal.ts"
import type { ProviderFields } from "../../../src/domain/Provider.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { credentialWorldWith } from "../../support/credentialWorld.ts"
import { eventually } from "../../support/eventually.ts"

const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const minute = 60_000

interface Asked {
  readonly path: string
  readonly body: string
}

/** Answers what `answer` says, once that is there. */
const standIn = Effect.acquireRelease(
  Effect.promise(async () => {
    const asked: Array<Asked> = []
    const script = {
      answer: (_: Asked): Promise<{ status: number; body: unknown }> => Promise.resolve({ status: 200, body: {} })
    }
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const one = { path: request.url!, body: Buffer.concat(chunks).toString("utf8") }
      asked.push(one)
      const { body, status } = await script.answer(one)
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    })
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    return { asked, script, server, host, base: `http://${host}` }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

const begin = Effect.gen(function* () {
  const provider = yield* standIn
  const { asked, base, host, script, server } = provider
  const world = yield* credentialWorldWith({ CM_PROVIDER_HOSTS_ALLOWED: host })
  const { credentials, providers, refresher, shutdown } = yield* world.replica("one", true)
  const put = (definition: Partial<ProviderFields> = {}) =>
    providers.put(
      "demo",
      {
        definition: { name: "p", token_url: `${base}/token`, revoke_url: `${base}/revoke`, ...definition },
        clientId: "the-client",
        secrets: { clientSecrets: ["the-secret"], clientKey: null }
      },
      caller
    )
  const store = (over: Partial<StoreRequest> = {}) =>
    Effect.map(
      credentials.store(
        "demo",
        {
          serviceName: "outlook",
          type: "oauth",
          owner: { level: "tenant" },
          secret: Redacted.make({ access_token: "access-1", refresh_token: "refresh-1" }),
          scopes: [],
          expiresAt: null,
          allowedConsumers: ["mail"],
          metadata: {},
          rotation: { provider: "p" },
          ...over
        },
        caller
      ),
      ({ credentialId }) => credentialId
    )
  const row = (credentialId: string) => world.tables.credentials.get(credentialId)!
  const revoke = (credentialId: string) =>
    credentials.revoke("demo", { credentialId, reason: null, expectedVersion: null, atProvider: true }, caller)
  const eventsOf = (type: string) => world.events().filter(({ body }) => body.event_type === `credential.${type}`)
  const answers = { asked, base, script, server }
  return { ...answers, credentials, eventsOf, providers, put, refresher, revoke, row, shutdown, store, world }
})

const health = (base: string, path = "me") => ({
  url: `${base}/${path}`,
  method: "GET" as const,
  every: "PT1M",
  ok: [200]
})

describe("a secret that has to live longer", () => {
  it.effect("is waited for ten seconds in all, though what there is ends meanwhile", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, script, store } = yield* begin
      const answered = Promise.withResolvers<{ status: number; body: unknown }>()
      script.answer = () => answered.promise
      yield* put()
      const credentialId = yield* store({ expiresAt: (yield* Clock.currentTimeMillis) + 3_000 })
      const options = { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: 60 * minute } as const
      const waiting = yield* Effect.forkChild(Effect.flip(credentials.get("demo", { credentialId }, options, caller)))
      yield* Effect.promise(() =>
        eventually(
          () => asked.length,
          (count) => count === 1,
          { what: "the provider is asked" }
        )
      )
      yield* TestClock.adjust("11 seconds")
      const ended = yield* Effect.promise(() =>
        eventually(
          () => waiting.pollUnsafe(),
          (exit) => exit !== undefined,
          { limitMs: 20_000, what: "the answer" }
        )
      )
      assert.isTrue(ended !== undefined && Exit.isSuccess(ended) && ended.value._tag === "RefreshPending")
      // The exchange goes on behind the answer, and the replica would wait for its end, in the time of the machine.
      answered.resolve({ status: 503, body: {} })
    })
  )
})

describe("a look at a token that never expires", () => {
  it.effect("goes nowhere by a row that was changed", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, row, store, world } = yield* begin
      yield* put({ health: health(base) })
      yield* put({ name: "other", health: health(base, "other") })
      const id = yield* store()
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/me"]
      )
      const known = row(id)
      const forged = { ...known.refresh!, provider: "other", health: { nextAt: 0, failures: 0, toldAt: null } }
      world.tables.credentials.put({ ...known, rotation: { provider: "other" }, refresh: forged })
      yield* refresher.due("demo", id)
      assert.lengthOf(asked, 1)
      // It is the row, and not what it says.
      world.tables.credentials.put(world.tagged(row(id)))
      yield* refresher.due("demo", id)
      assert.strictEqual(asked[1]?.path, "/other")
    })
  )

  it.effect("ends, and tells nothing, when the provider's entry says no more where to look", () =>
    Effect.gen(function* () {
      const { asked, base, eventsOf, put, refresher, row, store } = yield* begin
      yield* put({ health: health(base) })
      const id = yield* store()
      yield* put()
      for (let count = 0; count < 3; count++) {
        yield* TestClock.adjust("2 minutes")
        yield* refresher.due("demo", id)
      }
      assert.deepStrictEqual(eventsOf("health_failed"), [])
      assert.deepStrictEqual(
        [row(id).refresh?.health, row(id).refreshDueAt, row(id).refresh?.lastError],
        [null, null, null]
      )
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("is put off while its service is off, and is made again afterwards", () =>
    Effect.gen(function* () {
      const { asked, base, credentials, put, refresher, row, store } = yield* begin
      yield* put({ health: health(base) })
      const id = yield* store()
      yield* credentials.disableService("demo", "outlook", null, caller)
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.isAbove(row(id).refreshDueAt!, minute + 0.8 * minute)
      assert.deepStrictEqual(asked, [])
      yield* credentials.enableService("demo", "outlook", caller)
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.lengthOf(asked, 1)
    })
  )
})

describe("a refresh", () => {
  it.effect("puts all that the provider answered into the secret, and leaves what it said nothing of", () =>
    Effect.gen(function* () {
      const { credentials, put, refresher, script, store } = yield* begin
      const answered = { access_token: "access-2", refresh_token: "refresh-2", token_type: "DPoP" }
      script.answer = () => Promise.resolve({ status: 200, body: { ...answered, expires_in: 3_600 } })
      yield* put()
      const own = { access_token: "access-1", refresh_token: "refresh-1", token_type: "Bearer", client_id: "own" }
      const id = yield* store({ secret: Redacted.make(own) })
      yield* refresher.refresh("demo", id, caller)
      const options = { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: null } as const
      const { secret } = yield* credentials.get("demo", { credentialId: id }, options, caller)
      assert.deepStrictEqual(secret._tag === "Clear" ? Redacted.value(secret.value) : null, { ...own, ...answered })
    })
  )

  it.effect("is not asked where a changed row said, though the row is as it was again when it is claimed", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, row, script, store, world } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put({ rate_per_minute: 1 })
      yield* put({ name: "other", token_url: `${base}/other`, rate_per_minute: 1 })
      const id = yield* store()
      const refresh = Effect.exit(refresher.refresh("demo", id, caller))
      yield* refresh
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/token"]
      )
      // Its turn comes in seconds: time enough for who can write the database.
      yield* TestClock.adjust("57 seconds")
      const known = row(id)
      world.tables.credentials.put({
        ...known,
        rotation: { provider: "other" },
        refresh: { ...known.refresh!, provider: "other" }
      })
      const waiting = yield* Effect.forkChild(refresh)
      yield* TestClock.adjust("1 second")
      world.tables.credentials.put(known)
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(waiting)
      assert.notInclude(
        asked.map(({ path }) => path),
        "/other"
      )
    })
  )
})

/** Lines of the log that begin so, and how many of them were left out before each. */
const linesOf = (begin: string) => {
  const lines: Array<number> = []
  const logger = Logger.make<unknown, void>(({ fiber, message }) => {
    const { unsaid = 0 } = fiber.getRef(References.CurrentLogAnnotations) as { readonly unsaid?: number }
    const [text] = Array.isArray(message) ? message : [message]
    if (String(text).startsWith(begin)) lines.push(unsaid)
  })
  return { lines, layer: Logger.layer([logger]) }
}
const hour = 60 * minute

describe("what is picked and can come to nothing", () => {
  it.effect("rests for an hour where its row was changed, and is told once a second at most", () => {
    const { layer, lines } = linesOf("the row of a credential was changed")
    return Effect.gen(function* () {
      const { asked, put, refresher, row, script, store, world } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put()
      const ids = yield* Effect.forEach(["a", "b", "c"], (serviceName) => store({ serviceName, expiresAt: minute }))
      yield* TestClock.adjust("1 minute")
      const change = (id: string) => ({ ...row(id), allowedConsumers: ["evil"], refreshDueAt: minute })
      for (const id of ids) world.tables.credentials.put(change(id))
      const changed = ids.map(row)
      // Who meets one finds the others.
      yield* refresher.due("demo", ids[0]!)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        ids.map(row),
        changed.map((one) => ({ ...one, refreshDueAt: minute + hour })),
        "nothing else of it is written"
      )
      assert.deepStrictEqual(lines, [0])
      yield* refresher.due("demo", ids[0]!)
      assert.deepStrictEqual(lines, [0, 2])
      assert.isEmpty(asked)
      // Who put it right need not wait for that.
      world.tables.credentials.put(world.tagged({ ...row(ids[0]!), allowedConsumers: ["mail"] }))
      yield* refresher.refresh("demo", ids[0]!, caller)
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("rests for an hour where its secret cannot be opened, and that is told", () => {
    const { layer, lines } = linesOf("the row of a credential was changed")
    return Effect.gen(function* () {
      const { asked, put, refresher, row, store, world } = yield* begin
      yield* put()
      const id = yield* store({ expiresAt: minute })
      const held = world.tables.credentials.versionsOf(id).find(({ sealed }) => sealed !== null)!
      const sealed = held.sealed!.map((byte, at) => (at === held.sealed!.length - 1 ? byte ^ 1 : byte))
      const versions = [{ ...held, sealed }]
      world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([row(id).refreshDueAt, row(id).refresh?.grant.claim], [minute + hour, null])
      assert.deepStrictEqual(lines, [0])
      assert.isEmpty(asked)
    }).pipe(Effect.provide(layer))
  })

  it.effect("rests for five minutes where its row cannot be read, and for that alone", () => {
    const { layer, lines } = linesOf("a refresh died")
    return Effect.gen(function* () {
      const { put, refresher, row, store, world } = yield* begin
      yield* put()
      const ids = yield* Effect.forEach(["a", "b"], (serviceName) => store({ serviceName, expiresAt: minute }))
      yield* TestClock.adjust("1 minute")
      for (const id of ids) {
        world.beforeLooks.push(Effect.die(new Error("a column of another type")))
        yield* refresher.due("demo", id)
        assert.strictEqual(row(id).refreshDueAt, minute + 5 * minute)
      }
      assert.deepStrictEqual(lines, [0])
      // A bug in what is done with it is tried again as soon as it is picked.
      yield* TestClock.adjust("10 minutes")
      world.fates.set("demo", ["dies", "succeeds"])
      const before = row(ids[0]!).refreshDueAt
      yield* refresher.due("demo", ids[0]!)
      assert.strictEqual(row(ids[0]!).refreshDueAt, before)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is looked at no more where nothing is refreshed, until that changes", () =>
    Effect.gen(function* () {
      const { put, refresher, revoke, row, store, world } = yield* begin
      yield* put()
      const plain = yield* store({ serviceName: "plain", rotation: null })
      const revoked = yield* store({ serviceName: "revoked", expiresAt: hour })
      yield* revoke(revoked)
      const plant = (id: string) => world.tables.credentials.put({ ...row(id), refreshDueAt: 0 })
      for (const id of [plain, revoked]) {
        plant(id)
        yield* refresher.due("demo", id)
        assert.isNull(row(id).refreshDueAt)
      }
    })
  )
})

describe("ten who ask at once", () => {
  it.effect("take one turn at the provider, and get what that one exchange brought", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put({ rate_per_minute: 1 })
      const id = yield* store({ expiresAt: 60 * minute })
      const ten = Array.from({ length: 10 }, () => Effect.exit(refresher.refresh("demo", id, caller)))
      const ended = yield* Effect.forkChild(Effect.all(ten, { concurrency: "unbounded" }))
      // A second turn would come with the next minute, which nobody waits for.
      const exits = yield* Fiber.join(ended)
      assert.deepStrictEqual(
        exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.version : exit)),
        Array.from({ length: 10 }, () => 2)
      )
      assert.lengthOf(asked, 1)
    })
  )
})

describe("a turn at a provider that is asked one at a time", () => {
  it.effect("ends with its exchange, and the next one waits for nobody", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put({ parallel: 1 })
      const id = yield* store({ expiresAt: 60 * minute })
      yield* refresher.refresh("demo", id, caller)
      const next = yield* Effect.forkChild(refresher.refresh("demo", id, caller))
      const what = "the next exchange, though no time passes"
      yield* Effect.promise(() =>
        eventually(
          () => asked.length,
          (count) => count === 2,
          { limitMs: 20_000, what }
        )
      )
      assert.strictEqual((yield* Fiber.join(next)).version, 3)
    })
  )

  it.effect("ends with its claim, where that is not had", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, refresher, script, store, world } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put({ parallel: 1 })
      const id = yield* store({ expiresAt: 60 * minute })
      world.beforeTurns.push(Effect.orDie(credentials.disableService("demo", "outlook", null, caller)))
      const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
      assert.deepInclude(refused, { _tag: "ServiceInactive" })
      assert.deepStrictEqual([asked.length, world.beforeTurns.length], [0, 0])
      yield* credentials.enableService("demo", "outlook", caller)
      const next = yield* Effect.forkChild(refresher.refresh("demo", id, caller))
      const what = "the next exchange, though no time passes"
      yield* Effect.promise(() =>
        eventually(
          () => asked.length,
          (count) => count === 1,
          { limitMs: 20_000, what }
        )
      )
      assert.strictEqual((yield* Fiber.join(next)).version, 2)
    })
  )
})

describe("a turn that lasts too short for its exchange", () => {
  const told = { status: 200, body: { access_token: "access-2", expires_in: 3_600 } }
  const due = Effect.gen(function* () {
    const made = yield* begin
    yield* made.put({ parallel: 1 })
    const expiresAt = 60 * minute
    const id = yield* made.store({ expiresAt })
    const other = yield* made.store({ serviceName: "other", expiresAt })
    yield* TestClock.adjust("55 minutes")
    return { ...made, id, other }
  })

  it.effect("is made longer, and nobody else is let in meanwhile", () =>
    Effect.gen(function* () {
      const { asked, id, other, refresher, script, world } = yield* due
      const gate = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      script.answer = async () => {
        begun.resolve()
        await gate.promise
        return told
      }
      // Most of the turn's time is over at the last look.
      world.beforeLooks.push(Effect.void, TestClock.adjust("40 seconds"))
      const first = yield* Effect.forkChild(refresher.due("demo", id))
      yield* Effect.promise(() => begun.promise)
      yield* TestClock.adjust("16 seconds")
      const two = yield* world.replica("two", true)
      yield* two.refresher.due("demo", other)
      assert.lengthOf(asked, 1)
      gate.resolve()
      yield* Fiber.join(first)
      yield* two.refresher.due("demo", other)
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("and is over before it has begun is another one's: nothing is asked, and the claim is given back", () =>
    Effect.gen(function* () {
      const { asked, id, refresher, row, script, world } = yield* due
      script.answer = () => Promise.resolve(told)
      const route = { lane: "", circuit: "", queue: "", provider: "" }
      const over = Effect.orDie(world.refreshes.endTurn(1, route, { _tag: "none" }, 0))
      world.beforeLooks.push(Effect.void, Effect.andThen(over, TestClock.adjust("40 seconds")))
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).refresh?.grant.claim], [0, null])
      yield* TestClock.adjust("10 seconds")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).secretVersion], [1, 2])
    })
  )

  it.effect("is not asked again in with the client's next secret, where somebody has stored another grant", () =>
    Effect.gen(function* () {
      const { asked, base, credentials, providers, refresher, script, store } = yield* begin
      yield* providers.put(
        "demo",
        {
          definition: { name: "p", token_url: `${base}/token`, refresh_tokens: "rotate" },
          clientId: "the-client",
          secrets: { clientSecrets: ["of-before", "the-secret"], clientKey: null }
        },
        caller
      )
      const id = yield* store({ expiresAt: 60 * minute })
      const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
      const byHand = { credentialId: id, secret, expiresAt: 60 * minute, overlapMs: null, expectedVersion: null }
      script.answer = async () => {
        await Effect.runPromise(credentials.rotate("demo", byHand, caller))
        return { status: 401, body: { error: "invalid_client" } }
      }
      yield* Effect.exit(refresher.refresh("demo", id, caller))
      assert.lengthOf(asked, 1)
    })
  )
})

const notTheClient = { status: 401, body: { error: "invalid_client" } }
/** Knows the client by the second of its secrets. */
const secondSecret = ({ body }: Asked) =>
  Promise.resolve(
    body.includes("client_secret=the-secret")
      ? { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
      : notTheClient
  )

/** A refresh that is due of a grant that each exchange spends, as a client that has several secrets. */
const severed = Effect.gen(function* () {
  const made = yield* begin
  const { base, eventsOf, providers, row, store, world } = made
  const spending = { client_auth: "post", refresh_tokens: "rotate", reuse: "revoke_family" } as const
  const definition = { name: "p", token_url: `${base}/token`, ...spending }
  const secrets = { clientSecrets: ["of-before", "the-secret"], clientKey: null }
  yield* providers.put("demo", { definition, clientId: "the-client", secrets }, caller)
  const id = yield* store({ expiresAt: 60 * minute })
  yield* TestClock.adjust("55 minutes")
  /** Nothing was spent, nothing has failed, and nothing is told. */
  const isCut = () => {
    const { grant, lastError } = row(id).refresh!
    assert.deepStrictEqual([grant.claim, grant.doubtSince, grant.open, grant.attempts], [null, null, [], 0])
    assert.deepStrictEqual([lastError, eventsOf("refresh_failed")], [null, []])
    assert.isFalse(world.tables.credentials.versionsOf(id).some(isAnswer))
  }
  return { ...made, id, isCut }
})

describe("a refresh whose client's next secret cannot be tried", () => {
  it.effect("because a look is not answered has not failed, and is no failure of the client's", () =>
    Effect.gen(function* () {
      const { asked, id, isCut, refresher, row, script, world } = yield* severed
      script.answer = secondSecret
      // As often as a client is refused before it is left alone.
      for (let count = 1; count <= 3; count++) {
        const fails = Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
        // Who asks looks, then the refresh, then, behind its claim, the exchange, and once more before the next secret.
        world.beforeLooks.push(Effect.void, Effect.void, Effect.void, fails)
        const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
        assert.deepInclude(refused, { _tag: "Unavailable", part: "refresh", committed: null })
        assert.deepStrictEqual([asked.length, world.beforeLooks.length], [count, 0])
        isCut()
      }
      yield* TestClock.adjust("5 seconds")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).secretVersion], [5, 2])
    })
  )

  it.effect("because its turn is over by then has not failed", () =>
    Effect.gen(function* () {
      const { asked, id, isCut, refresher, row, script, world } = yield* severed
      script.answer = secondSecret
      const route = { lane: "", circuit: "", queue: "", provider: "" }
      const over = Effect.orDie(world.refreshes.endTurn(1, route, { _tag: "none" }, 0))
      world.beforeLooks.push(Effect.void, Effect.void, Effect.andThen(over, TestClock.adjust("40 seconds")))
      yield* refresher.due("demo", id)
      assert.lengthOf(asked, 1)
      isCut()
      yield* TestClock.adjust("5 seconds")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).secretVersion], [3, 2])
    })
  )
})

/** A revocation with two tokens, neither of which the provider has revoked yet; picked, and asked for by nobody. */
const pending = Effect.gen(function* () {
  const made = yield* begin
  const { asked, base, credentials, providers, refresher, revoke, row, script, store, world } = made
  yield* providers.put(
    "demo",
    {
      definition: { name: "p", token_url: `${base}/token`, revoke_url: `${base}/revoke`, refresh_tokens: "rotate" },
      clientId: "the-client",
      secrets: { clientSecrets: ["of-before", "the-secret"], clientKey: null }
    },
    caller
  )
  const id = yield* store({ expiresAt: 60 * minute })
  const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
  const byHand = { credentialId: id, secret, expiresAt: 60 * minute, overlapMs: null, expectedVersion: null }
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  script.answer = async () => {
    begun.resolve()
    await gate.promise
    return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
  }
  const refresh = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
  yield* Effect.promise(() => begun.promise)
  yield* credentials.rotate("demo", byHand, caller)
  yield* revoke(id)
  gate.resolve()
  yield* Fiber.join(refresh)
  assert.deepStrictEqual([row(id).state, row(id).refresh?.atProvider], ["revoked", "pending"])
  asked.length = 0
  const now = yield* Clock.currentTimeMillis
  world.tables.credentials.put({ ...row(id), refreshDueAt: now + 15_000 })
  const tokens = () => asked.map(({ body }) => new URLSearchParams(body).get("token"))
  const isLeft = (...sent: Array<string | null>) => {
    assert.deepStrictEqual(tokens(), sent)
    const { attempts } = row(id).refresh!.grant
    assert.deepStrictEqual([row(id).refresh?.atProvider, attempts, row(id).refreshDueAt], ["pending", 0, now])
  }
  return { ...made, id, isLeft, tokens }
})

describe("once the stop of a replica was begun", () => {
  const ready = Effect.gen(function* () {
    const made = yield* begin
    made.script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
    yield* made.put({ refresh_tokens: "rotate" })
    const id = yield* made.store({ expiresAt: 60 * minute })
    yield* TestClock.adjust("55 minutes")
    return { ...made, id }
  })

  it.effect("a refresh that nobody waits for does not begin, and is another replica's at once", () =>
    Effect.gen(function* () {
      const { asked, id, refresher, row, shutdown, world } = yield* ready
      const now = yield* Clock.currentTimeMillis
      world.tables.credentials.put({ ...row(id), refreshDueAt: now + 15_000 })
      yield* shutdown.request
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).refresh?.grant.term, row(id).refreshDueAt], [0, 0, now])
    })
  )

  it.effect("one that was claimed gives its claim back", () =>
    Effect.gen(function* () {
      const { asked, id, refresher, row, shutdown, world } = yield* ready
      // The first look, then, behind the claim, the last one.
      world.beforeLooks.push(Effect.void, shutdown.request)
      yield* refresher.due("demo", id)
      const { claim, doubtSince, term } = row(id).refresh!.grant
      assert.deepStrictEqual([asked.length, term, claim, doubtSince], [0, 1, null, null])
    })
  )

  it.effect("one whose client was refused goes on with no next secret, gives its claim back, and has not failed", () =>
    Effect.gen(function* () {
      const { asked, isCut, id, refresher, row, script, shutdown, world } = yield* severed
      script.answer = async () => {
        await Effect.runPromise(shutdown.request)
        return notTheClient
      }
      yield* refresher.due("demo", id)
      assert.lengthOf(asked, 1)
      isCut()
      const two = yield* world.replica("two", true)
      script.answer = secondSecret
      yield* TestClock.adjust("5 seconds")
      yield* two.refresher.due("demo", id)
      assert.deepStrictEqual([asked.length, row(id).secretVersion], [3, 2])
    })
  )

  it.effect("what somebody waits for is done", () =>
    Effect.gen(function* () {
      const { id, refresher, row, shutdown } = yield* ready
      yield* shutdown.request
      yield* refresher.refresh("demo", id, caller)
      assert.strictEqual(row(id).secretVersion, 2)
    })
  )

  it.effect("a look at a token that has its turn already is not made, and is another replica's at once", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, row, shutdown, store, world } = yield* begin
      yield* put({ health: health(base) })
      const id = yield* store()
      yield* TestClock.adjust("1 minute")
      const now = yield* Clock.currentTimeMillis
      world.tables.credentials.put({ ...row(id), refreshDueAt: now + 15_000 })
      world.beforeTurns.push(shutdown.request)
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([world.beforeTurns.length, asked.length, row(id).refreshDueAt], [0, 0, now])
    })
  )

  it.effect("a revocation at the provider does not begin, and is another replica's at once", () =>
    Effect.gen(function* () {
      const { id, isLeft, refresher, shutdown, world } = yield* pending
      // The first look, then that of the revocation.
      world.beforeLooks.push(Effect.void, shutdown.request)
      yield* refresher.due("demo", id)
      isLeft()
    })
  )

  it.effect("one that has begun goes on neither with the next token nor as the client with its next secret", () =>
    Effect.gen(function* () {
      const { id, isLeft, refresher, row, script, shutdown, tokens, world } = yield* pending
      script.answer = async () => {
        await Effect.runPromise(shutdown.request)
        return { status: 200, body: {} }
      }
      yield* refresher.due("demo", id)
      isLeft("refresh-2")
      const two = yield* world.replica("two", true)
      script.answer = async () => {
        await Effect.runPromise(two.shutdown.request)
        return { status: 401, body: { error: "invalid_client" } }
      }
      const now = yield* Clock.currentTimeMillis
      world.tables.credentials.put({ ...row(id), refreshDueAt: now + 15_000 })
      yield* two.refresher.due("demo", id)
      isLeft("refresh-2", "refresh-2")
      const three = yield* world.replica("three", true)
      script.answer = () => Promise.resolve({ status: 200, body: {} })
      yield* three.refresher.due("demo", id)
      assert.deepStrictEqual(tokens().slice(2), ["refresh-2", "refresh-9"])
      assert.strictEqual(row(id).refresh?.atProvider, "revoked")
    })
  )

  it.effect(
    "nothing begins any more when all who asked are gone, and a claim is given back though it takes a while",
    () =>
      Effect.gen(function* () {
        const { asked, id, row, world } = yield* ready
        const scope = yield* Scope.make()
        const { refresher } = yield* world.replica("two", true).pipe(Effect.provideService(Scope.Scope, scope))
        const looks = Promise.withResolvers<void>()
        const looking = Promise.withResolvers<void>()
        const held = Effect.promise(() => {
          looking.resolve()
          // Its claim is committed; from now on the database is away for a moment.
          world.fates.set("demo", ["is not done", "is not done", "succeeds"])
          return looks.promise
        })
        // Who asks looks, then the refresh, then, behind its claim, the exchange.
        world.beforeLooks.push(Effect.void, Effect.void, held)
        const asking = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
        yield* Effect.promise(() => looking.promise)
        assert.strictEqual(row(id).refresh?.grant.claim?.term, 1)
        yield* Fiber.interrupt(asking)
        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* Effect.promise(() => setImmediate())
        looks.resolve()
        const isDone = () => stopping.pollUnsafe() !== undefined
        for (let count = 0; count < 100 && !isDone(); count++) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.promise(() => setImmediate())
        }
        yield* Fiber.join(stopping)
        assert.deepStrictEqual([asked.length, row(id).refresh?.grant.claim], [0, null])
      })
  )
})

describe("the last look before an exchange", () => {
  it.effect("sees what a person stored since the claim, and the provider is not asked", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, refresher, store, world } = yield* begin
      yield* put({ refresh_tokens: "rotate" })
      const id = yield* store({ expiresAt: 60 * minute })
      const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
      const byHand = { credentialId: id, secret, expiresAt: 60 * minute, overlapMs: null, expectedVersion: null }
      const stored = Effect.orDie(credentials.rotate("demo", byHand, caller))
      // Who asks looks, then the refresh, then, behind its claim, the exchange.
      world.beforeLooks.push(Effect.void, Effect.void, stored)
      const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
      assert.deepInclude(refused, { _tag: "Unavailable", part: "refresh" })
      assert.deepStrictEqual([asked.length, world.beforeLooks.length], [0, 0])
    })
  )
})

describe("refreshes that nobody waits for", () => {
  it.effect(
    "are at work three at a time, wait for their provider as many as there are, and hold up nobody who asks",
    () =>
      Effect.gen(function* () {
        const { asked, put, refresher, row, script, store, world } = yield* begin
        yield* put({ parallel: 20 })
        const expiresAt = 60 * minute
        const ids: Array<string> = []
        for (let count = 0; count < 8; count++) ids.push(yield* store({ serviceName: `s${count}`, expiresAt }))
        const other = yield* store({ serviceName: "other", expiresAt })
        yield* TestClock.adjust("55 minutes")
        const seen = (wanted: () => boolean, what: string) =>
          Effect.promise(() => eventually(wanted, (is) => is, { limitMs: 20_000, everyMs: 2, what }))
        const looks = Promise.withResolvers<void>()
        const answers = Promise.withResolvers<void>()
        let looking = 0
        const look = Effect.promise(() => {
          looking++
          return looks.promise
        })
        world.beforeLooks.push(look, look, look, look)
        let isFirst = true
        script.answer = async () => {
          const hangs = !isFirst
          isFirst = false
          if (hangs) await answers.promise
          return { status: 200, body: { access_token: "access-2", expires_in: 3_600 } }
        }
        const due = yield* Effect.forkChild(
          Effect.forEach(ids, (id) => refresher.due("demo", id), { concurrency: "unbounded" }),
          { startImmediately: true }
        )
        yield* seen(() => looking === 3 && refresher.waitingUnsafe() === 5, "three at work, and five behind them")
        world.beforeLooks.length = 0
        yield* refresher.refresh("demo", other, caller)
        assert.strictEqual(row(other).secretVersion, 2)
        assert.deepStrictEqual([looking, refresher.waitingUnsafe()], [3, 5])
        // Whoever asks for one of those that wait has it at once, too.
        isFirst = true
        yield* refresher.refresh("demo", ids[7]!, caller)
        assert.strictEqual(row(ids[7]!).secretVersion, 2)
        assert.deepStrictEqual([looking, refresher.waitingUnsafe()], [3, 4])
        looks.resolve()
        yield* seen(() => asked.length === 9, "all of them at the provider at once")
        assert.strictEqual(refresher.waitingUnsafe(), 0)
        answers.resolve()
        yield* Fiber.join(due)
        assert.deepStrictEqual(
          ids.map((id) => row(id).secretVersion),
          ids.map(() => 2)
        )
      })
  )
})

describe("an answer that was stored just now", () => {
  it.effect("is settled by what was seen before its exchange, without another look", () =>
    Effect.gen(function* () {
      const { id, refresher, row, world } = yield* hindered
      yield* TestClock.adjust("55 minutes")
      // The refresh looks, then, behind its claim, the exchange.
      world.beforeLooks.push(Effect.void, Effect.void, Effect.die(new Error("nobody looks again")))
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([row(id).secretVersion, row(id).refresh?.grant.claim], [2, null])
      assert.lengthOf(world.beforeLooks, 1)
    })
  )

  it.effect("is read anew where the credential was changed during its exchange", () =>
    Effect.gen(function* () {
      const { asked, credentials, id, refresher, row, script } = yield* hindered
      yield* TestClock.adjust("55 minutes")
      const answer = Promise.withResolvers<{ status: number; body: unknown }>()
      script.answer = () => answer.promise
      const due = yield* Effect.forkChild(refresher.due("demo", id))
      const isAsked = () => asked.length === 1
      yield* Effect.promise(() =>
        eventually(isAsked, (is) => is, { limitMs: 20_000, everyMs: 5, what: "the exchange" })
      )
      yield* credentials.update("demo", updating(id, { provider: "p", refresh_before: "PT1H" }), caller)
      answer.resolve({ status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } })
      yield* Fiber.join(due)
      const now = yield* Clock.currentTimeMillis
      assert.deepStrictEqual([row(id).secretVersion, row(id).refresh?.nextRefreshAt], [3, now + 30 * minute])
    })
  )
})

const isBug = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Die" && String(reason.defect) === "Error: died on purpose")

/** A claim whose exchange does not begin, at a provider of which each claim that runs out leaves a doubt. */
const hindered = Effect.gen(function* () {
  const parts = yield* begin
  const { put, row, script, store, world } = parts
  script.answer = () =>
    Promise.resolve({ status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } })
  yield* put({ refresh_tokens: "rotate", reuse: "revoke_family" })
  const id = yield* store({ expiresAt: 60 * minute })
  const { refresher: second } = yield* world.replica("two", true)
  const grant = () => row(id).refresh!.grant
  const isGivenBack = Effect.promise(() =>
    eventually(
      () => grant(),
      ({ claim, term }) => claim === null && term > 0,
      { limitMs: 20_000, everyMs: 5, what: "the claim being given back" }
    )
  )
  return { ...parts, grant, id, isGivenBack, second }
})

describe("a claim whose exchange does not begin", () => {
  const dies = Effect.die(new Error("died on purpose"))

  it.effect("is given back by who finds that something else is stored, and who asks next has the grant at once", () =>
    Effect.gen(function* () {
      const { asked, credentials, grant, id, refresher, row, second, world } = yield* hindered
      const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
      const byHand = { credentialId: id, secret, expiresAt: 60 * minute, overlapMs: null, expectedVersion: null }
      world.beforeLooks.push(Effect.void, Effect.void, Effect.orDie(credentials.rotate("demo", byHand, caller)))
      const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
      assert.deepInclude(refused, { _tag: "Unavailable", part: "refresh" })
      assert.deepStrictEqual([grant().claim, grant().term, grant().doubtSince, grant().open], [null, 1, null, []])
      assert.strictEqual(row(id).refreshDueAt, row(id).refresh?.nextRefreshAt)
      yield* second.refresh("demo", id, caller)
      assert.deepStrictEqual(
        asked.map(({ body }) => new URLSearchParams(body).get("refresh_token")),
        ["refresh-9"]
      )
      assert.deepStrictEqual([grant().claim, grant().term, grant().begunUpTo], [null, 2, undefined])
    })
  )

  it.effect("is given back when the last look is not had, and is looked at by itself only some seconds later", () =>
    Effect.gen(function* () {
      const { asked, grant, id, refresher, row, second, world } = yield* hindered
      yield* TestClock.adjust("55 minutes")
      world.beforeLooks.push(Effect.void, dies)
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([grant().claim, grant().term, world.beforeLooks.length, asked.length], [null, 1, 0, 0])
      assert.strictEqual(row(id).refreshDueAt, (yield* Clock.currentTimeMillis) + 5_000)
      yield* second.due("demo", id)
      assert.lengthOf(asked, 1)
      assert.strictEqual(row(id).secretVersion, 2)
    })
  )

  it.effect(
    "is given back, and looked at some seconds later, where a dead one's left a doubt and the usual time is far off",
    () =>
      Effect.gen(function* () {
        const { asked, grant, id, row, second, world } = yield* hindered
        const [at, known] = [yield* Clock.currentTimeMillis, row(id)]
        const until = at + minute
        const claim = { term: 1, holder: "a dead one", spends: 1, at, until, beginBy: until }
        const refresh = { ...known.refresh!, grant: { ...known.refresh!.grant, term: 1, claim } }
        world.tables.credentials.put(world.tagged({ ...known, refresh, refreshDueAt: until }))
        yield* TestClock.adjust("1 minute")
        yield* second.due("demo", id)
        assert.deepStrictEqual([grant().claim, grant().doubtSince], [null, at])
        // Until nobody can come with the dead one's answer any more.
        yield* TestClock.adjust(row(id).refreshDueAt! - until)
        world.beforeLooks.push(Effect.void, dies)
        yield* second.due("demo", id)
        assert.deepStrictEqual([grant().claim, grant().term, grant().doubtSince, asked.length], [null, 2, at, 0])
        assert.isAbove(row(id).refresh!.nextRefreshAt!, (yield* Clock.currentTimeMillis) + 10 * minute)
        assert.strictEqual(row(id).refreshDueAt, (yield* Clock.currentTimeMillis) + 5_000)
        yield* TestClock.adjust("5 seconds")
        yield* second.due("demo", id)
        assert.deepStrictEqual([asked.length, row(id).secretVersion, grant().doubtSince], [1, 2, null])
      })
  )

  it.effect("is given back once the database is there again", () =>
    Effect.gen(function* () {
      const { asked, grant, id, isGivenBack, refresher, second, world } = yield* hindered
      world.beforeLooks.push(Effect.void, Effect.void, dies)
      world.fates.set("demo", ["succeeds", "is not done", "is not done", "is committed, answer lost", "succeeds"])
      assert.isTrue(isBug(yield* Effect.exit(refresher.refresh("demo", id, caller))))
      assert.isNotNull(grant().claim)
      for (let turn = 0; turn < 20; turn++) {
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(() => setImmediate())
      }
      yield* isGivenBack
      yield* second.refresh("demo", id, caller)
      assert.deepStrictEqual([asked.length, grant().term, grant().doubtSince], [1, 2, null])
    })
  )

  it.effect("is tried thirty times to be given back, a second apart, and then runs out", () =>
    Effect.gen(function* () {
      const { grant, id, refresher, world } = yield* hindered
      world.beforeLooks.push(Effect.void, Effect.void, dies)
      world.fates.set("demo", ["succeeds", "is not done"])
      let transactions = 0
      const counts = Effect.sync(() => void transactions++)
      world.beforeTransactions.push(...Array.from({ length: 100 }, () => counts))
      yield* Effect.exit(refresher.refresh("demo", id, caller))
      const pass = Effect.andThen(
        TestClock.adjust("1 second"),
        Effect.promise(() => setImmediate())
      )
      yield* Effect.repeat(pass, { times: 14 })
      assert.isBelow(transactions, 1 + 30)
      yield* Effect.repeat(pass, { times: 40 })
      assert.deepStrictEqual([transactions, grant().claim?.term], [1 + 30, 1])
    })
  )

  it.effect("is given back though nobody knew whether it was committed", () =>
    Effect.gen(function* () {
      const { asked, grant, id, isGivenBack, refresher, second, world } = yield* hindered
      world.fates.set("demo", ["is committed, answer lost", "succeeds"])
      assert.strictEqual((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag, "Unavailable")
      yield* isGivenBack
      assert.strictEqual(grant().term, 1)
      yield* second.refresh("demo", id, caller)
      assert.deepStrictEqual([asked.length, grant().term], [1, 2])
    })
  )

  it.effect("gives back no later claim that has its term because its own commit did not come about", () =>
    Effect.gen(function* () {
      const { asked, grant, id, refresher, script, world } = yield* hindered
      const [tried, begun, triedAgain, gate] = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
      const hearing = [Effect.void, Effect.sync(tried!.resolve), Effect.void, Effect.sync(triedAgain!.resolve)]
      world.beforeTransactions.push(...hearing)
      world.fates.set("demo", ["is decided, and not done, answer lost", "is not done", "succeeds"])
      assert.strictEqual((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag, "Unavailable")
      yield* Effect.promise(() => tried!.promise)
      assert.deepStrictEqual([grant().claim, grant().term], [null, 0])
      script.answer = async () => {
        begun!.resolve()
        await gate!.promise
        return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
      }
      const asking = yield* Effect.forkChild(refresher.refresh("demo", id, caller), { startImmediately: true })
      yield* Effect.promise(() => begun!.promise)
      yield* TestClock.adjust("1 second")
      yield* Effect.promise(() => triedAgain!.promise)
      gate!.resolve()
      yield* Fiber.join(asking)
      assert.deepStrictEqual([asked.length, grant().term, grant().begunUpTo], [1, 1, undefined])
    })
  )

  it.effect("is waited for at another replica no longer than until it is given back", () =>
    Effect.gen(function* () {
      const { asked, grant, id, refresher, second, world } = yield* hindered
      const looks = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<void>()
      const lastLook = Effect.promise(() => {
        looks.resolve()
        return gate.promise
      })
      world.beforeLooks.push(Effect.void, Effect.void, Effect.andThen(lastLook, dies))
      const first = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
      yield* Effect.promise(() => looks.promise)
      const waiting = yield* Effect.forkChild(second.refresh("demo", id, caller), { startImmediately: true })
      for (let turn = 0; turn < 4; turn++) yield* TestClock.adjust("250 millis")
      assert.strictEqual(grant().claim?.term, 1)
      gate.resolve()
      yield* Fiber.join(first)
      for (let turn = 0; turn < 4; turn++) yield* TestClock.adjust("250 millis")
      assert.strictEqual((yield* Fiber.join(waiting)).version, 2)
      assert.deepStrictEqual([asked.length, grant().term], [1, 2])
    })
  )

  it.effect("whose rotation is taken away meanwhile is given back, and does not come back with it", () =>
    Effect.gen(function* () {
      const { asked, credentials, grant, id, refresher, row, second, world } = yield* hindered
      const taking = Effect.orDie(credentials.update("demo", updating(id, null), caller))
      world.beforeLooks.push(Effect.void, Effect.void, taking)
      yield* Effect.exit(refresher.refresh("demo", id, caller))
      assert.strictEqual(row(id).refresh, undefined)
      assert.deepStrictEqual([row(id).formerRefresh?.grant.claim, row(id).formerRefresh?.grant.term], [null, 1])
      assert.isNull(row(id).refreshDueAt)
      yield* credentials.update("demo", updating(id, { provider: "p" }), caller)
      assert.deepStrictEqual([grant().claim, grant().doubtSince], [null, null])
      yield* second.refresh("demo", id, caller)
      assert.deepStrictEqual([asked.length, grant().term, grant().doubtSince], [1, 2, null])
    })
  )

  it.effect("of a credential that is revoked meanwhile is given back, and holds its revocation up no longer", () =>
    Effect.gen(function* () {
      const { asked, grant, id, refresher, revoke, row, world } = yield* hindered
      const revoking = Effect.orDie(revoke(id))
      world.beforeLooks.push(Effect.void, Effect.void, revoking)
      yield* Effect.exit(refresher.refresh("demo", id, caller))
      assert.isNull(grant().claim)
      assert.strictEqual(row(id).refresh?.atProvider, "pending")
      assert.isBelow(row(id).refreshDueAt!, (yield* Clock.currentTimeMillis) + minute, "still to be revoked soon")
      yield* refresher.due("demo", id)
      assert.strictEqual(row(id).refresh?.atProvider, "revoked")
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/revoke"]
      )
    })
  )
})

/** A replica of its own scope, with an exchange under way that hangs until `answer`. */
const hangingAt = Effect.fnUntraced(function* (definition: Partial<ProviderFields>) {
  const { asked, credentials, eventsOf, put, refresher: other, row, script, store, world } = yield* begin
  yield* put(definition)
  const id = yield* store({ expiresAt: 60 * minute })
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  script.answer = async () => {
    begun.resolve()
    await gate.promise
    return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
  }
  const scope = yield* Scope.make()
  const replica = world.replica("two", true)
  const { refresher, shutdown } = yield* replica.pipe(Effect.provideService(Scope.Scope, scope))
  const asking = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
  yield* Effect.promise(() => begun.promise)
  const { grant } = row(id).refresh!.holding.current
  const isSettled = Effect.promise(() =>
    eventually(
      () => row(id).refresh!.holding.current,
      (held) => held.grant !== grant && !held.byHand,
      {
        limitMs: 20_000,
        everyMs: 5,
        what: "the answer being settled"
      }
    )
  )
  const parts = { asked, asking, credentials, eventsOf, id, isSettled, other, row, scope, script, shutdown, world }
  return { ...parts, answer: gate.resolve }
})
const hanging = hangingAt({ refresh_tokens: "rotate" })

describe("an exchange under way", () => {
  it.effect("goes on when who asked for it goes away", () =>
    Effect.gen(function* () {
      const { answer, asking, isSettled } = yield* hanging
      yield* Fiber.interrupt(asking)
      answer()
      yield* isSettled
    })
  )

  it.effect("is waited for by an orderly stop", () =>
    Effect.gen(function* () {
      const { answer, isSettled, scope } = yield* hanging
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.promise(() => setImmediate())
      assert.isUndefined(stopping.pollUnsafe())
      answer()
      yield* Fiber.join(stopping)
      yield* isSettled
    })
  )

  it.effect("has its answer stored though the stop waits no longer", () =>
    Effect.gen(function* () {
      const { answer, id, scope, world } = yield* hanging
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 minute")
      answer()
      yield* Fiber.join(stopping)
      const isKept =
        world.tables.credentials.versionsOf(id).some(isAnswer) || world.tables.credentials.get(id)!.secretVersion > 1
      assert.isTrue(isKept)
    })
  )

  it.effect("whose answer was stored and not settled is settled by another replica, which asks nobody", () =>
    Effect.gen(function* () {
      const { answer, asked, asking, id, isSettled, other, row, world } = yield* hanging
      world.fates.set("demo", ["is not done"])
      answer()
      assert.strictEqual((yield* Fiber.join(asking))._tag, "Failure")
      assert.isTrue(world.tables.credentials.versionsOf(id).some(isAnswer))
      world.fates.delete("demo")
      assert.strictEqual(row(id).secretVersion, 1)
      yield* other.due("demo", id)
      yield* isSettled
      assert.lengthOf(asked, 1)
    })
  )

  it.effect("whose answer is settled when what it brought has ended by itself brings nothing back", () =>
    Effect.gen(function* () {
      for (const late of [false, true]) {
        const { answer, asking, id, isSettled, other, row, scope, script, world } = yield* hanging
        world.fates.set("demo", ["is not done"])
        answer()
        yield* Fiber.join(asking)
        // Who asked is gone, and tries no more.
        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(stopping)
        assert.strictEqual(row(id).secretVersion, 1)
        world.fates.delete("demo")
        // What is asked for next, as it has ended, is not had.
        script.answer = () => Promise.resolve({ status: 503, body: {} })
        world.tables.credentials.put(world.tagged({ ...row(id), state: "expired", reason: "expired" }))
        if (late) yield* TestClock.adjust("2 hours")
        yield* other.due("demo", id)
        yield* isSettled
        const { expiresAt, state } = row(id)
        const now = yield* Clock.currentTimeMillis
        assert.deepStrictEqual([state, expiresAt! > now], late ? ["expired", false] : ["active", true])
      }
    })
  )

  const unavailable = { _tag: "Unavailable", committed: null } as const
  const behind: ReadonlyArray<readonly [string, (_: Effect.Success<typeof hanging>) => void]> = [
    ["the database is away for a moment", ({ world }) => void world.fates.set("demo", ["is not done", "succeeds"])],
    [
      "the next look is not had",
      ({ id, row, world }) => {
        // Of another version than the one that was seen: it is to be read anew.
        world.tables.credentials.put(world.tagged({ ...row(id), version: row(id).version + 1 }))
        world.beforeLooks.push(Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" })))
      }
    ],
    [
      "what it is refreshed by is not understood any more",
      ({ id, row, world }) => {
        const version = row(id).version + 1
        world.tables.credentials.put(world.tagged({ ...row(id), rotation: { provider: 5 }, version }))
      }
    ]
  ]
  for (const [what, fails] of behind) {
    it.effect(`whose answer is kept is not called undone because ${what}`, () =>
      Effect.gen(function* () {
        const made = yield* hanging
        fails(made)
        made.answer()
        assert.deepInclude(yield* Effect.flip(Effect.flatten(Fiber.join(made.asking))), unavailable)
        assert.isTrue(made.world.tables.credentials.versionsOf(made.id).some(isAnswer))
      })
    )
  }

  it.effect("is not called undone where nobody can look whether it has begun", () =>
    Effect.gen(function* () {
      const { answer, asking, id, isSettled, other, world } = yield* hanging
      const fails = () =>
        world.beforeLooks.push(Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" })))
      // Another replica waits for it, and looks: who asks, the refresh, and the first of those that wait.
      world.beforeLooks.push(Effect.void, Effect.void)
      fails()
      const elsewhere = yield* Effect.forkChild(Effect.flip(other.refresh("demo", id, caller)))
      for (let turn = 0; turn < 20 && world.beforeLooks.length > 0; turn++) {
        yield* TestClock.adjust("250 millis")
        yield* Effect.promise(() => setImmediate())
      }
      assert.deepInclude(yield* Fiber.join(elsewhere), unavailable)
      fails()
      yield* TestClock.adjust("18 seconds")
      assert.deepInclude(yield* Effect.flip(Effect.flatten(Fiber.join(asking))), unavailable)
      answer()
      yield* isSettled
    })
  )

  it.effect("whose answer could not be settled is settled soon, and not only when its claim runs out", () =>
    Effect.gen(function* () {
      const { answer, asked, asking, id, row, world } = yield* hanging
      world.fates.set("demo", ["is not done", "is not done", "is not done", "succeeds"])
      answer()
      assert.strictEqual((yield* Fiber.join(asking))._tag, "Failure")
      const settled = () => !world.tables.credentials.versionsOf(id).some(isAnswer)
      const beganAt = yield* Clock.currentTimeMillis
      const tries: Array<number> = []
      // After 1, 2 and 4 s, less a part by chance.
      while (!settled()) {
        const left = world.fates.get("demo")?.length ?? 0
        yield* TestClock.adjust("100 millis")
        for (let turn = 0; turn < 5; turn++) yield* Effect.promise(() => setImmediate())
        const now = yield* Clock.currentTimeMillis
        if ((world.fates.get("demo")?.length ?? 0) !== left || settled()) tries.push(now - beganAt)
        assert.isBelow(now - beganAt, 10_000, "before the claim is over")
      }
      assert.lengthOf(tries, 3)
      const pauses = tries.map((at, index) => at - (tries[index - 1] ?? 0))
      for (const [index, pause] of pauses.entries()) {
        assert.isAtLeast(pause, 1_000 * 2 ** index * 0.8)
        assert.isAtMost(pause, 1_000 * 2 ** index + 500)
      }
      assert.lengthOf(asked, 1)
      assert.strictEqual(row(id).secretVersion, 2)
    })
  )

  it.effect("whose stored answer cannot be opened is in doubt, and asks nobody, until a person connects anew", () =>
    Effect.gen(function* () {
      const { answer, asked, asking, credentials, eventsOf, id, isSettled, other, row, world } = yield* hanging
      world.fates.set("demo", ["is not done"])
      answer()
      yield* Fiber.join(asking)
      world.fates.delete("demo")
      const place = answerVersionBase + 1
      const kept = world.tables.credentials.versionsOf(id).find(isAnswer)!
      const write = (version: CredentialVersion) =>
        world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions: [version], services: [] })
      const spoiled = {
        ...kept,
        sealed: kept.sealed!.map((byte, at) => (at === kept.sealed!.length - 1 ? byte ^ 1 : byte))
      }
      write(spoiled)
      for (let look = 0; look < 2; look++) {
        yield* other.due("demo", id)
        const { grant, told, unread } = row(id).refresh!
        assert.deepStrictEqual([grant.claim, told.inDoubt, unread], [null, true, [place]])
        assert.isNumber(grant.doubtSince)
        assert.strictEqual((yield* Effect.flip(other.refresh("demo", id, caller)))._tag, "RefreshInDoubt")
      }
      assert.lengthOf(asked, 1)
      assert.lengthOf(eventsOf("refresh_in_doubt"), 1)
      // Put back as it was it is settled as if nothing had been.
      const before = { credential: row(id), versions: world.tables.credentials.versionsOf(id) }
      write(kept)
      yield* other.due("demo", id)
      yield* isSettled
      assert.deepStrictEqual([row(id).secretVersion, row(id).refresh!.unread, asked.length], [2, [], 1])
      // Or a person connects anew: it lies there, and stands in the way no more.
      world.tables.credentials.apply({
        inserted: [],
        updated: [],
        deleted: [],
        versions: before.versions,
        services: []
      })
      world.tables.credentials.put(before.credential)
      const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
      const byHand = { credentialId: id, secret, expiresAt: undefined, overlapMs: null, expectedVersion: null }
      yield* credentials.rotate("demo", byHand, caller)
      const aside = world.tables.credentials.versionsOf(id).find(({ version }) => version === place)
      assert.deepStrictEqual([aside?.state, aside?.sealed], ["spare", spoiled.sealed])
      assert.isUndefined(row(id).refresh!.unread)
      yield* other.refresh("demo", id, caller)
      assert.include(asked[1]?.body, "refresh-9")
    })
  )

  it.effect(
    "that spends nothing is made again where its stored answer cannot be opened: that is told and put aside",
    () =>
      Effect.gen(function* () {
        const { answer, asked, asking, eventsOf, id, isSettled, other, row, world } = yield* hangingAt({
          refresh_tokens: "keep"
        })
        world.fates.set("demo", ["is not done"])
        answer()
        yield* Fiber.join(asking)
        world.fates.delete("demo")
        const place = answerVersionBase + 1
        const kept = world.tables.credentials.versionsOf(id).find(isAnswer)!
        const write = (...versions: ReadonlyArray<CredentialVersion>) =>
          world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
        const spoil = (sealed: Uint8Array) => sealed.map((byte, at) => (at === sealed.length - 1 ? byte ^ 1 : byte))
        const spoiled = { ...kept, sealed: spoil(kept.sealed!) }
        // And one of the term that comes next: what is asked for now is stored there.
        write(spoiled, { ...spoiled, version: place + 1 })
        assert.strictEqual((yield* other.refresh("demo", id, caller)).version, 2)
        yield* isSettled
        const { grant, holding, unread } = row(id).refresh!
        assert.deepStrictEqual([asked.length, holding.current.term, grant.doubtSince, unread], [2, 2, null, undefined])
        assert.lengthOf(eventsOf("refresh_in_doubt"), 1)
        assert.lengthOf(eventsOf("recovered"), 1)
        const versions = world.tables.credentials.versionsOf(id)
        assert.isFalse(versions.some(isAnswer))
        // Nothing of what was received is thrown away: put right, its row is settled like any other.
        const aside = versions.find(({ version }) => version === place)
        assert.deepStrictEqual([aside?.state, aside?.sealed], ["spare", spoiled.sealed])
        write(kept)
        yield* other.due("demo", id)
        assert.isFalse(world.tables.credentials.versionsOf(id).some(isAnswer))
        assert.include(
          row(id).refresh!.holding.spares.map(({ term }) => term),
          1
        )
        assert.lengthOf(asked, 2)
      })
  )

  it.effect("of a grant that a person has put aside since brings one that is put aside, too, however late", () =>
    Effect.gen(function* () {
      const { answer, asking, id, other, row, world } = yield* hanging
      world.fates.set("demo", ["is not done"])
      answer()
      yield* Fiber.join(asking)
      world.fates.delete("demo")
      // As it is when the stored one was exchanged meanwhile.
      const known = row(id)
      const { grant, holding } = known.refresh!
      const refresh = {
        ...known.refresh!,
        grant: { ...grant, claim: null, term: 2, asideUpTo: 1 },
        holding: { current: { ...holding.current, byHand: false, grant: "of the stored one", term: 2 }, spares: [] }
      }
      world.tables.credentials.put(world.tagged({ ...known, refresh }))
      yield* other.due("demo", id)
      const { current, spares } = row(id).refresh!.holding
      assert.deepStrictEqual(
        [current, ...spares].map(({ aside, term }) => [term, aside]),
        [
          [2, undefined],
          [1, true]
        ]
      )
    })
  )

  it.effect("brings an end by the database's clock, though this machine's own is set ahead meanwhile", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let aheadMs = 0
      const set: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
        currentTimeMillis: Effect.suspend(() => Effect.map(clock.currentTimeMillis, (now) => now + aheadMs))
      })
      const { put, refresher, row, script, store } = yield* Effect.provideService(begin, Clock.Clock, set)
      script.answer = () => {
        aheadMs = 10 * minute
        return Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      }
      yield* put()
      const id = yield* store()
      const from = clock.currentTimeMillisUnsafe()
      yield* Effect.provideService(refresher.refresh("demo", id, caller), Clock.Clock, set)
      assert.strictEqual(row(id).expiresAt, from + 3_600_000)
    })
  )

  it.effect("whose head is no HTTP, or whose body was coded unasked, brings the only live grant all the same", () =>
    Effect.gen(function* () {
      const granted = JSON.stringify({ access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 })
      const coded = gzipSync(granted)
      const heads = [
        `HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: ${granted.length}\r\n\r\n`,
        `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n`
      ]
      for (const [index, body] of [granted, coded].entries()) {
        const { credentials, put, refresher, server, store } = yield* begin
        server.removeAllListeners("request")
        server.on("request", (request) =>
          request.socket.end(Buffer.concat([Buffer.from(heads[index]!), Buffer.from(body)]))
        )
        yield* put({ refresh_tokens: "rotate" })
        const id = yield* store()
        yield* refresher.refresh("demo", id, caller)
        const options = { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: null } as const
        const { secret } = yield* credentials.get("demo", { credentialId: id }, options, caller)
        assert.deepStrictEqual(secret._tag === "Clear" ? Redacted.value(secret.value) : null, {
          access_token: "access-2",
          refresh_token: "refresh-2"
        })
      }
    })
  )

  it.effect("has its answer stored however often that fails, and whatever with", () =>
    Effect.gen(function* () {
      const { answer, asking, isSettled, world } = yield* hanging
      world.answerFates.push("is not done", "is not done", "dies", "is stored, answer lost")
      answer()
      yield* Effect.promise(() =>
        eventually(
          () => world.answerFates.length,
          (left) => left < 4,
          { limitMs: 20_000, everyMs: 5, what: "the first try" }
        )
      )
      for (let second = 0; second < 8; second++) yield* TestClock.adjust("1 second")
      yield* isSettled
      assert.deepStrictEqual(world.answerFates, [])
      assert.strictEqual((yield* Fiber.join(asking))._tag, "Success")
    })
  )
})

describe("an answer that could not be settled is settled in a stop", () => {
  /** What needs no time is done. */
  const turns = Effect.promise(async () => {
    for (let turn = 0; turn < 50; turn++) await setImmediate()
  })

  /** Stored by a replica whose next try is some seconds off. */
  const left = Effect.gen(function* () {
    const { answer, asking, id, isSettled, scope, shutdown, world } = yield* hanging
    world.fates.set("demo", ["is not done", "is not done", "is not done", "succeeds"])
    const tried = (fatesLeft: number) =>
      Effect.promise(() =>
        eventually(
          () => world.fates.get("demo")!.length,
          (length) => length === fatesLeft,
          { limitMs: 20_000, everyMs: 5, what: "the next try" }
        )
      )
    const isTried = (fatesLeft: number) => Effect.andThen(tried(fatesLeft), turns)
    answer()
    yield* Fiber.join(asking)
    for (const [pause, fatesLeft] of [
      ["1 second", 2],
      ["2 seconds", 1]
    ] as const) {
      yield* turns
      yield* TestClock.adjust(pause)
      yield* isTried(fatesLeft)
    }
    const isStored = () => world.tables.credentials.versionsOf(id).some(isAnswer)
    assert.isTrue(isStored())
    const stop = Effect.gen(function* () {
      yield* shutdown.request
      return yield* Effect.forkChild(Scope.close(scope, Exit.void))
    })
    return { isSettled, isStored, isTried, stop, world }
  })

  it.effect("at once", () =>
    Effect.gen(function* () {
      const { isSettled, stop } = yield* left
      const stopping = yield* stop
      yield* isSettled
      yield* Fiber.join(stopping)
    })
  )

  it.effect("after the shortest pause where the database is still away", () =>
    Effect.gen(function* () {
      const { isSettled, isStored, isTried, stop, world } = yield* left
      world.fates.set("demo", ["is not done", "is not done", "succeeds"])
      const stopping = yield* stop
      yield* isTried(2)
      assert.deepStrictEqual([world.fates.get("demo")!.length, isStored()], [2, true])
      for (let second = 0; second < 2; second++) {
        yield* TestClock.adjust("1 second")
        yield* isTried(1)
      }
      yield* isSettled
      yield* Fiber.join(stopping)
    })
  )

  it.effect("or left to another replica, where a bug is in its way", () =>
    Effect.gen(function* () {
      const { isStored, stop, world } = yield* left
      world.fates.set("demo", ["dies"])
      yield* Fiber.join(yield* stop)
      assert.isTrue(isStored())
    })
  )
})

describe("a refresh that met a bug", () => {
  const dies = Effect.die(new Error("died on purpose"))

  it.effect("dies for each who waits for it, with a key and without", () =>
    Effect.gen(function* () {
      const { asked, id, refresher, row, world } = yield* hindered
      const withKey = (key: string): Caller => ({
        ...caller,
        idempotency: { key, operation: "credential.rotate", body: new Uint8Array(1) }
      })
      // Who asks looks, then the refresh.
      const asks = [caller, withKey("at-the-second-look")]
      for (const one of asks) {
        world.beforeLooks.push(Effect.void, dies)
        assert.isTrue(isBug(yield* Effect.exit(refresher.refresh("demo", id, one))))
      }
      world.beforeLooks.push(dies)
      assert.isTrue(isBug(yield* Effect.exit(refresher.refresh("demo", id, withKey("at-the-first-look")))))
      assert.lengthOf(asked, 0)
      yield* refresher.refresh("demo", id, withKey("at-the-first-look"))
      assert.strictEqual(row(id).secretVersion, 2)
    })
  )

  it.effect("behind its stored answer dies for who waits, and is settled soon", () =>
    Effect.gen(function* () {
      const { answer, asked, asking, isSettled, world } = yield* hanging
      world.fates.set("demo", ["dies", "succeeds"])
      answer()
      assert.isTrue(isBug(yield* Fiber.join(asking)))
      yield* TestClock.adjust("1 second")
      yield* isSettled
      assert.lengthOf(asked, 1)
    })
  )
})

describe("a revocation at the provider", () => {
  it.effect("sends nothing by a row that was changed", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, revoke, row, script, store, world } = yield* begin
      yield* put()
      yield* put({ name: "other", revoke_url: `${base}/other` })
      const forge = (id: string) => {
        const known = row(id)
        const refresh = { ...known.refresh!, provider: "other" }
        world.tables.credentials.put({ ...known, rotation: { provider: "other" }, refresh })
      }
      const first = yield* store()
      forge(first)
      assert.strictEqual((yield* revoke(first)).atProvider, "not_possible")
      // Nothing was sealed for it either.
      assert.isTrue(world.tables.credentials.versionsOf(first).every(({ sealed }) => sealed === null))
      const second = yield* store({ serviceName: "second" })
      script.answer = () => Promise.resolve({ status: 503, body: {} })
      assert.strictEqual((yield* revoke(second)).atProvider, "failed")
      forge(second)
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", second)
      assert.strictEqual((yield* revoke(second)).atProvider, "failed")
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/revoke"]
      )
    })
  )

  it.effect("sends the provider that is named nothing that the one before has answered meanwhile", () =>
    Effect.gen(function* () {
      const { asked, base, credentials, put, refresher, revoke, row, script, store } = yield* begin
      const gate = Promise.withResolvers<{ status: number; body: unknown }>()
      script.answer = ({ path }) => (path === "/token" ? gate.promise : Promise.resolve({ status: 200, body: {} }))
      yield* put({ refresh_tokens: "rotate" })
      yield* put({ name: "other", refresh_tokens: "rotate", revoke_url: `${base}/other` })
      const id = yield* store()
      const refresh = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
      yield* Effect.promise(() =>
        eventually(
          () => asked.length,
          (count) => count === 1,
          { limitMs: 20_000, everyMs: 5, what: "the exchange" }
        )
      )
      yield* credentials.update("demo", updating(id, { provider: "other" }), caller)
      assert.strictEqual((yield* revoke(id)).atProvider, "failed")
      gate.resolve({ status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } })
      yield* Fiber.join(refresh)
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual(
        asked.slice(1).map(({ body, path }) => [path, new URLSearchParams(body).get("token")]),
        [["/other", "refresh-1"]]
      )
      assert.strictEqual(row(id).refresh?.atProvider, "revoked")
    })
  )

  it.effect("waits for who died with a claim no longer than it could still come with a grant", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, revoke, row, store, world } = yield* begin
      yield* put({ refresh_tokens: "rotate" })
      const id = yield* store()
      const [at, known] = [yield* Clock.currentTimeMillis, row(id)]
      const claim = { term: 1, holder: "a dead one", spends: 1, at, until: at + minute, beginBy: at + minute }
      const grant = { ...known.refresh!.grant, term: 1, claim }
      world.tables.credentials.put(world.tagged({ ...known, refresh: { ...known.refresh!, grant } }))
      assert.strictEqual((yield* revoke(id)).atProvider, "failed")
      yield* TestClock.adjust("4 minutes")
      yield* refresher.due("demo", id)
      assert.isEmpty(asked)
      yield* TestClock.adjust("1 minute")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/revoke"]
      )
      assert.strictEqual(row(id).refresh?.atProvider, "revoked")
    })
  )

  it.effect("whose provider is gone is tried ever less often, and its secret goes after a week", () =>
    Effect.gen(function* () {
      const { providers, put, refresher, revoke, row, script, store, world } = yield* begin
      yield* put()
      const id = yield* store()
      script.answer = () => Promise.resolve({ status: 503, body: {} })
      yield* revoke(id)
      yield* providers.remove("demo", "p", caller)
      for (let count = 0; count < 12; count++) yield* refresher.due("demo", id)
      assert.isAbove(row(id).refreshDueAt!, 10 * minute)
      world.tables.credentials.put(world.tagged({ ...row(id), updatedAt: -7 * 24 * 60 * minute }))
      yield* refresher.due("demo", id)
      assert.strictEqual(row(id).refresh?.atProvider, "given_up")
      assert.isNull(row(id).refreshDueAt)
      const kept = world.tables.credentials.versionsOf(id).filter(({ sealed }) => sealed !== null)
      assert.deepStrictEqual(kept, [])
    })
  )

  for (const isPutRight of [true, false]) {
    const end = isPutRight ? "until its row is put right" : "for a week"
    it.effect(`is made of what can be opened where something cannot, which is tried again ${end}`, () =>
      Effect.gen(function* () {
        const { asked, put, refresher, revoke, row, script, store, world } = yield* begin
        yield* put()
        const id = yield* store()
        script.answer = () => Promise.resolve({ status: 503, body: {} })
        assert.strictEqual((yield* revoke(id)).atProvider, "failed")
        script.answer = () => Promise.resolve({ status: 200, body: {} })
        const versions = () => world.tables.credentials.versionsOf(id)
        const write = (version: CredentialVersion) =>
          world.tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions: [version], services: [] })
        const held = versions().find(({ sealed }) => sealed !== null)!
        const told = Effect.map(Metric.value(Metric.withAttributes(rowsChanged, { kind: "credential" })), (seen) =>
          Number(seen.count)
        )
        const before = yield* told
        const due = Effect.gen(function* () {
          asked.length = 0
          yield* TestClock.adjust("1 minute")
          yield* refresher.due("demo", id)
          return asked.map(({ body }) => new URLSearchParams(body).get("token"))
        })
        // Somebody who writes to the database puts an answer there.
        write({ ...held, version: answerVersionBase + 7, state: "answer" })
        assert.deepStrictEqual(yield* due, ["refresh-1"])
        assert.deepStrictEqual([row(id).refresh?.atProvider, row(id).refresh?.grant.attempts], ["pending", 2])
        assert.strictEqual(yield* told, before + 1)
        write({ ...held, sealed: held.sealed!.map((byte, at) => (at === held.sealed!.length - 1 ? byte ^ 1 : byte)) })
        assert.deepStrictEqual(yield* due, [])
        assert.deepStrictEqual([row(id).refresh?.atProvider, row(id).refresh?.grant.attempts], ["pending", 3])
        if (isPutRight) {
          write(held)
          write({ ...held, version: answerVersionBase + 7, state: "superseded", sealed: null, keyId: null })
        } else {
          world.tables.credentials.put(world.tagged({ ...row(id), updatedAt: -7 * 24 * 60 * minute }))
        }
        assert.deepStrictEqual(yield* due, isPutRight ? ["refresh-1"] : [])
        assert.strictEqual(row(id).refresh?.atProvider, isPutRight ? "revoked" : "given_up")
        assert.isTrue(versions().every(({ sealed }) => sealed === null))
      })
    )
  }

  it.effect(
    "of which the first token is refused goes on with the next, and is tried again; where the provider is down it waits",
    () =>
      Effect.gen(function* () {
        const { asked, id, refresher, row, script, tokens, world } = yield* pending
        const again = Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          world.tables.credentials.put({ ...row(id), refreshDueAt: now + 15_000 })
          asked.length = 0
          yield* refresher.due("demo", id)
          return [...tokens(), row(id).refresh?.atProvider, row(id).refresh?.grant.attempts]
        })
        script.answer = () => Promise.resolve({ status: 503, body: {} })
        assert.deepStrictEqual(yield* again, ["refresh-2", "pending", 1])
        const refused = { status: 400, body: { error: "unsupported_token_type" } }
        script.answer = () => Promise.resolve(tokens().length === 1 ? refused : { status: 200, body: {} })
        assert.deepStrictEqual(yield* again, ["refresh-2", "refresh-9", "pending", 2])
        script.answer = () => Promise.resolve({ status: 200, body: {} })
        assert.deepStrictEqual(yield* again, ["refresh-2", "refresh-9", "revoked", 2])
      })
  )

  it.effect("reaches the grant that an exchange under way brings, which is nowhere handed out", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, revoke, row, script, store, world } = yield* begin
      yield* put()
      const id = yield* store({ expiresAt: 60 * minute })
      const gate = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      script.answer = async ({ path }) => {
        if (path !== "/token") return { status: 200, body: {} }
        begun.resolve()
        await gate.promise
        return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
      }
      const refresh = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
      yield* Effect.promise(() => begun.promise)
      assert.strictEqual((yield* revoke(id)).atProvider, "failed")
      gate.resolve()
      assert.strictEqual((yield* Fiber.join(refresh))._tag, "Failure")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual(
        asked.filter(({ path }) => path === "/revoke").map(({ body }) => new URLSearchParams(body).get("token")),
        ["refresh-2"]
      )
      assert.deepStrictEqual([row(id).state, row(id).refresh?.atProvider], ["revoked", "revoked"])
      const kept = world.tables.credentials.versionsOf(id)
      assert.deepStrictEqual(
        kept.filter(({ sealed }) => sealed !== null),
        []
      )
      assert.strictEqual((yield* revoke(id)).atProvider, "revoked")
    })
  )
})

describe("an answer with a new refresh token and nothing to hand out", () => {
  const cases: ReadonlyArray<readonly [string, number, object, string]> = [
    ["a number for an access token", 200, { access_token: 5 }, "malformed_answer"],
    ["an empty one", 200, { access_token: "" }, "malformed_answer"],
    ["none", 200, {}, "malformed_answer"],
    ["half a character", 200, { access_token: "\ud800" }, "malformed_answer"],
    ["an error", 200, { error: "invalid_grant" }, "invalid_grant"],
    ["a life that is over", 200, { access_token: "access-2", expires_in: 0 }, "malformed_answer"],
    ["an error beside both", 500, { access_token: "access-2" }, "provider_down"]
  ]
  for (const [what, status, body, reason] of cases) {
    it.effect(`is a failure, and its refresh token is kept: ${what}`, () =>
      Effect.gen(function* () {
        const { asked, credentials, eventsOf, put, refresher, row, script, store } = yield* begin
        yield* put({ refresh_tokens: "rotate" })
        const id = yield* store({ expiresAt: 600 * minute })
        let count = 1
        script.answer = () =>
          Promise.resolve({ status, body: { expires_in: 3_600, ...body, refresh_token: `refresh-${++count}` } })
        const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
        assert.strictEqual(refused._tag === "ProviderFailed" ? refused.reason : refused._tag, reason)
        const first = row(id).refresh!
        assert.deepStrictEqual([first.grant.attempts, first.lastError?.reason], [1, reason])
        assert.strictEqual(first.lastRefreshedAt, null)
        assert.isAtMost(first.grant.nextAttemptAt!, 5_000)
        // Nobody waits for it: not before its time, and then with what was received.
        yield* refresher.due("demo", id)
        assert.lengthOf(asked, 1)
        for (let pause = 0; pause < 4; pause++) {
          yield* TestClock.adjust(row(id).refreshDueAt! - (yield* Clock.currentTimeMillis))
          yield* refresher.due("demo", id)
        }
        assert.deepStrictEqual(
          asked.map(({ body: sent }) => new URLSearchParams(sent).get("refresh_token")),
          ["refresh-1", "refresh-2", "refresh-3", "refresh-4", "refresh-5"]
        )
        assert.isAbove(row(id).refreshDueAt! - (yield* Clock.currentTimeMillis), 60_000)
        assert.lengthOf(eventsOf("rotated"), 0)
        assert.lengthOf(eventsOf("refresh_failed"), 1)
        const shown = yield* credentials.describe("demo", { credentialId: id })
        assert.strictEqual(shown.refresh?.state, "failing")
        script.answer = () => Promise.resolve({ status: 200, body: { access_token: "a", expires_in: 3_600 } })
        yield* refresher.refresh("demo", id, caller)
        assert.deepStrictEqual([row(id).refresh?.grant.attempts, eventsOf("rotated").length], [0, 1])
        assert.lengthOf(eventsOf("recovered"), 1)
      })
    )
  }
})

describe("who asks for a refresh", () => {
  it.effect("has one, though it is time to look whether the token is alive", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2" } })
      yield* put({ health: health(base) })
      const id = yield* store()
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* refresher.refresh("demo", id, caller)).version, 2)
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/token"]
      )
    })
  )

  const rotation = (credentialId: string, expectedVersion: number | null): RotateRequest => ({
    credentialId,
    secret: null,
    expiresAt: undefined,
    overlapMs: null,
    expectedVersion
  })

  it.effect("of another version than the credential's asks nothing of the provider", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, row, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put()
      const id = yield* store()
      const refused = yield* Effect.flip(credentials.rotate("demo", rotation(id, 77), caller))
      assert.deepInclude(refused, { _tag: "VersionConflict", expectedVersion: 77, actualVersion: 1 })
      assert.deepStrictEqual([asked.length, row(id).version], [0, 1])
      assert.strictEqual((yield* credentials.rotate("demo", rotation(id, 1), caller)).version, 2)
    })
  )

  it.effect("of a version that goes while its turn comes is refused under the lock, and nobody else with it", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, row, script, store, world } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put({ rate_per_minute: 1 })
      const id = yield* store()
      yield* credentials.rotate("demo", rotation(id, null), caller)
      yield* TestClock.adjust("57 seconds")
      const expecting = yield* Effect.forkChild(Effect.flip(credentials.rotate("demo", rotation(id, 2), caller)))
      yield* TestClock.adjust("1 second")
      const other = yield* Effect.forkChild(Effect.flip(credentials.rotate("demo", rotation(id, null), caller)))
      yield* TestClock.adjust("1 second")
      const known = row(id)
      world.tables.credentials.put(world.tagged({ ...known, version: known.version + 1 }))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(expecting))._tag, "VersionConflict")
      // Its own turn was taken for this minute by the one that was refused.
      assert.strictEqual((yield* Fiber.join(other))._tag, "ProviderFailed")
      assert.lengthOf(asked, 1)
    })
  )

  it.effect("of a revoked one hears so at once, though an exchange hangs", () =>
    Effect.gen(function* () {
      const { credentials, put, script, store } = yield* begin
      yield* put()
      const id = yield* store()
      const gate = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      script.answer = async () => {
        begun.resolve()
        await gate.promise
        return { status: 200, body: { access_token: "access-2" } }
      }
      const waiting = yield* Effect.forkChild(Effect.exit(credentials.rotate("demo", rotation(id, null), caller)))
      yield* Effect.promise(() => begun.promise)
      yield* credentials.revoke("demo", { credentialId: id, reason: null, expectedVersion: null }, caller)
      const refused = yield* Effect.flip(credentials.rotate("demo", rotation(id, null), caller))
      assert.strictEqual(refused._tag, "CredentialRevoked")
      gate.resolve()
      yield* Fiber.join(waiting)
    })
  )

  it.effect("hears after a while that the grant may have been spent, where its exchange has not ended", () =>
    Effect.gen(function* () {
      const { answer, id, isSettled, other } = yield* hanging
      const late = yield* Effect.forkChild(Effect.flip(other.refresh("demo", id, caller)))
      yield* Effect.promise(() => setImmediate())
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "RefreshInDoubt")
      answer()
      yield* isSettled
    })
  )

  for (const [what, refreshTokens, more] of [
    ["a provider that takes its grant again and again", "keep", {}],
    ["the client's own credentials", "rotate", { grant: "client_credentials" }]
  ] as const) {
    it.effect(`hears after a while that nothing is in doubt, where only ${what} may be asked with`, () =>
      Effect.gen(function* () {
        const { put, refresher, row, script, store } = yield* begin
        yield* put({ refresh_tokens: refreshTokens })
        const id = yield* store({ expiresAt: 60 * minute, rotation: { provider: "p", ...more } })
        const gate = Promise.withResolvers<void>()
        const begun = Promise.withResolvers<void>()
        script.answer = async () => {
          begun.resolve()
          await gate.promise
          return { status: 200, body: { access_token: "access-2", expires_in: 3_600 } }
        }
        const waiting = yield* Effect.forkChild(Effect.flip(refresher.refresh("demo", id, caller)))
        yield* Effect.promise(() => begun.promise)
        assert.isNotNull(row(id).refresh?.grant.claim)
        yield* TestClock.adjust("19 seconds")
        assert.deepInclude(yield* Fiber.join(waiting), { _tag: "Unavailable", part: "refresh" })
        gate.resolve()
        yield* Effect.promise(() =>
          eventually(
            () => row(id).secretVersion,
            (version) => version === 2,
            { limitMs: 20_000, everyMs: 5, what: "the answer being settled" }
          )
        )
      })
    )
  }

  for (const [what, tag] of [
    ["is gone", "CredentialNotFound"],
    ["is revoked", "CredentialRevoked"],
    ["is refreshed no more", "RefreshNotConfigured"],
    ["is refused for good", "ReconnectNeeded"]
  ] as const) {
    it.effect(`of a credential that ${what} before the exchange has begun hears so`, () =>
      Effect.gen(function* () {
        const { asked, credentials, put, refresher, row, store, world } = yield* begin
        yield* put({ refresh_tokens: "rotate" })
        const id = yield* store({ expiresAt: 60 * minute })
        const becomes = {
          CredentialNotFound: Effect.sync(() =>
            world.tables.credentials.apply({ inserted: [], updated: [], deleted: [id], versions: [], services: [] })
          ),
          CredentialRevoked: credentials.revoke(
            "demo",
            { credentialId: id, reason: null, expectedVersion: null },
            caller
          ),
          RefreshNotConfigured: credentials.update("demo", updating(id, null), caller),
          ReconnectNeeded: Effect.sync(() => {
            const { refresh, ...known } = row(id)
            const grant = { ...refresh!.grant, claim: null, isFinal: true }
            world.tables.credentials.put(world.tagged({ ...known, refresh: { ...refresh!, grant } }))
          })
        }
        // Who asks looks, then the refresh, then, behind its claim, the exchange.
        world.beforeLooks.push(Effect.void, Effect.void, Effect.orDie(becomes[tag]))
        const refused = yield* Effect.flip(refresher.refresh("demo", id, caller))
        assert.deepStrictEqual([refused._tag, asked.length, world.beforeLooks.length], [tag, 0, 0])
      })
    )
  }

  const once = (key: string, body = "the body"): Caller => ({
    ...caller,
    idempotency: { key, operation: "credential.rotate", body: new TextEncoder().encode(body) }
  })

  it.effect("twice with the same key gets the first answer, and the provider is asked once", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, row, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2", expires_in: 3_600 } })
      yield* put()
      const id = yield* store()
      const both = yield* Effect.all(
        [
          credentials.rotate("demo", rotation(id, 1), once("k")),
          credentials.rotate("demo", rotation(id, 1), once("k"))
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(
        both.map(({ version }) => version),
        [2, 2]
      )
      assert.strictEqual((yield* credentials.rotate("demo", rotation(id, 1), once("k"))).version, 2)
      const other = yield* Effect.flip(credentials.rotate("demo", rotation(id, 1), once("k", "another body")))
      assert.strictEqual(other._tag, "IdempotencyKeyReused")
      assert.deepStrictEqual([asked.length, row(id).version], [1, 2])
      assert.strictEqual((yield* credentials.rotate("demo", rotation(id, 2), once("l"))).version, 3)
      assert.lengthOf(asked, 2)
    })
  )

  it.effect("and goes away finds its answer later, a refusal as well", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, script, store } = yield* begin
      yield* put()
      const id = yield* store()
      const gate = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      script.answer = async () => {
        begun.resolve()
        await gate.promise
        return { status: 400, body: { error: "invalid_grant" } }
      }
      const first = yield* Effect.forkChild(credentials.rotate("demo", rotation(id, null), once("k")))
      yield* Effect.promise(() => begun.promise)
      yield* Fiber.interrupt(first)
      const second = yield* Effect.forkChild(Effect.flip(credentials.rotate("demo", rotation(id, null), once("k"))))
      gate.resolve()
      assert.strictEqual((yield* Fiber.join(second))._tag, "ReconnectNeeded")
      script.answer = () => Promise.resolve({ status: 200, body: { access_token: "access-2" } })
      const third = yield* Effect.flip(credentials.rotate("demo", rotation(id, null), once("k")))
      assert.strictEqual(third._tag, "ReconnectNeeded")
      assert.lengthOf(asked, 1)
    })
  )

  for (const [what, refreshToken] of [
    ["of another grant", "refresh-9"],
    ["of the same grant", "refresh-1"]
  ] as const) {
    it.effect(`gets what was stored by hand meanwhile, ${what}, which wins`, () =>
      Effect.gen(function* () {
        const { credentials, put, row, script, store } = yield* begin
        yield* put({ refresh_tokens: "rotate" })
        const id = yield* store({ expiresAt: 60 * minute })
        const gate = Promise.withResolvers<void>()
        const begun = Promise.withResolvers<void>()
        script.answer = async () => {
          begun.resolve()
          await gate.promise
          return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
        }
        const waiting = yield* Effect.forkChild(credentials.rotate("demo", rotation(id, null), caller))
        yield* Effect.promise(() => begun.promise)
        const secret = Redacted.make({ access_token: "by-hand", refresh_token: refreshToken })
        const stored = yield* credentials.rotate("demo", { ...rotation(id, null), secret }, caller)
        gate.resolve()
        assert.strictEqual((yield* Fiber.join(waiting)).version, stored.version)
        assert.deepStrictEqual([row(id).secretVersion, row(id).refresh?.lastError], [stored.version, null])
      })
    )
  }
})

describe("what an exchange brings of a grant that a person has put aside meanwhile", () => {
  for (const [what, isLost] of [
    ["is refused", false],
    ["ends with an answer that nobody got", true]
  ] as const) {
    it.effect(`is used once the one that was stored ${what}, and seen by nobody before`, () =>
      Effect.gen(function* () {
        const { asked, credentials, eventsOf, put, refresher, row, script, store, world } = yield* begin
        yield* put({ refresh_tokens: "rotate" })
        const id = yield* store({ expiresAt: 600 * minute })
        const gate = Promise.withResolvers<void>()
        const begun = Promise.withResolvers<void>()
        script.answer = async () => {
          begun.resolve()
          await gate.promise
          return { status: 200, body: { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 } }
        }
        const waiting = yield* Effect.forkChild(refresher.refresh("demo", id, caller))
        yield* Effect.promise(() => begun.promise)
        const stored = yield* credentials.rotate(
          "demo",
          {
            credentialId: id,
            secret: Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" }),
            expiresAt: undefined,
            overlapMs: null,
            expectedVersion: null
          },
          caller
        )
        gate.resolve()
        assert.strictEqual((yield* Fiber.join(waiting)).version, stored.version)
        assert.deepStrictEqual([row(id).version, row(id).refresh?.grant.attempts], [stored.version, 0])
        const shown = yield* credentials.history("demo", id)
        assert.deepStrictEqual(
          shown.map(({ version }) => version),
          [stored.version, 1]
        )

        // The one that was stored ends.
        let isFirst = true
        script.answer = ({ body }) => {
          const token = new URLSearchParams(body).get("refresh_token")!
          const breaks = isLost && isFirst
          isFirst = false
          if (breaks) return Promise.resolve({ status: 500, body: {} })
          if (token === "refresh-1" || token === "refresh-9") {
            return Promise.resolve({ status: 400, body: { error: "invalid_grant" } })
          }
          const next = Number(token.slice("refresh-".length)) + 1
          const fields = { access_token: `access-${next}`, refresh_token: `refresh-${next}`, expires_in: 3_600 }
          return Promise.resolve({ status: 200, body: fields })
        }
        for (let count = isLost ? 2 : 1; count > 0; count--) {
          assert.strictEqual((yield* Effect.exit(refresher.refresh("demo", id, caller)))._tag, "Failure")
        }
        if (isLost) {
          assert.strictEqual((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag, "RefreshInDoubt")
          yield* TestClock.adjust("30 minutes")
        }
        yield* refresher.refresh("demo", id, caller)
        const tokens = asked.map(({ body }) => new URLSearchParams(body).get("refresh_token"))
        assert.deepStrictEqual(tokens, [
          "refresh-1",
          ...(isLost ? ["refresh-9", "refresh-9"] : ["refresh-9"]),
          "refresh-2"
        ])
        assert.lengthOf(eventsOf("reconnect_needed"), 0)
        assert.lengthOf(eventsOf("recovered"), 1)
        const apart = () => world.tables.credentials.versionsOf(id).filter(({ version }) => version > answerVersionBase)
        assert.lengthOf(apart(), 1)

        // One generation beyond it is over.
        yield* TestClock.adjust("1 minute")
        yield* refresher.refresh("demo", id, caller)
        yield* refresher.refresh("demo", id, caller)
        assert.deepStrictEqual(apart(), [])
        assert.strictEqual(new URLSearchParams(asked.at(-1)!.body).get("refresh_token"), "refresh-4")
      })
    )
  }
})

describe("a tenant's own provider whose row is gone", () => {
  it.effect("is followed by no other of its name: no grant goes there, nor is one revoked there", () =>
    Effect.gen(function* () {
      const { asked, base, credentials, providers, put, row, store, world } = yield* begin
      yield* put()
      const definition = { name: "p", token_url: `${base}/elsewhere`, revoke_url: `${base}/elsewhere` }
      const secrets = { clientSecrets: ["another"], clientKey: null }
      yield* providers.put("global", { definition, clientId: "another", secrets }, caller)
      const id = yield* store()
      assert.isTrue(row(id).refresh?.own)
      world.tables.credentials.providers.delete("demo/p")
      const request = {
        ...{ credentialId: id, secret: null, overlapMs: null, expectedVersion: null },
        expiresAt: undefined
      }
      const refused = yield* Effect.flip(credentials.rotate("demo", request, caller))
      assert.deepInclude(refused, { _tag: "RowChanged", kind: "provider" })
      const revoking = { credentialId: id, reason: null, expectedVersion: null, atProvider: true }
      yield* credentials.revoke("demo", revoking, caller)
      assert.deepStrictEqual(asked, [])
      // What was stored for the one of global goes on with it.
      const other = yield* store()
      assert.isUndefined(row(other).refresh?.own)
      yield* Effect.exit(credentials.rotate("demo", { ...request, credentialId: other }, caller))
      assert.deepStrictEqual(asked.map(({ path }) => path).slice(0, 1), ["/elsewhere"])
    })
  )

  it.effect(
    "is not followed by one of its name for who stores by hand, or changes what is asked; only who says so",
    () =>
      Effect.gen(function* () {
        const { base, credentials, providers, put, row, store, world } = yield* begin
        const params = { region: { pattern: "[a-z]" } }
        yield* put({ token_url: `${base}/token/{region}`, params })
        const definition = { name: "p", token_url: `${base}/elsewhere/{region}`, params }
        const secrets = { clientSecrets: ["another"], clientKey: null }
        yield* providers.put("global", { definition, clientId: "another", secrets }, caller)
        const id = yield* store({ rotation: { provider: "p", params: { region: "a" } } })
        const own = world.tables.credentials.providers.get("demo/p")!
        world.tables.credentials.providers.delete("demo/p")
        const secret = Redacted.make({ access_token: "by-hand", refresh_token: "by-hand" })
        const byHand = { credentialId: id, secret, overlapMs: null, expectedVersion: null, expiresAt: undefined }
        const gone = { _tag: "RowChanged", kind: "provider", id: "p" } as const
        assert.deepInclude(yield* Effect.flip(credentials.rotate("demo", byHand, caller)), gone)
        assert.deepInclude(yield* Effect.flip(credentials.reconnect("demo", byHand, caller)), gone)
        const named = { provider: "p", params: { region: "b" } }
        assert.deepInclude(yield* Effect.flip(credentials.update("demo", updating(id, named), caller)), gone)
        assert.isTrue(row(id).refresh?.own)
        yield* credentials.update("demo", updating(id, null), caller)
        yield* credentials.update("demo", updating(id, named), caller)
        assert.isUndefined(row(id).refresh?.own)
        // Naming what it is refreshed by already writes down that it is the tenant's own now.
        world.tables.credentials.providers.set("demo/p", own)
        yield* credentials.update("demo", updating(id, named), caller)
        assert.isTrue(row(id).refresh?.own)
      })
  )
})

const updating = (credentialId: string, rotation: StoreRequest["rotation"]) => ({
  ...{ credentialId, rotation, expectedVersion: null },
  ...{ allowedConsumers: undefined, scopes: undefined, expiresAt: undefined, metadata: undefined }
})

describe("an answer that comes when the credential is another provider's", () => {
  it.effect("is read as who was asked writes it, also where everybody's entry has its name by then", () =>
    Effect.gen(function* () {
      const { base, credentials, providers, put, refresher, row, script, store, world } = yield* begin
      yield* put({ refresh_tokens: "rotate", refresh_token_path: "/next", access_token_path: "/now" })
      yield* put({ name: "other", refresh_tokens: "rotate" })
      const id = yield* store({ expiresAt: 600 * minute })
      const everybodys = {
        definition: { name: "p", token_url: `${base}/elsewhere`, refresh_tokens: "rotate" as const },
        clientId: "another",
        secrets: { clientSecrets: ["another"], clientKey: null }
      }
      script.answer = async () => {
        await Effect.runPromise(credentials.update("demo", updating(id, { provider: "other" }), caller))
        world.tables.credentials.providers.delete("demo/p")
        await Effect.runPromise(providers.put("global", everybodys, caller))
        await Effect.runPromise(credentials.update("demo", updating(id, { provider: "p" }), caller))
        return { status: 200, body: { now: "access-2", next: "refresh-2", expires_in: 3_600 } }
      }
      yield* refresher.refresh("demo", id, caller)
      const { current, spares } = row(id).refresh!.holding
      assert.deepStrictEqual(
        [current, ...spares].map(({ of, term }) => [term, of]),
        [
          [1, { provider: "p", own: true }],
          [0, { provider: "p", own: true }]
        ]
      )
    })
  )

  it.effect("is asked of nobody by the rules of an entry that is not the named one's", () =>
    Effect.gen(function* () {
      const { asked, base, credentials, providers, put, refresher, row, script, store, world } = yield* begin
      const fields = { access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 }
      script.answer = () => Promise.resolve({ status: 200, body: fields })
      yield* put({ refresh_tokens: "rotate" })
      yield* put({ name: "other", refresh_tokens: "rotate" })
      const id = yield* store({ expiresAt: 600 * minute })
      const everybodys = {
        definition: { name: "p", token_url: `${base}/elsewhere`, refresh_tokens: "rotate" as const },
        clientId: "another",
        secrets: { clientSecrets: ["another"], clientKey: null }
      }
      // Between the first look and the claim.
      world.beforeTurns.push(
        Effect.gen(function* () {
          yield* credentials.update("demo", updating(id, { provider: "other" }), caller)
          world.tables.credentials.providers.delete("demo/p")
          yield* providers.put("global", everybodys, caller)
          yield* credentials.update("demo", updating(id, { provider: "p" }), caller)
        }).pipe(Effect.orDie)
      )
      yield* refresher.refresh("demo", id, caller)
      assert.isUndefined(row(id).refresh?.own)
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        ["/elsewhere"]
      )
    })
  )

  it.effect("is read as who was asked writes it", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, refresher, script, store } = yield* begin
      yield* put({ refresh_tokens: "rotate", refresh_token_path: "/next", access_token_path: "/now" })
      yield* put({ name: "other", refresh_tokens: "rotate" })
      const id = yield* store({ expiresAt: 600 * minute })
      script.answer = async () => {
        await Effect.runPromise(credentials.update("demo", updating(id, { provider: "other" }), caller))
        return { status: 200, body: { now: "access-2", next: "refresh-2", expires_in: 3_600 } }
      }
      yield* refresher.refresh("demo", id, caller)
      const fields = { access_token: "access-3", refresh_token: "refresh-3", expires_in: 3_600 }
      script.answer = () => Promise.resolve({ status: 200, body: fields })
      yield* refresher.refresh("demo", id, caller)
      const tokens = asked.map(({ body }) => new URLSearchParams(body).get("refresh_token"))
      assert.deepStrictEqual(tokens, ["refresh-1", "refresh-2"])
    })
  )
})

describe("a grant of the provider that was named before", () => {
  const twoProviders = Effect.gen(function* () {
    const made = yield* begin
    const { base, credentials, put, script, store } = made
    yield* put({ refresh_tokens: "rotate" })
    yield* put({ name: "other", refresh_tokens: "rotate", token_url: `${base}/b`, revoke_url: `${base}/b/revoke` })
    const id = yield* store({ expiresAt: 600 * minute })
    const update = (rotation: StoreRequest["rotation"]) => credentials.update("demo", updating(id, rotation), caller)
    const storeHand = Effect.suspend(() => {
      const secret = Redacted.make({ access_token: "access-90", refresh_token: "refresh-90" })
      const byHand = { credentialId: id, secret, expiresAt: undefined, overlapMs: null, expectedVersion: null }
      return credentials.rotate("demo", byHand, caller)
    })
    const answers = (fields: object) => {
      script.answer = async ({ path }) =>
        path === "/b" ? { status: 400, body: { error: "invalid_grant" } } : { status: 200, body: fields }
    }
    answers({ access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 })
    const tokensOf = (path: string) =>
      made.asked
        .filter((one) => one.path === path)
        .map(({ body }) => new URLSearchParams(body).get(path.endsWith("revoke") ? "token" : "refresh_token"))
    return { ...made, answers, id, storeHand, tokensOf, update }
  })

  for (const [what, isTakenAway] of [
    ["is not sent to the one that is named now, and is used where its own is named again", false],
    ["is not, with a rotation that was taken away in between", true]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { answers, id, refresher, row, storeHand, tokensOf, update } = yield* twoProviders
        yield* refresher.refresh("demo", id, caller)
        if (isTakenAway) yield* update(null)
        yield* update({ provider: "other" })
        yield* storeHand
        for (const _ of [1, 2, 3]) {
          assert.strictEqual((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag, "ReconnectNeeded")
        }
        assert.deepStrictEqual(tokensOf("/b"), ["refresh-90"])
        answers({ access_token: "access-3", refresh_token: "refresh-3", expires_in: 3_600 })
        if (isTakenAway) yield* update(null)
        yield* update({ provider: "p" })
        if (isTakenAway) {
          // What ended begins anew, as it does where the same provider is named again.
          assert.isFalse(row(id).refresh?.grant.isFinal)
          return
        }
        yield* refresher.refresh("demo", id, caller)
        assert.deepStrictEqual(tokensOf("/token"), ["refresh-1", "refresh-2"])
        assert.isFalse(row(id).refresh?.grant.isFinal)
      })
    )
  }

  it.effect("that came late, and is put aside, is its own still", () =>
    Effect.gen(function* () {
      const { id, refresher, row, script, storeHand, tokensOf, update } = yield* twoProviders
      const { answer } = script
      script.answer = async (asked) => {
        if (asked.path === "/token") {
          await Effect.runPromise(update({ provider: "other" }))
          await Effect.runPromise(storeHand)
        }
        return answer(asked)
      }
      yield* Effect.exit(refresher.refresh("demo", id, caller))
      assert.deepStrictEqual(
        row(id).refresh!.holding.spares.map(({ aside, of }) => [aside === true, of]),
        Array.from({ length: 2 }, () => [true, { provider: "p", own: true }])
      )
      for (const _ of [1, 2, 3]) yield* Effect.flip(refresher.refresh("demo", id, caller))
      assert.deepStrictEqual(tokensOf("/b"), ["refresh-90"])
    })
  )
})

describe("a rotation that is taken away during an exchange and named anew", () => {
  const begun = Effect.gen(function* () {
    const made = yield* begin
    const { put, refresher, script, store } = made
    yield* put({ refresh_tokens: "rotate", reuse: "revoke_family" })
    const id = yield* store({ expiresAt: 600 * minute })
    const gate = Promise.withResolvers<void>()
    const asking = Promise.withResolvers<void>()
    script.answer = async ({ body }) => {
      asking.resolve()
      await gate.promise
      const next = Number(new URLSearchParams(body).get("refresh_token")!.slice("refresh-".length)) + 1
      const fields = { access_token: `access-${next}`, refresh_token: `refresh-${next}`, expires_in: 3_600 }
      return { status: 200, body: fields }
    }
    const waiting = yield* Effect.forkChild(Effect.exit(refresher.refresh("demo", id, caller)))
    yield* Effect.promise(() => asking.promise)
    const update = (rotation: StoreRequest["rotation"]) =>
      made.credentials.update("demo", updating(id, rotation), caller)
    yield* update(null)
    return { ...made, gate, id, update, waiting }
  })
  const tokensOf = (asked: ReadonlyArray<Asked>) =>
    asked.map(({ body }) => new URLSearchParams(body).get("refresh_token"))

  it.effect("has its claim still: another replica begins nothing beside it, and what it brings is handed out", () =>
    Effect.gen(function* () {
      const { asked, gate, id, row, update, waiting, world } = yield* begun
      assert.deepStrictEqual([row(id).refresh, row(id).formerRefresh?.grant.term], [undefined, 1])
      yield* update({ provider: "p" })
      assert.deepStrictEqual([row(id).formerRefresh, row(id).refresh?.grant.claim?.term], [undefined, 1])
      const other = yield* world.replica("two", true)
      yield* other.refresher.due("demo", id)
      assert.lengthOf(asked, 1)
      gate.resolve()
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Success")
      yield* other.refresher.refresh("demo", id, caller)
      assert.deepStrictEqual(tokensOf(asked), ["refresh-1", "refresh-2"])
      assert.strictEqual(row(id).refresh?.grant.term, 2)
    })
  )

  it.effect("finds what the exchange brought while it was away", () =>
    Effect.gen(function* () {
      const { asked, gate, id, refresher, row, update, waiting, world } = yield* begun
      gate.resolve()
      const ended = yield* Fiber.join(waiting)
      assert.include(JSON.stringify(ended), "RefreshNotConfigured")
      assert.lengthOf(world.tables.credentials.versionsOf(id).filter(isAnswer), 1)
      yield* update({ provider: "p" })
      yield* TestClock.adjust("2 minutes")
      yield* refresher.due("demo", id)
      assert.deepStrictEqual([row(id).secretVersion, row(id).refresh?.holding.current.term], [row(id).version, 1])
      yield* refresher.refresh("demo", id, caller)
      assert.deepStrictEqual(tokensOf(asked), ["refresh-1", "refresh-2"])
    })
  )

  it.effect("leaves in force what a person has stored meanwhile", () =>
    Effect.gen(function* () {
      const { asked, credentials, gate, id, refresher, row, script, update, waiting } = yield* begun
      const secret = Redacted.make({ access_token: "access-90", refresh_token: "refresh-90" })
      const byHand = { credentialId: id, secret, expiresAt: undefined, overlapMs: null, expectedVersion: null }
      const stored = yield* credentials.rotate("demo", byHand, caller)
      gate.resolve()
      yield* Fiber.join(waiting)
      yield* update({ provider: "p" })
      yield* TestClock.adjust("2 minutes")
      yield* refresher.due("demo", id)
      assert.strictEqual(row(id).secretVersion, stored.version)
      // Where all of it ends, what the exchange of before had brought is used, and nothing whose secret is gone.
      script.answer = () => Promise.resolve({ status: 400, body: { error: "invalid_grant" } })
      const ends: Array<string> = []
      while (ends.length < 5 && ends.at(-1) !== "ReconnectNeeded") {
        ends.push((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag)
      }
      assert.deepStrictEqual(ends, ["ProviderFailed", "ReconnectNeeded"])
      assert.deepStrictEqual(tokensOf(asked), ["refresh-1", "refresh-90", "refresh-2"])
      assert.strictEqual(row(id).refresh?.grant.term, 3)
    })
  )

  it.effect("counts on behind what lies there of an exchange of which nothing else is known", () =>
    Effect.gen(function* () {
      const { gate, id, refresher, row, update, waiting, world } = yield* begun
      gate.resolve()
      yield* Fiber.join(waiting)
      const { formerRefresh: _, ...unknown } = row(id)
      world.tables.credentials.put(world.tagged(unknown))
      yield* update({ provider: "p" })
      assert.strictEqual(row(id).refresh?.grant.term, 1)
      yield* refresher.refresh("demo", id, caller)
      assert.strictEqual(row(id).refresh?.grant.term, 2)
    })
  )

  it.effect("begins anew where a person was asked for", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, refresher, row, script, store } = yield* begin
      yield* put({ refresh_tokens: "rotate" })
      const id = yield* store({ expiresAt: 600 * minute })
      script.answer = () => Promise.resolve({ status: 400, body: { error: "invalid_grant" } })
      assert.strictEqual((yield* Effect.flip(refresher.refresh("demo", id, caller)))._tag, "ReconnectNeeded")
      yield* credentials.update("demo", updating(id, null), caller)
      yield* credentials.update("demo", updating(id, { provider: "p" }), caller)
      const { grant, holding, lastError } = row(id).refresh!
      assert.deepStrictEqual([grant.isFinal, grant.term, lastError], [false, 1, null])
      assert.deepStrictEqual([holding.current.refused, holding.spares], [false, []])
      yield* Effect.flip(refresher.refresh("demo", id, caller))
      assert.lengthOf(asked, 2)
    })
  )
})

describe("a rotation that is named anew after a notice of the grant's end", () => {
  for (const [what, isAnother, noticed] of [
    ["tells of the end of the grant that was stored meanwhile", true, null],
    ["tells nothing twice of the one that is held still", false, 24 * 60 * minute]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { credentials, put, row, store, world } = yield* begin
        yield* put({ refresh_tokens: "rotate", grant_lifetime: "P30D" })
        const id = yield* store({ expiresAt: 600 * minute })
        const known = row(id)
        const told = { ...known, refresh: { ...known.refresh!, grantNoticedMs: 24 * 60 * minute } }
        world.tables.credentials.put(world.tagged(told))
        yield* credentials.update("demo", updating(id, null), caller)
        if (isAnother) {
          const secret = Redacted.make({ access_token: "access-9", refresh_token: "refresh-9" })
          const byHand = { credentialId: id, secret, expiresAt: undefined, overlapMs: null, expectedVersion: null }
          yield* credentials.rotate("demo", byHand, caller)
        }
        yield* credentials.update("demo", updating(id, { provider: "p" }), caller)
        assert.isNumber(row(id).refresh?.grantExpiresAt)
        assert.strictEqual(row(id).refresh?.grantNoticedMs, noticed)
      })
    )
  }
})

describe("what a secret that is given by hand is refreshed by", () => {
  it.effect("is read from no row that was changed for the time of that reading", () =>
    Effect.gen(function* () {
      const { credentials, put, row, store, world } = yield* begin
      yield* put()
      yield* put({ name: "other" })
      const id = yield* store()
      const before = row(id)
      const write = (changed: Credential) =>
        world.tables.credentials.apply({ inserted: [], updated: [changed], deleted: [], versions: [], services: [] })
      const secret = Redacted.make({ access_token: "by-hand", refresh_token: "by-hand" })
      const byHand = { credentialId: id, secret, overlapMs: null, expectedVersion: null, expiresAt: undefined }
      const forgeries: ReadonlyArray<Credential> = [
        { ...before, refresh: undefined },
        { ...before, rotation: { provider: "other" } }
      ]
      for (const forged of forgeries) {
        write(forged)
        // The reading sees it; the command, a moment later, does not.
        world.beforeTransactions.push(Effect.sync(() => write(before)))
        const refused = yield* Effect.flip(credentials.rotate("demo", byHand, caller))
        assert.deepInclude(refused, { _tag: "RowChanged", kind: "credential" })
        write(before)
      }
    })
  )

  it.effect("is of the provider that it names in the end: who came between is told to whoever stores", () =>
    Effect.gen(function* () {
      const { credentials, put, row, store, world } = yield* begin
      yield* put()
      yield* put({ name: "other" })
      const id = yield* store()
      const secret = Redacted.make({ access_token: "by-hand", refresh_token: "by-hand" })
      const byHand = { credentialId: id, secret, overlapMs: null, expectedVersion: null, expiresAt: undefined }
      const { refresh, version, ...rest } = row(id)
      const renamed = { ...rest, version: version + 1, rotation: { provider: "other" } }
      const changed = world.tagged({ ...renamed, refresh: { ...refresh!, provider: "other" } })
      const noChanges = { inserted: [], deleted: [], versions: [], services: [] }
      const rename = Effect.sync(() => world.tables.credentials.apply({ ...noChanges, updated: [changed] }))
      world.beforeTransactions.push(rename)
      const refused = yield* Effect.flip(credentials.rotate("demo", byHand, caller))
      assert.deepInclude(refused, { _tag: "VersionConflict", expectedVersion: version, actualVersion: version + 1 })
    })
  )
})

describe("who waits for a provider", () => {
  it.effect("waits in a place of its own, and where there is none asks for no refresh", () =>
    Effect.gen(function* () {
      const { asked, credentials, put, store } = yield* begin
      yield* put()
      const id = yield* store({ expiresAt: 60 * minute })
      const get = (minTtlMs: number | null) =>
        credentials.get(
          "demo",
          { credentialId: id },
          { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs },
          caller
        )
      const byProvider = { credentialId: id, secret: null, expiresAt: null, overlapMs: null, expectedVersion: null }
      const rotate = credentials.rotate("demo", byProvider, caller)
      const full = Effect.provideService(WaitingPlace, {
        take: Effect.suspend(() => Effect.fail(new TooManyRequests({ limit: "requestsInFlight" })))
      })
      const refused = (waiting: Effect.Effect<unknown, { readonly _tag: string }>) =>
        Effect.map(Effect.flip(full(waiting)), ({ _tag }) => assert.strictEqual(_tag, "TooManyRequests"))
      // Who has nothing to wait for needs none.
      yield* full(get(null))
      yield* full(get(30 * minute))
      yield* refused(get(90 * minute))
      yield* refused(rotate)
      yield* TestClock.adjust("1 hour")
      yield* refused(get(minute))
      assert.isEmpty(asked)
    })
  )
})

describe("a provider that is left alone, since it failed five times", () => {
  it.effect("is asked no more for who only reads, and all the same for a person who asks", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 503, body: {} })
      yield* put()
      const ids = yield* Effect.forEach(["a", "b", "c", "d", "e", "f"], (serviceName) =>
        store({ serviceName, expiresAt: minute })
      )
      yield* TestClock.adjust("1 minute")
      for (const id of ids.slice(0, 5)) yield* refresher.due("demo", id)
      assert.lengthOf(asked, 5)
      yield* refresher.due("demo", ids[5]!)
      yield* refresher.settled("demo", ids[5]!, caller)
      assert.lengthOf(asked, 5)
      yield* Effect.exit(refresher.refresh("demo", ids[5]!, caller))
      assert.lengthOf(asked, 6)
    })
  )

  it.effect("is asked all the same with a grant that may have been spent, and for as long as its grace lasts", () =>
    Effect.gen(function* () {
      const { asked, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 503, body: {} })
      yield* put({ refresh_tokens: "rotate_with_grace", grace: "PT1M" })
      const ids = yield* Effect.forEach(["a", "b", "c", "d", "e", "f"], (serviceName) =>
        store({ serviceName, expiresAt: serviceName === "f" ? 60 * minute : minute })
      )
      yield* TestClock.adjust("1 minute")
      for (const id of ids.slice(0, 5)) yield* refresher.due("demo", id)
      // One tries, and in vain: it is left alone for longer.
      yield* TestClock.adjust("5 seconds")
      yield* refresher.due("demo", ids[0]!)
      assert.lengthOf(asked, 6)
      yield* refresher.due("demo", ids[1]!)
      assert.lengthOf(asked, 7)
      // The others' graces are over, and it is left alone again since just now.
      yield* TestClock.adjust("1 minute")
      yield* Effect.exit(refresher.refresh("demo", ids[5]!, caller))
      assert.lengthOf(asked, 8)
      yield* refresher.due("demo", ids[2]!)
      assert.lengthOf(asked, 8)
    })
  )

  it.effect("is asked no more whether a token is alive", () =>
    Effect.gen(function* () {
      const { asked, base, put, refresher, script, store } = yield* begin
      script.answer = () => Promise.resolve({ status: 503, body: {} })
      yield* put({ health: health(base) })
      const ids = yield* Effect.forEach(["a", "b", "c", "d", "e", "f"], (serviceName) => store({ serviceName }))
      yield* TestClock.adjust("1 minute")
      for (const id of ids) yield* refresher.due("demo", id)
      assert.deepStrictEqual(
        asked.map(({ path }) => path),
        Array(5).fill("/me")
      )
    })
  )
})
