/** Rows of a least program, what its tables are called, and how it makes more of them. */
import { randomFillSync } from "node:crypto"

export type Cell = string | number | Buffer | null

/** One row of a table, without what the table makes itself and what is null. */
export interface Sample {
  readonly table: string
  readonly columns: ReadonlyArray<string>
  readonly values: ReadonlyArray<Cell>
}

/** The table of one least program for one of the service's. */
export const leastTable = (program: string, table: string): string => `bench_${program}_${table}`

/** Events of least programs go into a stream of their own, under subjects that begin so. */
export const leastEvents = "least-events"

/** Of an entry of a lease bucket, about. */
export const leaseBytes = 150

/** What a request tells of one thing that it asks for. */
export type Item = Readonly<Record<string, unknown>>

/** Bytes of a pool: a draw for each value would cost more than all the rest of it. */
const pool = Buffer.alloc(1 << 16)
let poolAt = pool.length
export const random = (length: number): Buffer => {
  if (poolAt + length > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  const bytes = Buffer.from(pool.subarray(poolAt, poolAt + length))
  poolAt += length
  return bytes
}

let count = 0
/** In the order of creation, as the ids of the service are. */
export const newId = (): Buffer => {
  const id = random(16)
  id.writeUIntBE(count++, 0, 6)
  return id
}

interface Made {
  readonly id: Buffer
  readonly item: Item
}

/** Rows like this one, with keys of their own. */
export const makerOf = (program: string, sample: Sample, told: Readonly<Record<string, string>>) => {
  const { columns, table, values } = sample
  let sequence = 0
  const cells = columns.map((name, at): ((made: Made) => Cell) => {
    const value = values[at]!
    if (name === "token_id" || name === "credential_id") return ({ id }) => id
    if (name === "event_id") return () => newId()
    if (name === "hash") return () => random(32)
    if (name === "seq" || name === "id") return () => ++sequence
    const from = told[name]
    return from === undefined ? () => value : ({ item }) => String(item[from])
  })
  const names = columns.map((name) => `\`${name}\``).join(", ")
  return {
    event: table === "outbox" ? eventOf(sample) : null,
    idAt: columns.indexOf("id"),
    sql: `INSERT INTO ${leastTable(program, table)} (${names}) VALUES (${columns.map(() => "?").join(", ")})`,
    row: (made: Made): Array<Cell> => cells.map((cell) => cell(made))
  }
}

export interface Event {
  readonly id: number
  readonly of: ReturnType<typeof eventOf>
}

/** All but its id is what it was in the sample. It goes into a stream of least programs. */
const eventOf = ({ columns, values }: Sample) => {
  const of = (name: string) => values[columns.indexOf(name)]!
  const headers = JSON.parse(String(of("headers"))) as Readonly<Record<string, string>>
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return { subject: `${leastEvents}.${of("subject")}`, lines: lines.join(""), payload: of("payload") as Buffer }
}
