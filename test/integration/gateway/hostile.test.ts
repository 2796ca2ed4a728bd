// Verifies R-GWY-2, R-GWY-4, R-GWY-5.
/**
 * What strangers send: bytes by hand over raw sockets, in every shape in which two HTTP readers disagree, too much,
 * too slowly, too often; and a bus or a service that is not there. The service is played by the test, so that each
 * request that reaches it is seen.
 */
import { connect as dial, type Socket } from "node:net"
import type { NatsConnection } from "@nats-io/transport-node"
import { headers as natsHeaders } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { type GatewayProcess, http, startGateway } from "../../support/gateway.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"

let bus: ShippedBus
/** Its limits are as shipped, but for how many it takes: nobody here is late. */
let gateway: GatewayProcess
/** Its limits are short, for those who are late on purpose. */
let impatient: GatewayProcess
let service: NatsConnection
const asked: Array<string> = []
/** Holds answers back until the test lets them go. */
let held: Array<() => void> | null = null
let heldReady: Array<() => void> | null = null

const token = ["e30", Buffer.from('{"iss":"https://acme.example"}').toString("base64url"), "eA"].join(".")
const auth = `Authorization: Bearer ${token}`
const list = "/api/v1/applications"

const playService = async () => {
  service = await bus.as("service")
  for (const subject of ["cm.v1.>", "cm.gateway.v1.>", "cm.admin.v1.>"]) {
    service.subscribe(subject, {
      queue: "cm",
      callback: (_error, message) => {
        asked.push(message.subject)
        const answer = () => {
          const sent = natsHeaders()
          sent.set("Cm-Status", "200")
          const body = message.subject.endsWith("resolve") ? { tenantId: "acme" } : { content: [] }
          message.respond(JSON.stringify(body), { headers: sent })
        }
        if (held !== null && message.subject.startsWith("cm.v1.")) held.push(answer)
        else if (heldReady !== null && message.subject === "cm.admin.v1.ready") heldReady.push(answer)
        else answer()
      }
    })
  }
  await service.flush()
}

beforeAll(async () => {
  bus = await startShippedBus()
  await playService()
  const started = { natsUrl: bus.url, password: bus.passwords.gateway! }
  const few = { CM_GATEWAY_CONNECTIONS_MAX: "64", CM_GATEWAY_REQUESTS_MAX: "8" }
  const long = {
    CM_GATEWAY_HEADERS_TIMEOUT: "1 minute",
    CM_GATEWAY_BODY_TIMEOUT: "2 minutes",
    CM_GATEWAY_BUS_TIMEOUT: "1 minute"
  }
  const short = {
    CM_GATEWAY_HEADERS_TIMEOUT: "1 second",
    CM_GATEWAY_BODY_TIMEOUT: "2 seconds",
    CM_GATEWAY_BUS_TIMEOUT: "2 seconds"
  }
  gateway = await startGateway({ ...started, env: { ...few, ...long } })
  impatient = await startGateway({ ...started, env: { ...few, ...short } })
  await fine()
})
afterAll(async () => {
  await Promise.all([gateway?.stop(), impatient?.stop()])
  await service?.close()
  await bus?.stop()
})
beforeEach(() => {
  held = null
  asked.length = 0
})

const fine = async () => assert.strictEqual((await http(gateway.url, "GET", list, { token })).status, 200)
const open = (of = gateway): Promise<Socket> =>
  new Promise((done) => {
    const socket = dial(Number(new URL(of.url).port), "127.0.0.1", () => done(socket))
    socket.on("error", () => {})
  })

/** Everything that comes back until the connection ends, or until as many answers as are waited for. */
const raw = async (bytes: string | Buffer, answers = Number.POSITIVE_INFINITY, of = gateway): Promise<string> => {
  const socket = await open(of)
  let received = ""
  let ended = false
  socket.on("data", (chunk) => (received += chunk.toString("latin1")))
  socket.on("close", () => {
    ended = true
  })
  socket.write(bytes)
  await eventually(
    () => ended || received.split("HTTP/1.1 ").length - 1 >= answers,
    (is) => is,
    { limitMs: 120_000, what: `the end of ${String(bytes).slice(0, 60)}` }
  )
  socket.destroy()
  return received
}
const statuses = (received: string) =>
  Array.from(received.matchAll(/^HTTP\/1\.1 (\d{3})/gmu), ([, status]) => Number(status))
const operations = () => asked.filter((subject) => subject.startsWith("cm.v1."))
const get = (...lines: ReadonlyArray<string>) =>
  `${[`GET ${list} HTTP/1.1`, "Host: x", auth, ...lines].join("\r\n")}\r\n\r\n`
const post = (body: string, ...lines: ReadonlyArray<string>) =>
  `${[`POST ${list} HTTP/1.1`, "Host: x", auth, "Content-Type: application/json", ...lines].join("\r\n")}\r\n\r\n${body}`
const smuggled = get("X-Smuggled: 1")

describe("shapes that two readers would read differently end the connection, and nothing behind them is carried out", () => {
  const shapes: ReadonlyArray<readonly [what: string, bytes: string]> = [
    ["a length and chunks", post(`0\r\n\r\n${smuggled}`, "Content-Length: 5", "Transfer-Encoding: chunked")],
    ["chunks and a length", post(`0\r\n\r\n${smuggled}`, "Transfer-Encoding: chunked", "Content-Length: 5")],
    ["two lengths", post(`{}${smuggled}`, "Content-Length: 2", "Content-Length: 0")],
    ["two lengths alike", post(`{}${smuggled}`, "Content-Length: 2", "Content-Length: 2")],
    ["a list of lengths", post(`{}${smuggled}`, "Content-Length: 2, 2")],
    ["a length with a sign", post(`{}${smuggled}`, "Content-Length: +2")],
    ["a length in hexadecimal", post(`{}${smuggled}`, "Content-Length: 0x2")],
    ["a negative length", post(`{}${smuggled}`, "Content-Length: -1")],
    ["chunks in another coding", post(`0\r\n\r\n${smuggled}`, "Transfer-Encoding: xchunked")],
    ["chunks twice", post(`0\r\n\r\n${smuggled}`, "Transfer-Encoding: chunked, chunked")],
    [
      "chunks in two headers",
      post(`0\r\n\r\n${smuggled}`, "Transfer-Encoding: chunked", "Transfer-Encoding: identity")
    ],
    ["chunks behind a vertical tab", post(`0\r\n\r\n${smuggled}`, "Transfer-Encoding:\x0bchunked")],
    ["a blank before the colon", post(`{}${smuggled}`, "Content-Length : 2")],
    ["a folded header", get("X-Folded: a", " b").replace("\r\n\r\n", `\r\n\r\n${smuggled}`)],
    ["line feeds alone", get().replaceAll("\r\n", "\n")],
    ["a carriage return alone", get("X-A: a\rX-B: b")],
    ["a NUL in a value", get("X-A: a\0b")],
    ["a header without a name", get(": b")],
    ["a chunk whose size is none", post(`zz\r\n{}\r\n0\r\n\r\n${smuggled}`, "Transfer-Encoding: chunked")],
    ["a chunk that is longer than it says", post(`1\r\n{}\r\n0\r\n\r\n${smuggled}`, "Transfer-Encoding: chunked")],
    ["HTTP/1.0 with chunks", `POST ${list} HTTP/1.0\r\n${auth}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["another version", get().replace("HTTP/1.1", "HTTP/3.7")],
    ["HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a proxy's request", `CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n`],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"]
  ]
  it.each(shapes)("%s", async (_, bytes) => {
    const received = await raw(bytes)
    assert.deepStrictEqual(statuses(received), [400], received.slice(0, 300))
    assert.include(received, '"code":"INVALID_REQUEST"')
    assert.match(received, /^Correlation-ID: \S+/imu)
    assert.deepStrictEqual(operations(), [])
    await fine()
  })
})

describe("headers that decide something stand once", () => {
  it.each([
    ["Host", get("Host: y")],
    ["Authorization", get(auth)],
    ["Authorization in another spelling", get(auth.toLowerCase())],
    ["If-None-Match", get('If-None-Match: "a"', 'if-none-match: "b"')],
    ["Idempotency-Key", get("Idempotency-Key: a", "Idempotency-Key: b")],
    ["Correlation-ID", get("Correlation-ID: a", "Correlation-ID: b")],
    ["Content-Type", post("{}", "Content-Length: 2", "content-type: application/json")],
    ["If-Match", get('If-Match: "1"', 'if-match: "2"')],
    ["Last-Event-ID", get("Last-Event-ID: a", "last-event-id: b")]
  ])("%s", async (_, bytes) => {
    assert.deepStrictEqual(statuses(await raw(bytes, 1)), [400])
    assert.deepStrictEqual(operations(), [])
  })
  it("and a host is named", async () => {
    assert.deepStrictEqual(statuses(await raw(`GET ${list} HTTP/1.1\r\n${auth}\r\n\r\n`, 1)), [400])
  })
})

it("paths with hidden slashes, dots and strange bytes are refused in words", async () => {
  const paths = [
    "/api/v1/endpoints/a%2fb/tokens",
    "/api/v1/endpoints/a%2Fb/tokens",
    "/api/v1/endpoints/%2e%2e/tokens",
    "/api/v1/endpoints/../applications",
    "/api/v1/./applications",
    "/api/v1/endpoints/a%5cb/tokens",
    "/api/v1/endpoints/a\\b/tokens",
    "/api/v1/endpoints/%00/tokens",
    "/api/v1/endpoints/%ff/tokens",
    "/api/v1/endpoints/%/tokens",
    "/api/v1/endpoints/a#b/tokens",
    "http://x/api/v1/applications",
    "*",
    `/${"a".repeat(9_000)}`
  ]
  for (const path of paths) {
    const received = await raw(get().replace(list, path), 1)
    assert.deepStrictEqual(statuses(received), [400], path.slice(0, 60))
  }
  for (const path of [
    "//api/v1/applications",
    "/api/v1/applications/",
    "/api//v1/applications",
    "/API/v1/applications",
    "/api/v1/endpoints//tokens"
  ]) {
    assert.deepStrictEqual(statuses(await raw(get().replace(list, path), 1)), [404], path)
  }
  assert.deepStrictEqual(operations(), [])
})

it("a path's text never becomes more than one field of one request", async () => {
  for (const endpointId of ["a.b", "*", "%3E", "a%20b", "a%0ab", "%F0%9F%92%A9"]) {
    await http(gateway.url, "GET", `/api/v1/endpoints/${endpointId}/tokens`, { token })
  }
  assert.sameMembers([...new Set(operations())], ["cm.v1.acme.token.list"])
})

it("32 KiB of headers fit, more is 431, and so is far more", async () => {
  const filled = (bytes: number) => get(...Array.from({ length: 8 }, (_, at) => `X-${at}: ${"a".repeat(bytes / 8)}`))
  assert.deepStrictEqual(statuses(await raw(filled(32_000), 1)), [200])
  assert.deepStrictEqual(statuses(await raw(filled(33_000), 1)), [431])
  const huge = await raw(filled(400_000))
  assert.deepStrictEqual(statuses(huge), [431])
  assert.include(huge, '"code":"HEADERS_TOO_LARGE"')
  await fine()
})

it("4 MiB of body fit, however often, one byte more is 413, in one piece and in chunks, and hears the answer while it sends", async () => {
  const body = (bytes: number) => `{"appName":"${"a".repeat(bytes - 14)}"}`
  for (let times = 0; times < 17; times++) {
    assert.strictEqual((await http(gateway.url, "POST", list, { token, body: body(4_194_304) })).status, 200)
  }
  const whole = await http(gateway.url, "POST", list, { token, body: body(4_194_305) })
  assert.deepStrictEqual([whole.status, whole.body.code], [413, "PAYLOAD_TOO_LARGE"])
  const chunk = `100000\r\n${"a".repeat(1_048_576)}\r\n`
  const chunked = await raw(post(`${chunk.repeat(5)}0\r\n\r\n`, "Transfer-Encoding: chunked"), 1)
  assert.deepStrictEqual(statuses(chunked), [413])
})

it("who sends slowly is told 408: headers, and body", async () => {
  const toImpatient = (bytes: string) => raw(bytes, Number.POSITIVE_INFINITY, impatient)
  const headersSlow = await toImpatient(`GET ${list} HTTP/1.1\r\nHost: x\r\nX-`)
  assert.deepStrictEqual(statuses(headersSlow), [408])
  assert.include(headersSlow, '"code":"REQUEST_TIMEOUT"')
  const bodySlow = await toImpatient(post("{", "Content-Length: 100"))
  assert.deepStrictEqual(statuses(bodySlow), [408])
  assert.include(bodySlow, '"code":"REQUEST_TIMEOUT"')
  assert.deepStrictEqual(operations(), [])
})

it("a body is not asked for by who is refused before it", async () => {
  const waiting = await raw(post("", "Content-Length: 100", "Expect: 100-continue").replace(`${auth}\r\n`, ""), 1)
  assert.deepStrictEqual(statuses(waiting), [401])
  const wanted = await raw(post("", "Content-Length: 2", "Expect: 100-continue"), 1)
  assert.match(wanted, /^HTTP\/1\.1 100/u)
})

it("an expectation that nobody knows is refused in the form of every other error, and the connection closed", async () => {
  const refused = await raw(post("{}", "Content-Length: 2", "Expect: 200-ok", "Correlation-ID: c-417"))
  assert.deepStrictEqual(statuses(refused), [417])
  assert.match(refused, /^content-type: application\/problem\+json\r$/imu)
  assert.match(refused, /^correlation-id: c-417\r$/imu)
  const [, body = ""] = refused.split("\r\n\r\n")
  assert.deepInclude(JSON.parse(body), { status: 417, code: "EXPECTATION_FAILED", correlationId: "c-417" })
  assert.deepStrictEqual(operations(), [])
})

it("a request that has no body is refused with one", async () => {
  const given = get("Content-Type: application/json", "Content-Length: 2").replace(/$/u, "{}")
  assert.deepStrictEqual(statuses(await raw(given, 1)), [400])
  assert.deepStrictEqual(operations(), [])
})

it("connections that say nothing keep nobody else out, beyond their number and their time", async () => {
  const silent = await Promise.all(Array.from({ length: 80 }, () => open(impatient)))
  await eventually(
    () =>
      http(impatient.url, "GET", list, { token }).then(
        ({ status }) => status,
        () => 0
      ),
    (status) => status === 200,
    { limitMs: 120_000, what: "an answer beside silent connections" }
  )
  for (const socket of silent) socket.destroy()
})

it("one request more than may be in hand is 429, and health is answered all the same", async () => {
  held = []
  const waiting = Array.from({ length: 8 }, () => http(gateway.url, "GET", list, { token }))
  await eventually(
    () => held!.length,
    (count) => count === 8,
    { what: "eight requests in hand" }
  )
  const more = await http(gateway.url, "GET", list, { token })
  assert.deepStrictEqual(
    [more.status, more.body.details, more.header("retry-after")],
    [429, { limit: "requests in flight" }, "1"]
  )
  assert.strictEqual((await http(gateway.url, "GET", "/health")).status, 200)
  for (const answer of held.splice(0)) answer()
  for (const one of await Promise.all(waiting)) assert.strictEqual(one.status, 200)
  held = null
  await fine()
})

it("however many ask for ready, the service is asked once at a time, also by a gateway that is full", async () => {
  heldReady = []
  held = []
  const waiting = Array.from({ length: 8 }, () => http(gateway.url, "GET", list, { token }))
  await eventually(
    () => held!.length,
    (count) => count === 8,
    { what: "a gateway that is full" }
  )
  const asking = Array.from({ length: 40 }, () => http(gateway.url, "GET", "/ready"))
  await eventually(
    () => heldReady!.length,
    (count) => count > 0,
    { what: "the question" }
  )
  // Whoever comes later hears the same answer: this one was read after the forty were sent.
  const last = http(gateway.url, "GET", "/ready")
  await http(gateway.url, "GET", "/health")
  for (const answer of heldReady.splice(0)) answer()
  heldReady = null
  for (const one of await Promise.all([...asking, last])) assert.strictEqual(one.status, 200, one.text)
  const asked40 = asked.filter((subject) => subject === "cm.admin.v1.ready").length
  assert.isAtMost(asked40, 2, "one that was waited for, and one for who came after it")
  for (const answer of held.splice(0)) answer()
  held = null
  await Promise.all(waiting)
  assert.strictEqual((await http(gateway.url, "GET", "/ready")).status, 200, "and is asked anew")
})

it("bytes at random end a connection at most", async () => {
  const { random } = seededRandom("bytes for the gateway")
  const below = (limit: number) => Math.floor(random() * limit)
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(post('{"appName":"a"}', "Content-Length: 15"))
    for (let changes = 0; changes < 1 + below(3); changes++) bytes[below(bytes.length)] = below(256)
    const socket = await open()
    await new Promise<void>((done) => {
      socket.once("data", () => done())
      socket.once("close", () => done())
      socket.end(bytes)
    })
    socket.destroy()
  }
  await fine()
  assert.notInclude(gateway.output(), "met a bug")
})

it("a slow service is 503 and asked once; one that is not there and a bus that is away are told apart", async () => {
  held = []
  const slow = await http(impatient.url, "POST", list, { token, body: { appName: "a" } })
  assert.deepStrictEqual(
    [slow.status, slow.body.code, slow.body.details],
    [503, "UNAVAILABLE", { part: "service", committed: null }]
  )
  assert.match(slow.body.detail, /may still be carried out/u)
  assert.strictEqual(slow.header("retry-after"), "1")
  assert.deepStrictEqual(operations(), ["cm.v1.acme.application.register"])
  held = null
  await service.close()
  // The server may give it one more before it has seen that nobody listens.
  const nobody = await eventually(
    () => http(gateway.url, "GET", list, { token }),
    ({ body }) => body.details?.committed === false,
    { what: "nobody being there" }
  )
  assert.deepStrictEqual([nobody.status, nobody.body.details], [503, { part: "service", committed: false }])
  assert.match(nobody.body.detail, /No replica/u)
  const ready = await http(gateway.url, "GET", "/ready")
  assert.deepStrictEqual([ready.status, ready.body.details.checks.service], [503, "does not answer"])
  await bus.server.stop()
  const away = await eventually(
    () => http(gateway.url, "GET", list, { token }),
    ({ body }) => /away/u.test(body.detail ?? ""),
    { what: "the bus being away" }
  )
  assert.deepStrictEqual([away.status, away.body.details], [503, { part: "bus", committed: false }])
  assert.strictEqual((await http(gateway.url, "GET", "/health")).status, 200)
  assert.strictEqual((await http(gateway.url, "GET", "/ready")).status, 503)
})
