/**
 * Promises measured, each as a ratio to a baseline of the same run:
 *
 * 1. opening a sealed record with a warm key, behind the bus, against a bare echo (goal 0.5);
 * 2. an audited `credential.get` at 64 callers against a bare loop of commits on one connection:
 *    reads for each commit (goal 10), since reads of one tenant share their commit;
 * 3. `credential.store` at 64 callers against the same loop;
 * 4. moving sealed records to another key, against updating the same column of the same rows.
 *
 * `node bench/secrets.ts [seconds a round] [rounds]`
 */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import { type Connection, createConnection } from "mariadb"
import * as KeyId from "../src/crypto/KeyId.ts"
import * as SealedRecord from "../src/crypto/SealedRecord.ts"
import { KeyRotationStore } from "../src/store/KeyRotationStore.ts"
import * as MariaStores from "../src/store/MariaStores.ts"
import { StoreConfig } from "../src/store/StoreConfig.ts"
import { type Client, connectClient } from "../test/support/client.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { settingsOf } from "../test/support/storeLayers.ts"
import { startEcho, startLoad, startOpener } from "./support/children.ts"
import { median, printMachine, spread } from "./support/report.ts"

const seconds = Number(process.argv[2] ?? "3")
const rounds = Number(process.argv[3] ?? "5")
const callers = 64
const secretBytes = 256
const movedRows = 5_000
const pageRows = 500

printMachine()
console.log(`${rounds} rounds of ${seconds} s each, in turns; medians (smallest to largest)`)
const pair = await startPair()
const natsUrl = pair.nats.url
const database = await freshDatabase(pair.mariadb.url)

// ---- 1. opening ------------------------------------------------------------------
const echo = await startEcho(natsUrl, "bench.echo", secretBytes)
const opener = await startOpener(natsUrl, "bench.open", secretBytes)
const load = await startLoad({ natsUrl, requests: [Buffer.from("{}").toString("base64")], inFlight: 256 })
const openings: Array<number> = []
const echoes: Array<number> = []
for (let round = 0; round <= rounds; round++) {
  const milliseconds = round === 0 ? 500 : seconds * 1_000
  const bare = await load.run({ subject: "bench.echo", milliseconds, replyBytes: secretBytes })
  const opened = await load.run({ subject: "bench.open", milliseconds, replyBytes: secretBytes })
  if (bare.wrong + opened.wrong > 0) throw new Error("wrong replies")
  if (round === 0) continue
  echoes.push(bare.perSecond)
  openings.push(opened.perSecond)
}
await Promise.all([load.stop(), opener.stop(), echo.stop()])
console.log(
  `opened ${spread(openings)}/s; echo ${spread(echoes)}/s; ratio ${(median(openings) / median(echoes)).toFixed(2)}`
)

// ---- 2. and 3. reads and stores against commits ------------------------------------
const service = await startService({ natsUrl, databaseUrl: database.url, instance: "bench" })
const client: Client = await connectClient({ natsUrl, instance: "bench" })
const sql: Connection = await createConnection(database.url)
await sql.query("CREATE TABLE bench_commits (id INT PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB")
await sql.query("INSERT INTO bench_commits VALUES (1, 0)")

/** How many of `step` end in a second, with `width` of them under way. */
const rate = async (width: number, step: () => Promise<unknown>): Promise<number> => {
  const until = performance.now() + seconds * 1_000
  let done = 0
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (performance.now() < until) {
        await step()
        done += 1
      }
    })
  )
  return done / ((performance.now() - startedAt) / 1_000)
}
const must = async (operation: string, body: unknown) => {
  const answer = await client.ask("demo", operation, body)
  if (answer.status >= 300) throw new Error(`${operation}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const stored = await must("credential.store", {
  service_name: "bench",
  type: "api_key",
  credentials: { api_key: "x".repeat(secretBytes) },
  allowed_consumers: ["mail"]
})
let names = 0
const figures = { reads: [] as Array<number>, stores: [] as Array<number>, commits: [] as Array<number> }
for (let round = 0; round <= rounds; round++) {
  const commits = await rate(1, () => sql.query("UPDATE bench_commits SET n = n + 1 WHERE id = 1"))
  const reads = await rate(callers, () => must("credential.get.mail", { credential_id: stored.credential_id }))
  const stores = await rate(callers, () =>
    must("credential.store", { service_name: `s${names++}`, type: "api_key", credentials: { api_key: "k" } })
  )
  if (round === 0) continue
  figures.commits.push(commits)
  figures.reads.push(reads)
  figures.stores.push(stores)
}
const commits = median(figures.commits)
console.log(`commits on one connection ${spread(figures.commits)}/s`)
console.log(
  `audited reads, ${callers} callers ${spread(figures.reads)}/s; ${(median(figures.reads) / commits).toFixed(2)} for each commit`
)
console.log(
  `stores, ${callers} callers ${spread(figures.stores)}/s; ${(median(figures.stores) / commits).toFixed(2)} for each commit`
)
await client.close()
await service.stop()

// ---- 4. moving records -------------------------------------------------------------
const [oldKey, newKey] = [1, 2].map((n) =>
  SealedRecord.makeKey(KeyId.makeKeyId(1_700_000_000_000 + n), randomBytes(SealedRecord.keyLength))
) as [SealedRecord.SealingKey, SealedRecord.SealingKey]
const plaintext = new Uint8Array(secretBytes).fill(0x61)
const place = (id: string) => `demo/${id}/1/credentials`
const ids = Array.from({ length: movedRows }, (_, n) => KeyId.makeKeyId(1_700_000_100_000 + n))
await sql.batch(
  `INSERT INTO credential_versions (credential_id, version, tenant_id, state, sealed, key_id, fingerprints, created_at, created_by)
    VALUES (?, 1, 'demo', 0, ?, ?, '{}', 0, 'bench')`,
  ids.map((id) => [
    Buffer.from(KeyId.toBytes(id)),
    Buffer.from(SealedRecord.seal(oldKey, place(id), plaintext)),
    Buffer.from(KeyId.toBytes(oldKey.keyId))
  ])
)
const bareStartedAt = performance.now()
for (let start = 0; start < movedRows; start += pageRows) {
  await sql.batch(
    "UPDATE credential_versions SET sealed = CONCAT(sealed, '') WHERE credential_id = ? AND version = 1",
    ids.slice(start, start + pageRows).map((id) => [Buffer.from(KeyId.toBytes(id))])
  )
}
const bare = movedRows / ((performance.now() - bareStartedAt) / 1_000)
const moveAll = Effect.gen(function* () {
  const store = yield* KeyRotationStore
  let moved = 0
  while (true) {
    const rows = yield* store.sealedRows(oldKey.keyId, pageRows)
    if (rows.length === 0) return moved
    const moves = rows.map((row) => {
      const opened = SealedRecord.open(oldKey, place(row.credentialId), row.sealed)
      if (opened === null) throw new Error("a record does not open")
      return {
        ...row,
        newKeyId: newKey.keyId,
        newSealed: SealedRecord.seal(newKey, place(row.credentialId), opened)
      }
    })
    moved += yield* store.moveSealed(oldKey.keyId, moves)
  }
})
const movingStartedAt = performance.now()
const moved = await Effect.runPromise(
  moveAll.pipe(
    Effect.provide(MariaStores.layer),
    Effect.provideService(StoreConfig, StoreConfig.of(settingsOf(database.url)))
  )
)
if (moved !== movedRows) throw new Error(`${moved} of ${movedRows} rows were moved`)
const moving = moved / ((performance.now() - movingStartedAt) / 1_000)
console.log(
  `re-encrypted ${Math.round(moving).toLocaleString("en")} rows/s; updated ${Math.round(bare).toLocaleString("en")} rows/s; ratio ${(moving / bare).toFixed(2)}`
)

await sql.end()
await database.drop()
await pair.stop()
