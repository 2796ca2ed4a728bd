/**
 * The least program for changes and audited reads: what any program would have to do durably and on the bus, whoever
 * wrote it and in whatever way, and nothing else. A limit, not an example.
 *
 * It hears requests on one subject. Those that came while a group was under way are the next one: a transaction in
 * one flight, with the rows that the service writes for such a request (`leastRows.ts`) by the connector's bulk protocol,
 * the tenant's counters, and what is to be read. Then, where the setup says so, one barrier: a synced put, and the listing
 * behind it. Then the answers. Events are published once their group has ended, and their rows deleted
 * with the group after the one in which they were acknowledged.
 *
 * It looks at no right and no row, decides nothing, hashes and seals nothing, compares no tag, locks no tenant, and
 * loses what it was doing when it dies.
 */
import * as net from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { connect, type Msg } from "@nats-io/transport-node"
import * as mariadb from "mariadb"
import { PublishLines } from "../../src/nats/PublishLines.ts"
import {
  type Cell,
  type Event,
  type Item,
  leaseBytes,
  leastTable,
  makerOf,
  newId,
  random,
  type Sample
} from "./leastRows.ts"

interface Read {
  readonly sql: string
  readonly values: ReadonlyArray<Cell>
}

export interface LeastSetup {
  readonly natsUrl: string
  readonly databaseUrl: string
  /** The name that its tables have. */
  readonly program: string
  readonly subject: string
  readonly answer: Uint8Array
  /** Written for each request, or for each of the items that it has. */
  readonly rows: ReadonlyArray<Sample>
  /** Columns that are told by the request, and the names they have there. */
  readonly told?: Readonly<Record<string, string>>
  /** Read in each group, and not looked at. */
  readonly read?: ReadonlyArray<Read>
  /** Run for each request, with the id of the token that it names. */
  readonly update?: string
  /** A row for each group, deleted behind its answers. */
  readonly pending?: Sample
  /** Rows of the outbox are published and deleted; else they stay. */
  readonly publishes?: boolean
  /** A bucket: a put into it, and its listing, come before the answers. */
  readonly barrier?: string
  /** Groups under way at once. */
  readonly atOnce?: number
}

const publishWindow = 256
const tidyAfterMs = 10
const fewRows = 8

interface Step {
  readonly sql: string
  readonly rows: ReadonlyArray<Array<Cell>>
}

const openSql = async (databaseUrl: string) => {
  const socket = new net.Socket().setNoDelay(true)
  const { hostname, password, pathname, port, username } = new URL(databaseUrl)
  const sql = await mariadb.createConnection({
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
    stream: (() => socket.connect(Number(port), hostname)) as unknown as NonNullable<
      mariadb.ConnectionConfig["stream"]
    >,
    connectTimeout: 30_000,
    initSql: ["SET autocommit = 0", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"],
    maxAllowedPacket: 16 * 1024 * 1024,
    rowsAsArray: true
  })
  return { sql, socket }
}

const main = async (setup: LeastSetup): Promise<void> => {
  const { answer, atOnce = 1, barrier, databaseUrl, natsUrl, pending, publishes = false, read = [] } = setup
  const { program, subject } = setup
  const { socket, sql } = await openSql(databaseUrl)
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
  const lines = new PublishLines(nc)
  const inbox = `_INBOX.least${process.pid}`
  const makers = setup.rows.map((sample) => makerOf(program, sample, setup.told ?? {}))
  const pendingMaker = pending === undefined ? null : makerOf(program, pending, {})
  const countersSql = `UPDATE ${leastTable(program, "tenant_counters")} SET audit_seq = audit_seq + ?, audit_hash = ?
    WHERE tenant_id = 'demo'`
  const inForceSql = `DELETE FROM ${leastTable(program, "pending_revocations")}
    WHERE tenant_id = 'demo' AND seq BETWEEN ? AND ?`
  const sentSql = `DELETE FROM ${leastTable(program, "outbox")} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?`

  // ---- events -----------------------------------------------------------------
  const waiting: Array<Event> = []
  const acknowledged = new Set<number>()
  /** Numbers of the outbox: given so far, acknowledged with all before it, deleted. */
  let [outboxId, left, deleted, onTheirWay] = [0, 0, 0, 0]
  const publish = (): void => {
    const sent = waiting.splice(0, publishWindow - onTheirWay)
    onTheirWay += sent.length
    for (const { id, of } of sent) {
      const own = `${of.lines}Nats-Msg-Id: ${process.pid}-${id}\r\n`
      const refusal = lines.put(of.subject, `${inbox}.e${id}`, {}, own, of.payload)
      if (refusal !== null) throw new Error(refusal)
    }
    lines.flush()
  }

  // ---- the barrier ------------------------------------------------------------
  let rounds = 0
  const heard = new Map<number, (message: Msg) => void>()
  const ask = (to: string, body: string | Uint8Array, isOver: (message: Msg) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const round = rounds++
      heard.set(round, (message) => {
        if (!isOver(message)) return
        heard.delete(round)
        resolve()
      })
      nc.publish(to, body, { reply: `${inbox}.r${round}` })
    })
  const behindBarrier = async (bucket: string): Promise<void> => {
    const [state, all] = ["x".repeat(leaseBytes), JSON.stringify({ multi_last: [`$KV.${bucket}.>`] })]
    await ask(`$KV.${bucket}.barrier.least`, state, () => true)
    await ask(`$JS.API.DIRECT.GET.KV_${bucket}`, all, ({ headers }) => headers?.code === 204)
  }

  // ---- groups -----------------------------------------------------------------
  let requests: Array<Msg> = []
  let underWay = 0

  const itemsOf = (request: Msg): ReadonlyArray<Item> => {
    const body = JSON.parse(Buffer.from(request.data).toString("utf8")) as Item
    return Array.isArray(body.items) ? (body.items as ReadonlyArray<Item>) : [body]
  }

  /** Numbers of pending rows: written so far, in force, deleted. */
  let [pendingSeq, inForce, ended] = [0, 0, 0]
  /** In one write, and one flight. Few rows are one statement with their COMMIT, which is quicker than a statement each. */
  const send = async (steps: ReadonlyArray<Step>, reads: ReadonlyArray<Read>): Promise<void> => {
    const few = steps.flatMap(({ rows, sql: text }) => rows.map((values) => ({ text, values })))
    if (few.length <= fewRows && reads.length === 0) {
      const text = `BEGIN NOT ATOMIC ${few.map((one) => `${one.text};`).join(" ")} COMMIT; END`
      await sql.execute(
        text,
        few.flatMap(({ values }) => values)
      )
      return
    }
    socket.cork()
    const answered: Array<Promise<unknown>> = reads.map((one) => sql.execute(one.sql, [...one.values]))
    for (const { rows, sql: text } of steps)
      answered.push(rows.length === 1 ? sql.execute(text, rows[0]) : sql.batch(text, rows as Array<Array<Cell>>))
    answered.push(sql.query("COMMIT"))
    socket.uncork()
    await Promise.all(answered)
  }
  /** Answers the events that it committed. */
  const write = async (items: ReadonlyArray<Item>): Promise<ReadonlyArray<Event>> => {
    const events: Array<Event> = []
    const steps: Array<Step> = []
    if (items.length > 0) {
      const made = items.map((item) => ({ id: newId(), item }))
      const { update } = setup
      if (update !== undefined) {
        const ids = items.map(({ tokenId }) => [Buffer.from(String(tokenId).replaceAll("-", ""), "hex")])
        steps.push({ sql: update, rows: ids })
      }
      for (const { event, idAt, row, sql: text } of makers) {
        const rows = made.map(row)
        if (event !== null) {
          for (const one of rows) {
            one[idAt] = ++outboxId
            events.push({ id: outboxId, of: event })
          }
        }
        steps.push({ sql: text, rows })
      }
      if (pendingMaker !== null) {
        steps.push({ sql: pendingMaker.sql, rows: [pendingMaker.row(made[0]!)] })
        pendingSeq++
      }
      steps.push({ sql: countersSql, rows: [[items.length, random(32)]] })
    }
    if (inForce > ended) {
      steps.push({ sql: inForceSql, rows: [[ended + 1, inForce]] })
      ended = inForce
    }
    if (left > deleted) {
      steps.push({ sql: sentSql, rows: [[deleted + 1, left, left - deleted]] })
      deleted = left
    }
    await send(steps, items.length === 0 ? [] : read)
    return events
  }

  const carryOut = async (group: ReadonlyArray<Msg>): Promise<void> => {
    underWay++
    const items = group.flatMap(itemsOf)
    const writing = write(items)
    const own = pendingSeq
    const events = await writing
    if (barrier !== undefined && items.length > 0) await behindBarrier(barrier)
    for (const request of group) lines.putPlain(request.reply!, "", answer)
    lines.flush()
    inForce = own
    if (publishes) {
      waiting.push(...events)
      publish()
    }
    underWay--
    next()
  }
  let isTidying = false
  const next = (): void => {
    if (underWay >= atOnce) return
    if (requests.length > 0) {
      const group = requests
      requests = []
      return void carryOut(group)
    }
    // What is left to be deleted goes with the next group, where there is one.
    const isLeft = left > deleted || inForce > ended
    if (!isLeft || isTidying) return
    isTidying = true
    void pause(tidyAfterMs).then(() => {
      isTidying = false
      if (underWay === 0) void carryOut([])
    })
  }
  let isNoticed = false
  /** What comes in one read of the socket is one group. */
  const soon = (): void => {
    if (isNoticed) return
    isNoticed = true
    setImmediate(() => {
      isNoticed = false
      publish()
      next()
    })
  }

  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error !== null) return
      const kind = message.subject.slice(inbox.length + 1)
      if (!kind.startsWith("e")) return heard.get(Number(kind.slice(1)))?.(message)
      onTheirWay--
      acknowledged.add(Number(kind.slice(1)))
      while (acknowledged.delete(left + 1)) left++
      soon()
    }
  })
  nc.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) return
      requests.push(message)
      soon()
    }
  })
  await nc.flush()
  process.on("message", () => void nc.close().then(() => process.exit(0)))
  process.send?.("ready")
}

process.once("disconnect", () => process.exit(1))
process.once("message", (setup: LeastSetup) => void main(setup))
