/**
 * Look-ups: reads that are asked a thousand times a second from outside any fiber, on connections of their own.
 *
 * A look-up is a promise and not an effect: a fiber, a race with a timer and what guards a transaction cost more than
 * the statement. It reads only, so its statements need no order among themselves.
 *
 * Promises:
 * - at most `size` are under way, the others wait in the order in which they came, `waitersMax` of them;
 * - each ends within the operation's time, its wait for a connection included; when it does not, its connection is
 *   thrown away and what it still says is not heard;
 * - a connection whose look-up failed for a reason that leaves it unsure is given up;
 * - it rejects with `StoreUnavailable`, of which nothing came; or with a bug.
 */
import { Duration, Effect, type Scope } from "effect"
import * as Deadlines from "../../observability/Deadlines.ts"
import { StoreUnavailable } from "../StoreError.ts"
import { closeTimeout, waitersMax } from "./ConnectionPool.ts"
import { DatabaseFailure, fromUnknown, isBug, isPassing, timedOutCode } from "./DatabaseFailure.ts"
import { type Connection, openConnection, type Reader } from "./MariadbConnection.ts"
import type { StoreSettings } from "./StoreConfig.ts"

export type Lookup = <A>(operation: string, body: (reader: Reader) => Promise<A>) => Promise<A>

/** One look-up, from when it was asked until it is over. */
interface Asked {
  readonly operation: string
  readonly body: (reader: Reader) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (cause: unknown) => void
  /** Ends its time limit. */
  ended: () => void
  isOver: boolean
  /** Stops what is done for it: its connection, or the opening of one. Null while it waits. */
  stop: (() => void) | null
}

const failureOf = (code: string): DatabaseFailure =>
  new DatabaseFailure({ errno: 0, code, constraint: null, fatal: code === timedOutCode })

const errorOf = (operation: string, cause: DatabaseFailure): unknown => {
  // A read breaks no key.
  if (cause.constraint !== null) return new Error(`${operation}: ${cause.constraint}`)
  if (isBug(cause)) return cause.cause ?? cause
  return new StoreUnavailable({ operation, outcome: "none", isPassing: isPassing(cause), cause })
}

/** `open` is another one in tests only. */
export const make = Effect.fnUntraced(function* (
  settings: StoreSettings,
  size: number,
  open: typeof openConnection = openConnection
): Generator<Effect.Effect<unknown, never, Scope.Scope>, Lookup, never> {
  const deadlines = yield* Deadlines.make("look-ups", settings.operationTimeout)
  const statementTimeoutMs = Duration.toMillis(settings.operationTimeout)
  const idle: Array<Connection> = []
  const connections = new Set<Connection>()
  const waiting = new Set<Asked>()
  let underWay = 0
  let isClosed = false

  const giveUp = (connection: Connection): void => {
    connections.delete(connection)
    connection.giveUp()
  }

  /** Its answer, unless it had one before, and its place to who waits. */
  const end = (asked: Asked, answer: () => void): void => {
    if (asked.isOver) return
    asked.isOver = true
    asked.ended()
    underWay--
    answer()
    next()
  }

  const use = (connection: Connection, asked: Asked): void => {
    asked.stop = () => giveUp(connection)
    const giveBack = (isSure: boolean): void => {
      if (isSure && !isClosed && connection.isValid()) idle.push(connection)
      else giveUp(connection)
    }
    const failed = (cause: unknown): void => {
      if (asked.isOver) return
      const failure = fromUnknown(cause)
      giveBack(!failure.fatal)
      end(asked, () => asked.reject(errorOf(asked.operation, failure)))
    }
    try {
      asked.body(connection).then((value) => {
        if (asked.isOver) return
        giveBack(true)
        end(asked, () => asked.resolve(value))
      }, failed)
    } catch (bug) {
      failed(bug)
    }
  }

  const nextIdle = (): Connection | undefined => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isValid()) return connection
      connections.delete(connection)
    }
    return undefined
  }

  const begin = (asked: Asked): void => {
    underWay++
    const kept = nextIdle()
    if (kept === undefined) openFor(asked)
    else use(kept, asked)
  }

  const openFor = (asked: Asked): void => {
    const opening = new AbortController()
    asked.stop = () => opening.abort()
    open(settings, { statementTimeoutMs, roundsNumbers: true }, opening.signal).then(
      (connection) => {
        if (asked.isOver) connection.giveUp()
        else {
          connections.add(connection)
          use(connection, asked)
        }
      },
      (cause: unknown) => end(asked, () => asked.reject(errorOf(asked.operation, fromUnknown(cause))))
    )
  }

  const next = (): void => {
    for (const asked of waiting) {
      if (underWay >= size) return
      waiting.delete(asked)
      begin(asked)
    }
  }

  const giveUpOn = (asked: Asked, failure: DatabaseFailure): void => {
    // One that waits has no place yet that it could leave.
    if (waiting.delete(asked)) underWay++
    asked.stop?.()
    end(asked, () => asked.reject(errorOf(asked.operation, failure)))
  }

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosed = true
      for (const asked of waiting) giveUpOn(asked, failureOf("CLOSED"))
      return Effect.promise(() => Promise.allSettled(idle.splice(0).map((connection) => connection.end())))
    }).pipe(
      Effect.timeoutOrElse({ duration: closeTimeout, orElse: () => Effect.void }),
      Effect.andThen(
        Effect.sync(() => {
          for (const connection of connections) giveUp(connection)
        })
      )
    )
  )

  return (operation, body) =>
    new Promise((resolve, reject) => {
      if (isClosed || waiting.size >= waitersMax) {
        return reject(errorOf(operation, failureOf(isClosed ? "CLOSED" : "TOO_MANY_WAIT")))
      }
      const asked: Asked = {
        operation,
        body,
        resolve: resolve as Asked["resolve"],
        reject,
        ended: () => {},
        isOver: false,
        stop: null
      }
      asked.ended = deadlines.begin(() => giveUpOn(asked, failureOf(timedOutCode)))
      if (underWay < size) begin(asked)
      else waiting.add(asked)
    })
})
