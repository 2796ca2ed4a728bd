/**
 * Statements that are written down before they are sent, so that few of them can go with their COMMIT.
 *
 * What is told nothing back by the server, rows to be written, can be sent as one statement that commits. Where something
 * is asked beside it, whose answer may forbid the commit, or where there are many rows, all are sent as they were
 * written down, in their order and in one go. What is asked later, after an answer or in another turn of the loop, would be
 * in no transaction: it is a bug, and throws. So that it fails the transaction, writes go with their COMMIT only where what was
 * given back are the promises of this room; any other one is waited for before.
 */
import type { Ended } from "./Mariadb.ts"
import type { Session, Value, Write } from "./MariadbConnection.ts"

/** Rows that go with their COMMIT. Each sequence of statements is prepared by itself, and the server keeps it. */
export const writesMax = 8

interface Noted {
  readonly isAsked: boolean
  readonly send: (session: Session) => void
  readonly writes: ReadonlyArray<Write>
}

interface Writes {
  /** Notes what it is asked, and answers when that was sent and answered. */
  readonly session: Session
  /** All of it, where it may go with its COMMIT; else null. `started`: what is waited for. Nothing more may be asked. */
  readonly few: (started: ReadonlyArray<Promise<unknown>>) => ReadonlyArray<Write> | null
  readonly sendAll: (session: Session) => void
}

const make = (): Writes => {
  const noted: Array<Noted> = []
  const given = new Set<Promise<unknown>>()
  let isSealed = false
  const give = <A>(promise: Promise<A>): Promise<A> => {
    given.add(promise)
    return promise
  }
  const note = <A>(
    { isAsked = true, writes = [] }: Partial<Noted>,
    send: (session: Session) => Promise<A>
  ): Promise<A> => {
    if (isSealed) throw new Error("a statement was asked for after all of its transaction had been written down")
    return give(
      new Promise<A>((resolve, reject) => {
        noted.push({ isAsked, writes, send: (session) => void send(session).then(resolve, reject) })
      })
    )
  }
  const manyRows = (sql: string, rows: ReadonlyArray<ReadonlyArray<Value>>): Partial<Noted> => ({
    isAsked: false,
    writes: rows.map((values) => ({ sql, values }))
  })
  return {
    session: {
      rows: (sql, values) => note({}, (session) => session.rows(sql, values)),
      run: (sql, values) => note({}, (session) => session.run(sql, values)),
      batch: (sql, rows, matches) =>
        rows.length === 0
          ? give(Promise.resolve(0))
          : note(manyRows(sql, rows), (session) => session.batch(sql, rows, matches)),
      command: (sql) => note({}, (session) => session.command(sql))
    },
    few: (started) => {
      isSealed = true
      const writes = noted.flatMap((one) => one.writes)
      const isWaitedFor = started.some((promise) => !given.has(promise)) || noted.some(({ isAsked }) => isAsked)
      return writes.length > writesMax || isWaitedFor ? null : writes
    },
    sendAll: (session) => {
      for (const { send } of noted) send(session)
    }
  }
}

export type Written = Omit<Ended<unknown>, "value">

/**
 * What `write` asks for, as the end of a transaction: sent here, or left to go with COMMIT. It gives back all it started,
 * and so cannot wait for an answer in between.
 */
export const written = async (
  session: Session,
  write: (session: Session) => ReadonlyArray<Promise<unknown>>
): Promise<Written> => {
  const { few, sendAll, session: noting } = make()
  const started = write(noting)
  const last = few(started)
  if (last !== null) return { wrote: true, last }
  sendAll(session)
  await Promise.all(started)
  return { wrote: true }
}
