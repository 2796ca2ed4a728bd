/**
 * Brings the schema up to date.
 *
 * One SQL file is one statement and one step, in the order of the number in its name. Steps run on a
 * connection of their own, under a lock of the whole server that bears the database's name: a
 * replica that finds another one migrating waits for it, and then finds nothing left to do. A step is
 * recorded after it succeeded, since MariaDB commits every change of schema by itself; each is
 * written so that running it again after a crash in between does no harm.
 *
 * A step that needs a table for itself waits for who has it open, a backup perhaps, and all others wait behind it: so it
 * waits a second at a time, lets them through in between, says so, and gives up after `CM_DB_MIGRATION_WAIT`.
 *
 * A server that takes no connection, being on its way up or too busy, or cuts it off, is waited for as the bus is; one
 * that refuses the user, or lacks the database, is not.
 *
 * A database that has been migrated further than this program knows is refused: an older replica
 * must not write into it, unless an operator says so by taking the record of those steps away. What runs while a newer one
 * migrates goes on: so a step takes nothing away that the release before it reads, and refuses nothing that it writes.
 */
import { readdirSync, readFileSync } from "node:fs"
import { Data, Duration, Effect, Redacted } from "effect"
import { warnOf } from "../../observability/Transport.ts"
import { untilAnswered } from "../StartWait.ts"
import { StoreUnavailable } from "../StoreError.ts"
import * as Columns from "./Columns.ts"
import { type DatabaseFailure, fromUnknown, isRepeatable, isUnreachable } from "./DatabaseFailure.ts"
import { type Connection, openConnection, packetMaxBytes, parseDatabaseUrl, preparedMax } from "./MariadbConnection.ts"
import { isFarInClear, StoreConfig, type StoreSettings } from "./StoreConfig.ts"

export interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
}

/** The database cannot be used by this program, and why. */
export class SchemaRefused extends Data.TaggedError("SchemaRefused")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

const folder = new URL("./migrations/", import.meta.url)
const fileName = /^(\d{4})_([a-z0-9_]+)\.sql$/u

/** All steps this program knows, in order. Numbers may have gaps; throws when one is there twice. */
export const knownMigrations = (): ReadonlyArray<Migration> => {
  let before = 0
  return readdirSync(folder)
    .toSorted()
    .map((file) => {
      const [, digits, name] = fileName.exec(file) ?? []
      const number = Number(digits)
      if (digits === undefined || name === undefined || number <= before) {
        throw new Error(`migrations: ${file} is not the name of a step after ${before}`)
      }
      before = number
      return { number, name, sql: readFileSync(new URL(file, folder), "utf8") }
    })
}

const serverSql = "SELECT VERSION(), @@max_allowed_packet, @@innodb_flush_log_at_trx_commit, @@max_prepared_stmt_count"

/** The server must be one whose behaviour is relied on. Answers what is allowed but should not be. */
const checkServer = async (connection: Connection, settings: StoreSettings): Promise<ReadonlyArray<string>> => {
  const [row = []] = await connection.rows(serverSql)
  const version = Columns.text(row, 0)
  const [, major, minor] = /^(\d+)\.(\d+)\..*MariaDB/u.exec(version) ?? []
  if (major === undefined || Number(major) * 1000 + Number(minor) < 10_011) {
    throw new SchemaRefused({ reason: `MariaDB 10.11 or newer is needed, and the server is ${version}` })
  }
  if (Columns.whole(row, 1) < packetMaxBytes) {
    throw new SchemaRefused({ reason: `the server's max_allowed_packet must be ${packetMaxBytes} or more` })
  }
  const warnings: Array<string> = []
  if (Columns.whole(row, 2) !== 1) {
    warnings.push(
      "innodb_flush_log_at_trx_commit is not 1: a crash of the database's machine can lose acknowledged changes"
    )
  }
  const prepared = preparedMax * (settings.connections + settings.lookupConnections)
  if (prepared > Columns.whole(row, 3)) {
    warnings.push(
      `max_prepared_stmt_count is less than the ${prepared} statements that this replica's connections may keep: ` +
        "beyond it the server takes no new ones, of nobody"
    )
  }
  return warnings
}

const createTableSql = `CREATE TABLE IF NOT EXISTS schema_migrations (
    number INT UNSIGNED NOT NULL, name VARCHAR(128) NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (number)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin`
const recordSql = `INSERT INTO schema_migrations (number, name, applied_at) VALUES (?, ?, ${Columns.nowSql})`
/** Names of locks have 64 characters at most. */
const lockNameSql = "CONCAT('cm-migrate-', SHA1(DATABASE()))"

const takeLock = async (connection: Connection, waitSeconds: number): Promise<void> => {
  const [row] = await connection.rows(`SELECT GET_LOCK(${lockNameSql}, ?)`, [waitSeconds])
  if (row === undefined || row[0] !== 1) {
    throw new SchemaRefused({ reason: `another replica has been migrating the schema for ${waitSeconds} s` })
  }
}

/** In whole seconds: as long as a step may keep others from a table that it waits for. They have as long before it tries again. */
const tableWaitSeconds = 1
const tableWaitSql = `SET SESSION lock_wait_timeout = ${tableWaitSeconds}`

/** Done when nobody is in its way any more. */
const oneStep = <A>(what: string, limit: Duration.Duration, run: () => Promise<A>) =>
  untilAnswered(attempt(run), {
    what,
    limit,
    pause: Duration.seconds(tableWaitSeconds),
    passingOf: (error) =>
      error._tag === "DatabaseFailure" && isRepeatable(error) ? "somebody else has its table open" : null,
    gaveUp: (within) =>
      new SchemaRefused({
        reason:
          `somebody else, a backup or a long query, had the table open for ${within} that ${what} changes: ` +
          "SHOW PROCESSLIST names it; when it has ended, start again"
      })
  })

const listed = (steps: ReadonlyArray<readonly [number, string]>): string =>
  steps.map(([number, name]) => `${number} (${name})`).join(", ")

/** All of them by number: whoever goes back takes away the record of these and of no others. */
const migratedByNewer = (steps: ReadonlyArray<readonly [number, string]>): SchemaRefused =>
  new SchemaRefused({
    reason:
      `the database has the schema steps ${listed(steps)}, ` +
      "which this program does not know: a newer release migrated it. Start that release; " +
      '"Going back" in docs/operations.md says how to return to this one'
  })

const runSteps = Effect.fnUntraced(function* (
  connection: Connection,
  known: ReadonlyArray<Migration>,
  limit: Duration.Duration
) {
  yield* attempt(() => connection.command(tableWaitSql))
  yield* oneStep("the table of schema steps", limit, () => connection.command(createTableSql))
  const rows = yield* oneStep("the table of schema steps", limit, () =>
    connection.rows("SELECT number, name FROM schema_migrations ORDER BY number")
  )
  const applied = new Map(rows.map((row) => [Columns.whole(row, 0), Columns.text(row, 1)]))
  const names = new Map(known.map(({ name, number }) => [number, name]))
  const newer = Array.from(applied).filter(([number, name]) => names.get(number) !== name)
  if (newer.length > 0) return yield* migratedByNewer(newer)
  const missing = known.filter(({ number }) => !applied.has(number))
  for (const { name, number, sql } of missing) {
    yield* oneStep(`schema step ${number} (${name})`, limit, () => connection.command(sql))
    yield* oneStep(`the record of schema step ${number} (${name})`, limit, () =>
      connection.run(recordSql, [number, name])
    )
  }
  if (applied.size > 0 && missing.length > 0) {
    const steps = listed(missing.map(({ name, number }) => [number, name] as const))
    yield* Effect.logInfo(`schema steps done: ${steps}; replicas of the release before go on, and do not start again`)
  }
  return missing.length
})

const checkUrl = (settings: StoreSettings): Effect.Effect<void, SchemaRefused> =>
  Effect.try({
    try: () => void parseDatabaseUrl(Redacted.value(settings.databaseUrl)),
    catch: (cause) => new SchemaRefused({ reason: cause instanceof Error ? cause.message : String(cause) })
  })

const migrateOnce = (known: ReadonlyArray<Migration>, settings: StoreSettings) =>
  Effect.acquireRelease(
    attempt((signal) => openConnection(settings, { statementTimeoutMs: 0 }, signal)),
    // The lock goes with the connection.
    (connection) => Effect.sync(() => connection.giveUp()),
    // A start that is told to stop does not wait for a server; what it was opening is given up.
    { interruptible: true }
  ).pipe(
    Effect.flatMap((connection) =>
      Effect.andThen(
        Effect.flatMap(
          attempt(() => checkServer(connection, settings)),
          (warnings) => Effect.forEach(warnings, (warning) => Effect.logWarning(warning))
        ),
        Effect.andThen(
          attempt(() => takeLock(connection, Math.ceil(Duration.toSeconds(settings.migrationWait)))),
          runSteps(connection, known, settings.migrationWait)
        )
      )
    ),
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: Duration.times(settings.migrationWait, 2),
      orElse: () => Effect.fail(new SchemaRefused({ reason: "migrating the schema took too long" }))
    })
  )

const whenReached = (known: ReadonlyArray<Migration>, settings: StoreSettings) =>
  untilAnswered(migrateOnce(known, settings), {
    what: "its schema",
    limit: settings.connectLimit,
    passingOf: (error) => (error._tag === "DatabaseFailure" && isUnreachable(error) ? error.code : null),
    gaveUp: (within, code) =>
      new SchemaRefused({ reason: `MariaDB took no connection within ${within}, last ${code}: check DATABASE_URL` })
  })

/**
 * Answers how many steps were run. Waits at most `CM_DB_CONNECT_LIMIT` for a server that takes a connection, and at
 * most `CM_DB_MIGRATION_WAIT` for another replica.
 */
export const migrate = (
  known: ReadonlyArray<Migration> = knownMigrations()
): Effect.Effect<number, SchemaRefused | StoreUnavailable, StoreConfig> =>
  Effect.flatMap(StoreConfig, (settings) =>
    checkUrl(settings).pipe(
      Effect.andThen(isFarInClear(settings.databaseUrl) ? warnOf("the database") : Effect.void),
      Effect.andThen(whenReached(known, settings))
    )
  ).pipe(
    Effect.catchTag("DatabaseFailure", (cause) =>
      Effect.fail(new StoreUnavailable({ operation: "Migrations.migrate", outcome: "unknown", cause }))
    )
  )

const attempt = <A>(run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, DatabaseFailure | SchemaRefused> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => (cause instanceof SchemaRefused ? cause : fromUnknown(cause))
  })
