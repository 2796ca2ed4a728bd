/** Every place that a planted value could have been carried to, searched for every form of it. */
import { jetstreamManager } from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import { assert } from "vitest"
import { connectSql } from "./freshDatabase.ts"

/** Every form in which a value could be carried away. */
const formsOf = (value: string): ReadonlyArray<string> => [
  value,
  Buffer.from(value).toString("hex"),
  Buffer.from(value).toString("base64").replace(/=+$/u, ""),
  Buffer.from(value).toString("base64url")
]

export interface PlantedSearch {
  readonly assertNowhere: (place: string, text: string) => void
  /** Whatever these streams, and the buckets `KV_…`, hold: subjects, headers and bodies. */
  readonly searchStreams: (nc: NatsConnection, streams: ReadonlyArray<string>) => Promise<void>
  /** Every column of every row of every table. */
  readonly searchTables: (databaseUrl: string) => Promise<void>
}

export const plantedSearch = (planted: ReadonlyArray<string>): PlantedSearch => {
  const forms = planted.flatMap(formsOf).map((form) => form.toLowerCase())
  const assertNowhere = (place: string, text: string): void => {
    const folded = text.toLowerCase()
    for (const form of forms) assert.isFalse(folded.includes(form), `${place} holds a planted value`)
  }
  return {
    assertNowhere,
    searchStreams: async (nc, streams) => {
      const manager = await jetstreamManager(nc, { timeout: 60_000 })
      for (const stream of streams) {
        const { state } = await manager.streams.info(stream)
        let read = 0
        for (let sequence = Math.max(1, state.first_seq); sequence <= state.last_seq; sequence++) {
          // Null is a sequence whose message another one has replaced; what cannot be read fails.
          const message = await manager.streams.getMessage(stream, { seq: sequence })
          if (message === null) continue
          read++
          const headers = Array.from(message.header.keys(), (name) => `${name}: ${message.header.get(name)}`).join("\n")
          assertNowhere(stream, `${message.subject}\n${headers}\n${Buffer.from(message.data).toString("latin1")}`)
        }
        // A bucket's entries may be written anew meanwhile; an event stays.
        if (stream.startsWith("KV_")) assert.isTrue(read > 0 || state.messages === 0, stream)
        else assert.strictEqual(read, state.messages, stream)
      }
    },
    searchTables: async (databaseUrl) => {
      const connection = await connectSql(databaseUrl)
      const tables: ReadonlyArray<Record<string, string>> = await connection.query("SHOW TABLES")
      assert.isAbove(tables.length, 0)
      for (const row of tables) {
        const [table] = Object.values(row)
        const rows: ReadonlyArray<Record<string, unknown>> = await connection.query(`SELECT * FROM \`${table}\``)
        for (const found of rows) {
          for (const value of Object.values(found)) {
            assertNowhere(`table ${table}`, Buffer.isBuffer(value) ? value.toString("latin1") : String(value))
          }
        }
      }
      await connection.end()
    }
  }
}
