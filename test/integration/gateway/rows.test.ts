// Verifies R-GWY-1, R-GWY-2, R-GWY-3.
/**
 * Every row of contract section 9, over a real bus, database, service and issuer: the behaviours, numbered.
 */
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type GatewayWorld, gatewayWorld, type HttpAnswer, http } from "../../support/gateway.ts"
import { everyScope } from "../../support/oidcIssuer.ts"

let world: GatewayWorld
const unknownId = "01939f2c-7a1b-7c3d-8e4f-0123456789ab"
const told = (answer: HttpAnswer) => [answer.status, answer.body?.code]
const app = "meters"

beforeAll(async () => {
  world = await gatewayWorld({ databaseUrl: inject("databaseUrl") })
  const registered = await world.ask("POST", "/api/v1/applications", { appName: app })
  assert.strictEqual(registered.status, 201, registered.text)
})
afterAll(() => world?.stop())

const provision = async (endpointId: string, more: object = {}) => {
  const answer = await world.ask("POST", `/api/v1/endpoints/${endpointId}/tokens`, { appName: app, ...more })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer
}
const store = async (service_name: string, more: object = {}) => {
  const answer = await world.ask("POST", "/api/v1/credentials", {
    service_name,
    type: "api_key",
    credentials: { api_key: "planted" },
    allowed_consumers: ["bearer:acme/robot"],
    ...more
  })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer
}

it("1: POST tokens provisions, says where, and shows the value once", async () => {
  const made = await provision("e1", { description: "cellar" })
  assert.match(made.body.token, /^[A-Za-z0-9]{10}$/u)
  assert.strictEqual(made.header("location"), `/api/v1/endpoints/e1/tokens/${made.body.tokenId}`)
  const read = await world.ask("GET", made.header("location")!)
  assert.strictEqual(read.status, 200)
  assert.notProperty(read.body, "token")
  assert.deepInclude(read.body, {
    endpointId: "e1",
    appName: app,
    status: "Inactive",
    description: "cellar",
    version: 1
  })
  assert.strictEqual(read.body.createdBy, "bearer:acme/robot")
  assert.strictEqual(read.header("etag"), '"1"')
  assert.strictEqual(
    (await world.ask("GET", made.header("location")!, undefined, { headers: { "if-none-match": '"1"' } })).status,
    304
  )
})

it("2: GET tokens pages by offset, limit and order, with the whole number and a strong ETag", async () => {
  const ids: Array<string> = []
  for (let count = 0; count < 5; count++) ids.push((await provision("e2")).body.tokenId)
  const path = "/api/v1/endpoints/e2/tokens"
  const newest = ids.toReversed()
  const idsOf = (answer: HttpAnswer) => answer.body.content.map(({ tokenId }: { tokenId: string }) => tokenId)
  const all = await world.ask("GET", path)
  assert.deepStrictEqual([all.status, all.body.totalElements, idsOf(all)], [200, 5, newest])
  const page = await world.ask("GET", `${path}?offset=1&limit=2&order=ASC`)
  assert.deepStrictEqual([page.body.totalElements, idsOf(page)], [5, ids.slice(1, 3)])
  assert.deepStrictEqual((await world.ask("GET", `${path}?offset=10000`)).body, { content: [], totalElements: 5 })
  const etag = all.header("etag")!
  assert.match(etag, /^"[^"]+"$/u)
  const same = await world.ask("GET", path, undefined, { headers: { "if-none-match": `"x", ${etag}` } })
  assert.deepStrictEqual([same.status, same.text, same.header("etag")], [304, "", etag])
  await provision("e2")
  const other = await world.ask("GET", path, undefined, { headers: { "if-none-match": etag } })
  assert.deepStrictEqual([other.status, other.body.totalElements], [200, 6])
  for (const query of [
    "offset=10001",
    "offset=-1",
    "limit=0",
    "limit=1001",
    "order=desc",
    "status=active",
    "x=1",
    "limit=1&limit=2"
  ]) {
    assert.deepStrictEqual(told(await world.ask("GET", `${path}?${query}`)), [400, "INVALID_REQUEST"], query)
  }
})

it("2a: without parameters it is the newest twenty of them; 1,000 at most at once; GET one record with its tag is 304", async () => {
  const path = "/api/v1/endpoints/e2a/tokens"
  const ids: Array<string> = []
  for (let count = 0; count < 21; count++) ids.push((await provision("e2a")).body.tokenId)
  const first = await world.ask("GET", path)
  assert.deepStrictEqual(
    first.body.content.map(({ tokenId }: { tokenId: string }) => tokenId),
    ids.toReversed().slice(0, 20)
  )
  assert.strictEqual(first.body.totalElements, 21)
  assert.strictEqual((await world.ask("GET", `${path}?limit=1000`)).body.content.length, 21)
  const last = await world.ask("GET", `${path}?offset=20&order=DESC`)
  assert.strictEqual(last.body.content[0].tokenId, ids[0])
  // The tag is of what is answered: another page has another one, the same page the same one.
  assert.notStrictEqual(last.header("etag"), first.header("etag"))
  assert.strictEqual((await world.ask("GET", path)).header("etag"), first.header("etag"))
  const known = (at: string, tag: string) => world.ask("GET", at, undefined, { headers: { "if-none-match": tag } })
  const credential = (await store("s2a")).header("location")!
  const certificate = { issuer: "CN=CA", serialNumber: "2" }
  const client = await world.ask("POST", "/api/v1/x509-credentials", certificate)
  for (const at of [`${path}/${ids[0]}`, credential, client.header("location")!]) {
    const { body, header } = await world.ask("GET", at)
    assert.match(header("etag")!, /^"\d+"$/u, at)
    assert.strictEqual(header("etag"), `"${body.version}"`, at)
    for (const tag of [header("etag")!, `W/${header("etag")}`, "*"])
      assert.strictEqual((await known(at, tag)).status, 304, at)
    assert.strictEqual((await known(at, '"99"')).status, 200, at)
  }
  assert.strictEqual((await world.ask("DELETE", client.header("location")!)).status, 204)
})

it("3: GET tokens filters by statuses, several at once", async () => {
  const path = "/api/v1/endpoints/e3/tokens"
  for (const status of ["Active", "Suspended", "Revoked", null]) {
    const { tokenId } = (await provision("e3")).body
    if (status === "Suspended") await world.ask("PATCH", `${path}/${tokenId}`, { status: "Active" })
    if (status !== null) assert.strictEqual((await world.ask("PATCH", `${path}/${tokenId}`, { status })).status, 200)
  }
  const statuses = async (query: string) =>
    (await world.ask("GET", `${path}${query}`)).body.content.map(({ status }: { status: string }) => status).toSorted()
  assert.deepStrictEqual(await statuses(""), ["Active", "Inactive", "Revoked", "Suspended"])
  assert.deepStrictEqual(await statuses("?status=Active&status=Revoked"), ["Active", "Revoked"])
})

it("4: PATCH a token changes its status, if it has the version that If-Match names", async () => {
  const made = await provision("e4")
  const path = made.header("location")!
  const patch = (body: object, headers: Record<string, string> = {}) => world.ask("PATCH", path, body, { headers })
  assert.deepStrictEqual(told(await patch({ status: "Active" }, { "if-match": '"7"' })), [412, "PRECONDITION_FAILED"])
  assert.deepStrictEqual(told(await patch({ status: "Active" }, { "if-match": 'W/"1"' })), [412, "PRECONDITION_FAILED"])
  assert.deepStrictEqual(told(await patch({ status: "Active" }, { "if-match": "1" })), [400, "INVALID_REQUEST"])
  const active = await patch({ status: "Active" }, { "if-match": '"1"' })
  assert.deepStrictEqual(
    [active.status, active.body.status, active.header("etag")],
    [200, "Active", `"${active.body.version}"`]
  )
  assert.strictEqual((await patch({ status: "Revoked", reason: "lost" })).status, 200)
  assert.deepStrictEqual(told(await patch({ status: "Active" })), [409, "TRANSITION_NOT_ALLOWED"])
  assert.deepStrictEqual(told(await patch({ targetStatus: "Active" })), [400, "INVALID_REQUEST"])
  assert.deepStrictEqual(told(await patch({})), [400, "INVALID_REQUEST"])
  // What is wrong is named as it stands in the request over HTTP.
  for (const [body, field] of [
    [{}, "status"],
    [{ status: "Inactive" }, "status"],
    [{ status: "Revoked", reason: "x".repeat(257) }, "reason"]
  ] as const) {
    const refused = await patch(body)
    assert.deepStrictEqual([refused.status, refused.body.details.path], [400, field])
    assert.isTrue(refused.body.detail.startsWith(`${field}: `), refused.body.detail)
  }
})

it("4a: what a false If-Match forbids is not carried out, whichever row it is", async () => {
  const token = (await provision("e4a")).header("location")!
  const client = (await world.ask("POST", "/api/v1/basic-credentials", { username: "u4a" })).header("location")!
  const credential = (await store("s4a")).header("location")!
  const ask = (method: string, path: string, ifMatch: string, body?: object) =>
    world.ask(method, path, body, { headers: { "if-match": ifMatch } })
  for (const [method, path, body] of [
    ["POST", `${token}/rotate`, { overlap: "PT1H" }],
    ["PATCH", token, { status: "Suspended" }],
    ["DELETE", token],
    ["PATCH", client, { status: "Revoked" }],
    ["DELETE", client],
    ["PUT", `${credential}/rotate`, { credentials: { api_key: "k" } }],
    ["POST", `${credential}/revoke`, {}],
    ["PATCH", credential, { metadata: {} }],
    ["DELETE", credential],
    // These have no version that a change could be held to: none is the one that is named.
    ["DELETE", "/api/v1/endpoints/e4a/tokens"],
    ["POST", "/api/v1/endpoints/e4a/tokens", { appName: app }],
    ["DELETE", `/api/v1/applications/${app}`],
    ["POST", "/api/v1/services/s4a/disable", {}]
  ] as const) {
    assert.deepStrictEqual(told(await ask(method, path, '"99"', body)), [412, "PRECONDITION_FAILED"], path)
  }
  for (const path of [token, client, credential]) {
    const read = await world.ask("GET", path)
    assert.deepStrictEqual([read.status, read.header("etag")], [200, '"1"'], path)
    assert.strictEqual((await ask("GET", path, '"1"')).status, 200, path)
    assert.deepStrictEqual(told(await ask("GET", path, '"99"')), [412, "PRECONDITION_FAILED"], path)
  }
  const list = "/api/v1/endpoints/e4a/tokens"
  const listed = await world.ask("GET", list)
  assert.strictEqual(listed.body.totalElements, 1)
  assert.strictEqual((await ask("GET", list, listed.header("etag")!)).status, 200)
  assert.deepStrictEqual(told(await ask("GET", list, '"99"')), [412, "PRECONDITION_FAILED"])
  assert.strictEqual((await ask("POST", `${token}/rotate`, '"1"', { overlap: "PT1H" })).status, 201)
  assert.deepStrictEqual(told(await ask("DELETE", token, '"1"')), [412, "PRECONDITION_FAILED"])
  assert.strictEqual((await ask("DELETE", token, '"2"')).status, 204)
  assert.strictEqual((await ask("DELETE", client, '"1"')).status, 204)
})

it("5: POST rotate gives a successor; the old one ends", async () => {
  const made = await provision("e5")
  const rotated = await world.ask("POST", `${made.header("location")}/rotate`, { overlap: "PT0S" })
  assert.strictEqual(rotated.status, 201, rotated.text)
  assert.notStrictEqual(rotated.body.tokenId, made.body.tokenId)
  assert.strictEqual(rotated.header("location"), `/api/v1/endpoints/e5/tokens/${rotated.body.tokenId}`)
  const again = await world.ask("POST", `${rotated.header("location")}/rotate`)
  assert.strictEqual(again.status, 201, "without a body")
})

it("6: DELETE one token 204, DELETE all of an endpoint 200 with their number", async () => {
  const made = await provision("e6")
  await provision("e6")
  await provision("e6")
  const gone = await world.ask("DELETE", made.header("location")!)
  assert.deepStrictEqual([gone.status, gone.text], [204, ""])
  assert.deepStrictEqual(told(await world.ask("DELETE", made.header("location")!)), [404, "TOKEN_NOT_FOUND"])
  const all = await world.ask("DELETE", "/api/v1/endpoints/e6/tokens")
  assert.deepStrictEqual([all.status, all.body], [200, { deleted: 2 }])
})

it("7: a token of another endpoint than the path's is not found, whatever is asked, and stays as it is", async () => {
  const { tokenId } = (await provision("e7")).body
  const wrong = `/api/v1/endpoints/e7-other/tokens/${tokenId}`
  assert.deepStrictEqual(told(await world.ask("GET", wrong)), [404, "TOKEN_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("PATCH", wrong, { status: "Revoked" })), [404, "TOKEN_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("POST", `${wrong}/rotate`, {})), [404, "TOKEN_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("DELETE", wrong)), [404, "TOKEN_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("GET", `/api/v1/endpoints/e7/tokens/${unknownId}`)), [
    404,
    "TOKEN_NOT_FOUND"
  ])
  assert.strictEqual((await world.ask("GET", `/api/v1/endpoints/e7/tokens/${tokenId}`)).body.status, "Inactive")
})

it("8: who may only update an endpoint may do that, and who may only read may not", async () => {
  const made = await provision("e8")
  const path = made.header("location")!
  const only = (scope: string) => world.acme.token("", [{ rsname: "endpoint-e8", scopes: [scope] }])
  const update = await world.ask("PATCH", path, { status: "Active" }, { token: await only("endpoint:update") })
  assert.strictEqual(update.status, 200, update.text)
  const read = await only("endpoint:read")
  assert.strictEqual((await world.ask("GET", path, undefined, { token: read })).status, 200)
  const refused = await world.ask("PATCH", path, { status: "Suspended" }, { token: read })
  assert.deepStrictEqual(
    [...told(refused), refused.body.details],
    [403, "FORBIDDEN", { scope: "endpoint:update", resource: "endpoint-e8" }]
  )
})

it("9: POST credentials stores one, 400 and 409 where it cannot", async () => {
  const stored = await store("s9")
  assert.deepInclude(stored.body, { success: true })
  assert.strictEqual(stored.header("location"), `/api/v1/credentials/${stored.body.credential_id}`)
  const again = { service_name: "s9", type: "api_key", credentials: { api_key: "k" } }
  assert.deepStrictEqual(told(await world.ask("POST", "/api/v1/credentials", again)), [409, "CREDENTIAL_EXISTS"])
  const wrong = { service_name: "s9", type: "api_key", credentials: { nothing: "k" } }
  assert.deepStrictEqual(told(await world.ask("POST", "/api/v1/credentials", wrong)), [400, "INVALID_REQUEST"])
})

it("10: GET a credential is what is known of it, and the secret only for who asks and is named", async () => {
  const path = (await store("s10")).header("location")!
  const known = await world.ask("GET", path)
  assert.deepInclude(known.body, { service_name: "s10", is_active: true, tenant_id: "acme" })
  assert.notInclude(known.text, "planted")
  const secret = await world.ask("GET", `${path}?secret=true`)
  assert.deepStrictEqual([secret.status, secret.body.credentials], [200, { api_key: "planted" }])
  assert.strictEqual(secret.header("cache-control"), "no-store")
  const others = (await store("s10-others", { allowed_consumers: [] })).header("location")!
  assert.deepStrictEqual(told(await world.ask("GET", `${others}?secret=true`)), [403, "CONSUMER_NOT_ALLOWED"])
  assert.deepStrictEqual(told(await world.ask("GET", `/api/v1/credentials/${unknownId}`)), [
    404,
    "CREDENTIAL_NOT_FOUND"
  ])
})

it("11: GET credentials lists by service and state, page by page", async () => {
  await store("s11")
  const one = await world.ask("GET", "/api/v1/credentials?service_name=s11&is_active=true&expiring_within=P1D")
  assert.deepStrictEqual([one.status, one.body.content], [200, []])
  const found = await world.ask("GET", "/api/v1/credentials?service_name=s11")
  assert.strictEqual(found.body.content.length, 1)
  const first = await world.ask("GET", "/api/v1/credentials?limit=1")
  const second = await world.ask(
    "GET",
    `/api/v1/credentials?limit=1&cursor=${encodeURIComponent(first.body.next_cursor)}`
  )
  assert.strictEqual(second.body.content.length, 1)
  assert.notStrictEqual(second.body.content[0].credential_id, first.body.content[0].credential_id)
  assert.deepStrictEqual(told(await world.ask("GET", "/api/v1/credentials?cursor=x")), [400, "INVALID_CURSOR"])
})

it("12: PUT rotate gives it a new secret, if it has the version that is named", async () => {
  const path = (await store("s12")).header("location")!
  const rotated = await world.ask("PUT", `${path}/rotate`, { credentials: { api_key: "second" } })
  assert.deepInclude(rotated.body, { success: true, version: 2 })
  const id = path.split("/").at(-1)
  assert.strictEqual(
    (await world.ask("PUT", `${path}/rotate`, { credential_id: id, credentials: { api_key: "third" } })).status,
    200
  )
  assert.deepStrictEqual(told(await world.ask("PUT", `${path}/rotate`, { credential_id: unknownId })), [
    400,
    "INVALID_REQUEST"
  ])
  const stale = { headers: { "if-match": '"1"' } }
  assert.deepStrictEqual(told(await world.ask("PUT", `${path}/rotate`, { credentials: { api_key: "k" } }, stale)), [
    412,
    "PRECONDITION_FAILED"
  ])
  const old = { credentials: { api_key: "k" }, expected_version: 1 }
  assert.deepStrictEqual(told(await world.ask("PUT", `${path}/rotate`, old)), [409, "VERSION_CONFLICT"])
  assert.deepStrictEqual(
    told(await world.ask("PUT", `/api/v1/credentials/${unknownId}/rotate`, { credentials: { api_key: "k" } })),
    [404, "CREDENTIAL_NOT_FOUND"]
  )
  assert.deepStrictEqual(told(await world.ask("PUT", `${path}/rotate`, { credentials: { nothing: "k" } })), [
    400,
    "INVALID_REQUEST"
  ])
  assert.deepStrictEqual((await world.ask("GET", `${path}?secret=true`)).body.credentials, { api_key: "third" })
})

it("13: PATCH, history, revoke and DELETE a credential", async () => {
  const path = (await store("s13")).header("location")!
  const changed = await world.ask("PATCH", path, { scopes: ["send"] })
  assert.deepStrictEqual([changed.status, changed.body.scopes], [200, ["send"]])
  const revoked = await world.ask("POST", `${path}/revoke`, { reason: "leaked" })
  assert.deepInclude(revoked.body, { success: true })
  assert.deepStrictEqual(told(await world.ask("GET", `${path}?secret=true`)), [410, "CREDENTIAL_REVOKED"])
  const history = await world.ask("GET", `${path}/history`)
  assert.isAbove(history.body.content.length, 0)
  const deleted = await world.ask("DELETE", path)
  assert.deepStrictEqual([deleted.status, deleted.body], [200, { deleted: 1 }])
})

it("14: services are listed, disabled and enabled", async () => {
  const path = (await store("s14")).header("location")!
  await store("s14b")
  assert.deepInclude((await world.ask("POST", "/api/v1/services/s14/disable", { reason: "unpaid" })).body, {
    is_active: false,
    reason: "unpaid"
  })
  assert.deepStrictEqual(told(await world.ask("GET", `${path}?secret=true`)), [403, "SERVICE_INACTIVE"])
  assert.deepInclude((await world.ask("POST", "/api/v1/services/s14/enable")).body, { is_active: true })
  const services = (await world.ask("GET", "/api/v1/services")).body.content
  assert.include(
    services.map(({ service_name }: { service_name: string }) => service_name),
    "s14"
  )
  const page = (await world.ask("GET", "/api/v1/services?limit=1")).body
  assert.deepStrictEqual(page.content, services.slice(0, 1))
  const { body } = await world.ask("GET", `/api/v1/services?cursor=${page.next_cursor}`)
  assert.deepStrictEqual(body.content.slice(0, services.length - 1), services.slice(1))
})

it("15: applications are listed, registered (201, then 200) and removed with the number of their tokens", async () => {
  const other = { appName: "others" }
  assert.strictEqual((await world.ask("POST", "/api/v1/applications", other)).status, 201)
  assert.strictEqual((await world.ask("POST", "/api/v1/applications", other)).status, 200)
  await provision("e15", other)
  const names = (await world.ask("GET", "/api/v1/applications")).body.content.map(
    ({ appName }: { appName: string }) => appName
  )
  assert.sameMembers(names, [app, "others"])
  const page = (await world.ask("GET", "/api/v1/applications?limit=1")).body
  assert.deepStrictEqual(
    page.content.map(({ appName }: { appName: string }) => appName),
    names.slice(0, 1)
  )
  const removed = await world.ask("DELETE", "/api/v1/applications/others")
  assert.deepStrictEqual([removed.status, removed.body], [200, { deleted: 1 }])
})

it("16: the audit is listed from and to, about one entity, and verified", async () => {
  const { tokenId } = (await provision("e16")).body
  const about = await world.ask("GET", `/api/v1/audit?entityId=${tokenId}`)
  assert.deepInclude(about.body.content[0], {
    actor: "bearer:acme/robot",
    by: "bearer",
    account: "GATEWAY",
    user: "gateway"
  })
  const two = await world.ask("GET", "/api/v1/audit?from=1&to=2&limit=10")
  assert.deepStrictEqual(
    two.body.content.map(({ seq }: { seq: number }) => seq),
    [1, 2]
  )
  const first = await world.ask("GET", "/api/v1/audit?limit=2")
  const next = await world.ask("GET", `/api/v1/audit?limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`)
  assert.deepStrictEqual(
    [...first.body.content, ...next.body.content].map(({ seq }: { seq: number }) => seq),
    [1, 2, 3, 4]
  )
  const dated = await world.ask("GET", "/api/v1/audit?from=2100-01-01T00:00:00.000Z")
  assert.deepStrictEqual(dated.body.content, [])
  const verdict = await world.ask("POST", "/api/v1/audit/verify", { from: 1 })
  assert.deepInclude(verdict.body, { valid: true })
})

it("17: health, ready and metrics need no token", async () => {
  const plain = (path: string) => http(world.gateway.url, "GET", path)
  assert.deepInclude((await plain("/health")).body, { status: "up", bus: "up" })
  assert.deepStrictEqual((await plain("/ready")).body, {
    ready: true,
    checks: { gateway: null, bus: null, service: null }
  })
  const metrics = await plain("/metrics")
  assert.match(metrics.header("content-type")!, /^text\/plain/u)
  assert.match(metrics.text, /cm_gateway_requests_total\{[^}]*row="GET \/api\/v1\/audit"/u)
})

it("18: with a port for operators, the main one does not answer theirs, nor theirs anything else", async () => {
  const apart = await world.startAnother({ CM_GATEWAY_ADMIN_PORT: "0" })
  for (const path of ["/health", "/ready", "/metrics"]) {
    assert.strictEqual((await http(apart.url, "GET", path)).status, 404, path)
    assert.strictEqual((await http(apart.adminUrl!, "GET", path)).status, 200, path)
  }
  assert.strictEqual((await http(apart.adminUrl!, "GET", "/api/v1/audit", { token: world.token })).status, 404)
  assert.strictEqual(await apart.stop(), 0)
})

it("19: every answer has a correlation id, echoed or made, and is not stored nor sniffed", async () => {
  const given = await world.ask("GET", "/api/v1/applications", undefined, { headers: { "correlation-id": "mine-1" } })
  assert.strictEqual(given.header("correlation-id"), "mine-1")
  for (const answer of [given, await world.ask("GET", "/nowhere"), await world.ask("GET", "/api/v1/audit?x")]) {
    assert.isNotEmpty(answer.header("correlation-id"))
    assert.strictEqual(answer.header("cache-control"), "no-store")
    assert.strictEqual(answer.header("x-content-type-options"), "nosniff")
  }
  const refused = await world.ask("GET", "/nowhere", undefined, { headers: { "correlation-id": "mine-2" } })
  assert.strictEqual(refused.header("content-type"), "application/problem+json")
  assert.strictEqual(refused.body.correlationId, "mine-2")
  assert.hasAllKeys(refused.body, ["type", "title", "status", "detail", "code", "correlationId"])
})

it("20: what is wrong is found in the order path, method, token, type, body", async () => {
  const bad = { body: "{", headers: { "content-type": "text/plain" } }
  const path = "/api/v1/applications"
  const send = (method: string, at: string, more: object = {}) =>
    http(world.gateway.url, method, at, { ...bad, ...more })
  assert.deepStrictEqual(told(await send("PUT", "/api/v1/nothing")), [404, "NOT_FOUND"])
  const method = await send("PUT", path)
  assert.deepStrictEqual([...told(method), method.header("allow")], [405, "METHOD_NOT_ALLOWED", "GET, POST"])
  const missing = await send("POST", path)
  assert.deepStrictEqual([...told(missing), missing.body.details], [401, "UNAUTHENTICATED", { reason: "missing" }])
  assert.strictEqual(missing.header("www-authenticate"), "Bearer")
  assert.deepStrictEqual(told(await send("POST", path, { token: world.token })), [415, "UNSUPPORTED_MEDIA_TYPE"])
  const { token } = world
  const invalid = { token, headers: { "content-type": "application/json; charset=UTF-8" } }
  assert.deepStrictEqual(told(await send("POST", path, invalid)), [400, "INVALID_REQUEST"])
  assert.deepStrictEqual(
    told(await http(world.gateway.url, "POST", path, { token, body: { appName: "a", appname: "b" } })),
    [400, "INVALID_REQUEST"]
  )
  assert.deepStrictEqual(
    told(await http(world.gateway.url, "POST", path, { token, body: '{"appName":"a","appName":"b"}' })),
    [400, "INVALID_REQUEST"]
  )
})

it("21: the bearer token is the service's to judge: a stranger's, a forged one, one of no tenant's issuer", async () => {
  const reason = async (token: string) => {
    const answer = await http(world.gateway.url, "GET", "/api/v1/applications", { token })
    return [answer.status, answer.body.details?.reason]
  }
  const [head, body, signature] = world.token.split(".")
  const changed = signature!.startsWith("A") ? `B${signature!.slice(1)}` : `A${signature!.slice(1)}`
  assert.deepStrictEqual(await reason(`${head}.${body}.${changed}`), [401, "signature"])
  const claims = Buffer.from(JSON.stringify({ iss: "https://nobody.example", sub: "x" })).toString("base64url")
  assert.deepStrictEqual(await reason(`${head}.${claims}.${signature}`), [401, "issuer"])
  for (const token of ["x", "a.b", "a.b.c", `${head}.bnVsbA.${signature}`, `a.${"b".repeat(17_000)}.c`]) {
    assert.deepStrictEqual(await reason(token), [401, "malformed"], token.slice(0, 40))
  }
  // Beta's token reaches beta, and nothing of acme.
  const beta = await world.beta.token(everyScope)
  assert.deepStrictEqual(
    (await http(world.gateway.url, "GET", "/api/v1/applications", { token: beta })).body.content,
    []
  )
  const { tokenId } = (await provision("e21")).body
  assert.deepStrictEqual(
    told(await http(world.gateway.url, "GET", `/api/v1/endpoints/e21/tokens/${tokenId}`, { token: beta })),
    [404, "TOKEN_NOT_FOUND"]
  )
})

it("22: an idempotency key gives the first answer again, and a token's value with it", async () => {
  const headers = { "idempotency-key": randomUUID() }
  const send = (body: object) =>
    world.ask("POST", "/api/v1/endpoints/e22/tokens", { appName: app, ...body }, { headers })
  const first = await send({})
  const second = await send({})
  assert.deepStrictEqual([second.status, second.body], [201, first.body])
  assert.deepStrictEqual(told(await send({ description: "other" })), [422, "IDEMPOTENCY_KEY_REUSED"])
  assert.strictEqual((await world.ask("GET", "/api/v1/endpoints/e22/tokens")).body.totalElements, 1)
})

it("23: basic-credentials and x509-credentials: Kaa's bare arrays, with state beside status, each of its kind", async () => {
  const made = await world.ask("POST", "/api/v1/basic-credentials", { username: "UserA" })
  assert.strictEqual(made.status, 201, made.text)
  assert.isString(made.body.password)
  assert.deepInclude(made.body, {
    id: made.body.credentialId,
    state: made.body.status,
    username: "UserA",
    kind: "basic"
  })
  const certificate = await world.ask("POST", "/api/v1/x509-credentials", {
    issuer: "CN=Example CA",
    serialNumber: "4711"
  })
  assert.strictEqual(certificate.status, 201, certificate.text)
  const path = made.header("location")!
  assert.strictEqual(path, `/api/v1/basic-credentials/${made.body.credentialId}`)
  const listed = await world.ask("GET", "/api/v1/basic-credentials?status=Inactive&status=Active")
  assert.deepStrictEqual(
    listed.body.map(({ username }: { username: string }) => username),
    ["UserA"]
  )
  const certificates = await world.ask("GET", "/api/v1/x509-credentials")
  assert.deepStrictEqual(
    certificates.body.map(({ serialNumber }: { serialNumber: string }) => serialNumber),
    ["4711"]
  )
  assert.notProperty((await world.ask("GET", path)).body, "password")
  const elsewhere = `/api/v1/x509-credentials/${made.body.credentialId}`
  assert.deepStrictEqual(told(await world.ask("GET", elsewhere)), [404, "CREDENTIAL_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("DELETE", elsewhere)), [404, "CREDENTIAL_NOT_FOUND"])
  assert.strictEqual((await world.ask("PATCH", path, { status: "Active" })).status, 200)
  const stale = { headers: { "if-match": '"1"' } }
  assert.deepStrictEqual(told(await world.ask("PATCH", path, { status: "Suspended" }, stale)), [
    412,
    "PRECONDITION_FAILED"
  ])
  const suspended = await world.ask("PATCH", path, { status: "Suspended" })
  assert.deepStrictEqual(
    [suspended.status, suspended.body.state, suspended.body.status],
    [200, "Suspended", "Suspended"]
  )
  const gone = await world.ask("DELETE", path)
  assert.deepStrictEqual([gone.status, gone.text], [204, ""])
  assert.deepStrictEqual(told(await world.ask("GET", path)), [404, "CREDENTIAL_NOT_FOUND"])
  assert.deepStrictEqual(told(await world.ask("POST", "/api/v1/basic-credentials", { username: "" })), [
    400,
    "INVALID_REQUEST"
  ])
})

it("24: curl, which no one here wrote, is answered as it expects", async () => {
  const curl = (...args: ReadonlyArray<string>) =>
    new Promise<string>((done, fail) =>
      execFile("curl", ["-sS", "--max-time", "60", ...args], (error, stdout) =>
        error === null ? done(stdout) : fail(error)
      )
    )
  const auth = ["-H", `Authorization: Bearer ${world.token}`]
  const url = `${world.gateway.url}/api/v1/endpoints/e24/tokens`
  const made = await curl(
    ...auth,
    "-H",
    "Content-Type: application/json",
    "-d",
    JSON.stringify({ appName: app }),
    "-w",
    "\n%{http_code}",
    url
  )
  assert.match(made, /"token":"[A-Za-z0-9]{10}".*\n201$/su)
  const head = await curl(...auth, "-D", "-", "-o", "/dev/null", url)
  const etag = /^etag: (\S+)\r$/imu.exec(head)![1]!
  assert.strictEqual(
    await curl(...auth, "-H", `If-None-Match: ${etag}`, "-o", "/dev/null", "-w", "%{http_code}", url),
    "304"
  )
})
