/**
 * A proxy in front of MariaDB that stops a client at a chosen statement: the statement and what is
 * behind it do not reach the server, or its answer does not reach the client. The connection stays as
 * it is until the client dies or gives it up, so a test can kill it exactly there; at several at once, one on each
 * connection. Or the whole server goes away before a chosen statement: every connection ends, and nobody gets another
 * one until it is back.
 */
import { createServer, connect as dial, type Server } from "node:net"

/** A statement on its way, prepared or not; its preparation is none. */
export interface Passing {
  /** The statement, and the values of a prepared one as they are sent. */
  readonly text: string
  /** What came over this connection since the transaction before ended, or since this one began, this included. */
  readonly transaction: string
  /** It is COMMIT, or writes that go with theirs. */
  readonly commits: boolean
}

export interface Stopped {
  /** Whether the client is there still: it has neither died nor given the connection up. */
  readonly isHeld: () => boolean
}

export interface StatementGate {
  readonly port: number
  /** Stops the next statement that `is` picks; resolves when that has happened. */
  readonly stopAt: (is: (passing: Passing) => boolean, when: "before" | "answered") => Promise<Stopped>
  /** Goes away before the next statement that `is` picks; resolves when that has happened. */
  readonly leaveAt: (is: (passing: Passing) => boolean) => Promise<void>
  readonly comeBack: () => void
  readonly close: () => Promise<void>
}

interface Stop {
  readonly is: (passing: Passing) => boolean
  readonly when: "before" | "answered" | "gone"
  readonly done: (stopped: Stopped) => void
}

// ---- the protocol, as far as it tells statements apart -----------------------------
// https://mariadb.com/kb/en/clientserver-protocol: commands are numbered 0, their answers begin with 1.

const headerBytes = 4
const sequenceAt = 3
const query = 3
const prepare = 22
const executes: ReadonlyArray<number> = [23, 250]
/** COM_QUIT, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE. */
const unanswered: ReadonlyArray<number> = [1, 24, 25]
/** Stands for the statement that was prepared last: it is sent before its number can be known. */
const justPrepared = 0xffffffff

/** COMMIT, or a statement that writes and commits. */
export const commits = (text: string): boolean => /^(?:COMMIT|BEGIN NOT ATOMIC)/u.test(text)

/** What was sent before it is no part of what follows. */
const begins = (text: string): boolean => /^(?:ROLLBACK|SET autocommit)/u.test(text)

/** Cuts a stream into whole packets, with their headers. */
export const framer = () => {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes: Buffer): ReadonlyArray<Buffer> => {
    rest = Buffer.concat([rest, bytes])
    const packets: Array<Buffer> = []
    while (rest.byteLength >= headerBytes) {
      const length = headerBytes + rest.readUIntLE(0, 3)
      if (rest.byteLength < length) break
      packets.push(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    return packets
  }
}

/** Follows one connection: which statement has which number, and which answer belongs to which command. */
export const statementsOf = () => {
  const prepared = new Map<number, string>()
  const awaiting: Array<{ readonly preparing: string | null; readonly answered: () => void }> = []
  let preparedLast = ""
  const textOf = (command: number, body: Buffer): string | null => {
    if (command === query) return body.toString("latin1")
    if (!executes.includes(command)) return null
    const number = body.readUInt32LE(0)
    const sql = number === justPrepared ? preparedLast : prepared.get(number)
    return `${sql ?? ""} ${body.toString("latin1")}`
  }
  return {
    /** The statement that a packet carries out, or null. */
    sent: (packet: Buffer): string | null =>
      packet[sequenceAt] === 0 ? textOf(packet[headerBytes] ?? 0, packet.subarray(headerBytes + 1)) : null,
    /** It goes on to the server; `answered` when its answer begins. */
    passed: (packet: Buffer, answered: () => void): void => {
      const command = packet[headerBytes] ?? 0
      if (packet[sequenceAt] !== 0 || unanswered.includes(command)) return
      const preparing = command === prepare ? packet.toString("latin1", headerBytes + 1) : null
      if (preparing !== null) preparedLast = preparing
      awaiting.push({ preparing, answered })
    },
    received: (packet: Buffer): void => {
      const command = packet[sequenceAt] === 1 ? awaiting.shift() : undefined
      if (command === undefined) return
      if (command.preparing !== null && packet[headerBytes] === 0) {
        prepared.set(packet.readUInt32LE(headerBytes + 1), command.preparing)
      }
      command.answered()
    }
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port))
  })

export const statementGate = async (target: {
  readonly host: string
  readonly port: number
}): Promise<StatementGate> => {
  const stops = new Set<Stop>()
  let isAway = false
  const sockets = new Set<{ destroy: () => unknown }>()
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer((client) => {
    if (isAway) {
      client.destroy()
      return
    }
    const upstream = dial(target)
    const [sentIn, receivedIn, statements] = [framer(), framer(), statementsOf()]
    let transaction = ""
    let sendsNothing = false
    let receivesNothing = false
    const stopped: Stopped = { isHeld: () => sockets.has(client) }
    const end = () => {
      client.destroy()
      upstream.destroy()
      sockets.delete(client)
      sockets.delete(upstream)
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", end)
      socket.on("close", end)
    }
    const take = (packet: Buffer): void => {
      const text = statements.sent(packet)
      let answered = (): void => undefined
      if (text !== null) {
        transaction += text
        const passing = { text, transaction, commits: commits(text) }
        for (const stop of stops) {
          if (!stop.is(passing)) continue
          stops.delete(stop)
          sendsNothing = true
          if (stop.when === "gone") {
            isAway = true
            endAll()
          }
          if (stop.when !== "answered") {
            stop.done(stopped)
            return
          }
          answered = () => {
            receivesNothing = true
            stop.done(stopped)
          }
          break
        }
        if (passing.commits || begins(text)) transaction = ""
      }
      statements.passed(packet, answered)
      upstream.write(packet)
    }
    client.on("data", (bytes) => {
      for (const packet of sentIn(bytes)) if (!sendsNothing) take(packet)
    })
    upstream.on("data", (bytes) => {
      for (const packet of receivedIn(bytes)) {
        statements.received(packet)
        if (!receivesNothing) client.write(packet)
      }
    })
  })
  return {
    port: await listen(server),
    stopAt: (is, when) =>
      new Promise((done) => {
        stops.add({ is, when, done })
      }),
    leaveAt: (is) =>
      new Promise((done) => {
        stops.add({ is, when: "gone", done: () => done() })
      }),
    comeBack: () => {
      isAway = false
    },
    close: () => {
      endAll()
      return new Promise((done) => server.close(() => done()))
    }
  }
}
