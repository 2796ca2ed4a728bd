/**
 * A port of the loopback interface that nobody listens on at this moment.
 *
 * It can be taken by another process before its asker binds it, so whoever starts a server on it
 * looks for "address already in use" and asks again.
 */
import { createServer } from "node:net"

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
