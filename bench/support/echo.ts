/**
 * The baselines: each answers every request with the same bytes, of the length that it is told, after what
 * it is compared for: nothing at all, one get of a key-value bucket, one select, one Redis GET. `least` is nothing
 * at all, too, by the shortest way of answering that we know.
 *
 * `echo.ts <nats url> <subject> <bytes> [kv|select|redis|least] [url of what it asks]`
 */
import { Kvm } from "@nats-io/kv"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { createPool } from "mariadb"
import { Replies } from "../../src/nats/Replies.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { connectRedis } from "./redis.ts"

const [natsUrl, subject, bytes, kind = "nothing", url = ""] = process.argv.slice(2)
const keys = 1_000

/** Asks once, for the n-th of the keys. */
type Ask = (n: number) => Promise<unknown>

const overKv = async (nc: NatsConnection): Promise<Ask> => {
  const bucket = await new Kvm(nc).create("BENCH_BASELINE", { history: 1, allow_direct: true } as object)
  for (let n = 0; n < keys; n++) await bucket.put(`k${n}`, new Uint8Array(100))
  return (n) => bucket.get(`k${n}`)
}

const overSelect = async (): Promise<Ask> => {
  const setup = await connectSql(url)
  await setup.query(
    "CREATE TABLE IF NOT EXISTS bench_tokens (hash BINARY(32) PRIMARY KEY, row BINARY(100)) ENGINE=InnoDB"
  )
  const hashes = Array.from({ length: keys }, (_, n) => Buffer.alloc(32, `${n}.`))
  await setup.batch(
    "INSERT IGNORE INTO bench_tokens VALUES (?, ?)",
    hashes.map((hash) => [hash, Buffer.alloc(100)])
  )
  await setup.end()
  const pool = createPool(`${url}?connectionLimit=4&connectTimeout=30000`)
  return (n) => pool.execute("SELECT row FROM bench_tokens WHERE hash = ?", [hashes[n]])
}

const overRedis = async (): Promise<Ask> => {
  const redis = await connectRedis(Number(url))
  for (let n = 0; n < keys; n++) await redis.set(`k${n}`, "x".repeat(100))
  return (n) => redis.get(`k${n}`)
}

const nc = await connect({ servers: natsUrl!, noAsyncTraces: true })
const reply = new Uint8Array(Number(bytes)).fill(0x61)
const ask =
  kind === "kv"
    ? await overKv(nc)
    : kind === "select"
      ? await overSelect()
      : kind === "redis"
        ? await overRedis()
        : null
const replies = kind === "least" ? new Replies(nc) : null
let next = 0
nc.subscribe(subject!, {
  queue: "echo",
  callback: (error, message) => {
    if (error !== null) return
    if (replies !== null) replies.send(message, reply)
    else if (ask === null) message.respond(reply)
    else void ask(next++ % keys).then(() => message.respond(reply))
  }
})
await nc.flush()
process.send?.("ready")
process.once("disconnect", () => process.exit(1))
process.on("message", () => void nc.close().then(() => process.exit(0)))
