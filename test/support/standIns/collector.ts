/**
 * A collector of OpenTelemetry traces on loopback, as OTLP over HTTP has it: takes JSON at /v1/traces, keeps the spans, and
 * every byte that was sent to it. It can be slow or refuse.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface CollectedSpan {
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly failed: boolean
}

export interface Collector {
  readonly url: string
  readonly spans: () => ReadonlyArray<CollectedSpan>
  /** Everything that came, as text. */
  readonly bytes: () => string
  /** Requests, and what was not as OTLP has it. */
  readonly requests: () => number
  readonly wrong: ReadonlyArray<string>
  /** Instead of taking it. */
  answer: ((response: ServerResponse) => void) | null
  readonly close: () => Promise<void>
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: string | number
  readonly doubleValue?: number
}
type Pairs = ReadonlyArray<{ readonly key: string; readonly value: Value }>
const valuesOf = (pairs: Pairs) =>
  Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)])
  )

interface Sent {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Pairs }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<
        Omit<CollectedSpan, "attributes" | "service" | "failed"> & {
          readonly attributes: Pairs
          readonly status: { readonly code: number }
        }
      >
    }>
  }>
}

const isSpan = ({ parentSpanId, spanId, traceId }: CollectedSpan): boolean =>
  /^[0-9a-f]{32}$/u.test(traceId) &&
  /^[0-9a-f]{16}$/u.test(spanId) &&
  (parentSpanId === undefined || /^[0-9a-f]{16}$/u.test(parentSpanId))

export const startCollector = async (): Promise<Collector> => {
  const spans: Array<CollectedSpan> = []
  const wrong: Array<string> = []
  let bytes = ""
  let requests = 0
  const keep = (text: string) => {
    bytes += text
    for (const { resource, scopeSpans } of (JSON.parse(text) as Sent).resourceSpans) {
      const service = String(valuesOf(resource.attributes)["service.name"])
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        const kept = { ...span, service, attributes: valuesOf(span.attributes), failed: span.status.code === 2 }
        if (!isSpan(kept)) wrong.push(`the span ${span.name}`)
        spans.push(kept)
      }
    }
  }
  const take = (request: IncomingMessage, response: ServerResponse) => {
    requests += 1
    if (self.answer !== null) return self.answer(response)
    if (request.method !== "POST" || request.url !== "/v1/traces") wrong.push(`${request.method} ${request.url}`)
    if (request.headers["content-type"] !== "application/json") wrong.push(String(request.headers["content-type"]))
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      keep(Buffer.concat(chunks).toString("utf8"))
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  }
  const server = createServer(take)
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const self: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => spans,
    bytes: () => bytes,
    requests: () => requests,
    wrong,
    answer: null,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      })
  }
  return self
}
