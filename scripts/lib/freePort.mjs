/**
 * A port of the loopback interface that nobody listens on at this moment.
 *
 * It is below those that a system gives to whoever asks for any, and to connections: a server that is stopped and
 * started again finds it free. It can be taken by another process before its asker binds it, so whoever starts a
 * server on it looks for "address already in use" and asks again.
 */
import { randomInt } from "node:crypto"
import { createServer } from "node:net"

const first = 12_000
const count = 20_000

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

export const freePort = async () => {
  for (let tries = 0; tries < 100; tries++) {
    const port = first + randomInt(count)
    if (await isFree(port)) return port
  }
  throw new Error(`none of a hundred ports from ${first} to ${first + count - 1} is free`)
}
