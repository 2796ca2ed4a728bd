/**
 * Spans of what the database is asked: one for the operation, one below it for each statement.
 *
 * A statement is told by its verb and its table, read from the text that this code base wrote; its values never are.
 * What goes with COMMIT (`Writes.ts`) has no span of its own: it is the end of its operation's.
 * Without tracing, and for what is done in nobody's trace, nothing is wrapped.
 */
import { Effect } from "effect"
import type { Trace } from "../../observability/Trace.ts"
import { type Begin, CurrentTrace, errorOf, type Tracing } from "../../observability/Tracing.ts"
import type { Mariadb } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"

const system = { "db.system.name": "mariadb" }
const tablePattern =
  /^\s*(SELECT)\b.*?\bFROM\s+([a-z_]+)|^\s*(INSERT|UPDATE|DELETE|REPLACE)\b.*?\b(?:INTO|UPDATE|FROM)?\s+([a-z_]+)/su

/** `SELECT tokens`, from a text of ours. */
export const summaryOf = (sql: string): string => {
  const [, select, from, verb, table] = tablePattern.exec(sql) ?? []
  return select !== undefined ? `${select} ${from}` : verb !== undefined ? `${verb} ${table}` : "statement"
}

const sessionIn = (session: Session, begin: Begin, parent: Trace): Session => {
  const spanned = <A>(sql: string, run: () => Promise<A>): Promise<A> => {
    const summary = summaryOf(sql)
    const span = begin({
      name: summary,
      kind: "client",
      parent,
      attributes: { ...system, "db.query.summary": summary }
    })
    return run().then(
      (value) => {
        span.end(null)
        return value
      },
      (cause: unknown) => {
        span.end("failed")
        throw cause
      }
    )
  }
  return {
    rows: (sql, values) => spanned(sql, () => session.rows(sql, values)),
    run: (sql, values) => spanned(sql, () => session.run(sql, values)),
    batch: (sql, rows, matches) =>
      rows.length === 0 ? session.batch(sql, rows) : spanned(sql, () => session.batch(sql, rows, matches)),
    command: session.command
  }
}

/** The same database, with spans when they are wanted. */
export const traced = ({ begin }: typeof Tracing.Service, database: Mariadb["Service"]): Mariadb["Service"] => {
  if (begin === null) return database
  const within = <A, E>(
    operation: string,
    plain: () => Effect.Effect<A, E>,
    inSpan: (wrap: (session: Session) => Session) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.flatMap(CurrentTrace, (current) => {
      if (current === null || !current.parent.sampled) return plain()
      const attributes = { ...system, "db.operation.name": operation }
      const span = begin({ name: operation, kind: "client", ...current, attributes })
      return Effect.onExit(
        inSpan((session) => sessionIn(session, begin, span.trace)),
        (exit) => Effect.sync(() => span.end(errorOf(exit)))
      )
    })
  return {
    query: (operation, body, tenantId) =>
      within(
        operation,
        () => database.query(operation, body, tenantId),
        (wrap) => database.query(operation, (session) => body(wrap(session)), tenantId)
      ),
    // Asked from outside any fiber, and for many at once: nobody's trace.
    lookup: database.lookup,
    transaction: (operation, body, tenantId) =>
      within(
        operation,
        () => database.transaction(operation, body, tenantId),
        (wrap) => database.transaction(operation, (session) => body(wrap(session)), tenantId)
      )
  }
}
