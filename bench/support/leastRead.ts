/**
 * The least that answering every validation by a read of MariaDB comes to, whoever does it: what came while statements were
 * under way is asked for in one, over the same rows and index, by the columns without which nobody could say what is answered.
 * One keyed hash for each, since values are stored as that; no telling whose row is whose, no limit, no time, the same
 * bytes for all. With tags each row is proven by one more keyed hash, as the service does it, and nothing else is added.
 *
 * `leastRead.ts <LeastReadSetup as JSON>`
 */
import { connect, type Msg } from "@nats-io/transport-node"
import { hmac, hmacKey } from "../../src/crypto/Hmac.ts"
import { Replies } from "../../src/nats/Replies.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { type BareRead, openBareRead } from "./bareStatement.ts"

const table = "bench_least_tokens"
/** As long as the text of a row that is tagged. */
const ofRow = "r".repeat(208)

/** For all least programs on that database. */
export const copyTokens = async (url: string): Promise<void> => {
  const sql = await connectSql(url)
  // What is generated is left to be generated.
  await sql.query("SET SESSION sql_mode = ''")
  await sql.query(`CREATE TABLE ${table} LIKE tokens`)
  await sql.query(`INSERT INTO ${table} SELECT * FROM tokens`)
  await sql.end()
}

const sqlOf = (count: number): string =>
  `SELECT hash, token_id, endpoint_id, status, expires_at FROM ${table} FORCE INDEX (PRIMARY)
  WHERE hash IN (${Array(count).fill("?").join(", ")})`

export interface LeastReadSetup {
  readonly natsUrl: string
  readonly subject: string
  /** Of an answer. */
  readonly bytes: number
  /** The database's. */
  readonly url: string
  /** Requests in a statement. */
  readonly most: number
  readonly connections: number
  readonly tags?: boolean
}

const main = async ({ bytes, connections, most, natsUrl, subject, tags = false, url }: LeastReadSetup) => {
  const sql = await connectSql(url)
  const hashes: ReadonlyArray<Buffer> = (await sql.query(`SELECT hash FROM ${table} ORDER BY token_id`)).map(
    (row: { readonly hash: Buffer }) => row.hash
  )
  await sql.end()
  const countMax = Math.min(most, hashes.length)
  const reading = { countMax, valueBytes: hashes[0]!.length }
  const idle: Array<BareRead> = []
  for (let n = 0; n < connections; n++) idle.push(await openBareRead(url, sqlOf, reading))
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
  const replies = new Replies(nc)
  const key = hmacKey(new Uint8Array(32), 256)
  const reply = new Uint8Array(bytes).fill(0x61)
  let waiting: Array<Msg> = []
  let [next, isTurn] = [0, false]
  const ask = async (read: BareRead, group: ReadonlyArray<Msg>): Promise<void> => {
    for (const { data } of group) hmac(key, data)
    const rows = await read(group.map(() => hashes[next++ % hashes.length]!))
    if (rows !== group.length) throw new Error(`${rows} rows for ${group.length} tokens`)
    idle.push(read)
    // What waits is under way before anybody is answered.
    pump()
    for (const message of group) {
      if (tags) hmac(key, ofRow)
      replies.send(message, reply)
    }
  }
  const pump = () => {
    isTurn = false
    while (waiting.length > 0 && idle.length > 0) {
      const group = waiting.slice(0, countMax)
      waiting = waiting.slice(countMax)
      void ask(idle.pop()!, group)
    }
  }
  nc.subscribe(subject, {
    queue: "least",
    callback: (error, message) => {
      if (error !== null) return
      waiting.push(message)
      if (isTurn) return
      isTurn = true
      queueMicrotask(pump)
    }
  })
  await nc.flush()
  process.send?.("ready")
  process.once("disconnect", () => process.exit(1))
  process.on("message", () => void nc.close().then(() => process.exit(0)))
}

if (process.argv[1] === import.meta.filename) await main(JSON.parse(process.argv[2]!))
