/**
 * A TCP proxy on loopback that can be disturbed connection by connection.
 *
 * A connection to a NATS server says its name in its first message, so that a replica's control
 * connection can be cut while its requests go on; one to a database has the name that its statements
 * tell. Kinds of disturbance, each for connections whose
 * name holds a text (the empty text: for all, also those that have no name):
 * - `cut`: a dead cable. Nothing passes in either direction and nobody is told;
 * - `deafen`: what comes from the server is dropped; what goes to it passes;
 * - `hold`: what comes from the server waits, in order, and is delivered by `mend`.
 *
 * `mend` ends all of them; connections that were cut or deafened are closed, since their stream may have a hole.
 */
import { createServer, connect as dial, type Socket } from "node:net"

export type Fault = "cut" | "deafen" | "hold"

export interface Cable {
  readonly port: number
  readonly disturb: (fault: Fault, name?: string) => void
  readonly mend: () => void
  readonly close: () => Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  name: string
  readonly held: Array<Buffer>
  hasHole: boolean
}

/** The name that a message tells, or null: ask the next one. */
export type NameOf = (message: string) => string | null

const nameOfNats: NameOf = (message) => /"name":"([^"]*)"/u.exec(message)?.[1] ?? "-"
/** Connections kept for look-ups of tokens never carry anything else. */
export const nameOfDatabase: NameOf = (message) =>
  /FROM tokens t FORCE INDEX \(PRIMARY\)\s+STRAIGHT_JOIN/u.test(message) ? "look-ups" : null
/** What is held of one connection; beyond it the connection is closed. */
const heldChunksMax = 10_000

export const startCable = (target: () => number, nameOf: NameOf = nameOfNats): Promise<Cable> => {
  const pairs = new Set<Pair>()
  let disturbed: { readonly fault: Fault; readonly name: string } | null = null

  const faultOf = (pair: Pair): Fault | null =>
    disturbed !== null && (disturbed.name === "" || pair.name.includes(disturbed.name)) ? disturbed.fault : null

  const close = (pair: Pair): void => {
    pairs.delete(pair)
    pair.client.destroy()
    pair.upstream.destroy()
  }

  const fromClient = (pair: Pair, bytes: Buffer): void => {
    if (pair.name === "") pair.name = nameOf(bytes.toString("latin1")) ?? ""
    if (faultOf(pair) === "cut") pair.hasHole = true
    else pair.upstream.write(bytes)
  }

  const fromServer = (pair: Pair, bytes: Buffer): void => {
    const fault = faultOf(pair)
    if (fault === null) pair.client.write(bytes)
    else if (fault === "hold") {
      if (pair.held.push(bytes) > heldChunksMax) close(pair)
    } else pair.hasHole = true
  }

  const server = createServer((client) => {
    const upstream = dial({ host: "127.0.0.1", port: target() })
    const pair: Pair = { client, upstream, name: "", held: [], hasHole: false }
    pairs.add(pair)
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    client.on("error", () => {})
    upstream.on("error", () => {})
    client.on("close", () => close(pair))
    upstream.on("close", () => close(pair))
    client.on("data", (bytes) => fromClient(pair, bytes))
    upstream.on("data", (bytes) => fromServer(pair, bytes))
  })

  const mend = (): void => {
    const cut = [...pairs].filter((pair) => pair.hasHole || (faultOf(pair) ?? "hold") !== "hold")
    disturbed = null
    for (const pair of pairs) {
      if (cut.includes(pair)) close(pair)
      else for (const bytes of pair.held.splice(0)) pair.client.write(bytes)
    }
  }

  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as { port: number }).port,
        disturb: (fault, name = "") => {
          disturbed = { fault, name }
        },
        mend,
        close: () => {
          for (const pair of pairs) close(pair)
          return new Promise((done) => server.close(() => done()))
        }
      })
    })
  })
}
