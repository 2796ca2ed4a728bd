/**
 * A provider of OAuth tokens that answers at once, a process of its own: what it takes of a thread is not taken
 * of the load's. Tells its host; asked with "count", how many exchanges it has made.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const expiresIn = Number(process.argv[2])
let exchanges = 0
const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const number = ++exchanges
    const body = { access_token: `access-${number}`, refresh_token: `refresh-${number}`, expires_in: expiresIn }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
})
server.listen(0, "127.0.0.1", () => process.send?.(`127.0.0.1:${(server.address() as AddressInfo).port}`))
process.on("message", (message) => {
  if (message === "count") process.send?.(exchanges)
  else process.exit(0)
})
process.once("disconnect", () => process.exit(0))
