/**
 * Least programs (`leastProgram.ts`) for what the service does, beside it: on the same servers, with the rows that the service
 * itself wrote once for such a request, in tables of their own with the same columns and indexes.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { startLeastProgram } from "./children.ts"
import type { Ground, Placed } from "./ground.ts"
import type { LeastSetup } from "./leastProgram.ts"
import { type Cell, leaseBytes, leastEvents, leastTable, type Sample } from "./leastRows.ts"

const columnsSql = `SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND GENERATION_EXPRESSION IS NULL ORDER BY ORDINAL_POSITION`

const columnsOf = async (sql: Connection, table: string): Promise<ReadonlyArray<string>> =>
  ((await sql.query(columnsSql, [table])) as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name)

const cell = (value: unknown): Cell => (typeof value === "bigint" ? Number(value) : (value as Cell))

const rowsOf = async (sql: Connection, table: string): Promise<ReadonlyArray<Sample>> => {
  const columns = await columnsOf(sql, table)
  const names = columns.map((name) => `\`${name}\``).join(", ")
  const rows: ReadonlyArray<ReadonlyArray<unknown>> = await sql.query({
    sql: `SELECT ${names} FROM ${table}`,
    rowsAsArray: true
  })
  return rows.map((row) => {
    const given = columns.map((name, at) => ({ name, value: cell(row[at]) })).filter(({ value }) => value !== null)
    return { table, columns: given.map(({ name }) => name), values: given.map(({ value }) => value) }
  })
}

/** Another replica holds the relay's term while it runs, so that what is committed waits in the outbox. */
const withoutRelay = async <A>(sql: Connection, run: () => Promise<A>): Promise<A> => {
  await sql.query(
    "UPDATE relay_term SET term = term + 1, replica_id = 'bench', expires_at = (UNIX_TIMESTAMP() + 240) * 1000"
  )
  try {
    return await run()
  } finally {
    await sql.query("UPDATE relay_term SET replica_id = NULL, expires_at = 0")
  }
}

/** What `ask` writes into these tables, which have few rows yet. */
export const samplesOf = async (
  sql: Connection,
  tables: ReadonlyArray<string>,
  ask: () => Promise<unknown>
): Promise<ReadonlyArray<Sample>> => {
  const all = async () => {
    const rows: Array<Sample> = []
    for (const table of tables) rows.push(...(await rowsOf(sql, table)))
    return rows
  }
  return withoutRelay(sql, async () => {
    const before = new Set((await all()).map((row) => JSON.stringify(row)))
    await ask()
    return (await all()).filter((row) => !before.has(JSON.stringify(row)))
  })
}

/** Where it stands: beside this service, and `sql` in its database. */
export interface LeastPlace {
  readonly ground: Ground
  readonly placed: Placed
  readonly sql: Connection
}

type Given = Omit<LeastSetup, "natsUrl" | "databaseUrl" | "subject"> & {
  /** What it hears is `<program>.v1.demo.<operation>`, as an instance of the service does. */
  readonly operation: string
}

/** Answers how many rows its table of that name has. */
export type CountRows = (table: string) => Promise<number>

/** The stream of their events, as the service's is. */
export const makeEventStream = async ({ natsUrl }: Ground, { instance }: Placed): Promise<void> => {
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
  const { streams } = await jetstreamManager(nc)
  const { config } = await streams.info(`${instance.toUpperCase()}_EVENTS`)
  await streams.add({ ...config, name: "LEAST_EVENTS", subjects: [`${leastEvents}.>`] })
  await nc.close()
}

/** A bucket like that of the leases, with one in it. */
const makeBucket = async ({ natsUrl }: Ground, { instance }: Placed, bucket: string): Promise<void> => {
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true })
  const { streams } = await jetstreamManager(nc)
  const { config } = await streams.info(`KV_${instance.toUpperCase()}_LEASES`)
  await streams.add({ ...config, name: `KV_${bucket}`, subjects: [`$KV.${bucket}.>`] })
  await jetstream(nc).publish(`$KV.${bucket}.lease.least.1`, "x".repeat(leaseBytes))
  await nc.close()
}

/** Its tables, the stream of its events, and itself. */
export const startLeast = async (place: LeastPlace, { operation, ...given }: Given): Promise<CountRows> => {
  const { ground, placed, sql } = place
  const { natsUrl, onStop } = ground
  const { program, rows } = given
  for (const table of new Set([...rows.map((row) => row.table), "tenant_counters", "pending_revocations"]))
    await sql.query(`CREATE TABLE IF NOT EXISTS ${leastTable(program, table)} LIKE ${table}`)
  await sql.query(`INSERT INTO ${leastTable(program, "tenant_counters")} SELECT * FROM tenant_counters`)
  if (given.publishes === true) await makeEventStream(ground, placed)
  if (given.barrier !== undefined) await makeBucket(ground, placed, given.barrier)
  const databaseUrl = placed.database.url
  const subject = `${program}.v1.demo.${operation}`
  onStop((await startLeastProgram({ ...given, natsUrl, databaseUrl, subject })).stop)
  return async (table) => {
    const [row] = await sql.query(`SELECT COUNT(*) AS n FROM ${leastTable(program, table)}`)
    return Number(row.n)
  }
}

/** Tokens like the first of the service's, in the table of a least program; answers their ids. */
export const copyTokens = async (sql: Connection, program: string, count: number): Promise<ReadonlyArray<string>> => {
  const table = leastTable(program, "tokens")
  const own: Readonly<Record<string, string>> = {
    token_id: "CONCAT(UNHEX(LPAD(HEX(seq), 12, '0')), RANDOM_BYTES(10))",
    hash: "RANDOM_BYTES(32)"
  }
  const columns = await columnsOf(sql, "tokens")
  await sql.query(`CREATE TABLE ${table} LIKE tokens`)
  await sql.query(`INSERT INTO ${table} (${columns.join(", ")}) SELECT ${columns.map((name) => own[name] ?? `one.${name}`)}
    FROM (SELECT * FROM tokens LIMIT 1) one, seq_1_to_${count}`)
  const ids: ReadonlyArray<{ readonly id: string }> = await sql.query(`SELECT LOWER(HEX(token_id)) AS id FROM ${table}`)
  return ids.map(({ id }) => id)
}
