// Verifies R-GWY-5, R-GWY-6.
/**
 * The bus taken from under the gateway and given back: what is under way, who reads events, and who does not read them. The
 * service is played by the test, behind a cable that it can cut.
 */
import { connect as dial } from "node:net"
import { type NatsConnection, headers as natsHeaders } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, beforeEach, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { type GatewayProcess, http, startGateway } from "../../support/gateway.ts"
import { type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"
import { type TcpProxy, tcpProxy } from "../../support/tcpProxy.ts"

let bus: ShippedBus
let cable: TcpProxy
let gateway: GatewayProcess
let service: NatsConnection
const token = ["e30", Buffer.from('{"iss":"https://acme.example"}').toString("base64url"), "eA"].join(".")
const asked: Array<{ readonly subject: string; readonly body: Record<string, unknown> }> = []
/** What the service does not answer. */
let silent = false
/** The tenant's stream: its length, and how large an event is. */
let [written, eventBytes] = [3, 10]

const eventsAfter = (after: unknown) => {
  const from = after === undefined ? written : Number(String(after).split("-")[1])
  const last = Math.min(from + 5, written)
  const content = Array.from({ length: last - from }, (_, at) => ({
    id: `a-${from + at + 1}`,
    type: "token.provisioned",
    data: { number: from + at + 1, text: "x".repeat(eventBytes) }
  }))
  return { content, last: `a-${last}`, more: last < written }
}

beforeAll(async () => {
  bus = await startShippedBus()
  cable = await tcpProxy(Number(new URL(bus.url).port))
  service = await bus.as("service")
  for (const subject of ["cm.v1.>", "cm.gateway.v1.>", "cm.admin.v1.>"]) {
    service.subscribe(subject, {
      callback: (_error, message) => {
        const body = message.json<Record<string, unknown>>()
        asked.push({ subject: message.subject, body })
        if (silent && message.subject.startsWith("cm.v1.")) return
        const sent = natsHeaders()
        sent.set("Cm-Status", "200")
        const answer = message.subject.endsWith("resolve")
          ? { tenantId: "acme" }
          : message.subject.endsWith("events")
            ? eventsAfter(body.after)
            : { content: [], appName: "a" }
        message.respond(JSON.stringify(answer), { headers: sent })
      }
    })
  }
  await service.flush()
  gateway = await startGateway({
    natsUrl: `nats://127.0.0.1:${cable.port}`,
    password: bus.passwords.gateway!,
    env: { CM_GATEWAY_HEARTBEAT: "300 millis", CM_GATEWAY_BUS_TIMEOUT: "20 seconds" }
  })
})
afterAll(async () => {
  await gateway?.stop()
  await service?.close()
  await cable?.close()
  await bus?.stop()
})
beforeEach(() => {
  silent = false
  asked.length = 0
})

const list = "/api/v1/applications"
const operations = () => asked.filter(({ subject }) => subject.startsWith("cm.v1."))
const up = () =>
  eventually(
    () => http(gateway.url, "GET", list, { token }),
    ({ status }) => status === 200,
    { limitMs: 120_000, what: "the gateway on its bus" }
  )

/** A reader that takes what comes, or nothing after the first bytes. */
const reading = (reads: boolean, after = "a-0") => {
  const socket = dial(Number(new URL(gateway.url).port), "127.0.0.1")
  const ids: Array<number> = []
  let rest = ""
  let passed: number | null = null
  let ended = false
  socket.on("data", (chunk) => {
    const lines = (rest + chunk.toString("latin1")).split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      // An id alone tells of what was passed without being shown.
      if (line.startsWith("event: ") && passed !== null) ids.push(passed)
      const id = /^id: a-(\d+)$/u.exec(line)?.[1]
      passed = id === undefined ? null : Number(id)
    }
    if (!reads) socket.pause()
  })
  socket.on("error", () => {})
  socket.on("close", () => {
    ended = true
  })
  socket.write(
    `GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nLast-Event-ID: ${after}\r\n\r\n`
  )
  return {
    ids: () => ids,
    ended: () => ended,
    destroy: () => socket.destroy()
  }
}

it("a request that is under way when the bus is lost may have been carried out, is told so, and is sent once", async () => {
  silent = true
  const answered = http(gateway.url, "POST", list, { token, body: { appName: "a" } })
  await eventually(operations, ({ length }) => length === 1, { limitMs: 120_000, what: "a request under way" })
  cable.cut()
  const { body, header, status } = await answered
  assert.deepStrictEqual(
    [status, body.code, body.details, header("retry-after")],
    [503, "UNAVAILABLE", { part: "bus", committed: null }, "1"]
  )
  assert.match(body.detail, /was lost while the request was under way; it may have been carried out/u)
  const away = await http(gateway.url, "POST", list, { token, body: { appName: "a" } })
  assert.deepStrictEqual([away.status, away.body.details], [503, { part: "bus", committed: false }])
  silent = false
  cable.mend()
  await up()
  assert.deepStrictEqual(
    operations().filter(({ subject }) => subject.endsWith("register")),
    [{ subject: "cm.v1.acme.application.register", body: { appName: "a" } }]
  )
})

it("a reader of events outlives a bus that was away, and misses nothing of that time, and hears nothing twice", async () => {
  const reader = reading(true)
  await eventually(reader.ids, ({ length }) => length === written, { limitMs: 120_000, what: "what is there" })
  cable.cut()
  await eventually(
    () => http(gateway.url, "GET", "/health"),
    ({ body }) => body.bus === "away",
    { limitMs: 120_000, what: "the bus being away" }
  )
  written += 12
  assert.isFalse(reader.ended())
  cable.mend()
  await eventually(reader.ids, ({ length }) => length >= written, { limitMs: 120_000, what: "what came meanwhile" })
  assert.deepStrictEqual(
    reader.ids(),
    Array.from({ length: written }, (_, at) => at + 1)
  )
  assert.isFalse(reader.ended())
  reader.destroy()
  await up()
})

it("a reader that does not read is let go, is counted, keeps nobody else from reading, and goes on by its last id", async () => {
  const before = written
  ;[written, eventBytes] = [before + 150, 100_000]
  const [slow, other] = [reading(false), reading(true)]
  const count = async () =>
    Number(
      /^cm_gateway_slow_readers_total\S* (\d+)/mu.exec((await http(gateway.url, "GET", "/metrics")).text)?.[1] ?? 0
    )
  await eventually(count, (is) => is === 1, { limitMs: 120_000, what: "a reader that was let go" })
  await eventually(other.ids, ({ length }) => length === written, {
    limitMs: 120_000,
    what: "everything, for who reads"
  })
  assert.isFalse(other.ended())
  // What it has is the beginning of it, without a gap; what is missing it asks for.
  const last = slow.ids().at(-1) ?? 0
  assert.isBelow(last, written)
  const again = reading(true, `a-${last}`)
  await eventually(again.ids, ({ length }) => length === written - last, { limitMs: 120_000, what: "the rest" })
  assert.strictEqual(again.ids()[0], last + 1)
  for (const one of [slow, other, again]) one.destroy()
  await up()
})

it("requests one behind the other on a connection are answered in their order, each as itself", async () => {
  const socket = dial(Number(new URL(gateway.url).port), "127.0.0.1")
  let text = ""
  socket.on("data", (chunk) => (text += chunk.toString("latin1")))
  socket.on("error", () => {})
  const get = (path: string, id: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nCorrelation-ID: ${id}\r\n\r\n`
  socket.write(get(list, "one") + get("/nowhere", "two") + get("/api/v1/services", "three"))
  const ids = () => Array.from(text.matchAll(/^Correlation-ID: (\S+)\r$/gmu), ([, id]) => id)
  await eventually(ids, ({ length }) => length === 3, { limitMs: 120_000, what: "three answers" })
  assert.deepStrictEqual(ids(), ["one", "two", "three"])
  assert.deepStrictEqual(
    Array.from(text.matchAll(/HTTP\/1\.1 (\d+)/gu), ([, status]) => status),
    ["200", "404", "200"]
  )
  socket.destroy()
})
