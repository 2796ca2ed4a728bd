// Verifies R-ACC-1, R-ACC-2.
/** Who may do what: the whole table, over every kind of grant. */
import { assert, describe, it } from "@effect/vitest"
import { type BusTrust, isSeen, needsBearer, ofPlaces, overall, type Place } from "../../../src/access/Decision.ts"
import { type Grants, grantsOf } from "../../../src/access/Grants.ts"
import { adminScopes, type Row, rowOf, tenantScopes } from "../../../src/access/Scopes.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"

const permissions = (...entries: ReadonlyArray<readonly [rsname: string, ...scopes: ReadonlyArray<string>]>) => ({
  authorization: { permissions: entries.map(([rsname, ...scopes]) => ({ rsname, scopes })) }
})
const rows: ReadonlyArray<readonly [string, Row]> = [
  ...Object.entries(tenantScopes).map(([name, row]) => [`tenant ${name}`, row] as const),
  ...Object.entries(adminScopes).map(([name, row]) => [`admin ${name}`, row] as const)
]
const scopesOf = (row: Row): ReadonlyArray<string> =>
  "scopes" in row ? Object.values(row.scopes) : "scope" in row ? [row.scope] : []
const everyScope = Array.from(new Set(rows.flatMap(([, row]) => scopesOf(row))))

const place: Place = { endpointId: "e1", appNames: ["app1"], kind: "basic" }
/** The decision on a request that touches `place`, in words. */
const decide = (grants: Grants, row: Row, places: ReadonlyArray<Place | null> = [place]): string => {
  const first = overall(grants, row)
  const decided = first._tag === "Depends" ? ofPlaces(grants, row, places) : first
  switch (decided._tag) {
    case "Allowed":
      return decided.among === null ? "allowed" : `only ${decided.among.join(",")}`
    case "Missing":
      return `${decided.scope} on ${decided.resource}`
    case "Depends":
      return "depends"
  }
}

describe("a token of a tenant's issuer", () => {
  it("reaches nothing of the platform, whatever it says it may do there", () => {
    const says = { byResource: new Map([["kaa-system", new Set(everyScope)]]) }
    for (const row of Object.values(adminScopes)) {
      if (row.on !== "platform") continue
      assert.strictEqual(overall({ ...says, issuedBy: "platform" }, row)._tag, "Allowed")
      assert.strictEqual(overall({ ...says, issuedBy: "tenant" }, row)._tag, "Missing")
    }
  })
})

describe("the table", () => {
  it("has a row for every operation there is", () => {
    const missing = operations.filter(({ family, name }) => rowOf(family, name) === undefined)
    assert.deepStrictEqual(
      missing.map(({ name }) => name),
      []
    )
  })

  it("asks of every tenant's operation for a scope of tenants, and of the platform's for one of the platform", () => {
    for (const [name, row] of Object.entries(tenantScopes)) {
      assert.notStrictEqual(row.on, "platform", name)
      for (const scope of scopesOf(row)) assert.match(scope, /^(?:endpoint|application|tenant):/u)
    }
    for (const [name, row] of Object.entries(adminScopes)) assert.strictEqual(row.on, "platform", name)
  })

  it("lets only validation pass without a scope", () => {
    assert.deepStrictEqual(
      rows.flatMap(([name, row]) => (row.on === "nothing" ? [name] : [])),
      ["tenant token.validate", "tenant token.validate-batch"]
    )
  })

  it("is the contract's, where it names a scope", () => {
    const named: Record<string, string> = {
      "token.get": "endpoint:read",
      "token.list": "endpoint:read",
      "token.provision": "endpoint:update",
      "token.provision-batch": "endpoint:update",
      "token.transition": "endpoint:update",
      "token.transition-batch": "endpoint:update",
      "token.suspend": "endpoint:update",
      "token.activate": "endpoint:update",
      "token.revoke": "endpoint:update",
      "token.rotate": "endpoint:update",
      "token.delete": "endpoint:update",
      "application.list": "application:read",
      "application.register": "tenant:application:create",
      "application.remove": "application:delete",
      "client-credential.create-basic": "tenant:basic-credentials:create",
      "client-credential.create-certificate": "tenant:x509-credentials:create",
      "credential.describe": "tenant:credentials:read",
      "credential.list": "tenant:credentials:read",
      "credential.history": "tenant:credentials:read",
      "service.list": "tenant:credentials:read",
      "provider.list": "tenant:credentials:read",
      "provider.get": "tenant:credentials:read",
      "rotator.list": "tenant:credentials:read",
      "rotator.get": "tenant:credentials:read",
      "credential.store": "tenant:credentials:create",
      "credential.rotate": "tenant:credentials:update",
      "credential.update": "tenant:credentials:update",
      "credential.revoke": "tenant:credentials:update",
      "credential.delete": "tenant:credentials:update",
      "service.enable": "tenant:credentials:update",
      "service.disable": "tenant:credentials:update",
      "provider.put": "tenant:credentials:update",
      "provider.delete": "tenant:credentials:update",
      "rotator.put": "tenant:credentials:update",
      "rotator.delete": "tenant:credentials:update",
      "credential.get": "tenant:credentials:secret:read",
      "audit.list": "tenant:audit:read",
      "audit.verify": "tenant:audit:read"
    }
    for (const [name, scope] of Object.entries(named)) assert.deepStrictEqual(scopesOf(tenantScopes[name]!), [scope])
    const admin: Record<string, string> = {
      "tenants.list": "kaa:tenant:read",
      "tenants.resolve": "kaa:tenant:read",
      "tenants.create": "kaa:tenant:create",
      "tenants.configure": "kaa:tenant:update",
      "tenants.remove": "kaa:tenant:delete",
      "keys.list": "kaa:keys:update",
      "keys.rotate": "kaa:keys:update",
      "keys.status": "kaa:keys:update",
      "keys.retire": "kaa:keys:update",
      "config.show": "kaa:service:read",
      health: "kaa:service:read",
      ready: "kaa:service:read",
      metrics: "kaa:service:read",
      drain: "kaa:service:update"
    }
    for (const [name, scope] of Object.entries(admin)) assert.deepStrictEqual(scopesOf(adminScopes[name]!), [scope])
  })
})

describe("every operation", () => {
  it.each(rows)("%s needs its own scope, and no other will do", (_, row) => {
    const own = scopesOf(row)
    const others = everyScope.filter((scope) => !own.includes(scope)).join(" ")
    const without = (["tenant", "platform"] as const).map((by) => decide(grantsOf({ scope: others }, by), row))
    for (const answer of without) {
      if (row.on === "nothing") assert.strictEqual(answer, "allowed")
      else assert.match(answer, new RegExp(`^${own[0]} on `, "u"))
    }
    const isAdmin = row.on === "platform"
    assert.strictEqual(decide(grantsOf({ scope: own.join(" ") }, "platform"), row), "allowed")
    const ofTenant = decide(grantsOf({ scope: own.join(" ") }, "tenant"), row)
    assert.strictEqual(ofTenant, isAdmin ? `${own[0]} on kaa-system` : "allowed")
  })

  it.each(rows)("%s is granted by a permission on the right resource, and on no other", (_, row) => {
    const own = scopesOf(row)
    const grant = (rsname: string, by: "tenant" | "platform") =>
      decide(grantsOf(permissions([rsname, ...own]), by), row)
    const may: Record<Row["on"], ReadonlyArray<string>> = {
      nothing: [],
      endpoint: ["endpoint-e1", "application-app1"],
      // The place of this test is an endpoint of that application.
      application: ["endpoint-e1", "application-app1"],
      applications: [],
      tenant: [],
      events: [],
      "client-credential": [],
      "client-credentials": [],
      platform: []
    }
    for (const rsname of ["endpoint-e1", "application-app1", "endpoint-e2", "application-app2", "e1", "app1", ""]) {
      const isListed = row.on === "applications" && rsname.startsWith("application-")
      const expected = row.on === "nothing" || may[row.on].includes(rsname)
      for (const by of ["tenant", "platform"] as const) {
        assert.strictEqual(/^(?:allowed|only )/u.test(grant(rsname, by)), expected || isListed, `${rsname} ${by}`)
      }
    }
    // Each issuer's own whole, and never the other's.
    const isOfTenants = row.on !== "platform"
    assert.strictEqual(grant("tenant-system", "tenant") === "allowed", isOfTenants)
    assert.strictEqual(grant("kaa-system", "platform"), "allowed")
    assert.strictEqual(grant("kaa-system", "tenant") === "allowed", row.on === "nothing")
    assert.strictEqual(grant("tenant-system", "platform") === "allowed", row.on === "nothing")
  })
})

describe("a tenant's events", () => {
  const row = rowOf("gateway", "events")!
  const seen = (grants: Grants, event: { type: string; endpointId?: string; appName?: string }) => {
    const decided = overall(grants, row)
    return decided._tag === "Allowed" && isSeen(decided.among, { endpointId: "", appName: "", ...event })
  }
  const token = { type: "token.revoked", endpointId: "e1", appName: "app1" }
  const credential = { type: "credential.stored" }

  it.each([
    ["neither scope", grantsOf({ scope: "application:read" }, "tenant"), false, false],
    ["the scope of endpoints", grantsOf({ scope: "endpoint:read" }, "tenant"), true, false],
    ["the scope of credentials", grantsOf({ scope: "tenant:credentials:read" }, "tenant"), false, true],
    ["both", grantsOf({ scope: "tenant:credentials:read endpoint:read" }, "tenant"), true, true],
    ["the endpoint", grantsOf(permissions(["endpoint-e1", "endpoint:read"]), "tenant"), true, false],
    ["another endpoint", grantsOf(permissions(["endpoint-e2", "endpoint:read"]), "tenant"), false, false],
    ["its application", grantsOf(permissions(["application-app1", "endpoint:read"]), "tenant"), true, false]
  ] as const)("are shown by kind: %s", (_, grants, ofTokens, ofCredentials) => {
    assert.deepStrictEqual([seen(grants, token), seen(grants, credential)], [ofTokens, ofCredentials])
  })

  it("are refused without any of the scopes, and nothing else is needed to ask whose an issuer is", () => {
    assert.strictEqual(decide(grantsOf({}, "tenant"), row, []), "endpoint:read on tenant-system")
    assert.strictEqual(decide(grantsOf({}, "tenant"), rowOf("gateway", "resolve")!, []), "allowed")
  })
})

describe("what is touched", () => {
  const read = tenantScopes["token.get"]!
  const onEndpoint = grantsOf(permissions(["endpoint-e1", "endpoint:read"]), "tenant")
  const onApplication = grantsOf(permissions(["application-app1", "endpoint:read"]), "tenant")
  const onAll = grantsOf({ scope: "endpoint:read" }, "tenant")
  const none = grantsOf({}, "tenant")

  it("is named in what is missing: the endpoint, the application, the tenant", () => {
    assert.strictEqual(decide(none, read, [{ endpointId: "e1", appNames: ["a"] }]), "endpoint:read on endpoint-e1")
    assert.strictEqual(decide(none, read, [{ appNames: ["a"] }]), "endpoint:read on application-a")
    assert.strictEqual(decide(none, read, [{}]), "endpoint:read on tenant-system")
    assert.strictEqual(decide(none, read, []), "endpoint:read on tenant-system")
  })

  it("must be allowed for every item of a batch", () => {
    assert.strictEqual(
      decide(onEndpoint, read, [{ endpointId: "e1" }, { endpointId: "e2" }]),
      "endpoint:read on endpoint-e2"
    )
    assert.strictEqual(decide(onEndpoint, read, [{ endpointId: "e1" }, { endpointId: "e1" }]), "allowed")
    const two = grantsOf(permissions(["endpoint-e1", "endpoint:read"], ["application-app2", "endpoint:read"]), "tenant")
    assert.strictEqual(decide(two, read, [{ endpointId: "e1" }, { endpointId: "e9", appNames: ["app2"] }]), "allowed")
  })

  it("of several applications needs all of them", () => {
    assert.strictEqual(decide(onApplication, read, [{ endpointId: "e9", appNames: ["app1"] }]), "allowed")
    assert.strictEqual(
      decide(onApplication, read, [{ endpointId: "e9", appNames: ["app1", "app2"] }]),
      "endpoint:read on endpoint-e9"
    )
  })

  it("and does not exist is passed on to who has the scope on anything, and refused in the tenant's name to others", () => {
    for (const grants of [onEndpoint, onApplication, onAll]) assert.strictEqual(decide(grants, read, [null]), "allowed")
    assert.strictEqual(decide(none, read, [null]), "endpoint:read on tenant-system")
    const foreign = grantsOf(permissions(["kaa-system", "endpoint:read"]), "tenant")
    assert.strictEqual(decide(foreign, read, [null]), "endpoint:read on tenant-system")
    const other = grantsOf(permissions(["endpoint-e1", "endpoint:update"]), "tenant")
    assert.strictEqual(decide(other, read, [null]), "endpoint:read on tenant-system")
  })

  it("narrows a list of applications, and of client credentials by kind", () => {
    const list = tenantScopes["application.list"]!
    const some = permissions(
      ["application-b", "application:read"],
      ["application-a", "application:read"],
      ["application-c", "application:delete"],
      ["endpoint-e", "application:read"]
    )
    assert.strictEqual(decide(grantsOf(some, "tenant"), list), "only a,b")
    assert.strictEqual(decide(none, list), "application:read on tenant-system")
    const clients = tenantScopes["client-credential.list"]!
    assert.strictEqual(
      decide(grantsOf({ scope: "tenant:x509-credentials:read" }, "tenant"), clients),
      "only certificate"
    )
    assert.strictEqual(decide(none, clients), "tenant:basic-credentials:read on tenant-system")
    assert.strictEqual(decide(none, clients, []), "tenant:basic-credentials:read on tenant-system")
    const certificates = decide(none, clients, [{ kind: "certificate" }])
    assert.strictEqual(certificates, "tenant:x509-credentials:read on tenant-system")
  })

  it("of client credentials is one of its kind", () => {
    const row = tenantScopes["client-credential.revoke"]!
    const basic = grantsOf({ scope: "tenant:basic-credentials:update" }, "tenant")
    assert.strictEqual(decide(basic, row, [{ kind: "basic" }]), "allowed")
    assert.strictEqual(decide(basic, row, [{ kind: "certificate" }]), "tenant:x509-credentials:update on tenant-system")
    assert.strictEqual(decide(basic, row, [null]), "allowed")
    assert.strictEqual(decide(none, row, [null]), "tenant:basic-credentials:update on tenant-system")
  })
})

describe("claims that are not of the two forms grant nothing", () => {
  const malformed: ReadonlyArray<Record<string, unknown>> = [
    { scope: ["endpoint:read"] },
    { scope: { "endpoint:read": true } },
    { scope: "endpoint:reader xendpoint:read ENDPOINT:READ" },
    { scp: "endpoint:read" },
    { authorization: { permissions: { rsname: "tenant-system", scopes: ["endpoint:read"] } } },
    { authorization: { permissions: [{ rsname: "tenant-system", scopes: "endpoint:read" }] } },
    { authorization: { permissions: [{ rsname: ["tenant-system"], scopes: ["endpoint:read"] }] } },
    { authorization: { permissions: [null, 1, "x", { rsname: "tenant-system", scopes: [["endpoint:read"]] }] } },
    { authorization: [{ rsname: "tenant-system", scopes: ["endpoint:read"] }] },
    { authorization: null }
  ]
  it.each(malformed)("%j", (claims) => {
    assert.match(decide(grantsOf(claims, "tenant"), tenantScopes["token.get"]!), /^endpoint:read on /u)
  })
})

describe("when a bearer token is needed", () => {
  const trusts: ReadonlyArray<BusTrust> = ["without-issuer", "always", "never"]
  const cases = trusts.flatMap((busTrust) => [true, false].map((hasIssuer) => ({ busTrust, hasIssuer })))

  it.each(cases)("$busTrust, issuer $hasIssuer", ({ busTrust, hasIssuer }) => {
    for (const { family, name } of operations) {
      const row = rowOf(family, name)
      const asked = { family, row, hasIssuer, busTrust, namesConsumer: false }
      const expected =
        family === "admin"
          ? busTrust === "never"
          : !["token.validate", "token.validate-batch"].includes(name) &&
            (busTrust === "never" || (busTrust === "without-issuer" && hasIssuer))
      assert.strictEqual(needsBearer(asked), expected, name)
    }
    const consumer = { family: "tenant", row: rowOf("tenant", "credential.get"), hasIssuer, busTrust } as const
    assert.isFalse(needsBearer({ ...consumer, namesConsumer: true }))
  })
})
