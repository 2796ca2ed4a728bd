/**
 * Statements that share a round trip, on one connection.
 *
 * Statements that are started in one go are one flight: sent with one write, carried out by the server
 * in their order, and all answered before anything else is sent. The connector by itself does not
 * promise that order: a batch that is not prepared yet is sent when its preparation was answered. So a
 * flight is prepared first.
 *
 * A transaction is what runs while autocommit is off. That makes flights safe: when the server undid
 * the transaction at one statement (a deadlock), those behind it are on their way already; they are
 * part of another transaction then, and COMMIT is not sent after a failure. With START TRANSACTION
 * they would each be carried out for good. The mode is changed, and that answered, before anything is
 * sent that needs it.
 *
 * A write must not share a flight with the lock that protects it: when the lock is not had in time, only
 * its own statement is undone, and the write is carried out without it until ROLLBACK.
 */
import type { Socket } from "node:net"
import type * as mariadb from "mariadb"

/** Statements sent at once at most; more wait until those were answered. */
const flightMax = 64
/** Statements that are at hand as they were prepared: those used last. */
export const keptMax = 64

/** Whether each statement commits by itself, or what is done waits for COMMIT. Null: not known. */
export type Mode = "each" | "together" | null

/** What failed first in a transaction; nothing behind it counts. */
interface Transaction {
  failure: { readonly cause: unknown } | null
}

/** Hands it to the connector, as it was prepared; a batch, and what is not prepared, gets null. */
export type Send<A> = (prepared: mariadb.Prepare | null) => Promise<A>

interface Step {
  /**
   * COMMIT and ROLLBACK go alone: what they stand behind was answered before. So does `last`, one statement that writes
   * and commits by itself.
   */
  readonly kind: "statement" | "last" | "commit" | "rollback"
  /** Null outside of one, and for ROLLBACK, which runs whatever failed before. */
  readonly transaction: Transaction | null
  /** Its text, where it is prepared. */
  readonly sql: string | null
  readonly isBatch: boolean
  readonly send: Send<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (cause: unknown) => void
}

export interface Flights {
  /** `send` hands it to the connector, when its turn has come. */
  readonly add: <A>(statement: Pick<Step, "sql" | "isBatch">, send: Send<A>) => Promise<A>
  /**
   * What is started from now on is one transaction, until it is committed or rolled back. Once a
   * statement of it has failed, those behind it fail the same way, and COMMIT is not sent.
   */
  readonly begin: () => void
  /** Sent when all before it was answered; `sending` is called just before. */
  readonly commit: (sending: () => void) => Promise<void>
  /** The same for a statement that ends the transaction itself, where it does not fail. */
  readonly last: <A>(sql: string, send: Send<A>) => Promise<A>
  /** Runs whatever failed before. When it fails itself, the connection is given up. */
  readonly rollback: () => Promise<void>
  /** Where nothing is under way: what the next statement finds. */
  readonly mode: () => Mode
}

/** `giveUp` ends the connection at once. It must be new, with autocommit on. */
export const make = (connection: mariadb.Connection, socket: Socket, giveUp: () => void): Flights => {
  const queue: Array<Step> = []
  let isSending = false
  let mode: Mode = "each"
  let current: Transaction | null = null
  const query = (sql: string) => connection.query(sql).then(() => undefined)

  const changeMode = async (wanted: Exclude<Mode, null>): Promise<void> => {
    if (mode === wanted) return
    mode = null
    await query(`SET autocommit = ${wanted === "each" ? 1 : 0}`)
    mode = wanted
  }

  /** The one used last is the last. */
  const kept = new Map<string, mariadb.Prepare>()

  const letGo = (prepared: ReadonlyArray<mariadb.Prepare>): void => {
    for (const statement of prepared) statement.close()
  }

  const askFor = async (sqls: ReadonlyArray<string>): Promise<ReadonlyArray<mariadb.Prepare>> => {
    const asked = await Promise.allSettled(sqls.map((sql) => connection.prepare(sql)))
    const given = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))
    for (const one of asked) {
      if (one.status === "fulfilled") continue
      letGo(given)
      throw one.reason
    }
    return given
  }

  /**
   * All of them, one that goes alone too, before anything is sent: the connector would send what it is to run with it, and
   * where the server cannot prepare it (it keeps so many) it runs the one that was prepared before, with these values.
   * What was prepared once takes no round trip: one statement is at hand, where the connector would look for it twice, by a
   * text that it makes anew. For a batch it looks by itself and has to find it: that is asked for each time. Answers what
   * must not be closed until the flight is over.
   */
  const prepare = async (flight: ReadonlyArray<Step>): Promise<ReadonlyArray<mariadb.Prepare>> => {
    const [batches, lacking] = [new Set<string>(), new Set<string>()]
    for (const { isBatch, sql } of flight) {
      if (sql !== null && isBatch) batches.add(sql)
      else if (sql !== null && !kept.has(sql)) lacking.add(sql)
    }
    if (batches.size + lacking.size === 0) return []
    const given = await askFor([...batches, ...lacking])
    for (const [at, sql] of Array.from(lacking).entries()) kept.set(sql, given[batches.size + at]!)
    return given.slice(0, batches.size)
  }

  const atHand = ({ isBatch, sql }: Step): mariadb.Prepare | null => {
    if (sql === null || isBatch) return null
    const prepared = kept.get(sql)!
    kept.delete(sql)
    kept.set(sql, prepared)
    return prepared
  }

  /** When nothing is under way. */
  const forgetOldest = (): void => {
    for (const [sql, prepared] of kept) {
      if (kept.size <= keptMax) return
      kept.delete(sql)
      prepared.close()
    }
  }

  /** In one write. */
  const start = (flight: ReadonlyArray<Step>): Promise<ReadonlyArray<PromiseSettledResult<unknown>>> => {
    socket.cork()
    try {
      return Promise.allSettled(flight.map(async (step) => step.send(atHand(step))))
    } finally {
      socket.uncork()
    }
  }

  const settle = (flight: ReadonlyArray<Step>, results: ReadonlyArray<PromiseSettledResult<unknown>>): void => {
    for (const [index, { reject, resolve, transaction }] of flight.entries()) {
      const result = results[index]!
      if (result.status === "rejected" && transaction !== null) transaction.failure ??= { cause: result.reason }
      const failure = transaction?.failure ?? (result.status === "rejected" ? { cause: result.reason } : null)
      if (failure !== null) reject(failure.cause)
      else if (result.status === "fulfilled") resolve(result.value)
    }
  }

  /** Nothing of it was sent. */
  const fail = (flight: ReadonlyArray<Step>, cause: unknown): void =>
    settle(
      flight,
      flight.map(() => ({ status: "rejected", reason: cause }))
    )

  const fly = async (flight: ReadonlyArray<Step>): Promise<void> => {
    const { kind, transaction } = flight[0]!
    if (transaction !== null && transaction.failure !== null) return fail(flight, transaction.failure.cause)
    let batches: ReadonlyArray<mariadb.Prepare>
    try {
      if (kind === "statement" || kind === "last") await changeMode(transaction === null ? "each" : "together")
      batches = await prepare(flight)
    } catch (cause) {
      return fail(flight, cause)
    }
    settle(flight, await start(flight))
    letGo(batches)
    forgetOldest()
  }

  const takeFlight = (): ReadonlyArray<Step> => {
    const [first] = queue
    if (first === undefined || first.kind !== "statement") return queue.splice(0, 1)
    const end = queue.findIndex(({ kind, transaction }) => kind !== "statement" || transaction !== first.transaction)
    return queue.splice(0, Math.min(end === -1 ? queue.length : end, flightMax))
  }

  const sendAll = async (): Promise<void> => {
    isSending = true
    // What is started in the same go comes along.
    await Promise.resolve()
    for (let flight = takeFlight(); flight.length > 0; flight = takeFlight()) await fly(flight)
    isSending = false
  }

  const enqueue = <A>(step: Pick<Step, "kind" | "sql" | "isBatch">, send: Send<A>): Promise<A> => {
    const result = new Promise<A>((resolve, reject) => {
      queue.push({ ...step, transaction: current, send, resolve: resolve as Step["resolve"], reject })
      if (!isSending) void sendAll()
    })
    // Whoever throws while more statements are started waits for none of them; that ends no process.
    result.catch(() => undefined)
    return result
  }

  return {
    mode: () => mode,
    add: (statement, send) => enqueue({ ...statement, kind: "statement" }, send),
    begin: () => {
      current = { failure: null }
    },
    commit: (sending) => {
      const committed = enqueue({ kind: "commit", sql: null, isBatch: false }, () => {
        sending()
        return query("COMMIT")
      })
      current = null
      return committed
    },
    last: (sql, send) => {
      const ended = enqueue({ kind: "last", sql, isBatch: false }, send)
      current = null
      return ended
    },
    rollback: () => {
      current = null
      return enqueue({ kind: "rollback", sql: null, isBatch: false }, () => query("ROLLBACK")).catch(
        (cause: unknown) => {
          // What is not known to be undone must not be committed by whoever uses the connection next.
          giveUp()
          throw cause
        }
      )
    }
  }
}
