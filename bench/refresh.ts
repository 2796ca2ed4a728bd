/**
 * Promises measured:
 *
 * 1. what a look for due refreshes costs at 10,000, 200,000 and a million grants (milliseconds, plan), all of them due;
 * 2. refreshes that are due, in a second, against a bare loop of HTTP exchanges to the same provider, as many at
 *    a time; a refresh commits five times, so the ratio says what durability costs;
 * 3. the p99 of `credential.get` while such a wave goes on against without (goal 1.2).
 *
 * A wave: the provider's rate is 1 a minute until all are due, then there is no rate to speak of. Readers ask all the
 * time, of the same service, warm; what they have just before each wave and just after it is "without". Beside the
 * times stands what the service and MariaDB took of a processor, and MariaDB's counters, for a refresh.
 *
 * `node bench/refresh.ts [grants of the wave=2000] [rows=1000000] [readers=4] [exchanges at a time=16] [waves=3]`
 *
 * Fewer rows than 10,000: no looks. `BENCH_READERS=elsewhere`: readers ask another service, with a database of its own on the
 * same servers, which refreshes nothing; what a wave does to them then, no service that refreshes could spare them on this
 * machine. `BENCH_ENV`: settings of the service, as JSON. `BENCH_PROFILE`: a folder for a
 * profile of the service's processor.
 */
import { createHash } from "node:crypto"
import { setTimeout as pause } from "node:timers/promises"
import { Duration, Effect, Layer } from "effect"
import * as DuePick from "../src/store/maria/DuePick.ts"
import { Mariadb } from "../src/store/maria/Mariadb.ts"
import { type Client, connectClient } from "../test/support/client.ts"
import { connectSql, freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { layerMariaStores } from "../test/support/storeLayers.ts"
import { startTokenProvider } from "./support/children.ts"
import { median, printMachine, processorSeconds } from "./support/report.ts"

const [waveSize = 2_000, rowsMax = 1_000_000, readers = 4, parallel = 16, waves = 3] = process.argv.slice(2).map(Number)
printMachine()
const pair = await startPair()

// ---- 1. the look -----------------------------------------------------------------
const insertSql = (from: number, to: number) => `INSERT INTO credentials (credential_id, tenant_id, service_name, type,
    owner_key, state, version, secret_version, scopes, allowed_consumers, metadata, noticed_ms, created_at, updated_at,
    created_by, updated_by, refresh, refresh_due_at, refresh_final_at, refresh_provider, refresh_queue, refresh_urgency)
  SELECT UNHEX(LPAD(HEX(seq), 32, '0')), 'crowd', CONCAT('s', seq), 'oauth', '', 0, 1, 1, '[]', '[]', '{}', 0, 0, 0,
    't', 't', '{"lane":"x"}', UNIX_TIMESTAMP() * 1000 - MOD(seq * 7919, 604800000), NULL, 'p',
    UNHEX(MD5(MOD(seq, 20))), UNIX_TIMESTAMP() * 1000 + MOD(seq * 104729, 2592000000)
  FROM seq_${from}_to_${to}`

/** Those of the twenty clients whose grants are above. */
const queuesSql = `INSERT INTO refresh_queues (queue, lane, circuit, provider, rate_per_minute, parallel, closed_until)
  SELECT UNHEX(MD5(seq)), UNHEX(MD5(seq)), UNHEX(MD5(-seq)), 'p', 60, 4, 0 FROM seq_0_to_19`
const oneQueue = createHash("md5").update("7").digest()

const looks = Effect.gen(function* () {
  const database = yield* Mariadb
  yield* database.query("bench", (session) => session.run(queuesSql))
  const backlog = DuePick.noBacklog()
  let rows = 0
  for (const target of [10_000, 200_000, rowsMax].filter((one, at, all) => one <= rowsMax && all.indexOf(one) === at)) {
    for (; rows < target; rows += 10_000) {
      yield* database.query("bench", (session) => session.run(insertSql(rows + 1, rows + 10_000)))
    }
    yield* database.query("bench", (session) => session.command("ANALYZE TABLE credentials"))
    const took: Array<number> = []
    for (let look = 0; look < 21; look++) {
      const began = performance.now()
      yield* database.query("bench", (session) => DuePick.choose(session, { limit: 64 }, backlog, look * 10_000))
      if (look > 0) took.push(performance.now() - began)
    }
    const largest = Math.max(...took).toFixed(1)
    console.log(
      `a look at ${target.toLocaleString("en")} due grants: ${median(took).toFixed(1)} ms (at most ${largest})`
    )
    for (const [name, sql, values] of [
      ["due", DuePick.dueSql, []],
      ["queues", DuePick.queuesSql, []],
      ["of a queue, oldest", DuePick.queueDueSql, [oneQueue, 64]],
      ["of a queue, nearest to its end", DuePick.queueUrgentSql, [oneQueue, 64]]
    ] as const) {
      const each: Array<number> = []
      for (let time = 0; time < 5; time++) {
        const began = performance.now()
        yield* database.query("bench", (session) => session.rows(sql, values))
        each.push(performance.now() - began)
      }
      const plan = yield* database.query("bench", (session) => session.rows(`EXPLAIN ${sql}`, values))
      for (const row of plan) {
        console.log(`  ${name}: ${median(each).toFixed(1)} ms; ${row[2]} ${row[3]} by ${row[5]}; ${row[9]}`)
      }
    }
  }
})
const settings = { connections: 1, operationTimeout: Duration.seconds(120) }
if (rowsMax >= 10_000) {
  await Effect.runPromise(Effect.provide(looks, layerMariaStores(pair.mariadb.url, settings).pipe(Layer.orDie)))
}
if (waveSize === 0) {
  await pair.stop()
  process.exit(0)
}

// ---- 2. and 3. waves ---------------------------------------------------------------
/** Due at half of it. */
const lifeMs = 120_000
const provider = await startTokenProvider(lifeMs / 1_000)
const database = await freshDatabase(pair.mariadb.url)
const profile = process.env.BENCH_PROFILE
const service = await startService({
  natsUrl: pair.nats.url,
  databaseUrl: database.url,
  instance: "bench",
  asShipped: true,
  env: {
    CM_PROVIDER_HOSTS_ALLOWED: provider.host,
    ...(profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
    ...JSON.parse(process.env.BENCH_ENV ?? "{}")
  }
})
const client = await connectClient({ natsUrl: pair.nats.url, instance: "bench", timeoutMs: 30_000 })
const askerOf =
  ({ ask }: Pick<Client, "ask">) =>
  async (operation: string, body: unknown) => {
    const answer = await ask("demo", operation, body)
    if (answer.status >= 300) throw new Error(`${operation}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
const ask = askerOf(client)
const startElsewhere = async () => {
  const database = await freshDatabase(pair.mariadb.url)
  const options = { natsUrl: pair.nats.url, databaseUrl: database.url, instance: "elsewhere", asShipped: true }
  const service = await startService(options)
  const client = await connectClient({ natsUrl: pair.nats.url, instance: "elsewhere", timeoutMs: 30_000 })
  return {
    ask: askerOf(client),
    stop: async () => {
      await client.close()
      await service.stop()
      await database.drop()
    }
  }
}
const elsewhere = process.env.BENCH_READERS === "elsewhere" ? await startElsewhere() : null
/** Of the service that readers ask. */
const askReader = elsewhere?.ask ?? ask
const putProvider = (rate: number) =>
  ask("provider.put", {
    name: "bench",
    token_url: `http://${provider.host}/token`,
    client_id: "bench",
    client_secrets: ["a secret of the bench"],
    rate_per_minute: rate,
    parallel,
    refresh_tokens: "rotate"
  })
await putProvider(1)
const store = (service_name: string, livesMs: number) =>
  ask("credential.store", {
    service_name,
    type: "oauth",
    credentials: { access_token: "access-of-the-bench", refresh_token: `refresh-${service_name}` },
    expires_at: new Date(Date.now() + livesMs).toISOString(),
    allowed_consumers: ["mail"],
    rotation: { provider: "bench", refresh_before: "PT30M" }
  })
const apiKey = { type: "api_key", credentials: { api_key: "of the bench" }, allowed_consumers: ["mail"] }
const read =
  elsewhere === null
    ? (await store("read", 86_400_000)).credential_id
    : (await elsewhere.ask("credential.store", { service_name: "read", ...apiKey })).credential_id
/** Refreshed by hand, which tells the queue the provider's new rate. */
const first = (await store("first", 86_400_000)).credential_id
for (let at = 0; at < waveSize; at += 32) {
  await Promise.all(Array.from({ length: Math.min(32, waveSize - at) }, (_, index) => store(`w${at + index}`, lifeMs)))
}

/** Latencies of readers until told to stop. */
const reading = () => {
  const took: Array<number> = []
  let isOver = false
  const loops = Array.from({ length: readers }, async () => {
    while (!isOver) {
      const began = performance.now()
      await askReader("credential.get.mail", { credential_id: read })
      took.push(performance.now() - began)
    }
  })
  return async () => {
    isOver = true
    await Promise.all(loops)
    return took
  }
}
const sql = await connectSql(database.url)
const counters = [
  "Com_commit",
  "Com_stmt_execute",
  "Questions",
  "Innodb_row_lock_waits",
  "Innodb_row_lock_time",
  "Innodb_data_fsyncs"
] as const
const status = async () => {
  const rows: ReadonlyArray<{ readonly Variable_name: string; readonly Value: string }> =
    await sql.query("SHOW GLOBAL STATUS")
  const known = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]))
  return {
    at: performance.now(),
    service: processorSeconds(service.pid),
    mariadb: processorSeconds(pair.mariadb.pid),
    exchanges: await provider.count(),
    counts: counters.map((name) => known.get(name) ?? Number.NaN)
  }
}
const isDue = async () => {
  const [row] = await sql.query(
    "SELECT COUNT(*) AS n FROM credentials WHERE refresh_due_at <= UNIX_TIMESTAMP(NOW(3)) * 1000 + 15000"
  )
  return Number(row.n) >= waveSize - 2
}

const p = (took: ReadonlyArray<number>, part: number) =>
  took.toSorted((a, b) => a - b)[Math.min(took.length - 1, Math.floor(took.length * part))] ?? Number.NaN
const within: Array<number> = []
const without: Array<number> = []
const rates: Array<number> = []
const quietMs = 8_000
for (let wave = 0; wave < waves; wave++) {
  const warm = reading()
  while (!(await isDue())) await pause(1_000)
  await warm()
  const before = reading()
  const quietFrom = await status()
  await pause(quietMs)
  const quietTo = await status()
  const took = await before()

  await putProvider(100_000)
  await ask("credential.rotate", { credential_id: first })
  const from = await status()
  const inWave = reading()
  const target = from.exchanges + waveSize - 3
  while ((await provider.count()) < target) await pause(100)
  const to = await status()
  const during = await inWave()
  await putProvider(1)
  await pause(1_000)
  const after = reading()
  await pause(quietMs)
  took.push(...(await after()))

  within.push(...during)
  without.push(...took)
  const seconds = (to.at - from.at) / 1_000
  const done = to.exchanges - from.exchanges
  rates.push(done / seconds)
  const ms = (share: number) => share.toFixed(1)
  console.log(
    `wave ${wave + 1}: ${done} in ${seconds.toFixed(1)} s, ${(done / seconds).toFixed(0)}/s; credential.get p50 ${ms(p(during, 0.5))} p99 ${ms(p(during, 0.99))} ms, without ${ms(p(took, 0.5))} and ${ms(p(took, 0.99))}; reads ${((during.length * 1_000) / (to.at - from.at)).toFixed(0)}/s, without ${((took.length * 500) / quietMs).toFixed(0)}/s`
  )
  const quietSeconds = (quietTo.at - quietFrom.at) / 1_000
  const shares = (a: typeof from, b: typeof from, over: number) =>
    `service ${((b.service - a.service) / over).toFixed(2)}, MariaDB ${((b.mariadb - a.mariadb) / over).toFixed(2)} of a processor`
  console.log(`  in it ${shares(from, to, seconds)}; without ${shares(quietFrom, quietTo, quietSeconds)}`)
  const each = counters.map((name, at) => `${name} ${((to.counts[at]! - from.counts[at]!) / done).toFixed(2)}`)
  console.log(`  MariaDB for a refresh, reads among it: ${each.join(", ")}`)
}
await sql.end()

/** The same exchanges, and nothing else: a connection each, as the service has it. */
const bare = async (): Promise<number> => {
  const startedAt = performance.now()
  let left = waveSize
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left-- > 0) {
        const answer = await fetch(`http://${provider.host}/token`, {
          method: "POST",
          body: "grant_type=refresh_token",
          headers: { connection: "close" }
        })
        await answer.text()
      }
    })
  )
  return waveSize / ((performance.now() - startedAt) / 1_000)
}
const bareRates = [await bare(), await bare(), await bare()]
console.log(
  `due grants: ${median(rates).toFixed(0)}/s (${parallel} at a time, one replica); bare exchanges ${median(bareRates).toFixed(0)}/s; ratio ${(median(rates) / median(bareRates)).toFixed(3)}`
)
console.log(
  `credential.get p99${elsewhere === null ? "" : " of another service"}: ${p(within, 0.99).toFixed(1)} ms in waves (${within.length} reads), ${p(without, 0.99).toFixed(1)} ms without (${without.length}); ratio ${(p(within, 0.99) / p(without, 0.99)).toFixed(2)} (goal at most 1.2); of the medians ${(p(within, 0.5) / p(without, 0.5)).toFixed(2)}`
)
await elsewhere?.stop()
await client.close()
await service.stop()
await provider.stop()
await database.drop()
await pair.stop()
