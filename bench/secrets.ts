/**
 * Promises measured, each as a ratio to a baseline of the same run:
 *
 * 1. opening a sealed record with a warm key, behind the bus, against a bare echo (goal 0.5);
 * 2. an audited `credential.get` at 64 callers against a bare loop of commits on one connection:
 *    reads for each commit (goal 10), since reads of one tenant share their commit;
 * 3. `credential.store` at 64 callers against the same loop;
 * 4. moving sealed records to another key, its rate not limited, against updating the same columns of
 *    as many rows.
 *
 * Baseline and measured take turns, round by round. The load is a process of its own that does next to
 * nothing, since on few processors it takes its time from the service. That every answered read stands
 * in the audit is counted at the end. The processor times say what a ratio is made of.
 *
 * `node bench/secrets.ts [seconds a round=3] [rounds=5] [callers=64]`
 */
import { type Connection, createConnection } from "mariadb"
import { connectClient } from "../test/support/client.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { type Load, startEcho, startLoad, startOpener } from "./support/children.ts"
import { makeMoving } from "./support/mover.ts"
import { median, printMachine, processorSeconds, spread } from "./support/report.ts"

const seconds = Number(process.argv[2] ?? "3")
const rounds = Number(process.argv[3] ?? "5")
const callers = Number(process.argv[4] ?? "64")
const secretBytes = 256
const movedRows = 10_000
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64")

printMachine()
console.log(`${rounds} rounds of ${seconds} s each, in turns; medians (smallest to largest)`)
const pair = await startPair()
const natsUrl = pair.nats.url
const database = await freshDatabase(pair.mariadb.url)

// ---- 1. opening ------------------------------------------------------------------
const echo = await startEcho(natsUrl, "bench.echo", secretBytes)
const opener = await startOpener(natsUrl, "bench.open", secretBytes)
const openings: Array<number> = []
const echoes: Array<number> = []
const load = await startLoad({ natsUrl, requests: [base64({})], inFlight: 256 })
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
const client = await connectClient({ natsUrl, instance: "bench" })
const sql: Connection = await createConnection(database.url)
await sql.query("CREATE TABLE bench_commits (id INT PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB")
await sql.query("INSERT INTO bench_commits VALUES (1, 0)")

/** Commits of a bare loop in a second. */
const bareCommits = async (): Promise<number> => {
  const startedAt = performance.now()
  let done = 0
  for (; performance.now() - startedAt < seconds * 1_000; done++) {
    await sql.query("UPDATE bench_commits SET n = n + 1 WHERE id = 1")
  }
  return done / ((performance.now() - startedAt) / 1_000)
}

/** Requests of one kind, measured in turns with others. */
interface Kind {
  readonly name: string
  readonly operation: string
  readonly load: Load
  readonly replyBytes: number
  replies: number
  readonly perSecond: Array<number>
  /** Requests that shared a transaction. */
  readonly groups: Array<number>
  /** Processor time for one request in microseconds: service, MariaDB, NATS, load. */
  readonly processors: Array<ReadonlyArray<number>>
}

const kind = async (name: string, operation: string, request: unknown, numbered?: string): Promise<Kind> => {
  const first = await client.ask("demo", operation, request)
  if (first.status >= 300) throw new Error(`${operation}: ${JSON.stringify(first.body)}`)
  const replyBytes = JSON.stringify(first.body).length
  const setup = { natsUrl, requests: [base64(request)], inFlight: callers }
  const load = await startLoad(numbered === undefined ? setup : { ...setup, numbered })
  return { name, operation, load, replyBytes, replies: 1, perSecond: [], groups: [], processors: [] }
}
/** Transactions that were committed on the server so far; what commits by itself is none. */
const transactions = async (): Promise<number> => {
  const [row] = await sql.query("SHOW GLOBAL STATUS LIKE 'Com_commit'")
  return Number(row.Value)
}
const measure = async (one: Kind, isWarm: boolean): Promise<void> => {
  const pids = [service.pid, pair.mariadb.pid, pair.nats.pid, one.load.pid]
  const transactionsBefore = await transactions()
  const before = pids.map(processorSeconds)
  const { perSecond, replies, wrong } = await one.load.run({
    subject: `bench.v1.demo.${one.operation}`,
    milliseconds: seconds * 1_000,
    replyBytes: one.replyBytes
  })
  if (wrong > 0) throw new Error(`${one.name}: ${wrong} of ${replies} replies were wrong`)
  one.replies += replies
  if (!isWarm) return
  one.perSecond.push(perSecond)
  one.processors.push(pids.map((pid, index) => ((processorSeconds(pid) - before[index]!) / replies) * 1e6))
  one.groups.push(replies / ((await transactions()) - transactionsBefore))
}

const stored = await client.ask("demo", "credential.store", {
  service_name: "bench",
  type: "api_key",
  credentials: { api_key: "x".repeat(secretBytes) },
  allowed_consumers: ["mail"]
})
const kinds = [
  await kind("audited reads", "credential.get.mail", { credential_id: stored.body.credential_id }),
  await kind(
    "stores",
    "credential.store",
    { service_name: "service-number--", type: "api_key", credentials: { api_key: "k" } },
    "number--"
  )
]
const commits: Array<number> = []
for (let round = 0; round <= rounds; round++) {
  const bare = await bareCommits()
  if (round > 0) commits.push(bare)
  for (const one of kinds) await measure(one, round > 0)
}
console.log(`commits on one connection ${spread(commits)}/s`)
for (const { groups, name, perSecond, processors } of kinds) {
  const ratio = median(perSecond) / median(commits)
  console.log(`${name}, ${callers} callers ${spread(perSecond)}/s; ${ratio.toFixed(2)} for each commit`)
  const [own, mariadb, nats, loading] = [0, 1, 2, 3].map((part) =>
    median(processors.map((parts) => parts[part]!)).toFixed(0)
  )
  console.log(`  ${median(groups).toFixed(0)} shared a transaction`)
  console.log(`  processor time for one: service ${own} us, MariaDB ${mariadb}, NATS ${nats}, load ${loading}`)
}
const [audited] = await sql.query("SELECT COUNT(*) AS n FROM audit WHERE action = 'credential.read'")
if (Number(audited.n) !== kinds[0]!.replies) throw new Error(`${audited.n} of ${kinds[0]!.replies} reads were audited`)
for (const one of kinds) await one.load.stop()
await client.close()
await sql.end()
await service.stop()
await database.drop()

// ---- 4. moving records -------------------------------------------------------------
const another = await freshDatabase(pair.mariadb.url)
const moving = await makeMoving({ databaseUrl: another.url, folder: pair.dir, rows: movedRows, secretBytes })
const updated: Array<number> = []
const moved: Array<number> = []
for (let round = 0; round <= rounds; round++) {
  const [bare, whole] = [await moving.update(), await moving.move()]
  if (round === 0) continue
  updated.push(bare)
  moved.push(whole)
}
console.log(
  `re-encrypted ${spread(moved)} rows/s; updated ${spread(updated)} rows/s; ratio ${(median(moved) / median(updated)).toFixed(2)}`
)

await moving.end()
await another.drop()
await pair.stop()
