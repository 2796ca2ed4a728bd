// Verifies R-GWY-7.
/** The published document: valid, complete, and true of the running gateway. The page: of no foreign origin. */
import { Validator } from "@seriousme/openapi-schema-validator"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { rows } from "../../../src/gateway/Table.ts"
import { type GatewayWorld, gatewayWorld, http } from "../../support/gateway.ts"

let world: GatewayWorld
// biome-ignore lint/suspicious/noExplicitAny: a document as a stranger reads it
let api: any

beforeAll(async () => {
  world = await gatewayWorld({ databaseUrl: inject("databaseUrl") })
  api = (await http(world.gateway.url, "GET", "/openapi.json")).body
})
afterAll(() => world?.stop())

it("1: is valid OpenAPI 3.1, by a validator that no one here wrote", async () => {
  const { errors, valid } = await new Validator().validate(structuredClone(api))
  assert.isTrue(valid, JSON.stringify(errors)?.slice(0, 2_000))
  assert.strictEqual(api.openapi, "3.1.0")
})

it("2: has every row of the table and nothing else, each with an id of its own", () => {
  const described = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`)
  )
  const open = ["/api/v1/events", "/health", "/ready", "/metrics", "/openapi.json", "/docs"].map(
    (path) => `GET ${path}`
  )
  assert.sameMembers(described, [...rows.map(({ method, path }) => `${method} ${path}`), ...open])
  const ids = Object.values(api.paths).flatMap((methods) =>
    Object.values(methods as Record<string, { operationId: string }>).map(({ operationId }) => operationId)
  )
  assert.strictEqual(new Set(ids).size, ids.length)
})

it("2a: says of each parameter what it may be, and what is meant without it", () => {
  const { parameters } = api.paths["/api/v1/endpoints/{endpointId}/tokens"].get
  const schemas = Object.fromEntries(
    parameters.map(({ name, schema }: { name: string; schema: object }) => [name, schema])
  )
  assert.deepInclude(schemas.limit, { type: "integer", minimum: 1, maximum: 1_000, default: 20 })
  assert.deepInclude(schemas.order, { type: "string", enum: ["ASC", "DESC"], default: "DESC" })
  assert.strictEqual(schemas.status.type, "array")
  assert.includeMembers(schemas.status.items.enum, ["Active", "Revoked"])
})

it("3: its examples are taken, and answered with a status and fields that it names", async () => {
  const known: Record<string, string> = { appName: "meters", endpointId: "e1", service_name: "mailer" }
  const nounOf = (path: string) => path.split("/")[3]!
  const fill = (path: string) =>
    path.replaceAll(
      /\{([A-Za-z_]+)\}/gu,
      (_, name: string) => known[`${nounOf(path)} ${name}`] ?? known[name] ?? "unknown"
    )
  const order = ["/api/v1/applications", "/api/v1/endpoints/{endpointId}/tokens", "/api/v1/credentials"]
  const entries = Object.entries(api.paths as Record<string, Record<string, never>>)
    .filter(([path]) => path.startsWith("/api/v1/") && path !== "/api/v1/events")
    .toSorted(
      ([a], [b]) => Number(order.includes(b)) - Number(order.includes(a)) || order.indexOf(a) - order.indexOf(b)
    )
  const methods = ["post", "get", "put", "patch"]
  const seen: Array<string> = []
  for (const method of methods) {
    for (const [path, operations] of entries) {
      // biome-ignore lint/suspicious/noExplicitAny: a document as a stranger reads it
      const operation: any = operations[method]
      if (operation === undefined || path.endsWith("/revoke")) continue
      const example = operation.requestBody?.content["application/json"].example
      const answer = await world.ask(method.toUpperCase(), fill(path), example)
      const what = `${method} ${path} ${answer.status} ${answer.text.slice(0, 300)}`
      assert.property(operation.responses, String(answer.status), what)
      assert.isBelow(answer.status, 300, what)
      const schema = operation.responses[answer.status].content["application/json"].schema
      for (const name of schema.required ?? []) assert.property(answer.body, name, what)
      for (const name of ["tokenId", "credential_id", "credentialId"]) {
        if (typeof answer.body[name] === "string") known[`${nounOf(path)} ${name}`] = answer.body[name]
      }
      seen.push(what)
    }
  }
  assert.isAbove(seen.length, 20)
})

it("4: the page asks no other origin for anything, and may not", async () => {
  const page = await http(world.gateway.url, "GET", "/docs")
  const policy = page.header("content-security-policy")!
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/u)
  assert.notMatch(policy, /unsafe|\*|https?:/u)
  const used = Array.from(page.text.matchAll(/(?:src|href)="([^"]+)"/gu), ([, at]) => at!)
  assert.isAbove(used.length, 1)
  for (const at of used) assert.strictEqual((await http(world.gateway.url, "GET", at)).status, 200, at)
  assert.notMatch(page.text, /<script(?![^>]*src=)|\son[a-z]+=|https?:\/\//u)
  const script = await http(world.gateway.url, "GET", "/docs/page.js")
  assert.notMatch(script.text, /innerHTML|eval\(|https?:\/\//u)
  assert.match(script.header("content-type")!, /javascript/u)
})
