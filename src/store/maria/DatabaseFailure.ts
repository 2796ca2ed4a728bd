/**
 * What the database said when a statement failed, without a word of the statement or its values.
 *
 * The server's own text repeats values ("Duplicate entry '…'"), so only the number, its name and
 * the constraint's name are kept. `isRepeatable` and `isBug` say what it means; a failure that only a wrong
 * statement or schema can cause is a defect and never reaches a caller as a value.
 */
import { Data } from "effect"
import { SqlError } from "mariadb"

export class DatabaseFailure extends Data.TaggedError("DatabaseFailure")<{
  readonly errno: number
  readonly code: string
  /** The unique key that was broken, as `table.key`, or null. */
  readonly constraint: string | null
  /** The connection is gone or not to be trusted. */
  readonly fatal: boolean
  /** Only for an exception of our own code. */
  readonly cause?: unknown
}> {
  override get message(): string {
    return `${this.code} (${this.errno})`
  }
}

/** Deadlock, lock wait, snapshot conflict: the transaction may run again. */
const repeatable: ReadonlySet<number> = new Set([1213, 1205, 1020])
/** Only a wrong statement, schema or value of ours does this; 45050: a row with a number that nothing of ours writes. */
const bugs: ReadonlySet<number> = new Set([
  1048, 1052, 1054, 1064, 1065, 1136, 1146, 1210, 1241, 1264, 1305, 1364, 1366, 1406, 1452, 1690, 4025, 45016, 45017,
  45018, 45033, 45050
])
/** No server answers, or it takes no connection now: its limits of connections, its end, what the connector says of one that came to nothing. */
const unreachable: ReadonlySet<number> = new Set([1040, 1053, 1203, 45009, 45012])
const unreachableCodes: ReadonlySet<string> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT"
])
/** A statement that took too long, or whose connection was cut off. */
const cutShort: ReadonlySet<number> = new Set([1152, 1158, 1159, 1160, 1161, 1317, 1927, 1969, 45004, 45013, 45026])
/** Said by this room itself: the operation's time is up. */
export const timedOutCode = "TIMED_OUT"
const duplicateKey = 1062
/** From here on the connector counts its own errors, and may have met them while it read what came after COMMIT. */
const connectorsOwn = 45_000
/** Not an error of the database at all: an exception of our own code. */
const ourOwn = -1

export const isRepeatable = (failure: DatabaseFailure): boolean => repeatable.has(failure.errno)
export const isBug = (failure: DatabaseFailure): boolean => failure.errno === ourOwn || bugs.has(failure.errno)
/**
 * Of a statement that writes and commits: it failed at a write, or lost against another transaction, and has not committed.
 * What may be said of COMMIT as well, or to one that had just done it (a time that was over, somebody's KILL), is not among it.
 */
export const isOfStatement = (failure: DatabaseFailure): boolean =>
  !failure.fatal &&
  failure.errno > 0 &&
  failure.errno < connectorsOwn &&
  (failure.constraint !== null || isRepeatable(failure) || isBug(failure))
/** Of opening a connection: another attempt may succeed, though nobody puts anything right. */
export const isUnreachable = (failure: DatabaseFailure): boolean =>
  unreachable.has(failure.errno) || unreachableCodes.has(failure.code)
/** Of a statement: the same. */
export const isPassing = (failure: DatabaseFailure): boolean =>
  isUnreachable(failure) || isRepeatable(failure) || cutShort.has(failure.errno) || failure.code === timedOutCode

/** Of each unique key's name, in all migrations: its table, and one word. */
export const uniqueKeyPattern = /^uq_(?<table>\w+)_[a-z]+$/u

/**
 * MariaDB names the key only, which says its table, but that every table's first is called PRIMARY. Of several statements in
 * one that is the first one's: those behind it write what nobody else can have written. The connector keeps the beginning of
 * the text only, so that no more than the first one's table can be read from it.
 */
const constraintOf = (error: SqlError): string => {
  const key = /for key '([^']*)'$/u.exec(error.sqlMessage ?? "")?.[1] ?? "unknown"
  const first = /\b(?:INSERT INTO|UPDATE) (\w+)/u.exec(error.sql ?? "")?.[1]
  return `${uniqueKeyPattern.exec(key)?.groups?.table ?? first ?? "unknown"}.${key}`
}

export const fromUnknown = (cause: unknown): DatabaseFailure => {
  if (cause instanceof DatabaseFailure) return cause
  if (cause instanceof SqlError) {
    const constraint = cause.errno === duplicateKey ? constraintOf(cause) : null
    return new DatabaseFailure({ errno: cause.errno, code: cause.code ?? "UNKNOWN", constraint, fatal: cause.fatal })
  }
  const first = cause instanceof AggregateError ? cause.errors[0] : cause
  if (first instanceof Error && "code" in first && typeof first.code === "string") {
    return new DatabaseFailure({ errno: 0, code: first.code, constraint: null, fatal: true })
  }
  return new DatabaseFailure({ errno: ourOwn, code: "NOT_OF_THE_DATABASE", constraint: null, fatal: true, cause })
}
