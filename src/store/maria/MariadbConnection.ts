/**
 * One connection to MariaDB, and the statements on it.
 *
 * A thin face over the `mariadb` connector: positional rows, numbers checked to be safe, prepared
 * statements, and the bulk protocol for many rows of one statement. Statements that are started
 * without waiting for each other run in the order in which they were started, and share a round trip.
 *
 * The socket is ours, so that giving up is at once and never waits for a server that does not
 * answer. Every session reads committed rows, is strict, lives in UTC, and has its statements, and
 * transactions in which it says nothing more, ended by the server itself after the operation's time.
 */
import { readFileSync } from "node:fs"
import * as net from "node:net"
import { checkServerIdentity, type PeerCertificate } from "node:tls"
import { Duration, Redacted } from "effect"
import * as mariadb from "mariadb"
import { allOf } from "./AllWritten.ts"
import * as Committings from "./Committings.ts"
import { DatabaseFailure } from "./DatabaseFailure.ts"
import * as Flights from "./Flights.ts"
import type { StoreSettings } from "./StoreConfig.ts"

export type Value = string | number | Uint8Array | null
export type Row = ReadonlyArray<unknown>

/** All reject with what the connector throws; the caller makes a `DatabaseFailure` of it. */
export interface Session {
  readonly rows: (sql: string, values?: ReadonlyArray<Value>) => Promise<ReadonlyArray<Row>>
  /** Answers the number of rows that matched. */
  readonly run: (sql: string, values?: ReadonlyArray<Value>) => Promise<number>
  /**
   * One statement for many rows of values, in one round trip; nothing for none. Answers the number of rows that matched.
   * `each`: every one of them has a row, and where one seems to have none it fails (`AllWritten.ts`).
   */
  readonly batch: (sql: string, rows: ReadonlyArray<ReadonlyArray<Value>>, matches?: "each") => Promise<number>
  /** Unprepared, for what cannot be prepared (transactions, locks, schema). */
  readonly command: (sql: string) => Promise<void>
}

/** Reads that need no order among themselves: each is handed to the connector at once. */
export interface Reader {
  readonly read: (sql: string, values: ReadonlyArray<Value>) => Promise<ReadonlyArray<Row>>
}

/** A row that a statement writes. */
export interface Write {
  readonly sql: string
  readonly values: ReadonlyArray<Value>
}

export interface Connection extends Session, Reader, Pick<Flights.Flights, "begin" | "commit" | "mode" | "rollback"> {
  /**
   * Writes in this order, and COMMIT, in one round trip. The server ends at the first that fails, and has not
   * committed then. For few: each sequence of texts is a statement of its own, prepared and kept. Answers the rows that
   * they give back (`RETURNING`). `sending` is called just before COMMIT is sent, if it is.
   */
  readonly commitWith: (writes: ReadonlyArray<Write>, sending: () => void) => Promise<ReadonlyArray<Row>>
  readonly isValid: () => boolean
  /** At once; whatever was running on it rejects. */
  readonly giveUp: () => void
  readonly end: () => Promise<void>
}

export interface ConnectionOptions {
  /** Zero: no limit, for migrations. */
  readonly statementTimeoutMs: number
  /** A whole number that is too large to be exact comes as one near it, for who looks at each; otherwise it ends its statement. */
  readonly roundsNumbers?: boolean
}

/** What the server must take in one packet; batches are cut to it. Its default, checked at start. */
export const packetMaxBytes = 16 * 1024 * 1024
/** Statements that the connector keeps prepared, those that it was asked for last. */
const cachedMax = 256
/** That look-ups have at hand. They are few, in few sizes. */
const keptMax = 32
/** That a connection keeps prepared: those at hand are used without the connector, which may hold them for long unused. */
export const preparedMax = cachedMax + Math.max(keptMax, Flights.keptMax)

interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly ssl: boolean
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error("DATABASE_URL holds a % that is not followed by two hexadecimal digits; write %25 for it")
  }
}

/** Throws with a text that holds nothing of the URL. */
export const parseDatabaseUrl = (text: string): Target => {
  const url = URL.parse(text)
  const database = url === null ? "" : decoded(url.pathname.slice(1))
  if (url === null || !["mariadb:", "mysql:"].includes(url.protocol) || url.hostname === "" || database === "") {
    throw new Error("DATABASE_URL is not of the form mariadb://user:password@host:port/database")
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/u, "$1"),
    port: url.port === "" ? 3306 : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
    database,
    ssl: url.searchParams.get("ssl") === "true"
  }
}

const sessionSettings = (settings: StoreSettings, options: ConnectionOptions): ReadonlyArray<string> => [
  "SET SESSION autocommit = 1",
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
  "SET SESSION time_zone = '+00:00'",
  `SET SESSION innodb_lock_wait_timeout = ${Math.max(1, Math.floor(Duration.toSeconds(settings.lockWaitTimeout)))}`,
  `SET SESSION max_statement_time = ${options.statementTimeoutMs / 1000}`,
  // In whole seconds; 0 is for ever. A replica that vanished without a word keeps no lock for longer.
  `SET SESSION idle_transaction_timeout = ${Math.ceil(options.statementTimeoutMs / 1000)}`
]

/**
 * The file is read at each connection, so that one that was exchanged is used from the next one on. The certificate is
 * compared to the host of DATABASE_URL: by itself Node would take "localhost" for an address, since the socket was made here.
 */
const sslOf = ({ databaseCa = "" }: StoreSettings, { host }: Target) => ({
  checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  ...(databaseCa === "" ? {} : { ca: readFileSync(databaseCa) })
})

/** Likewise. Throws with a text that holds nothing of the file. */
const loginOf = ({ databaseLogin = "" }: StoreSettings, { password, user }: Target) => {
  if (databaseLogin === "") return { user, password }
  const wrong = new Error("CM_DATABASE_LOGIN_FILE is not JSON with username and password")
  let login: { readonly username?: unknown; readonly password?: unknown } | null
  try {
    login = JSON.parse(readFileSync(databaseLogin, "utf8")) as typeof login
  } catch {
    throw wrong
  }
  if (typeof login?.username !== "string" || typeof login.password !== "string") throw wrong
  return { user: login.username, password: login.password }
}

const connectorOptions = (settings: StoreSettings, options: ConnectionOptions, socket: net.Socket) => {
  const target = parseDatabaseUrl(Redacted.value(settings.databaseUrl))
  return {
    host: target.host,
    port: target.port,
    ...loginOf(settings, target),
    database: target.database,
    ...(target.ssl ? { ssl: sslOf(settings, target) } : {}),
    // The connector also takes the stream as the function's result; its types know only the callback.
    stream: (() => socket.connect(target.port, target.host)) as unknown as NonNullable<
      mariadb.ConnectionConfig["stream"]
    >,
    connectTimeout: Duration.toMillis(settings.connectTimeout),
    keepAliveDelay: 30_000,
    initSql: sessionSettings(settings, options) as Array<string>,
    multipleStatements: false,
    permitLocalInfile: false,
    timezone: "Z",
    charset: "utf8mb4",
    bigIntAsNumber: true,
    decimalAsNumber: true,
    insertIdAsNumber: true,
    checkNumberRange: options.roundsNumbers !== true,
    autoJsonMap: false,
    rowsAsArray: true,
    foundRows: true,
    maxAllowedPacket: packetMaxBytes,
    prepareCacheLength: cachedMax
  } satisfies mariadb.ConnectionConfig & Record<string, unknown>
}

/**
 * An end of the stream is told to the newest who listens for it alone. With TLS that is the TLS socket, which tells the
 * connector; told first, the connector (3.5) takes its ears off the TLS socket, whose own word of it then ends the process.
 */
const toldToOne = (socket: net.Socket): net.Socket =>
  socket.on("newListener", (event) => {
    if (event === "error") socket.removeAllListeners("error")
  })

/** Opens a connection; ends within the connect time-out, and at once when `signal` says so. */
export const openConnection = async (
  settings: StoreSettings,
  options: ConnectionOptions,
  signal: AbortSignal
): Promise<Connection> => {
  const socket = toldToOne(new net.Socket().setNoDelay(true))
  const giveUp = (): void => {
    socket.destroy(new DatabaseFailure({ errno: 0, code: "GIVEN_UP", constraint: null, fatal: true }))
  }
  signal.addEventListener("abort", giveUp, { once: true })
  try {
    const connection = await mariadb.createConnection(connectorOptions(settings, options, socket))
    if (signal.aborted) giveUp()
    // A connection that ends while it idles is noticed by isValid; without a listener it would be thrown.
    connection.on("error", () => undefined)
    return make(connection, socket, giveUp)
  } catch (cause) {
    socket.destroy()
    throw cause
  } finally {
    signal.removeEventListener("abort", giveUp)
  }
}

/** Of one packet, of each of several, or, from a server that tells them apart, of each row: its id and its number. */
type BatchResult = mariadb.UpsertResult | ReadonlyArray<mariadb.UpsertResult | ReadonlyArray<unknown>>

const matchedBy = (result: BatchResult): number => {
  if ("affectedRows" in result) return result.affectedRows
  return result.reduce((sum, part) => sum + Number("affectedRows" in part ? part.affectedRows : part[1]), 0)
}

/** An error in it ends it before its COMMIT: a block without handlers goes no further. */
const committing = (writes: ReadonlyArray<Write>): string =>
  `BEGIN NOT ATOMIC ${writes.map(({ sql }) => `${sql};`).join(" ")} COMMIT; END`

/** Of a write: its rows, where it gives some back. */
type Given = mariadb.UpsertResult | ReadonlyArray<Row>

const rowsGiven = (given: Given): ReadonlyArray<Row> => ("affectedRows" in given ? [] : given)

const make = (connection: mariadb.Connection, socket: net.Socket, giveUp: () => void): Connection => {
  const { add, begin, commit, last, mode, rollback } = Flights.make(connection, socket, giveUp)
  const isCommitting = Committings.make()
  const execute = <A>(sql: string, values: ReadonlyArray<Value> = []): Promise<A> =>
    add({ sql, isBatch: false }, (prepared) => prepared!.execute(values))
  const kept = new Map<string, mariadb.Prepare>()
  /**
   * Prepared first, as in a flight: where the server cannot, the connector gets rows of the statement before, which it has not
   * asked for, and dies of them with the process. What is kept here spares the connector's looking for it twice each time.
   */
  const read = async (sql: string, values: ReadonlyArray<Value>): Promise<ReadonlyArray<Row>> => {
    const known = kept.get(sql)
    if (known !== undefined) return known.execute(values)
    const prepared = await connection.prepare(sql)
    if (kept.size < keptMax) kept.set(sql, prepared)
    try {
      return await prepared.execute(values)
    } finally {
      if (kept.get(sql) !== prepared) prepared.close()
    }
  }
  return {
    begin,
    commit,
    commitWith: (writes, sending) => {
      const sql = committing(writes)
      if (!isCommitting(sql)) {
        const sent = writes.map((write) => execute<Given>(write.sql, write.values))
        return Promise.all([Promise.all(sent), commit(sending)]).then(([given]) => given.flatMap(rowsGiven))
      }
      const values = writes.flatMap((write) => write.values)
      const send: Flights.Send<Given | ReadonlyArray<Given>> = (prepared) => {
        sending()
        return prepared!.execute(values)
      }
      return last(sql, send).then((given) => (Array.isArray(given) ? given.flatMap(rowsGiven) : []))
    },
    mode,
    rollback,
    rows: (sql, values) => execute<ReadonlyArray<Row>>(sql, values),
    read,
    run: (sql, values) => execute<mariadb.UpsertResult>(sql, values).then((done) => done.affectedRows),
    batch: (sql, rows, matches) =>
      rows.length === 0
        ? Promise.resolve(0)
        : add({ sql, isBatch: true }, () => connection.batch<BatchResult>(sql, rows))
            .then(matchedBy)
            .then(allOf(matches === "each" ? rows.length : 0)),
    command: (sql) => add({ sql: null, isBatch: false }, () => connection.query(sql)).then(() => undefined),
    isValid: () => connection.isValid(),
    giveUp,
    end: () => connection.end()
  }
}
