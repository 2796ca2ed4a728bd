// Verifies R-TRC-1, R-TRC-2, R-TRC-3.
/** One request followed from HTTP over the bus to the statement and the event, by what a collector was sent. */
import { randomBytes } from "node:crypto"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { type GatewayWorld, gatewayWorld, http } from "../../support/gateway.ts"
import { type CollectedSpan, type Collector, startCollector } from "../../support/standIns/collector.ts"

let collector: Collector
let world: GatewayWorld
let listener: NatsConnection
const heard: Array<{ readonly type: string; readonly traceparent: string; readonly endpointId: string }> = []
const app = "meters"

beforeAll(async () => {
  collector = await startCollector()
  const tracing = { CM_OTLP_URL: collector.url }
  world = await gatewayWorld({ databaseUrl: inject("databaseUrl"), env: tracing, serviceEnv: tracing })
  assert.strictEqual((await world.ask("POST", "/api/v1/applications", { appName: app })).status, 201)
  listener = await world.bus.as("gateway")
  listener.subscribe("cm.events.v1.>", {
    callback: (_error: Error | null, message: Msg) =>
      void heard.push({
        type: message.headers?.get("ce-type") ?? "",
        traceparent: message.headers?.get("traceparent") ?? "",
        endpointId: String(message.json<{ endpointId?: string }>().endpointId)
      })
  })
  await listener.flush()
})
afterAll(async () => {
  await listener?.close()
  await world?.stop()
  await collector?.close()
})

const newTrace = () => ({ traceId: randomBytes(16).toString("hex"), spanId: randomBytes(8).toString("hex") })
const provision = (endpointId: string, headers: Record<string, string>, more: object = {}) =>
  world.ask("POST", `/api/v1/endpoints/${endpointId}/tokens`, { appName: app, ...more }, { headers })
const eventOf = (endpointId: string) =>
  eventually(
    () => heard.find((event) => event.endpointId === endpointId),
    (event) => event !== undefined,
    { limitMs: 120_000, what: `the event of ${endpointId}` }
  )
/** Gateway and service each send their own spans, in their own time. */
const areWhole = (spans: ReadonlyArray<CollectedSpan>): boolean =>
  spans.some(({ kind }) => kind === 4) && spans.some(({ name }) => name.startsWith("POST /api/"))
const spansOf = (traceId: string, isWhole: (spans: ReadonlyArray<CollectedSpan>) => boolean, what: string) =>
  eventually(() => collector.spans().filter((span) => span.traceId === traceId), isWhole, { limitMs: 120_000, what })
const named = (spans: ReadonlyArray<CollectedSpan>, name: string): CollectedSpan => {
  const found = spans.find((span) => span.name === name)
  assert.isDefined(found, `${name} among ${spans.map((span) => span.name).join(", ")}`)
  return found!
}

it("1: one request is one trace: gateway, bus, operation, statements, event", async () => {
  const { spanId, traceId } = newTrace()
  const made = await provision(
    "e1",
    { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "a=planted-state" },
    { description: "planted-description", token: "plantedtoken" }
  )
  assert.strictEqual(made.status, 201, made.text)
  const spans = await spansOf(traceId, areWhole, "the spans of the event and of the edge")
  const edge = named(spans, "POST /api/v1/endpoints/{endpointId}/tokens")
  const asked = named(spans, "request token.provision")
  const operation = named(spans, "token.provision")
  const transaction = named(spans, "TenantStore.transact")
  const insert = named(spans, "INSERT tokens")
  const publish = named(spans, "publish token.provisioned")
  const parents = [edge, asked, operation, transaction, insert, publish].map((span) => span.parentSpanId)
  assert.deepStrictEqual(parents, [
    spanId,
    edge.spanId,
    asked.spanId,
    operation.spanId,
    transaction.spanId,
    operation.spanId
  ])
  assert.deepStrictEqual(
    [edge, asked, operation, transaction, insert, publish].map(({ kind, service }) => [kind, service]),
    [
      [2, "credential-management-gateway"],
      [3, "credential-management-gateway"],
      [2, "credential-management"],
      [3, "credential-management"],
      [3, "credential-management"],
      [4, "credential-management"]
    ]
  )
  assert.deepInclude(edge.attributes, { "http.request.method": "POST", "http.response.status_code": 201 })
  assert.deepInclude(insert.attributes, { "db.system.name": "mariadb", "db.query.summary": "INSERT tokens" })
  assert.strictEqual((await eventOf("e1"))!.traceparent, `00-${traceId}-${operation.spanId}-01`)
  assert.deepStrictEqual(
    spans.filter(({ failed }) => failed),
    []
  )
  assert.deepStrictEqual(collector.wrong, [])
})

it("2: a request without a trace begins one; what is refused is told by its status alone", async () => {
  const before = collector.spans().length
  const refused = await world.ask("PATCH", "/api/v1/endpoints/e2/tokens/01939f2c-7a1b-7c3d-8e4f-0123456789ab", {
    status: "Active"
  })
  assert.strictEqual(refused.status, 404)
  const route = "PATCH /api/v1/endpoints/{endpointId}/tokens/{tokenId}"
  const edge = await eventually(
    () =>
      collector
        .spans()
        .slice(before)
        .find(({ name }) => name === route),
    (span) => span !== undefined,
    { limitMs: 120_000, what: "its span" }
  )
  assert.isUndefined(edge!.parentSpanId)
  assert.strictEqual(edge!.attributes["http.response.status_code"], 404)
  assert.isFalse(edge!.failed)
})

it("3: what is no traceparent is none: a new trace, never an error, and nothing of it goes on", async () => {
  const { spanId, traceId } = newTrace()
  const right = `00-${traceId}-${spanId}-01`
  const hostile: ReadonlyArray<readonly [string, string]> = [
    ["another version", `01-${traceId}-${spanId}-01`],
    ["the version that is none", `ff-${traceId}-${spanId}-01`],
    ["more than its length", `${right}-more`],
    ["huge", `${right}${"a".repeat(20_000)}`],
    ["short", right.slice(0, -1)],
    ["upper case", right.toUpperCase().replace("00-", "00-A").slice(0, 55)],
    ["no trace", `00-${"0".repeat(32)}-${spanId}-01`],
    ["no span", `00-${traceId}-${"0".repeat(16)}-01`],
    ["no hexadecimal", `00-${"g".repeat(32)}-${spanId}-01`],
    ["empty", ""],
    ["a planted text", `00-planted-${"b".repeat(44)}`]
  ]
  for (const [at, [what, traceparent]] of hostile.entries()) {
    const endpointId = `e3-${at}`
    const made = await provision(endpointId, { traceparent })
    assert.strictEqual(made.status, 201, `${what}: ${made.text}`)
    const { traceparent: told } = (await eventOf(endpointId))!
    assert.match(told, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/u, what)
    assert.notInclude(told, traceId, what)
    assert.notInclude(told, "0".repeat(16), what)
  }
  // Twice, over the bus and over HTTP, in whatever spelling.
  const twice = await new Promise<number>((done, fail) => {
    const { hostname, port } = new URL(world.gateway.url)
    import("node:http").then(({ request }) =>
      request(
        {
          hostname,
          port,
          method: "POST",
          path: "/api/v1/endpoints/e3-twice/tokens",
          headers: [
            ["Host", hostname],
            ["Authorization", `Bearer ${world.token}`],
            ["Content-Type", "application/json"],
            ["traceparent", right],
            ["Traceparent", right]
          ].flat()
        },
        (response) => response.resume().on("end", () => done(response.statusCode!))
      )
        .on("error", fail)
        .end(JSON.stringify({ appName: app }))
    )
  })
  assert.strictEqual(twice, 201)
  assert.notInclude((await eventOf("e3-twice"))!.traceparent, traceId)
  assert.deepStrictEqual(
    collector.spans().filter((span) => span.traceId === traceId),
    []
  )
})

it("4: a caller who samples nothing is followed by nobody, and its trace goes on as it says", async () => {
  const { spanId, traceId } = newTrace()
  assert.strictEqual((await provision("e4", { traceparent: `00-${traceId}-${spanId}-00` })).status, 201)
  assert.strictEqual((await eventOf("e4"))!.traceparent, `00-${traceId}-${spanId}-00`)
  // A later one is there, so an earlier one would be.
  const later = newTrace()
  await provision("e4-later", { traceparent: `00-${later.traceId}-${later.spanId}-01` })
  await spansOf(later.traceId, areWhole, "the later one's spans, of both processes")
  assert.deepStrictEqual(
    collector.spans().filter((span) => span.traceId === traceId),
    []
  )
})

it("5: a secret, a token, a name or a text of a caller is in nothing that was sent", async () => {
  const { spanId, traceId } = newTrace()
  const headers = { traceparent: `00-${traceId}-${spanId}-01`, "correlation-id": "planted-correlation" }
  const stored = await world.ask(
    "POST",
    "/api/v1/credentials",
    {
      service_name: "planted-service",
      type: "api_key",
      credentials: { api_key: "planted-secret" },
      allowed_consumers: ["bearer:acme/robot"]
    },
    { headers }
  )
  assert.strictEqual(stored.status, 201, stored.text)
  const event = await eventually(
    () => heard.find(({ type }) => type === "credential.stored"),
    (found) => found !== undefined,
    { limitMs: 120_000, what: "the event of the credential" }
  )
  assert.strictEqual(event!.traceparent.slice(3, 35), traceId)
  const path = `/api/v1/credentials/${stored.body.credential_id}`
  assert.strictEqual((await world.ask("GET", `${path}?secret=true`, undefined, { headers })).status, 200)
  // What fails, in every way that says something.
  await world.ask("POST", "/api/v1/credentials", { service_name: "planted service", type: "api_key" }, { headers })
  await world.ask("GET", "/api/v1/endpoints/planted-endpoint/tokens?status=planted", undefined, { headers })
  await world.ask("GET", "/api/v1/audit?cursor=planted", undefined, { headers })
  await http(world.gateway.url, "GET", "/api/v1/applications", { token: "planted.planted.planted", headers })
  const spans = await spansOf(traceId, (found) => found.filter(({ kind }) => kind === 2).length >= 9, "the spans")
  await spansOf(traceId, (found) => found.some(({ name }) => name === "GET /api/v1/applications"), "the last of them")
  const bytes = collector.bytes()
  for (const secret of [
    "planted",
    world.token,
    world.token.split(".")[2]!,
    stored.body.credential_id,
    "acme",
    "robot",
    'stacktrace","value":{"stringValue":"    at',
    "src/"
  ]) {
    assert.notInclude(bytes, secret)
  }
  const names = new Set(spans.flatMap(({ attributes }) => Object.keys(attributes)))
  assert.sameMembers(
    [...names].filter(
      (name) =>
        !/^(?:http\.request\.method|http\.route|http\.response\.status_code|messaging\.system|messaging\.operation\.name|cm\.operation|cm\.status|cm\.outcome|db\.system\.name|db\.operation\.name|db\.query\.summary|error\.type)$/u.test(
          name
        )
    ),
    []
  )
})

it("6: a collector that never answers, or refuses, holds nobody up, and the process ends", async () => {
  const another = await startCollector()
  another.answer = () => undefined
  const gateway = await world.startAnother({ CM_OTLP_URL: another.url })
  const token = world.token
  for (let count = 0; count < 20; count++) {
    assert.strictEqual((await http(gateway.url, "GET", "/api/v1/applications", { token })).status, 200)
  }
  await eventually(another.requests, (count) => count > 0, { limitMs: 120_000, what: "the collector being asked" })
  assert.strictEqual((await http(gateway.url, "GET", "/api/v1/applications", { token })).status, 200)
  assert.strictEqual(await gateway.stop(), 0)
  await another.close()
})
