// Verifies R-REF-7, R-REF-8, R-REF-9, R-REF-11, R-REF-12, R-REF-24.
/**
 * Refresh from outside: two replicas on one pair, a hostile provider, a client that knows the contract only.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type HostileProvider, startProvider } from "../../support/standIns/provider.ts"

const instance = "rfr"
let database: FreshDatabase
let replicas: ReadonlyArray<Service>
let client: Client
let rotating: HostileProvider
let keeping: HostileProvider
let forgiving: HostileProvider
const events: Array<Record<string, unknown>> = []

const definition = (name: string, provider: HostileProvider, more: object = {}) => ({
  name,
  token_url: provider.tokenUrl,
  client_auth: "post",
  client_id: provider.client.id,
  client_secrets: [provider.client.secret],
  refresh_before: "PT1M",
  rate_per_minute: 10_000,
  parallel: 100,
  ...more
})

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const life = { lifeSeconds: 3_600, graceMs: 0 }
  rotating = await startProvider({ refreshTokens: "rotate", reuse: "refuse", ...life })
  keeping = await startProvider({ refreshTokens: "keep", reuse: "refuse", ...life })
  forgiving = await startProvider({ refreshTokens: "rotate", reuse: "same_successor", ...life })
  const options = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    env: {
      CM_CREDENTIAL_SWEEP_EVERY: "100 millis",
      CM_REFRESH_INTERVAL: "100 millis",
      // Longer than an answer is held here, however busy the machine.
      CM_REFRESH_CLAIM: "25 seconds",
      CM_REFRESH_DOUBT: "4 seconds",
      CM_REFRESH_EXCHANGE: "20 seconds",
      CM_PROVIDER_HOSTS_ALLOWED: [rotating, keeping, forgiving].map(({ host }) => host).join(",")
    }
  }
  const one = await startService(options)
  const two = await startService({ ...options, replica: "two", keyFile: one.keyFile })
  replicas = [one, two]
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  client.nc.subscribe(`${instance}.events.v1.>`, { callback: (_, message) => void events.push(message.json()) })
  await client.nc.flush()
  for (const body of [
    definition("rotating", rotating, { refresh_tokens: "rotate" }),
    definition("keeping", keeping),
    definition("forgiving", forgiving, { refresh_tokens: "rotate", reuse: "same_successor" })
  ]) {
    const put = await ask("provider.put", body)
    assert.strictEqual(put.status, 201, JSON.stringify(put.body))
  }
})
afterAll(async () => {
  await client?.close()
  await Promise.all(replicas?.map((replica) => replica.stop()) ?? [])
  await Promise.all([rotating, keeping, forgiving].map((provider) => provider?.stop()))
  await database?.drop()
})

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)
const refusal = (answer: Answer) => [answer.status, answer.code]
let services = 0
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

const store = async (name: string, provider: HostileProvider, over: object = {}) => {
  const { credentials, family } = provider.connect()
  const answer = await ask("credential.store", {
    service_name: `svc${++services}`,
    type: "oauth",
    credentials,
    expires_at: inMs(3_600_000),
    allowed_consumers: ["mail"],
    rotation: { provider: name },
    ...over
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return { id: answer.body.credential_id as string, family, credentials }
}
const secretOf = async (id: string) =>
  (await ask("credential.get.mail", { credential_id: id })).body.credentials as Record<string, string>
const describeOf = async (id: string) =>
  (await ask("credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )
const rotate = (id: string) => ask("credential.rotate", { credential_id: id })
const eventsOf = (id: string, type: string) =>
  events.filter(({ credential_id, event_type }) => credential_id === id && event_type === `credential.${type}`)

describe("providers", () => {
  it("are put, shown without their secrets, and deleted when nobody names them", async () => {
    const body = definition("mine", keeping)
    assert.deepStrictEqual((await ask("provider.put", body)).status, 201)
    const changed = await ask("provider.put", { ...body, parallel: 7 })
    assert.strictEqual(changed.status, 200)
    const shown = (await ask("provider.get", { name: "mine" })).body
    assert.deepInclude(shown, { origin: "tenant", parallel: 7, client_id: keeping.client.id, client_secrets: 1 })
    assert.notInclude(JSON.stringify(shown), keeping.client.secret)
    const list = (await ask("provider.list")).body.content as ReadonlyArray<{ name: string; origin: string }>
    assert.deepInclude(
      list.map(({ name, origin }) => [name, origin]),
      ["google", "built_in"]
    )
    const { id } = await store("mine", keeping)
    assert.deepStrictEqual(refusal(await ask("provider.delete", { name: "mine" })), [409, "PROVIDER_IN_USE"])
    await ask("credential.update", { credential_id: id, rotation: null })
    assert.deepStrictEqual(refusal(await rotate(id)), [409, "REFRESH_NOT_CONFIGURED"])
    assert.strictEqual((await ask("provider.delete", { name: "mine" })).status, 200)
    assert.deepStrictEqual(refusal(await ask("provider.get", { name: "mine" })), [404, "PROVIDER_NOT_FOUND"])
    assert.deepStrictEqual(refusal(await ask("provider.delete", { name: "google" })), [404, "PROVIDER_NOT_FOUND"])
  })

  it("whose address is not public are refused, and so is a credential that lacks what they need", async () => {
    for (const token_url of ["https://127.0.0.1/token", "http://example.com/token", "https://169.254.169.254/t"]) {
      const refused = await ask("provider.put", { name: "bad", token_url })
      assert.deepStrictEqual(refusal(refused), [400, "INVALID_REQUEST"], token_url)
    }
    const wrong = async (rotation: object, credentials: object = { access_token: "a", refresh_token: "b" }) => {
      const body = { service_name: `svc${++services}`, type: "oauth", credentials, rotation }
      const answer = await ask("credential.store", body)
      assert.deepStrictEqual(refusal(answer), [400, "INVALID_REQUEST"])
      return answer.body.error.details.path
    }
    const whole = { access_token: "a", refresh_token: "b", client_id: "c", client_secret: "d" }
    assert.strictEqual(await wrong({ provider: "nobody" }), "rotation.provider")
    assert.strictEqual(await wrong({ provider: "rotating" }, { access_token: "a" }), "credentials.refresh_token")
    assert.strictEqual(await wrong({ provider: "google" }), "credentials.client_id")
    assert.strictEqual(await wrong({ provider: "microsoft" }, whole), "rotation.params.tenant")
    assert.strictEqual(await wrong({ rotator: "nobody", every: "P1D" }), "rotation.rotator")
    const params = { token_url: "https://10.0.0.1/token" }
    assert.strictEqual(await wrong({ provider: "oauth2", params }, whole), "rotation.params.token_url")
  })
})

describe("a refresh", () => {
  it("on request hands out what the provider gave, and keeps its grant", async () => {
    for (const [name, provider] of [
      ["rotating", rotating],
      ["keeping", keeping]
    ] as const) {
      const { credentials, family, id } = await store(name, provider)
      const answer = await rotate(id)
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
      const secret = await secretOf(id)
      assert.notStrictEqual(secret.access_token, credentials.access_token)
      assert.isTrue(provider.isLive(family, secret.refresh_token!))
      const { refresh } = await describeOf(id)
      assert.strictEqual(refresh.state, "fresh")
      assert.isString(refresh.last_refreshed_at)
      await eventually(
        () => eventsOf(id, "rotated"),
        (found) => found.length === 1 && found[0]!.cause === "refresh",
        { limitMs: 120_000, what: "the event" }
      )
    }
  })

  it("is one exchange for ten callers at once", async () => {
    const { family, id } = await store("rotating", rotating)
    rotating.next("held")
    const before = rotating.exchanges()
    const asked = Array.from({ length: 10 }, () => rotate(id))
    await eventually(
      () => rotating.heldCount(),
      (count) => count === 1,
      { limitMs: 120_000, what: "the exchange" }
    )
    // Who comes after it has ended is owed another: that these are answered, by either replica, says that the ten have come.
    const late = Array.from({ length: 40 }, () => ask("credential.rotate", { credential_id: id, expected_version: 7 }))
    for (const { status } of await Promise.all(late)) assert.strictEqual(status, 409)
    rotating.release()
    const answers = await Promise.all(asked)
    for (const { body, status } of answers) assert.deepInclude({ ...body, status }, { status: 200, version: 2 })
    assert.strictEqual(rotating.exchanges() - before, 1)
    assert.isTrue(rotating.isLive(family, (await secretOf(id)).refresh_token!))
  })

  it("comes by itself when it is due, on one replica", async () => {
    const { credentials, family, id } = await store("rotating", rotating, { expires_at: inMs(8_000) })
    const secret = await eventually(
      () => secretOf(id),
      // Nothing, where its end came before a busy replica did.
      (found) => found !== undefined && found.access_token !== credentials.access_token,
      { limitMs: 120_000, what: "the refresh" }
    )
    assert.strictEqual(secret.refresh_token, rotating.newestOf(family))
    assert.strictEqual(rotating.misuses(), 0)
  })

  it("is waited for by who needs a secret that lives", async () => {
    const { credentials, id } = await store("keeping", keeping, { expires_at: inMs(60_000) })
    const got = await ask("credential.get.mail", { credential_id: id, min_ttl: "PT10M" })
    assert.strictEqual(got.status, 200)
    assert.notStrictEqual(got.body.credentials.access_token, credentials.access_token)
    assert.strictEqual(got.body.refresh.state, "fresh")
  })

  it("that fails is told in a reason, tried again, and its recovery is told", async () => {
    const { id } = await store("keeping", keeping)
    keeping.next("rate_limited")
    const limited = await rotate(id)
    assert.deepStrictEqual(refusal(limited), [502, "PROVIDER_FAILED"])
    assert.deepInclude(limited.body.error.details, { reason: "rate_limited" })
    const { refresh } = await eventually(
      () => describeOf(id),
      (one) => one.refresh.state === "fresh",
      { limitMs: 120_000, what: "the next attempt" }
    )
    assert.strictEqual(refresh.attempts, 0)
    await eventually(
      () => [eventsOf(id, "refresh_failed").length, eventsOf(id, "recovered").length],
      ([failed, recovered]) => failed === 1 && recovered === 1,
      { limitMs: 120_000, what: "the events" }
    )
  })

  it("that is refused for good asks for a person, who reconnects", async () => {
    const { id } = await store("rotating", rotating)
    rotating.next("consent_revoked")
    assert.deepStrictEqual(refusal(await rotate(id)), [409, "RECONNECT_NEEDED"])
    assert.strictEqual((await describeOf(id)).refresh.state, "reconnect_needed")
    const again = rotating.connect()
    const { credentials } = again
    const expires_at = inMs(3_600_000)
    assert.strictEqual((await ask("credential.reconnect", { credential_id: id, credentials, expires_at })).status, 200)
    assert.strictEqual((await describeOf(id)).refresh.state, "fresh")
    assert.strictEqual((await rotate(id)).status, 200)
    assert.isTrue(rotating.isLive(again.family, (await secretOf(id)).refresh_token!))
  })

  it("that is refused for good says so to who needs a secret that lives, once its own has ended", async () => {
    rotating.next("consent_revoked")
    const { credentials, id } = await store("rotating", rotating, { expires_at: inMs(8_000) })
    assert.deepStrictEqual(refusal(await rotate(id)), [409, "RECONNECT_NEEDED"])
    await eventually(
      () => ask("credential.get.mail", { credential_id: id }),
      ({ status }) => status === 410,
      { limitMs: 120_000, what: "the end of the secret" }
    )
    const waited = await ask("credential.get.mail", { credential_id: id, min_ttl: "PT1M" })
    assert.deepStrictEqual(refusal(waited), [503, "REFRESH_PENDING"])
    assert.deepStrictEqual(waited.body.error.details, { credential_id: id, state: "reconnect_needed" })
    assert.match(waited.body.error.reasonPhrase, /a person must reconnect/u)
    const { body, status } = await ask("credential.reconnect", { credential_id: id, credentials })
    assert.strictEqual(status, 400)
    assert.strictEqual(body.error.details.path, "expires_at")
    assert.match(body.error.details.reason, /or null/u, "the way on is told")
  })

  it("whose answer is lost is in doubt, and comes back where the provider lets it", async () => {
    const { family, id } = await store("forgiving", forgiving)
    forgiving.next("lost")
    assert.deepStrictEqual(refusal(await rotate(id)), [503, "REFRESH_IN_DOUBT"])
    await eventually(
      () => describeOf(id),
      (one) => one.refresh.state === "fresh",
      { limitMs: 120_000, what: "the recovery" }
    )
    assert.isTrue(forgiving.isLive(family, (await secretOf(id)).refresh_token!))
  })

  it("keeps a good refresh token beside whatever else is wrong", async () => {
    const { family, id } = await store("rotating", rotating)
    rotating.next("bad_beside_good")
    await rotate(id)
    const secret = await eventually(
      () => secretOf(id),
      (found) => found.refresh_token === rotating.newestOf(family),
      { limitMs: 120_000, what: "the refresh token" }
    )
    assert.isTrue(rotating.isLive(family, secret.refresh_token!))
  })

  it("gives way to what a person stores meanwhile, and loses neither", async () => {
    const { family, id } = await store("rotating", rotating)
    rotating.next("held")
    const asked = rotate(id)
    await eventually(
      () => rotating.heldCount(),
      (count) => count === 1,
      { limitMs: 120_000, what: "the exchange" }
    )
    const other = rotating.connect()
    const expires_at = inMs(3_600_000)
    const byHand = await ask("credential.rotate", { credential_id: id, credentials: other.credentials, expires_at })
    assert.strictEqual(byHand.status, 200)
    rotating.release()
    await asked
    assert.strictEqual((await secretOf(id)).refresh_token, other.credentials.refresh_token)
    assert.isFalse(rotating.isDead(family))
    assert.strictEqual((await rotate(id)).status, 200)
    assert.isTrue(rotating.isLive(other.family, (await secretOf(id)).refresh_token!))
  })

  it("whose rotation is taken away and named anew meanwhile has nothing beginning beside it", async () => {
    const { family, id } = await store("rotating", rotating)
    rotating.next("held")
    const misuses = rotating.misuses()
    const asked = rotate(id)
    await eventually(
      () => rotating.heldCount(),
      (count) => count === 1,
      { limitMs: 120_000, what: "the exchange" }
    )
    for (const rotation of [null, { provider: "rotating" }]) {
      assert.strictEqual((await ask("credential.update", { credential_id: id, rotation })).status, 200)
    }
    // At whichever replica: they wait for the exchange that is under way.
    const late = Array.from({ length: 4 }, () => rotate(id))
    const { refresh } = await describeOf(id)
    assert.strictEqual(refresh.state, "refreshing")
    rotating.release()
    for (const answer of await Promise.all([asked, ...late])) {
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    }
    assert.strictEqual(rotating.misuses(), misuses)
    assert.isTrue(rotating.isLive(family, (await secretOf(id)).refresh_token!))
  })

  it("that a person has overtaken is used in the end, where what was stored meanwhile has ended", async () => {
    const { family, id } = await store("rotating", rotating)
    rotating.next("held")
    const asked = rotate(id)
    await eventually(
      () => rotating.heldCount(),
      (count) => count === 1,
      { limitMs: 120_000, what: "the exchange" }
    )
    const other = rotating.connect()
    const expires_at = inMs(3_600_000)
    const byHand = await ask("credential.rotate", { credential_id: id, credentials: other.credentials, expires_at })
    rotating.release()
    await asked
    const described = await describeOf(id)
    assert.deepStrictEqual([described.version, described.refresh.state], [byHand.body.version, "fresh"])
    rotating.next("consent_revoked")
    assert.deepStrictEqual(refusal(await rotate(id)), [502, "PROVIDER_FAILED"])
    assert.strictEqual((await rotate(id)).status, 200)
    assert.isTrue(rotating.isLive(family, (await secretOf(id)).refresh_token!))
    assert.strictEqual((await describeOf(id)).refresh.state, "fresh")
  })
})

it("nothing secret is in an event, in the audit or in what the replicas print", async () => {
  const audit: Array<unknown> = []
  let cursor: string | undefined
  do {
    const page: Answer = await ask("audit.list", { limit: 1000, ...(cursor === undefined ? {} : { cursor }) })
    audit.push(...page.body.content)
    cursor = page.body.nextCursor
  } while (cursor !== undefined)
  const said = [JSON.stringify(events), JSON.stringify(audit), ...replicas.map((replica) => replica.output())].join(
    "\n"
  )
  for (const provider of [rotating, keeping, forgiving]) {
    for (const secret of provider.secrets()) assert.isFalse(said.includes(secret), "a secret was said")
  }
})
