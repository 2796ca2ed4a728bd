/** Tokens provisioned and their events relayed, against the connector and a publisher. */
import { randomBytes } from "node:crypto"
import { setTimeout as pause } from "node:timers/promises"
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { type Client, connectClient } from "../../test/support/client.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { must, registered } from "../support/ground.ts"
import { samplesOf, startLeast } from "../support/least.ts"
import { makeLeastRelay } from "../support/leastRelay.ts"
import { leastTable } from "../support/leastRows.ts"
import type { Group } from "../support/measure.ts"

const callers = 8
const batchMax = 1_000
const app = "meters"
/** As many messages are under way as the relay has: `CM_OUTBOX_BATCH_MAX`. */
const publishWindow = 256
const eventBytes = 600

const rowsIn = async (sql: Connection, table: string): Promise<number> => {
  const [row] = await sql.query(`SELECT COUNT(*) AS n FROM ${table}`)
  return Number(row.n)
}

/**
 * Whether the outbox holds nothing, by the end of it that leaves last. Counting its rows, as often as this is asked, took the
 * server as much of an event as relaying it.
 */
const isEmpty = async (sql: Connection, table: string): Promise<boolean> =>
  (await sql.query(`SELECT id FROM ${table} ORDER BY id DESC LIMIT 1`)).length === 0

const oldestIn = async (sql: Connection, table: string): Promise<number> => {
  const [row] = await sql.query(`SELECT MIN(id) AS id FROM ${table}`)
  return Number(row.id ?? Number.POSITIVE_INFINITY)
}

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await pause(10)
}

export const provisioning: Group = {
  id: "provisioning",
  title: "provision-batch, 8 callers, events relayed too",
  prepare: async ({ isQuick }, ground) => {
    const placed = await ground.service("bench", { env: { CM_EVENTS_BYTES_MAX: "4294967296" } })
    const { client, database } = placed
    await registered(client, "demo", app)
    const sql = await connectSql(database.url)
    ground.onStop(() => sql.end())
    const operation = "token.provision-batch"
    const [batches, batch] = isQuick ? [16, 50] : [64, batchMax]
    const items = () => Array.from({ length: batch }, () => ({ endpointId: crypto.randomUUID() }))
    const provisioned = async (of: Client, outbox: string) => {
      let left = batches
      const began = performance.now()
      const caller = async () => {
        while (left-- > 0) await must(of, "demo", operation, { appName: app, items: items() })
      }
      await Promise.all(Array.from({ length: callers }, caller))
      await until(() => isEmpty(sql, outbox))
      return (batches * batch * 1_000) / (performance.now() - began)
    }
    const ours = () => provisioned(client, "outbox")
    const rows = await samplesOf(sql, ["tokens", "audit", "outbox"], () =>
      must(client, "demo", operation, { appName: app, items: items().slice(0, 1) })
    )
    await ours()
    await sql.query("CREATE TABLE bench_tokens LIKE tokens")
    const kept = (await sql.query(`SELECT * FROM tokens LIMIT ${batch}`)) as ReadonlyArray<Record<string, unknown>>
    const generated = new Set(
      (
        (await sql.query(
          "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tokens' AND GENERATION_EXPRESSION IS NOT NULL"
        )) as ReadonlyArray<{ readonly name: string }>
      ).map(({ name }) => name)
    )
    const columns = Object.keys(kept[0]!).filter((name) => !generated.has(name))
    const insert = `INSERT INTO bench_tokens (${columns.map((name) => `\`${name}\``).join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`
    const fresh = (row: Record<string, unknown>) =>
      columns.map((name) => (name === "token_id" ? randomBytes(16) : name === "hash" ? randomBytes(32) : row[name]))
    const bare = async () => {
      const pieces = Array.from({ length: batches }, () => kept.map(fresh))
      const began = performance.now()
      for (const piece of pieces) await sql.batch(insert, piece)
      return (batches * batch * 1_000) / (performance.now() - began)
    }
    const program = "least"
    const count = await startLeast(
      { ground, placed, sql },
      {
        program,
        operation,
        answer: Buffer.from(JSON.stringify(await must(client, "demo", operation, { appName: app, items: items() }))),
        rows,
        told: { endpoint_id: "endpointId" },
        publishes: true,
        atOnce: 2
      }
    )
    const caller = await connectClient({ natsUrl: ground.natsUrl, instance: program, timeoutMs: 120_000 })
    ground.onStop(caller.close)
    return {
      sides: {
        provisioned: ours,
        "the least program": () => provisioned(caller, leastTable(program, "outbox")),
        "batch insert of the same rows": bare
      },
      rows: [
        {
          measure: "provision-batch, 8 callers, events relayed too",
          ours: "provisioned",
          baseline: "batch insert of the same rows",
          unit: "tokens/s",
          goal: { atLeast: 0.6 },
          limits: ["the least program"]
        }
      ],
      warms: true,
      check: async () => {
        const written = await count("tokens")
        if (written % (batches * batch) !== 0 || written === 0)
          throw new Error(`the least program wrote ${written} tokens`)
      }
    }
  }
}

export const relaying: Group = {
  id: "relaying",
  title: "events of a backlog relayed",
  prepare: async ({ isQuick }, ground) => {
    const { natsUrl, onStop } = ground
    const placed = await ground.service("bench", {
      env: { CM_EVENTS_BYTES_MAX: "4294967296", CM_OUTBOX_TERM_TTL: "1 second", CM_OUTBOX_POLL_INTERVAL: "100 millis" }
    })
    const { client, database } = placed
    await registered(client, "demo", app)
    const sql = await connectSql(database.url)
    onStop(() => sql.end())
    const [events, batch] = isQuick ? [800, 100] : [100_000, batchMax]
    const relayed = async () => {
      // Somebody else holds the relay's term, so that what is committed waits.
      await sql.query(
        "UPDATE relay_term SET term = term + 1, replica_id = 'bench', expires_at = (UNIX_TIMESTAMP() + 240) * 1000"
      )
      for (let made = 0; made < events; made += batch * callers) {
        const count = Math.min(callers, Math.ceil((events - made) / batch))
        await Promise.all(
          Array.from({ length: count }, () => {
            const items = Array.from({ length: batch }, () => ({ endpointId: crypto.randomUUID() }))
            return must(client, "demo", "token.provision-batch", { appName: app, items })
          })
        )
      }
      const oldest = await oldestIn(sql, "outbox")
      await sql.query("UPDATE relay_term SET replica_id = NULL, expires_at = 0")
      await until(async () => (await oldestIn(sql, "outbox")) > oldest)
      const began = performance.now()
      const left = await rowsIn(sql, "outbox")
      await until(() => isEmpty(sql, "outbox"))
      return (left * 1_000) / (performance.now() - began)
    }
    const rows = await samplesOf(sql, ["outbox"], () =>
      must(client, "demo", "token.provision-batch", { appName: app, items: [{ endpointId: crypto.randomUUID() }] })
    )
    const place = { ground, placed, sql }
    const least = await makeLeastRelay({ ...place, event: rows[0]!, events, pageRows: 1_000, window: publishWindow })
    const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
    onStop(() => nc.close())
    await (await jetstreamManager(nc)).streams.add({ name: "BENCH", subjects: ["baseline.>"] })
    const js = jetstream(nc)
    const payload = new Uint8Array(eventBytes)
    let id = 0
    const published = async () => {
      let left = events
      const began = performance.now()
      const one = async () => {
        while (left-- > 0) await js.publish("baseline.events", payload, { msgID: `m${id++}` })
      }
      await Promise.all(Array.from({ length: publishWindow }, one))
      return (events * 1_000) / (performance.now() - began)
    }
    return {
      sides: { relayed, "the least program": least.relay, "one publisher": published },
      rows: [
        {
          measure: `events relayed, a backlog of ${events.toLocaleString("en")}`,
          ours: "relayed",
          baseline: "one publisher",
          unit: "/s",
          goal: { atLeast: 0.8 },
          limits: ["the least program"],
          note: `its window ${publishWindow}, messages of ${eventBytes} bytes`
        }
      ],
      roundsMax: 3,
      warms: false
    }
  }
}
