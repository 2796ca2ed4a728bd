// Verifies R-GWY-6.
/** Server-Sent Events over a real stream: from now on, from where one stopped, and never more than one may see. */
import { request as httpRequest, type IncomingMessage } from "node:http"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { type GatewayWorld, gatewayWorld, http } from "../../support/gateway.ts"
import { everyScope } from "../../support/oidcIssuer.ts"

interface Heard {
  readonly id: string
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
  readonly data: any
}
interface Reader {
  readonly status: number
  readonly text: () => string
  readonly heard: () => ReadonlyArray<Heard>
  readonly lastId: () => string
  readonly ended: () => boolean
  readonly response: IncomingMessage
  readonly close: () => void
}

const fieldsOf = (block: string): Record<string, string> =>
  Object.fromEntries(
    block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)])
  )

const readEvents = (url: string, token: string, after?: string): Promise<Reader> =>
  new Promise((done, fail) => {
    const { hostname, port } = new URL(url)
    const headers = { authorization: `Bearer ${token}`, ...(after === undefined ? {} : { "last-event-id": after }) }
    const request = httpRequest({ hostname, port, path: "/api/v1/events", headers }, (response) => {
      let text = ""
      let ended = false
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("error", () => {})
      response.on("close", () => {
        ended = true
      })
      const blocks = () => text.split("\n\n").slice(0, -1).map(fieldsOf)
      done({
        status: response.statusCode!,
        text: () => text,
        heard: () =>
          blocks().flatMap(({ data, event, id = "" }) =>
            data === undefined ? [] : [{ id, type: event!, data: JSON.parse(data) }]
          ),
        lastId: () => blocks().findLast(({ id }) => id !== undefined)?.id ?? "",
        ended: () => ended,
        response,
        close: () => request.destroy()
      })
    })
    request.on("error", fail)
    request.end()
  })

let world: GatewayWorld
const app = "meters"
beforeAll(async () => {
  world = await gatewayWorld({
    databaseUrl: inject("databaseUrl"),
    env: { CM_GATEWAY_READERS_MAX: "4", CM_GATEWAY_HEARTBEAT: "500 millis" }
  })
  assert.strictEqual((await world.ask("POST", "/api/v1/applications", { appName: app })).status, 201)
})
afterAll(() => world?.stop())

const provision = async (endpointId: string): Promise<string> =>
  (await world.ask("POST", `/api/v1/endpoints/${endpointId}/tokens`, { appName: app })).body.tokenId
const store = async (service_name: string): Promise<void> => {
  const body = { service_name, type: "api_key", credentials: { api_key: "planted" } }
  assert.strictEqual((await world.ask("POST", "/api/v1/credentials", body)).status, 201)
}
const started = async (token = world.token, after?: string): Promise<Reader> => {
  const reader = await readEvents(world.gateway.url, token, after)
  assert.strictEqual(reader.status, 200)
  await eventually(reader.lastId, (id) => id !== "", { what: "the place where it begins" })
  return reader
}
const count = (reader: Reader, expected: number, what: string) =>
  eventually(reader.heard, ({ length }) => length >= expected, { what })
const of = (heard: ReadonlyArray<Heard>) => heard.map(({ data, type }) => [type, data.endpointId ?? data.service_name])

it("1: a reader hears what happens from now on, in order, each once, and of its tenant alone", async () => {
  await provision("before")
  await eventually(
    () => world.ask("GET", "/api/v1/endpoints/before/tokens"),
    ({ body }) => body.totalElements === 1
  )
  const other = await readEvents(world.gateway.url, await world.beta.token(everyScope))
  const reader = await started()
  assert.strictEqual(reader.response.headers["content-type"], "text/event-stream; charset=utf-8")
  assert.strictEqual(reader.response.headers["cache-control"], "no-store")
  const seen = () => reader.heard().filter(({ data }) => data.endpointId !== "before")
  const tokenId = await provision("e1")
  await store("s1")
  await world.ask("PATCH", `/api/v1/endpoints/e1/tokens/${tokenId}`, { status: "Revoked" })
  await eventually(seen, ({ length }) => length >= 3, { what: "three events" })
  assert.sameDeepMembers(of(seen()), [
    ["token.provisioned", "e1"],
    ["credential.stored", "s1"],
    ["token.revoked", "e1"]
  ])
  assert.strictEqual(new Set(reader.heard().map(({ id }) => id)).size, reader.heard().length)
  assert.notInclude(reader.text(), "planted")
  assert.deepStrictEqual(other.heard(), [])
  reader.close()
  other.close()
})

it("2: it goes on where it stopped, and hears what it missed and nothing twice", async () => {
  const first = await started()
  await provision("e2-first")
  await count(first, 1, "the first")
  const stopped = first.lastId()
  first.close()
  for (const at of ["e2-a", "e2-b", "e2-c"]) await provision(at)
  const second = await started(world.token, stopped)
  await count(second, 3, "what was missed")
  assert.deepStrictEqual(
    second.heard().map(({ data }) => data.endpointId),
    ["e2-a", "e2-b", "e2-c"]
  )
  await provision("e2-d")
  await count(second, 4, "and what came then")
  assert.strictEqual(second.heard()[3]!.data.endpointId, "e2-d")
  second.close()
})

it("3: an id that is gone, that never was, or that is none is 410", async () => {
  const reader = await started()
  const [born, sequence] = reader.lastId().split("-")
  reader.close()
  for (const id of [
    `${born}-${Number(sequence) + 1_000_000}`,
    `0-${sequence}`,
    "0",
    "none",
    "'; --",
    `${born}--1`,
    "x".repeat(200)
  ]) {
    const answer = await world.ask("GET", "/api/v1/events", undefined, { headers: { "last-event-id": id } })
    assert.deepStrictEqual([answer.status, answer.body.code], [410, "EVENT_GONE"], id)
  }
})

it("4: scopes decide what is shown: tokens, credentials, one endpoint's, nothing", async () => {
  const tokens = await started(await world.acme.token("endpoint:read"))
  const credentials = await started(await world.acme.token("tenant:credentials:read"))
  const one = await started(await world.acme.token("", [{ rsname: "endpoint-e4-mine", scopes: ["endpoint:read"] }]))
  await provision("e4")
  await store("s4")
  await provision("e4-mine")
  await count(tokens, 2, "tokens' events")
  await count(credentials, 1, "credentials' events")
  await count(one, 1, "one endpoint's events")
  // Ids move on past what is not shown: who reads no further has nothing to come again for.
  await eventually(
    () => [tokens, credentials, one].map((reader) => reader.lastId()),
    (ids) => new Set(ids).size === 1,
    {
      what: "the same place for all"
    }
  )
  assert.deepStrictEqual(of(tokens.heard()), [
    ["token.provisioned", "e4"],
    ["token.provisioned", "e4-mine"]
  ])
  assert.deepStrictEqual(of(credentials.heard()), [["credential.stored", "s4"]])
  assert.deepStrictEqual(of(one.heard()), [["token.provisioned", "e4-mine"]])
  for (const reader of [tokens, credentials, one]) reader.close()
  const none = await world.ask("GET", "/api/v1/events", undefined, {
    token: await world.acme.token("application:read")
  })
  assert.deepStrictEqual([none.status, none.body.details], [403, { scope: "endpoint:read", resource: "tenant-system" }])
  assert.strictEqual((await http(world.gateway.url, "GET", "/api/v1/events")).status, 401)
})

it("5: readers of a tenant are bounded, and another tenant's are not theirs", async () => {
  const readers = await eventually(
    async () => {
      const all = await Promise.all(Array.from({ length: 4 }, () => readEvents(world.gateway.url, world.token)))
      if (all.some(({ status }) => status !== 200)) for (const reader of all) reader.close()
      return all
    },
    (all) => all.every(({ status }) => status === 200),
    { limitMs: 120_000, what: "four readers" }
  )
  const more = await world.ask("GET", "/api/v1/events")
  assert.deepStrictEqual([more.status, more.body.details, more.header("retry-after")], [429, { limit: "readers" }, "1"])
  const other = await readEvents(world.gateway.url, await world.beta.token(everyScope))
  assert.strictEqual(other.status, 200)
  for (const reader of [...readers, other]) reader.close()
  const again = await eventually(
    () => readEvents(world.gateway.url, world.token),
    ({ status }) => status === 200,
    {
      what: "a place that was given back"
    }
  )
  again.close()
})

it("6: a comment comes when nothing else does", async () => {
  const quiet = await started()
  await eventually(quiet.text, (text) => text.includes("\n: \n"), { what: "a heartbeat" })
  quiet.close()
})

it("7: a tenant whose issuer is another one ends the reading; and so does a stop of the gateway", async () => {
  const another = await world.startAnother()
  const stopped = await readEvents(another.url, world.token)
  assert.strictEqual(stopped.status, 200)
  assert.strictEqual(await another.stop(), 0)
  await eventually(stopped.ended, (is) => is, { what: "the end of a reading with the gateway" })
  const reader = await started(await world.beta.token(everyScope))
  const operator = await world.bus.as("operator")
  const changed = await operator.request(
    "cm.admin.v1.tenants.configure",
    JSON.stringify({ tenantId: "beta", issuer: "http://127.0.0.1:9/other", audience: "cm" }),
    { timeout: 60_000 }
  )
  assert.strictEqual(changed.headers?.get("Cm-Status"), "200", changed.string())
  await eventually(reader.ended, (is) => is, { what: "the end of a reading that is not allowed any more" })
  assert.strictEqual(reader.heard().at(-1)?.type, "problem")
  assert.strictEqual(reader.heard().at(-1)?.data.status, 401)
  await operator.close()
})
