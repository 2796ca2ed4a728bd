/**
 * Connections that are kept and lent, one user at a time.
 *
 * Opened when needed, at most `size`; of those that need not change their mode first (a round trip), or else of all,
 * the one used last is lent first. Whoever finds none free waits,
 * in order, and gives up when its caller does. A connection comes back only when its use left no
 * doubt about its state: after an interruption, a defect or a fatal failure it is given up. A server
 * that comes back is tried by the next user, at once.
 */
import { Cause, Duration, Effect, Exit, Semaphore } from "effect"
import { DatabaseFailure, fromUnknown } from "./DatabaseFailure.ts"
import type { Mode } from "./Flights.ts"
import { type Connection, openConnection } from "./MariadbConnection.ts"
import type { StoreSettings } from "./StoreConfig.ts"

/** How long connections are given to say goodbye. */
export const closeTimeout = Duration.seconds(1)
/** More than this many waiting for a connection: the rest is refused at once. */
export const waitersMax = 10_000

/** Makes an effect of a promise of the connector. */
export const fromSession = <A>(run: () => Promise<A>): Effect.Effect<A, DatabaseFailure> =>
  Effect.tryPromise({ try: run, catch: fromUnknown })

export interface Pool {
  /** A connection whose use fails for a reason that leaves it unsure is given up. */
  readonly use: <A>(
    wanted: Exclude<Mode, null>,
    body: (connection: Connection) => Effect.Effect<A, DatabaseFailure>
  ) => Effect.Effect<A, DatabaseFailure>
  readonly close: Effect.Effect<void>
}

const leavesConnectionClean = (exit: Exit.Exit<unknown, unknown>): boolean => {
  if (Exit.isSuccess(exit)) return true
  return exit.cause.reasons.every(
    (reason) => Cause.isFailReason(reason) && !(reason.error instanceof DatabaseFailure && reason.error.fatal)
  )
}

export const makePool = (settings: StoreSettings, size: number): Pool => {
  const permits = Semaphore.makeUnsafe(size)
  const idle: Array<Connection> = []
  const open = new Set<Connection>()
  let waiting = 0
  let closed = false

  const statementTimeoutMs = Duration.toMillis(settings.operationTimeout)
  const nextIdle = (wanted: Mode): Connection | undefined => {
    const at = idle.findLastIndex((connection) => connection.mode() === wanted)
    return idle.splice(at, 1)[0]
  }
  /** `hold` is told of the connection before anything can interrupt. */
  const take = (
    wanted: Mode,
    hold: (connection: Connection) => Connection
  ): Effect.Effect<Connection, DatabaseFailure> =>
    Effect.suspend(() => {
      for (let connection = nextIdle(wanted); connection !== undefined; connection = nextIdle(wanted)) {
        if (connection.isValid()) return Effect.succeed(hold(connection))
        open.delete(connection)
      }
      return Effect.tryPromise({
        try: (signal) => openConnection(settings, { statementTimeoutMs }, signal).then(hold),
        catch: fromUnknown
      })
    })
  const giveBack = (connection: Connection, exit: Exit.Exit<unknown, unknown>): void => {
    if (!closed && connection.isValid() && leavesConnectionClean(exit)) {
      idle.push(connection)
    } else {
      open.delete(connection)
      connection.giveUp()
    }
  }

  const use: Pool["use"] = (wanted, body) =>
    Effect.suspend(() => {
      if (closed || waiting >= waitersMax) {
        return Effect.fail(
          new DatabaseFailure({ errno: 0, code: closed ? "CLOSED" : "TOO_MANY_WAIT", constraint: null, fatal: false })
        )
      }
      waiting += 1
      let held: Connection | undefined
      let ended = false
      const hold = (connection: Connection): Connection => {
        held = connection
        open.add(connection)
        if (ended) giveBack(connection, Exit.interrupt())
        return connection
      }
      const end = (exit: Exit.Exit<unknown, unknown>): void => {
        ended = true
        if (held !== undefined) giveBack(held, exit)
      }
      const used = Effect.flatMap(take(wanted, hold), body).pipe(Effect.onExit((exit) => Effect.sync(() => end(exit))))
      return Effect.ensuring(
        permits.withPermit(used),
        Effect.sync(() => {
          waiting -= 1
        })
      )
    })

  const giveUpAll = (): void => {
    for (const connection of open) connection.giveUp()
    open.clear()
  }
  const close = Effect.suspend(() => {
    closed = true
    return Effect.promise(() => Promise.allSettled(idle.splice(0).map((connection) => connection.end()))).pipe(
      Effect.timeoutOrElse({ duration: closeTimeout, orElse: () => Effect.void }),
      Effect.andThen(Effect.sync(giveUpAll))
    )
  })
  return { use, close }
}
