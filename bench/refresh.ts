/**
 * Promises measured:
 *
 * 1. what a look for due refreshes costs at 10,000 and at a million grants (milliseconds, plan), all of them due;
 * 2. refreshes that are due, in a second, against a bare loop of HTTP exchanges to the same provider, as many at
 *    a time; a refresh commits four times and more, so the ratio says what durability costs;
 * 3. the p99 of `credential.get` while such a wave goes on against without (goal 1.2).
 *
 * The wave: credentials are stored, the service is stopped until all are due, and started again. Readers
 * ask from the moment on at which it is ready; when the wave is over, for as long again.
 *
 * `node bench/refresh.ts [grants of the wave=400] [rows=1000000] [readers=4] [exchanges at a time=16]`
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { Duration, Effect, Layer } from "effect"
import { createConnection } from "mariadb"
import * as DuePick from "../src/store/maria/DuePick.ts"
import { Mariadb } from "../src/store/maria/Mariadb.ts"
import { connectClient } from "../test/support/client.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { layerMariaStores } from "../test/support/storeLayers.ts"
import { median, printMachine } from "./support/report.ts"

const [waveSize = 400, rowsMax = 1_000_000, readers = 4, parallel = 16] = process.argv.slice(2).map(Number)
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

const looks = Effect.gen(function* () {
  const database = yield* Mariadb
  const backlog = DuePick.noBacklog()
  let rows = 0
  for (const target of rowsMax < 10_000 ? [] : [10_000, rowsMax]) {
    for (; rows < target; rows += 10_000) {
      yield* database.query("bench", (session) => session.run(insertSql(rows + 1, rows + 10_000)))
    }
    yield* database.query("bench", (session) => session.command("ANALYZE TABLE credentials"))
    const took: Array<number> = []
    for (let look = 0; look < 21; look++) {
      const began = performance.now()
      yield* database.query("bench", (session) => DuePick.choose(session, 64, backlog, look * 10_000))
      if (look > 0) took.push(performance.now() - began)
    }
    const largest = Math.max(...took).toFixed(1)
    console.log(
      `a look at ${target.toLocaleString("en")} due grants: ${median(took).toFixed(1)} ms (at most ${largest})`
    )
  }
  for (const [name, sql, values] of [
    ["due", DuePick.dueSql, []],
    ["queues", DuePick.queuesSql, []],
    ["of a queue, oldest", DuePick.queueDueSql, [Buffer.alloc(16), 64]],
    ["of a queue, nearest to its end", DuePick.queueUrgentSql, [Buffer.alloc(16), 64]]
  ] as const) {
    const plan = yield* database.query("bench", (session) => session.rows(`EXPLAIN ${sql}`, values))
    for (const row of plan) console.log(`  ${name}: ${row[2]} ${row[3]} by ${row[5]}; ${row[9]}`)
  }
})
const settings = { connections: 1, operationTimeout: Duration.seconds(120) }
await Effect.runPromise(Effect.provide(looks, layerMariaStores(pair.mariadb.url, settings).pipe(Layer.orDie)))

// ---- 2. and 3. a wave --------------------------------------------------------------
let exchanges = 0
const provider = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const number = ++exchanges
    const body = { access_token: `access-${number}`, refresh_token: `refresh-${number}`, expires_in: 3_600 }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
})
await new Promise<void>((done) => void provider.listen(0, "127.0.0.1", done))
const host = `127.0.0.1:${(provider.address() as AddressInfo).port}`
const database = await freshDatabase(pair.mariadb.url)
const options = {
  natsUrl: pair.nats.url,
  databaseUrl: database.url,
  instance: "bench",
  env: { CM_PROVIDER_HOSTS_ALLOWED: host, CM_REFRESH_INTERVAL: "100 millis" }
}
const first = await startService(options)
const client = await connectClient({ natsUrl: pair.nats.url, instance: "bench", timeoutMs: 30_000 })
const ask = async (operation: string, body: unknown) => {
  const answer = await client.ask("demo", operation, body)
  if (answer.status >= 300) throw new Error(`${operation}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
await ask("provider.put", {
  name: "bench",
  token_url: `http://${host}/token`,
  client_id: "bench",
  client_secrets: ["a secret of the bench"],
  rate_per_minute: 100_000,
  parallel,
  refresh_tokens: "rotate"
})
const store = (service_name: string, livesMs: number) =>
  ask("credential.store", {
    service_name,
    type: "oauth",
    credentials: { access_token: "access-of-the-bench", refresh_token: `refresh-${service_name}` },
    expires_at: new Date(Date.now() + livesMs).toISOString(),
    allowed_consumers: ["mail"],
    rotation: { provider: "bench", refresh_before: "PT30M" }
  })
const read = (await store("read", 86_400_000)).credential_id
// Due at half of their life, when the service is not there.
const lifeMs = 120_000
for (let at = 0; at < waveSize; at += 32) {
  await Promise.all(Array.from({ length: Math.min(32, waveSize - at) }, (_, index) => store(`w${at + index}`, lifeMs)))
}
await first.stop()
if (exchanges > 0) throw new Error("storing took so long that the wave began: take fewer")
await pause(lifeMs / 2 + 1_000)

/** Latencies of readers until told to stop. */
const reading = () => {
  const took: Array<number> = []
  let isOver = false
  const loops = Array.from({ length: readers }, async () => {
    while (!isOver) {
      const began = performance.now()
      await ask("credential.get.mail", { credential_id: read })
      took.push(performance.now() - began)
    }
  })
  return async () => {
    isOver = true
    await Promise.all(loops)
    return { p99: took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? Number.NaN, reads: took.length }
  }
}
const second = await startService({ ...options, keyFile: first.keyFile })
const inWave = reading()
const counted = async () => {
  const sql = await createConnection(database.url)
  const [row] = await sql.query(
    "SELECT COUNT(*) AS n FROM credentials WHERE JSON_VALUE(refresh, '$.lastRefreshedAt') IS NOT NULL"
  )
  await sql.end()
  return Number(row.n)
}
const from = await counted()
const began = performance.now()
while ((await counted()) < waveSize) await pause(50)
const waveMs = performance.now() - began
const during = await inWave()
const quiet = reading()
await pause(waveMs)
const without = await quiet()

/** The same exchanges, and nothing else: a connection each, as the service has it. */
const bare = async (): Promise<number> => {
  const startedAt = performance.now()
  let left = waveSize
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left-- > 0) {
        const answer = await fetch(`http://${host}/token`, {
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
const rates = [await bare(), await bare(), await bare()]
const perSecond = (waveSize - from) / (waveMs / 1_000)
console.log(
  `due grants: ${perSecond.toFixed(0)}/s (${parallel} at a time, one replica); bare exchanges ${median(rates).toFixed(0)}/s; ratio ${(perSecond / median(rates)).toFixed(3)}`
)
console.log(
  `credential.get p99: ${during.p99.toFixed(1)} ms in the wave (${during.reads} reads), ${without.p99.toFixed(1)} ms without (${without.reads}); ratio ${(during.p99 / without.p99).toFixed(2)} (goal at most 1.2)`
)
await client.close()
await second.stop()
provider.closeAllConnections()
provider.close()
await database.drop()
await pair.stop()
