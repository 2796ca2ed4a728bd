/**
 * A proxy in front of MariaDB that takes a client's connection away at a chosen statement, prepared or not: before it
 * reaches the server, or after the server has answered it and before the client hears it. It can also spoil a
 * statement, so that the server refuses it.
 */
import { createServer, connect as dial, type Server } from "node:net"
import { commits, framer, statementsOf } from "./statementGate.ts"

export interface StatementProxy {
  readonly port: number
  /**
   * The next statement that begins with `text` loses its connection; answers when that has happened. "COMMIT" is
   * writes that go with theirs, too.
   * With `carried`, the next one on a connection over which these bytes came shortly before.
   */
  readonly cutAt: (text: string, when: "before" | "answered", carried?: string) => Promise<void>
  /** From now on statements that begin with `text` reach the server as what it does not know. */
  readonly spoil: (text: string) => void
  readonly close: () => Promise<void>
}

interface Cut {
  readonly text: string
  readonly when: "before" | "answered"
  readonly carried: string | undefined
  readonly done: () => void
}

const headerBytes = 4
const queryCommand = 3
const prepareCommand = 0x16

/** Where in `bytes`, which begin with a packet, a statement or preparation of that beginning stands; -1 for nowhere. */
const find = (bytes: Buffer, text: string): number => {
  for (let at = 0; at + headerBytes < bytes.length; at += headerBytes + bytes.readUIntLE(at, 3)) {
    const command = bytes[at + headerBytes]
    if (command !== queryCommand && command !== prepareCommand) continue
    const start = at + headerBytes + 1
    if (bytes.toString("utf8", start, start + text.length) === text) return start
  }
  return -1
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port))
  })

export const statementProxy = async (target: {
  readonly host: string
  readonly port: number
}): Promise<StatementProxy> => {
  let cut: Cut | undefined
  let spoilt: string | undefined
  const sockets = new Set<{ destroy: () => unknown }>()
  const server = createServer((client) => {
    const upstream = dial(target)
    let doomed: Cut | undefined
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
    let carries = false
    const [sentIn, receivedIn, statements] = [framer(), framer(), statementsOf()]
    const isAt = ({ carried, text }: Cut, sent: string): boolean =>
      (carried === undefined || carries) && (sent.startsWith(text) || (text === "COMMIT" && commits(sent)))
    /** Answers to what is under way when the cut one is sent are none of its own. */
    let isAnswered = false
    client.on("data", (bytes) => {
      if (cut?.carried !== undefined && bytes.includes(cut.carried)) carries = true
      for (const packet of sentIn(bytes)) {
        const sent = statements.sent(packet)
        let answered = () => {}
        if (cut !== undefined && sent !== null && isAt(cut, sent)) {
          doomed = cut
          cut = undefined
          if (doomed.when === "before") {
            end()
            doomed.done()
            return
          }
          answered = () => {
            isAnswered = true
          }
        }
        statements.passed(packet, answered)
      }
      const at = spoilt === undefined ? -1 : find(bytes, spoilt)
      if (spoilt !== undefined && at !== -1) bytes.fill("X", at, at + spoilt.length)
      upstream.write(bytes)
    })
    upstream.on("data", (bytes) => {
      for (const packet of receivedIn(bytes)) statements.received(packet)
      if (doomed === undefined || !isAnswered) {
        client.write(bytes)
        return
      }
      end()
      doomed.done()
    })
  })
  return {
    port: await listen(server),
    cutAt: (text, when, carried) =>
      new Promise((done) => {
        cut = { text, when, carried, done }
      }),
    spoil: (text) => {
      spoilt = text
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((done) => server.close(() => done()))
    }
  }
}
