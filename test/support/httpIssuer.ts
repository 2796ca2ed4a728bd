/** An issuer's HTTP address that answers what a test says: right, slow, huge, elsewhere, never. On loopback. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

export interface HttpIssuer {
  readonly url: string
  /** Paths that were asked, in order. */
  readonly asked: ReadonlyArray<string>
  answer: Answering
  readonly close: () => Promise<void>
}

export const json =
  (body: unknown, status = 200): Answering =>
  (_, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  }

export const httpIssuer = async (answer: Answering = json({}, 404)): Promise<HttpIssuer> => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? "")
    issuer.answer(request, response)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const issuer: HttpIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      })
  }
  return issuer
}
