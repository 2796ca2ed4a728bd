/** The baseline of HTTP: a bare `node:http` server that answers every request with the same bytes and headers. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

process.once("message", (given: { readonly headers: Record<string, string>; readonly body: string }) => {
  const body = Buffer.from(given.body)
  const server = createServer((_request, response) => {
    response.writeHead(200, given.headers)
    response.end(body)
  })
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
})
process.once("disconnect", () => process.exit(0))
