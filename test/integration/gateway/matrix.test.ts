// Verifies R-GWY-3, R-GWY-9.
/**
 * Who may do what through HTTP: every row of the gateway's table, asked by every kind of principal, of its own tenant and of
 * another one's. The rows are the table's; what each needs is written here again, from contract section 8.2.
 *
 * Whoever must not is told why, and after all of them the tenant is as it was. Whoever may asks about things of its own
 * that are there, and is answered as the row says.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventsRow } from "../../../src/gateway/Handler.ts"
import { rows } from "../../../src/gateway/Table.ts"
import { type GatewayWorld, gatewayWorld, type HttpAnswer, http } from "../../support/gateway.ts"
import { everyScope, type OidcIssuer, oidcIssuer } from "../../support/oidcIssuer.ts"

interface Asked {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly scope: string
  readonly statuses: ReadonlyArray<number>
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** On an endpoint or an application alone, as permissions of a token have it; null: of the tenant. */
  readonly resource: "endpoint" | "application" | null
  /** A list that is empty, or something new, is what another tenant's principal is answered; else 404. */
  readonly namesNothing: boolean
}

// ---- contract 8.2, by the paths of section 9 ------------------------------------
const scopeOf = (method: string, path: string, secret: boolean): string => {
  const verb = method === "GET" ? "read" : "update"
  if (path.startsWith("/api/v1/endpoints/")) return `endpoint:${verb}`
  for (const [at, noun] of [
    ["/api/v1/basic-credentials", "basic-credentials"],
    ["/api/v1/x509-credentials", "x509-credentials"],
    ["/api/v1/credentials", "credentials"]
  ] as const) {
    if (path === at && method === "POST") return `tenant:${noun}:create`
    if (path === at || path.startsWith(`${at}/`))
      return secret ? "tenant:credentials:secret:read" : `tenant:${noun}:${verb}`
  }
  if (path.startsWith("/api/v1/services")) return `tenant:credentials:${verb}`
  if (path.startsWith("/api/v1/audit")) return "tenant:audit:read"
  return { GET: "application:read", POST: "tenant:application:create", DELETE: "application:delete" }[method]!
}

const isOfApplication = (path: string): boolean => path === "/api/v1/applications/{appName}"
const asked: ReadonlyArray<Asked> = rows.flatMap((row) => {
  const { method, path, statuses } = row
  const of = (secret: boolean): Asked => ({
    what: `${method} ${path}${secret ? "?secret=true" : ""}`,
    method,
    path: `${path}${secret ? "?secret=true" : ""}`,
    scope: scopeOf(method, path, secret),
    statuses,
    body: row.body?.example as Asked["body"],
    resource: path.startsWith("/api/v1/endpoints/") ? "endpoint" : isOfApplication(path) ? "application" : null,
    namesNothing: !/\{(?!endpointId|service_name)/u.test(path)
  })
  return path === "/api/v1/credentials/{credential_id}" && method === "GET" ? [of(false), of(true)] : [of(false)]
})

// ---- what is there ---------------------------------------------------------------
let world: GatewayWorld
let platform: OidcIssuer
let forger: OidcIssuer
beforeAll(async () => {
  ;[platform, forger] = await Promise.all([oidcIssuer(), oidcIssuer()])
  world = await gatewayWorld({
    databaseUrl: inject("databaseUrl"),
    serviceEnv: { CM_PLATFORM_ISSUER: platform.issuer, CM_PLATFORM_AUDIENCE: platform.audience }
  })
})
afterAll(async () => {
  await world?.stop()
  for (const issuer of [platform, forger]) await issuer?.close()
})

let made = 0
const make = async (path: string, body: object) => {
  const answer = await world.ask("POST", path, body)
  assert.oneOf(answer.status, [200, 201], answer.text)
  return answer.body
}
const newThings = {
  endpoint: async () => {
    const endpointId = `e-${++made}`
    const appName = `app-${made}`
    await make("/api/v1/applications", { appName })
    const { tokenId } = await make(`/api/v1/endpoints/${endpointId}/tokens`, { appName })
    return { endpointId, appName, tokenId: String(tokenId) }
  },
  credential: async () => {
    const service_name = `service-${++made}`
    const { credential_id } = await make("/api/v1/credentials", {
      service_name,
      type: "api_key",
      credentials: { api_key: "k" },
      allowed_consumers: ["bearer:acme/robot", "bearer:kaa/robot"]
    })
    return { service_name, credential_id: String(credential_id) }
  },
  basic: async () => ({ basic: await make("/api/v1/basic-credentials", { username: `user-${++made}` }) }),
  certificate: async () => ({
    certificate: await make("/api/v1/x509-credentials", { issuer: "CN=CA", serialNumber: String(1_000 + ++made) })
  })
}
/** Things of acme's own, one of each. */
const things = async () => ({
  ...(await newThings.endpoint()),
  ...(await newThings.credential()),
  ...(await newThings.basic()),
  ...(await newThings.certificate())
})
type Things = Awaited<ReturnType<typeof things>>

let kept: Things | undefined
/** What a row names, new for each who may change it; who only reads is given what is there. */
const thingsFor = async ({ method, path }: Asked): Promise<Things> => {
  kept ??= await things()
  if (method === "GET" || !path.includes("{")) return kept
  if (path.startsWith("/api/v1/basic-credentials")) return { ...kept, ...(await newThings.basic()) }
  if (path.startsWith("/api/v1/x509-credentials")) return { ...kept, ...(await newThings.certificate()) }
  return /^\/api\/v1\/(?:credentials|services)/u.test(path)
    ? { ...kept, ...(await newThings.credential()) }
    : { ...kept, ...(await newThings.endpoint()) }
}

const filled = (path: string, of: Things): string =>
  path.replaceAll(/\{([A-Za-z_]+)\}/gu, (_, name: string) =>
    name === "credentialId"
      ? (path.includes("basic") ? of.basic : of.certificate).credentialId
      : String(of[name as keyof Things])
  )

let named = 0
/** The table's example, with names that are there where it names something, and new where it makes something. */
const bodyOf = ({ body, method, path }: Asked, of: Things) => {
  if (body === undefined) return undefined
  named += 1
  if (path === "/api/v1/applications") return { ...body, appName: `new-${named}` }
  if (path === "/api/v1/credentials") return { ...body, service_name: `new-${named}` }
  if (path === "/api/v1/basic-credentials") return { ...body, username: `new-${named}` }
  if (path === "/api/v1/x509-credentials") return { ...body, serialNumber: String(500_000 + named) }
  return path.endsWith("/tokens") && method === "POST" ? { ...body, appName: of.appName } : body
}

const ask = (one: Asked, of: Things, token: string | undefined, tenant?: string): Promise<HttpAnswer> =>
  http(world.gateway.url, one.method, filled(one.path, of), {
    ...(token === undefined ? {} : { token }),
    body: bodyOf(one, of),
    headers: tenant === undefined ? {} : { "cm-tenant": tenant }
  })

const allBut = (scope: string): string =>
  everyScope
    .split(" ")
    .filter((each) => each !== scope)
    .join(" ")
/** Signed by another one, in the name of this issuer. */
const forged = async (issuer: OidcIssuer): Promise<string> => {
  const claims = (token: string) => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString("utf8"))
  const [head, , signature] = (await forger.token(everyScope)).split(".")
  const body = { ...claims(await forger.token(everyScope)), iss: issuer.issuer }
  return `${head}.${Buffer.from(JSON.stringify(body)).toString("base64url")}.${signature}`
}
const why = ({ body, status }: HttpAnswer) => [status, body?.code, body?.details?.reason]

/** Everything of acme that a request could have changed, and its audit but for what reads and refusals write. */
const stateOf = async (of: Things) => {
  const read = async (path: string) => (await world.ask("GET", path)).body
  return {
    tokens: await read(`/api/v1/endpoints/${of.endpointId}/tokens`),
    applications: await read("/api/v1/applications?limit=1000"),
    credentials: await read("/api/v1/credentials?limit=1000"),
    services: await read("/api/v1/services"),
    basic: await read("/api/v1/basic-credentials"),
    certificates: await read("/api/v1/x509-credentials")
  }
}

it("the table has a row for every scope of tenants that HTTP can need, and no other scope is asked for", () => {
  const used = new Set(asked.map(({ scope }) => scope))
  assert.strictEqual(asked.length, rows.length + 1)
  const unused = everyScope.split(" ").filter((scope) => !used.has(scope) && !scope.startsWith("kaa:"))
  assert.deepStrictEqual(unused, [])
  for (const scope of used) assert.include(everyScope.split(" "), scope)
})

describe("who may not: is told why, and has changed nothing", () => {
  let of: Things
  let before: Awaited<ReturnType<typeof stateOf>>
  beforeAll(async () => {
    of = await things()
    before = await stateOf(of)
  })
  afterAll(async () => assert.deepStrictEqual(await stateOf(of), before))

  it.each(asked)("$what", async (one) => {
    const all = everyScope
    const refusals: ReadonlyArray<readonly [who: string, answer: HttpAnswer, ...expected: ReadonlyArray<unknown>]> = [
      ["nobody", await ask(one, of, undefined), 401, "UNAUTHENTICATED", "missing"],
      ["garbage", await ask(one, of, "a.b.c"), 401, "UNAUTHENTICATED", "malformed"],
      ["of no tenant's issuer", await ask(one, of, await forger.token(all)), 401, "UNAUTHENTICATED", "issuer"],
      ["forged as acme", await ask(one, of, await forged(world.acme)), 401, "UNAUTHENTICATED", "signature"],
      [
        "forged as the platform",
        await ask(one, of, await forged(platform), "acme"),
        401,
        "UNAUTHENTICATED",
        "signature"
      ],
      [
        "forged as the platform, of a tenant that is none",
        await ask(one, of, await forged(platform), "none"),
        401,
        "UNAUTHENTICATED",
        "signature"
      ],
      [
        "beta, who says it is acme",
        await ask(one, of, await world.beta.token(all), "acme"),
        401,
        "UNAUTHENTICATED",
        "issuer"
      ],
      [
        "the platform, of no tenant",
        await ask(one, of, await platform.token(all)),
        400,
        "INVALID_REQUEST",
        "must name a tenant with a token of the platform"
      ],
      [
        "the platform, of a tenant that is none",
        await ask(one, of, await platform.token(all), "none"),
        404,
        "TENANT_NOT_FOUND",
        undefined
      ],
      [
        "the platform, of no tenant's name",
        await ask(one, of, await platform.token(all), "a.b"),
        400,
        "INVALID_REQUEST",
        "must be the id of a tenant"
      ],
      ["without any scope", await ask(one, of, await world.acme.token()), 403, "FORBIDDEN", undefined],
      [
        "with every scope but its own",
        await ask(one, of, await world.acme.token(allBut(one.scope))),
        403,
        "FORBIDDEN",
        undefined
      ],
      [
        "the platform without its scope",
        await ask(one, of, await platform.token(allBut(one.scope)), "acme"),
        403,
        "FORBIDDEN",
        undefined
      ],
      [
        "with a permission on something else",
        await ask(
          one,
          of,
          await world.acme.token("", [
            { rsname: "endpoint-other", scopes: [one.scope] },
            { rsname: "application-other", scopes: [one.scope] }
          ])
        ),
        403,
        "FORBIDDEN",
        undefined
      ],
      [
        "with a claim on the platform",
        await ask(one, of, await world.acme.token("", [{ rsname: "kaa-system", scopes: [one.scope] }])),
        403,
        "FORBIDDEN",
        undefined
      ]
    ]
    for (const [who, answer, ...expected] of refusals) {
      // A list of applications is a list of those that the permission names, of which there are none here.
      if (who.startsWith("with a permission") && one.scope === "application:read") {
        assert.deepStrictEqual([answer.status, answer.body.content], [200, []], who)
        continue
      }
      assert.deepStrictEqual(why(answer), expected, `${who}: ${answer.text}`)
      if (answer.status !== 403) continue
      // Who may neither of the two kinds is told the first one's, before it is looked at of which kind it is.
      const told = who.includes("its") ? one.scope : one.scope.replace("x509", "(?:x509|basic)")
      assert.match(answer.body.details.scope, new RegExp(`^${told}$`, "u"), who)
      assert.match(answer.body.details.resource, /^(?:tenant-system|endpoint-e-\d+|application-app-\d+)$/u, who)
    }
  })

  it.each(asked)("$what, by another tenant with every scope", async (one) => {
    const answer = await ask(one, of, await world.beta.token(everyScope))
    if (!one.namesNothing) return assert.strictEqual(answer.status, 404, answer.text)
    // It is answered about its own tenant, which has nothing of acme's.
    // Its own audit has what itself tried, by the ids that it named.
    if (!one.path.startsWith("/api/v1/audit")) {
      assert.notInclude(answer.text, of.tokenId)
      assert.notInclude(answer.text, of.credential_id)
    }
    assert.notInclude(answer.text, "bearer:acme")
    assert.oneOf(answer.status, [200, 201, 404], answer.text)
  })
})

describe("who may: is answered as the row says", () => {
  it.each(asked)("$what", async (one) => {
    const own = one.resource
    const principals: ReadonlyArray<readonly [string, (of: Things) => Promise<string>, string?]> = [
      ["with every scope", () => world.acme.token(everyScope)],
      ["with its own scope alone", () => world.acme.token(one.scope)],
      ["with that and its own tenant's name", () => world.acme.token(one.scope), "acme"],
      [
        "with the permission on the tenant",
        () => world.acme.token("", [{ rsname: "tenant-system", scopes: [one.scope] }])
      ],
      ["the platform with that scope", () => platform.token(one.scope), "acme"],
      ...(own === null
        ? []
        : [
            [
              "with the permission on it alone",
              (of: Things) =>
                world.acme.token("", [
                  {
                    rsname: own === "endpoint" ? `endpoint-${of.endpointId}` : `application-${of.appName}`,
                    scopes: [one.scope]
                  }
                ])
            ] as const
          ])
    ]
    for (const [who, tokenOf, tenant] of principals) {
      const of = await thingsFor(one)
      const answer = await ask(one, of, await tokenOf(of), tenant)
      assert.include(one.statuses, answer.status, `${who}: ${answer.text}`)
    }
  })
})

it("the tenant's events are for who may see some, of the own tenant, and the platform's staff when they name it", async () => {
  const path = eventsRow.path
  const status = (token: string | undefined, tenant?: string) =>
    new Promise<number>((done, fail) => {
      const headers = tenant === undefined ? {} : { "cm-tenant": tenant }
      const to = new URL(world.gateway.url)
      import("node:http").then(({ request }) => {
        const asking = request(
          {
            hostname: to.hostname,
            port: to.port,
            path,
            headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
          },
          (response) => {
            done(response.statusCode!)
            response.on("error", () => {})
            asking.destroy()
          }
        )
        asking.on("error", fail).end()
      })
    })
  assert.strictEqual(await status(undefined), 401)
  assert.strictEqual(await status(await forged(world.acme)), 401)
  assert.strictEqual(await status(await forged(platform), "none"), 401)
  assert.strictEqual(await status(await world.beta.token(everyScope), "acme"), 401)
  assert.strictEqual(await status(await platform.token(everyScope)), 400)
  assert.strictEqual(await status(await platform.token(everyScope), "none"), 404)
  assert.strictEqual(await status(await world.acme.token("application:read")), 403)
  for (const scope of ["endpoint:read", "tenant:credentials:read"]) {
    assert.strictEqual(await status(await world.acme.token(scope)), 200, scope)
    assert.strictEqual(await status(await platform.token(scope), "acme"), 200, scope)
  }
})
