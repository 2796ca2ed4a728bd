// Verifies R-REF-10.
/**
 * A replica is killed at each step of a refresh, stopped exactly there; another process takes over. The
 * provider says what is left: where it lets anybody come back, its live grant is held again.
 *
 * Two kinds of providers each time, and a third one that the seed chooses (`SEED=…`); `CM_KILLS=all`: every kind.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { type Service, startService } from "../../support/service.ts"
import { type HostileProvider, type ProviderRules, startProvider } from "../../support/standIns/provider.ts"
import { type Passing, type StatementGate, statementGate } from "../../support/statementGate.ts"

const instance = "rfk"
const timings = {
  // Through this process, which may be as busy as all others.
  CM_DB_CONNECT_TIMEOUT: "10 seconds",
  CM_CREDENTIAL_SWEEP_EVERY: "200 millis",
  CM_REFRESH_INTERVAL: "100 millis",
  CM_REFRESH_CLAIM: "2 seconds",
  CM_REFRESH_DOUBT: "3 seconds",
  CM_REFRESH_EXCHANGE: "10 seconds"
}
let database: FreshDatabase
let gate: StatementGate
let client: Client
let gated: string
let keyFile: string
const kinds: Readonly<Record<string, Pick<ProviderRules, "refreshTokens" | "reuse" | "graceMs">>> = {
  keep: { refreshTokens: "keep", reuse: "refuse", graceMs: 0 },
  rotate: { refreshTokens: "rotate", reuse: "refuse", graceMs: 0 },
  family: { refreshTokens: "rotate", reuse: "revoke_family", graceMs: 0 },
  successor: { refreshTokens: "rotate", reuse: "same_successor", graceMs: 0 },
  grace: { refreshTokens: "rotate_with_grace", reuse: "refuse", graceMs: 600_000 }
}
const providers = new Map<string, HostileProvider>()
let env: Record<string, string>

const start = (databaseUrl: string): Promise<Service> =>
  startService({
    natsUrl: inject("natsUrl"),
    databaseUrl,
    instance,
    keyFile,
    env,
    asShipped: true,
    readyLimitMs: 240_000
  })
const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const url = new URL(database.url)
  gate = await statementGate({ host: url.hostname, port: Number(url.port) })
  gated = Object.assign(new URL(database.url), { port: String(gate.port) }).href
  for (const [name, rules] of Object.entries(kinds)) {
    providers.set(name, await startProvider({ ...rules, lifeSeconds: 3_600 }))
  }
  env = { ...timings, CM_PROVIDER_HOSTS_ALLOWED: Array.from(providers.values(), ({ host }) => host).join(",") }
  const first = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, env })
  keyFile = first.keyFile
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  for (const [name, provider] of providers) {
    const { graceMs, refreshTokens, reuse } = kinds[name]!
    const put = await ask("provider.put", {
      name,
      token_url: provider.tokenUrl,
      client_auth: "post",
      client_id: provider.client.id,
      client_secrets: [provider.client.secret],
      refresh_tokens: refreshTokens,
      reuse,
      grace: `PT${graceMs / 1_000}S`,
      rate_per_minute: 1_000
    })
    assert.strictEqual(put.status, 201, JSON.stringify(put.body))
  }
  await first.stop()
}, 300_000)
afterAll(async () => {
  await client?.close()
  await gate?.close()
  await Promise.all(Array.from(providers.values(), (provider) => provider.stop()))
  await database?.drop()
})

let services = 0
const store = async (name: string) => {
  const { credentials, family } = providers.get(name)!.connect()
  const answer = await ask("credential.store", {
    service_name: `svc${++services}`,
    type: "oauth",
    credentials,
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    allowed_consumers: ["mail"],
    rotation: { provider: name }
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return { name, id: answer.body.credential_id as string, family }
}

const claims = ({ text }: Passing) => text.startsWith("UPDATE credentials") && text.includes('"claim":{')
const commitOf = (part: string | ((transaction: string) => boolean)) => (passing: Passing) =>
  passing.commits && (typeof part === "string" ? passing.transaction.includes(part) : part(passing.transaction))
const answers = "INSERT IGNORE INTO credential_versions"
const settles = "DELETE FROM credential_versions"

/** Where it is killed; `isWindow`: spent at the provider, and stored nowhere. */
const stops: ReadonlyArray<{
  readonly at: string
  readonly is: (passing: Passing) => boolean
  readonly when: "before" | "answered"
  readonly isWindow: boolean
}> = [
  { at: "before the claim is written", is: claims, when: "before", isWindow: false },
  {
    at: "after the claim was committed",
    is: commitOf((transaction) => transaction.includes('"claim":{')),
    when: "answered",
    isWindow: false
  },
  {
    at: "before the answer is written",
    is: ({ text }) => text.includes(answers),
    when: "before",
    isWindow: true
  },
  // It is a statement that commits by itself.
  { at: "after the answer was committed", is: ({ text }) => text.includes(answers), when: "answered", isWindow: false },
  { at: "before the settling is written", is: ({ text }) => text.includes(settles), when: "before", isWindow: false },
  { at: "before the settling is committed", is: commitOf(settles), when: "before", isWindow: false },
  { at: "after the settling was committed", is: commitOf(settles), when: "answered", isWindow: false }
]

const shown = async (id: string) =>
  (await ask("credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )

const usual = ["rotate", "successor"]
const chosen = (): ReadonlyArray<string> => {
  if (process.env.CM_KILLS === "all") return Object.keys(kinds)
  const others = Object.keys(kinds).filter((name) => !usual.includes(name))
  return [...usual, others[Math.floor(seededRandom("kills").random() * others.length)]!]
}

describe("killed", () => {
  for (const name of chosen()) {
    it(`at each step of a refresh at a provider of the kind ${name}`, async () => {
      const provider = providers.get(name)!
      for (const { at, is, isWindow, when } of stops) {
        let service = await start(gated)
        const { family, id } = await store(name)
        let isStopped = false
        // Never fails.
        void gate.stopAt(is, when).then(() => {
          isStopped = true
        })
        // May fail: its answer may never come.
        void ask("credential.rotate", { credential_id: id }).catch(() => undefined)
        await eventually(
          () => isStopped,
          (there) => there,
          { limitMs: 200_000, everyMs: 2, what: `${name}, ${at}: the stop` }
        )
        service.kill()
        await service.exited
        service = await start(database.url)
        const mayBeLost = isWindow && (name === "rotate" || name === "family")
        const ends = mayBeLost ? ["reconnect_needed"] : ["fresh"]
        const { refresh } = await eventually(
          () => shown(id),
          (one) => ends.includes(one?.refresh.state),
          { limitMs: 200_000, what: `${name}, ${at}: the end` }
        ).catch(async (error: unknown) => {
          throw new Error(`${name}, ${at}: ${JSON.stringify((await shown(id))?.refresh)}`, { cause: error })
        })
        if (!mayBeLost) {
          const got = await ask("credential.get.mail", { credential_id: id })
          assert.isTrue(provider.isLive(family, got.body.credentials.refresh_token), `${name}, ${at}`)
          // What the dead one had locked is free once the database has noticed.
          await eventually(
            () => ask("credential.rotate", { credential_id: id }),
            ({ status }) => status === 200,
            { limitMs: 200_000, what: `${name}, ${at}: another refresh` }
          )
        } else assert.strictEqual(refresh.state, "reconnect_needed", `${name}, ${at}`)
        await service.stop()
      }
    }, 1_500_000)
  }
})
