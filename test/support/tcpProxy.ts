/**
 * A TCP proxy on loopback that can be cut, for tests that take a connection away from one client.
 *
 * `cut` is a dead cable: nothing passes any more and nobody is told, neither on connections that stand
 * nor on new ones. `mend` lets new connections through; those that stood while it was cut are closed.
 */
import { createServer, connect as dial, type Socket } from "node:net"

export interface TcpProxy {
  readonly port: number
  readonly cut: () => void
  readonly mend: () => void
  readonly close: () => Promise<void>
}

export const tcpProxy = (targetPort: number): Promise<TcpProxy> => {
  const pairs = new Set<readonly [Socket, Socket | null]>()
  let isCut = false
  const server = createServer((client) => {
    client.on("error", () => {})
    const upstream = isCut ? null : dial({ host: "127.0.0.1", port: targetPort })
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream?.destroy()
    }
    client.on("close", end)
    if (upstream === null) return
    upstream.on("error", () => {})
    upstream.on("close", () => (isCut ? undefined : end()))
    client.on("data", (bytes) => (isCut ? undefined : upstream.write(bytes)))
    upstream.on("data", (bytes) => (isCut ? undefined : client.write(bytes)))
  })
  const endAll = () => {
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream?.destroy()
    }
    pairs.clear()
  }
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as { port: number }).port,
        cut: () => {
          isCut = true
        },
        mend: () => {
          isCut = false
          endAll()
        },
        close: () => {
          endAll()
          return new Promise((done) => server.close(() => done()))
        }
      })
    })
  })
}
