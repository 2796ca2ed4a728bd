/**
 * A proxy in front of MariaDB that stops a client at a chosen statement: the statement does not reach
 * the server, or its answer does not reach the client. The connection stays as it is until the client
 * dies, so a test can kill it exactly there.
 */
import { createServer, connect as dial, type Server } from "node:net"

/** What a client sends, as the gate sees it: one statement, or the preparation of one. */
export interface Passing {
  readonly text: string
  /** What came over this connection since its transaction began, this included. */
  readonly transaction: string
}

export interface StatementGate {
  readonly port: number
  /** Stops the next statement that `is` picks; resolves when that has happened. */
  readonly stopAt: (is: (passing: Passing) => boolean, when: "before" | "answered") => Promise<void>
  readonly close: () => Promise<void>
}

interface Stop {
  readonly is: (passing: Passing) => boolean
  readonly when: "before" | "answered"
  readonly done: () => void
}

const beginning = "START TRANSACTION"

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port))
  })

export const statementGate = async (target: {
  readonly host: string
  readonly port: number
}): Promise<StatementGate> => {
  let stop: Stop | undefined
  const sockets = new Set<{ destroy: () => unknown }>()
  const server = createServer((client) => {
    const upstream = dial(target)
    let transaction = ""
    let stopped: Stop | undefined
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
    client.on("data", (bytes) => {
      if (stopped !== undefined) return
      const text = bytes.toString("latin1")
      transaction = text.includes(beginning) ? text : transaction + text
      if (stop?.is({ text, transaction }) === true) {
        stopped = stop
        stop = undefined
        if (stopped.when === "before") return stopped.done()
      }
      upstream.write(bytes)
    })
    upstream.on("data", (bytes) => {
      if (stopped === undefined) client.write(bytes)
      else stopped.done()
    })
  })
  return {
    port: await listen(server),
    stopAt: (is, when) =>
      new Promise((done) => {
        stop = { is, when, done }
      }),
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((done) => server.close(() => done()))
    }
  }
}
