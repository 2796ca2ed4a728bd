/**
 * One connection to MariaDB, and the statements on it.
 *
 * A thin face over the `mariadb` connector: positional rows, numbers checked to be safe, prepared
 * statements, and the bulk protocol for many rows of one statement. Statements that are started
 * without waiting for each other run in the order in which they were started.
 *
 * The socket is ours, so that giving up is at once and never waits for a server that does not
 * answer. Every session reads committed rows, is strict, lives in UTC, and has its statements ended
 * by the server itself after the operation's time.
 */
import * as net from "node:net"
import { Duration, Redacted } from "effect"
import * as mariadb from "mariadb"
import { DatabaseFailure } from "./DatabaseFailure.ts"
import type { StoreSettings } from "./StoreConfig.ts"

export type Value = string | number | Uint8Array | null
export type Row = ReadonlyArray<unknown>

/** All reject with what the connector throws; the caller makes a `DatabaseFailure` of it. */
export interface Session {
  readonly rows: (sql: string, values?: ReadonlyArray<Value>) => Promise<ReadonlyArray<Row>>
  /** Answers the number of rows that matched. */
  readonly run: (sql: string, values?: ReadonlyArray<Value>) => Promise<number>
  /** One statement for many rows of values, in one round trip; nothing for none. */
  readonly batch: (sql: string, rows: ReadonlyArray<ReadonlyArray<Value>>) => Promise<void>
  /** Unprepared, for what cannot be prepared (transactions, locks, schema). */
  readonly command: (sql: string) => Promise<void>
}

export interface Connection extends Session {
  /**
   * Begins a transaction. Once a statement of it has failed, those behind it are not sent and fail the
   * same way: after a deadlock the server has undone the transaction already, and would carry them out
   * one by one, each for good.
   */
  readonly begin: () => Promise<void>
  readonly commit: () => Promise<void>
  /** Runs whatever failed before. */
  readonly rollback: () => Promise<void>
  readonly isValid: () => boolean
  /** At once; whatever was running on it rejects. */
  readonly giveUp: () => void
  readonly end: () => Promise<void>
}

export interface ConnectionOptions {
  /** Zero: no limit, for migrations. */
  readonly statementTimeoutMs: number
}

/** What the server must take in one packet; batches are cut to it. Its default, checked at start. */
export const packetMaxBytes = 16 * 1024 * 1024

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
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
  "SET SESSION time_zone = '+00:00'",
  `SET SESSION innodb_lock_wait_timeout = ${Math.max(1, Math.floor(Duration.toSeconds(settings.lockWaitTimeout)))}`,
  `SET SESSION max_statement_time = ${options.statementTimeoutMs / 1000}`
]

const connectorOptions = (settings: StoreSettings, options: ConnectionOptions, socket: net.Socket) => {
  const target = parseDatabaseUrl(Redacted.value(settings.databaseUrl))
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.database,
    ...(target.ssl ? { ssl: true } : {}),
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
    checkNumberRange: true,
    autoJsonMap: false,
    rowsAsArray: true,
    foundRows: true,
    maxAllowedPacket: packetMaxBytes,
    prepareCacheLength: 256
  } satisfies mariadb.ConnectionConfig & Record<string, unknown>
}

/** Opens a connection; ends within the connect time-out, and at once when `signal` says so. */
export const openConnection = async (
  settings: StoreSettings,
  options: ConnectionOptions,
  signal: AbortSignal
): Promise<Connection> => {
  const socket = new net.Socket().setNoDelay(true)
  const giveUp = (): void => {
    socket.destroy(new DatabaseFailure({ errno: 0, code: "GIVEN_UP", constraint: null, fatal: true }))
  }
  signal.addEventListener("abort", giveUp, { once: true })
  try {
    const connection = await mariadb.createConnection(connectorOptions(settings, options, socket))
    if (signal.aborted) giveUp()
    // A connection that ends while it idles is noticed by isValid; without a listener it would be thrown.
    connection.on("error", () => undefined)
    return make(connection, giveUp)
  } catch (cause) {
    socket.destroy()
    throw cause
  } finally {
    signal.removeEventListener("abort", giveUp)
  }
}

/**
 * Statements run in the order in which they are started, each after the one before was answered.
 * The connector by itself does not promise that: a statement that is not prepared yet is sent when
 * its preparation was answered, which may be after a ROLLBACK that was started later.
 */
const make = (connection: mariadb.Connection, giveUp: () => void): Connection => {
  let last: Promise<unknown> = Promise.resolve()
  /** Of the open transaction: what failed first. Null outside of one. */
  let open: { failure: { readonly cause: unknown } | null } | null = null
  const always = <A>(run: () => Promise<A>): Promise<A> => {
    const result = last.then(run)
    last = result.catch((cause: unknown) => {
      if (open !== null) open.failure ??= { cause }
    })
    return result
  }
  const inOrder = <A>(run: () => Promise<A>): Promise<A> =>
    always(() => (open === null || open.failure === null ? run() : Promise.reject(open.failure.cause)))
  const query = (sql: string) => connection.query(sql).then(() => undefined)
  return {
    begin: () =>
      always(() => {
        open = { failure: null }
        return query("START TRANSACTION")
      }),
    commit: () =>
      inOrder(() =>
        query("COMMIT").finally(() => {
          open = null
        })
      ),
    rollback: () =>
      always(() => {
        open = null
        return query("ROLLBACK")
      }),
    rows: (sql, values) => inOrder(() => connection.execute<ReadonlyArray<Row>>(sql, values ?? [])),
    run: (sql, values) =>
      inOrder(() => connection.execute<mariadb.UpsertResult>(sql, values ?? [])).then((done) => done.affectedRows),
    batch: (sql, rows) =>
      rows.length === 0 ? Promise.resolve() : inOrder(() => connection.batch(sql, rows)).then(() => undefined),
    command: (sql) => inOrder(() => query(sql)),
    isValid: () => connection.isValid(),
    giveUp,
    end: () => connection.end()
  }
}
