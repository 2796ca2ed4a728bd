/**
 * The database as the stores use it: one statement, or one transaction, on a pooled connection.
 *
 * Promises:
 * - every operation ends within `CM_DB_TIMEOUT`, waiting for a connection and every repetition
 *   included; when it does not, its connection is thrown away, not returned. What has little of that time left when it
 *   gets a connection is not begun, nor begun again: it would not end, and keep a connection from what would;
 * - a transaction that the database undid because of others (deadlock, lock wait, snapshot conflict)
 *   runs again, a few times, after a short random wait; its body must not mind;
 * - `StoreUnavailable` has outcome `unknown` only when COMMIT was sent, or was next when the time was over, and what was
 *   answered, if anything, does not say that it was not carried out;
 * - what only a bug can cause (a wrong statement, a value too long) is a defect;
 * - no statement, value or text of the server gets into an error.
 *
 * What is done for one tenant uses a part of the connections at most (`Bulkhead`).
 * Look-ups have connections of their own, so that lists and changes never stand in their way.
 * An interrupted transaction is rolled back unless its COMMIT was already sent.
 */
import { Clock, Context, Duration, Effect, Layer, Random } from "effect"
import { Tracing } from "../../observability/Tracing.ts"
import { StoreUnavailable } from "../StoreError.ts"
import * as Bulkhead from "./Bulkhead.ts"
import { fromSession, makePool } from "./ConnectionPool.ts"
import { DatabaseFailure, isBug, isOfStatement, isPassing, isRepeatable, timedOutCode } from "./DatabaseFailure.ts"
import * as Lookups from "./Lookups.ts"
import type { Connection, Row, Session, Write } from "./MariadbConnection.ts"
import { StoreConfig } from "./StoreConfig.ts"
import { traced } from "./TracedStatements.ts"

/** A unique key was broken. */
export class ConstraintBroken {
  readonly _tag = "ConstraintBroken"
  readonly constraint: string
  constructor(constraint: string) {
    this.constraint = constraint
  }
}

export interface Ended<A> {
  readonly value: A
  /** False: nothing was written, so nothing is committed. */
  readonly wrote: boolean
  /** What is still to be written: it goes with COMMIT. Few rows. */
  readonly last?: ReadonlyArray<Write>
}

/** Its value is known by the rows that its last writes give back. */
export interface EndedByLast<A> {
  readonly last: ReadonlyArray<Write>
  readonly valueFrom: (given: ReadonlyArray<Row>) => A
}

export type TransactionResult<A> = Ended<A> | EndedByLast<A>

export { fromSession } from "./ConnectionPool.ts"

export class Mariadb extends Context.Service<
  Mariadb,
  {
    /** Statements that each commit by themselves. */
    readonly query: <A>(
      operation: string,
      body: (session: Session) => Promise<A>,
      tenantId?: string | null
    ) => Effect.Effect<A, StoreUnavailable>
    /** Reads, on the connections kept for them. */
    readonly lookup: Lookups.Lookup
    readonly transaction: <A>(
      operation: string,
      body: (session: Session) => Effect.Effect<TransactionResult<A>, DatabaseFailure>,
      tenantId?: string | null
    ) => Effect.Effect<A, StoreUnavailable | ConstraintBroken>
  }
>()("cm/store/Mariadb") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

/** Of an operation's time: when more is over, waiting and earlier attempts included, too little is left to begin. */
const waitPartMax = 0.75
const repetitionsMax = 8
const repetitionWaitMs = 15
// ---- operations -------------------------------------------------------------

/** Where a transaction stands, for whoever has to say what became of it. */
interface Progress {
  /** It was, or may be in this moment: only a failure of its own tells that it was not. */
  commitSent: boolean
}

const unavailable = (operation: string, progress: Progress, cause: DatabaseFailure) =>
  new StoreUnavailable({
    operation,
    outcome: progress.commitSent ? "unknown" : "none",
    isPassing: isPassing(cause),
    cause
  })

const timedOut = (fatal: boolean) => new DatabaseFailure({ errno: 0, code: timedOutCode, constraint: null, fatal })

const rollback = (connection: Connection): Effect.Effect<void, DatabaseFailure> =>
  fromSession(() => connection.rollback())

/** `isUndone`: which failures say that nothing was committed. One before anything was sent says so, too. */
const ended = <A>(
  progress: Progress,
  send: (sending: () => void) => Promise<A>,
  isUndone: (failure: DatabaseFailure) => boolean
): Effect.Effect<A, DatabaseFailure> => {
  let isSent = false
  const sending = () => {
    isSent = true
  }
  return fromSession(() => {
    progress.commitSent = true
    return send(sending)
  }).pipe(
    Effect.mapError((failure) => {
      if (!isSent || isUndone(failure)) progress.commitSent = false
      return new DatabaseFailure({ ...failure, fatal: failure.fatal || progress.commitSent })
    })
  )
}

/** Of COMMIT itself the server says only that the transaction lost against another one. */
const commit = (connection: Connection, progress: Progress): Effect.Effect<void, DatabaseFailure> =>
  ended(progress, connection.commit, isRepeatable)

/** Writes and COMMIT in one. */
const commitWith = (
  connection: Connection,
  progress: Progress,
  writes: ReadonlyArray<Write>
): Effect.Effect<ReadonlyArray<Row>, DatabaseFailure> =>
  ended(progress, (sending) => connection.commitWith(writes, sending), isOfStatement)

const inTransaction = <A>(
  connection: Connection,
  progress: Progress,
  body: (session: Session) => Effect.Effect<TransactionResult<A>, DatabaseFailure>
): Effect.Effect<A, DatabaseFailure> =>
  Effect.sync(() => connection.begin()).pipe(
    Effect.andThen(body(connection)),
    Effect.flatMap((result) => {
      if ("valueFrom" in result) {
        return Effect.map(commitWith(connection, progress, result.last), result.valueFrom)
      }
      const { last, value, wrote } = result
      if (!wrote) return Effect.as(rollback(connection), value)
      return Effect.as(
        last === undefined ? commit(connection, progress) : commitWith(connection, progress, last),
        value
      )
    }),
    Effect.tapError((error) => (error.fatal ? Effect.void : rollback(connection)))
  )

const make = Effect.gen(function* () {
  const settings = yield* StoreConfig
  const clock = yield* Clock.Clock
  const main = yield* Effect.acquireRelease(
    Effect.sync(() => makePool(settings, settings.connections)),
    (pool) => pool.close
  )
  const lookup = yield* Lookups.make(settings, settings.lookupConnections)

  const within = <A>(
    operation: string,
    progress: Progress,
    body: Effect.Effect<A, DatabaseFailure>
  ): Effect.Effect<A, StoreUnavailable | ConstraintBroken> =>
    Effect.timeoutOrElse(body, {
      duration: settings.operationTimeout,
      orElse: () => Effect.fail(timedOut(true))
    }).pipe(
      Effect.catch((failure): Effect.Effect<never, StoreUnavailable | ConstraintBroken> => {
        // Whatever it is: it must not be tried again as if nothing had happened. A bug is told all the same.
        if (progress.commitSent) {
          const told = isBug(failure)
            ? Effect.logError(`${operation} met a bug at its COMMIT`, failure.cause ?? failure)
            : Effect.void
          return Effect.andThen(told, Effect.fail(unavailable(operation, progress, failure)))
        }
        if (failure.constraint !== null) return Effect.fail(new ConstraintBroken(failure.constraint))
        if (isBug(failure)) return Effect.die(failure.cause ?? failure)
        return Effect.fail(unavailable(operation, progress, failure))
      })
    )

  const bulkhead = Bulkhead.make(settings.connections)

  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const waitMaxMs = waitPartMax * Duration.toMillis(settings.operationTimeout)
  /** Gives `body` a connection, unless that came too late for an operation that began then. */
  const used = <A>(
    beganMs: number,
    mode: "each" | "together",
    tenantId: string | null,
    body: (connection: Connection) => Effect.Effect<A, DatabaseFailure>
  ): Effect.Effect<A, DatabaseFailure> =>
    bulkhead.within(tenantId)(
      main.use(mode, (connection) =>
        Effect.suspend(() => (nowMs() - beganMs > waitMaxMs ? Effect.fail(timedOut(false)) : body(connection)))
      )
    )

  const query = <A>(
    operation: string,
    body: (session: Session) => Promise<A>,
    tenantId: string | null = null
  ): Effect.Effect<A, StoreUnavailable> =>
    within(
      operation,
      { commitSent: false },
      Effect.suspend(() => used(nowMs(), "each", tenantId, (connection) => fromSession(() => body(connection))))
    ).pipe(Effect.catchTag("ConstraintBroken", (broken) => Effect.die(new Error(`${operation}: ${broken.constraint}`))))

  const again = (attempt: number) =>
    Effect.flatMap(Random.next, (random) =>
      Effect.sleep(Math.ceil(random * repetitionWaitMs * 2 ** Math.min(attempt, 4)))
    )

  return traced(yield* Tracing, {
    query,
    lookup,
    transaction: (operation, body, tenantId = null) =>
      Effect.suspend(() => {
        const progress: Progress = { commitSent: false }
        const once = used(nowMs(), "together", tenantId, (connection) => inTransaction(connection, progress, body))
        const attempt = (count: number): typeof once =>
          Effect.catch(once, (error) =>
            isRepeatable(error) && !progress.commitSent && count < repetitionsMax
              ? Effect.andThen(again(count), attempt(count + 1))
              : Effect.fail(error)
          )
        return within(operation, progress, attempt(0))
      })
  })
})
