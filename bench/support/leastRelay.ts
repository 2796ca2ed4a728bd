/**
 * The least that relaying a backlog of events comes to: pages of the outbox read, published with a window, and deleted once
 * they are acknowledged, each while the others go on. No term, no order to be restored, no place in the stream
 * that is expected, and the lines of the headers stand in the rows as they are sent.
 */
import { connect } from "@nats-io/transport-node"
import { PublishLines } from "../../src/nats/PublishLines.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { type LeastPlace, makeEventStream } from "./least.ts"
import { leastEvents, leastTable, type Sample } from "./leastRows.ts"

export interface LeastRelaySetup extends LeastPlace {
  /** The row of an event. */
  readonly event: Sample
  readonly events: number
  readonly pageRows: number
  readonly window: number
}

type Page = ReadonlyArray<readonly [id: number, subject: string, headers: string, payload: Buffer]>

export const makeLeastRelay = async ({ event, events, ground, pageRows, placed, sql, window }: LeastRelaySetup) => {
  const { natsUrl, onStop } = ground
  const [program, databaseUrl] = ["leastrelay", placed.database.url]
  const table = leastTable(program, "outbox")
  await sql.query(`CREATE TABLE ${table} LIKE outbox`)
  await makeEventStream(ground, placed)
  const [reader, deleter] = [await connectSql(databaseUrl), await connectSql(databaseUrl)]
  onStop(() => reader.end())
  onStop(() => deleter.end())
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
  onStop(() => nc.close())
  const lines = new PublishLines(nc)
  const inbox = `_INBOX.leastrelay${process.pid}`
  const { columns, values } = event
  const madeBy: Readonly<Record<string, string>> = { id: "seq", event_id: "RANDOM_BYTES(16)", headers: "?" }
  const headers = JSON.parse(String(values[columns.indexOf("headers")])) as Readonly<Record<string, string>>
  const headerLines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const fillSql = `INSERT INTO ${table} (${columns.join(", ")})
    SELECT ${columns.map((name) => madeBy[name] ?? "?").join(", ")} FROM seq_1_to_${events}`
  const filling = columns.flatMap((name, at) =>
    name === "headers" ? [headerLines.join("")] : madeBy[name] === undefined ? [values[at]!] : []
  )

  let round = 0
  /** Ends when all rows are published, acknowledged and deleted. */
  const relayAll = async (): Promise<void> => {
    round++
    const waiting: Array<Page[number]> = []
    const acknowledged = new Set<number>()
    let [read, onTheirWay, left, deleted, isReading, isDeleting] = [0, 0, 0, 0, false, false]
    const over = Promise.withResolvers<void>()
    const readMore = async (): Promise<void> => {
      if (isReading || read === events || waiting.length > pageRows) return
      isReading = true
      const page: Page = await reader.execute(
        {
          rowsAsArray: true,
          sql: `SELECT id, subject, headers, payload FROM ${table} WHERE id > ? ORDER BY id LIMIT ${pageRows}`
        },
        [read]
      )
      for (const row of page) waiting.push(row)
      read += page.length
      isReading = false
      publish()
    }
    const deleteSome = async (): Promise<void> => {
      const count = left - deleted
      if (isDeleting || count === 0 || (count < pageRows && left < events)) return
      isDeleting = true
      await deleter.execute(`DELETE FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?`, [
        deleted + 1,
        left,
        count
      ])
      deleted += count
      isDeleting = false
      if (deleted === events) over.resolve()
      else fails(deleteSome())
    }
    let at = 0
    const publish = (): void => {
      for (; onTheirWay < window && at < waiting.length; onTheirWay++) {
        const [id, subject, own, payload] = waiting[at++]!
        const lineOfId = `${own}Nats-Msg-Id: ${process.pid}-${round}-${id}\r\n`
        const refusal = lines.put(`${leastEvents}.${subject}`, `${inbox}.${id}`, {}, lineOfId, payload)
        if (refusal !== null) throw new Error(refusal)
      }
      lines.flush()
      if (at >= pageRows) waiting.splice(0, at)
      if (at >= pageRows) at = 0
      fails(readMore())
    }
    const fails = (work: Promise<void>): void => void work.catch(over.reject)
    let isNoticed = false
    const subscription = nc.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) return
        onTheirWay--
        acknowledged.add(Number(message.subject.slice(inbox.length + 1)))
        while (acknowledged.delete(left + 1)) left++
        if (isNoticed) return
        isNoticed = true
        setImmediate(() => {
          isNoticed = false
          publish()
          fails(deleteSome())
        })
      }
    })
    fails(readMore())
    await over.promise
    subscription.unsubscribe()
  }
  return {
    /** Events a second. */
    relay: async (): Promise<number> => {
      await sql.query(fillSql, filling)
      const began = performance.now()
      await relayAll()
      return (events * 1_000) / (performance.now() - began)
    }
  }
}
