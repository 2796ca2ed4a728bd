import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import type { CredentialMetadata } from "../../../src/actors/credentials/Credentials.ts"
import * as errors from "../../../src/domain/errors.ts"
import { busPrincipal, servicePrincipal } from "../../../src/domain/Principal.ts"
import { consumerOf } from "../../../src/protocols/Consumers.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { type ProtocolWorld, protocolWorld, requestInfo } from "../../support/protocolWorld.ts"
import { someTime } from "../../support/scriptedTenants.ts"

const date = "2026-11-24T10:20:30.123Z"
const id = "01939f2c-7a1b-7c3d-8e4f-0123456789ab"
const planted = "planted-secret"

const metadata: CredentialMetadata = {
  credentialId: id,
  tenantId: "demo",
  serviceName: "outlook",
  type: "basic",
  owner: { level: "user", userId: "u1" },
  scopes: ["mail.read"],
  allowedConsumers: ["mail"],
  metadata: { note: "n" },
  expiresAt: someTime,
  state: "active",
  reason: null,
  serviceActive: true,
  version: 3,
  createdAt: someTime,
  updatedAt: someTime,
  createdBy: "bus",
  updatedBy: "bus",
  refresh: null,
  retirePending: null
}
const common = {
  credential_id: id,
  tenant_id: "demo",
  service_name: "outlook",
  type: "basic",
  scopes: ["mail.read"],
  expires_at: date,
  is_active: true,
  owner: { level: "user", user_id: "u1" },
  version: 3,
  created_at: date,
  updated_at: date,
  refresh: null
}
const shown = {
  ...common,
  state: "active",
  reason: null,
  service_active: true,
  allowed_consumers: ["mail"],
  metadata: { note: "n" },
  created_by: "bus",
  updated_by: "bus"
}
const service = { tenantId: "demo", serviceName: "outlook", isActive: false, reason: "r", updatedAt: someTime }
const shownService = { service_name: "outlook", is_active: false, reason: "r", updated_at: date }
const row = {
  tenantId: "demo",
  seq: 2,
  at: someTime,
  version: 2,
  actor: "mail",
  by: "subject",
  account: "CONSUMERS",
  user: "mail",
  client: null,
  correlationId: "c-1",
  action: "credential.read",
  entityType: "credential",
  entityId: id,
  diff: '{"version":1}',
  prevHash: "aa",
  hash: "bb"
}
const shownRow = {
  seq: 2,
  at: date,
  actor: "mail",
  by: "subject",
  account: "CONSUMERS",
  user: "mail",
  correlationId: "c-1",
  action: "credential.read",
  entityType: "credential",
  entityId: id,
  diff: { version: 1 },
  prevHash: "aa",
  hash: "bb"
}
const clear = { ...metadata, secret: { _tag: "Clear", value: Redacted.make({ username: "u", password: planted }) } }
const sealed = { ...metadata, secret: { _tag: "Sealed", sealed: "AAAA", sealedBy: "XKEY" } }
const changed = { credentialId: id, version: 4 }

interface Case {
  readonly operation: string
  readonly extra?: string
  readonly ask: object
  readonly calls: string
  readonly args: ReadonlyArray<unknown>
  readonly gives: unknown
  readonly status?: number
  readonly body: unknown
}

const cases: ReadonlyArray<Case> = [
  {
    operation: "credential.store",
    ask: {
      service_name: "outlook",
      type: "basic",
      credentials: { username: "u", password: planted },
      scopes: ["mail.read"],
      expires_at: date,
      owner: { level: "user", user_id: "u1" },
      allowed_consumers: ["mail", "account:ACME"],
      rotation: { every: "P1D" },
      metadata: { note: "n" }
    },
    calls: "store",
    args: [
      "demo",
      {
        serviceName: "outlook",
        type: "basic",
        owner: { level: "user", userId: "u1" },
        secret: Redacted.make({ username: "u", password: planted }),
        scopes: ["mail.read"],
        expiresAt: someTime,
        allowedConsumers: ["mail", "account:ACME"],
        metadata: { note: "n" },
        rotation: { every: "P1D" }
      }
    ],
    gives: { credentialId: id, version: 1 },
    status: 201,
    body: { credential_id: id, success: true, message: "stored" }
  },
  {
    operation: "credential.store",
    ask: { service_name: "outlook", type: "api_key", credentials: { api_key: planted }, expires_at: null },
    calls: "store",
    args: [
      "demo",
      {
        serviceName: "outlook",
        type: "api_key",
        owner: { level: "tenant" },
        secret: Redacted.make({ api_key: planted }),
        scopes: [],
        expiresAt: null,
        allowedConsumers: [],
        metadata: {},
        rotation: null
      }
    ],
    gives: { credentialId: id, version: 1 },
    status: 201,
    body: { credential_id: id, success: true, message: "stored" }
  },
  {
    operation: "credential.get",
    extra: "mail",
    ask: { credential_id: id },
    calls: "get",
    args: ["demo", { credentialId: id }, { consumer: { by: "subject", name: "mail" }, sealTo: null, minTtlMs: null }],
    gives: clear,
    body: { ...common, credentials: { username: "u", password: planted } }
  },
  {
    operation: "credential.get",
    ask: { service_name: "outlook", owner: { level: "user", user_id: "u1" }, seal_to: "XKEY", min_ttl: "PT5M" },
    calls: "get",
    args: [
      "demo",
      { serviceName: "outlook", owner: { level: "user", userId: "u1" } },
      { consumer: { by: "import", account: "ADMIN", user: "admin" }, sealTo: "XKEY", minTtlMs: 300_000 }
    ],
    gives: sealed,
    body: { ...common, sealed: "AAAA", sealed_by: "XKEY" }
  },
  {
    operation: "credential.describe",
    ask: { service_name: "outlook" },
    calls: "describe",
    args: ["demo", { serviceName: "outlook", owner: { level: "tenant" } }],
    gives: metadata,
    body: shown
  },
  {
    operation: "credential.list",
    ask: { service_name: "outlook", is_active: true, expiring_within: "P7D", limit: 5 },
    calls: "list",
    args: ["demo", { serviceName: "outlook", isActive: true, expiringWithinMs: 604_800_000, limit: 5, after: null }],
    gives: { content: [{ ...metadata, state: "expired", reason: "expired" }], next: null },
    body: { content: [{ ...shown, is_active: false, state: "expired", reason: "expired" }] }
  },
  {
    operation: "credential.rotate",
    ask: { credential_id: id, credentials: { a: planted }, expires_at: null, overlap: "PT1H", expected_version: 3 },
    calls: "rotate",
    args: [
      "demo",
      {
        credentialId: id,
        secret: Redacted.make({ a: planted }),
        expiresAt: null,
        overlapMs: 3_600_000,
        expectedVersion: 3
      }
    ],
    gives: changed,
    body: { credential_id: id, success: true, message: "rotated", version: 4 }
  },
  {
    operation: "credential.reconnect",
    ask: { credential_id: id, credentials: { a: planted }, expires_at: null },
    calls: "reconnect",
    args: [
      "demo",
      {
        credentialId: id,
        secret: Redacted.make({ a: planted }),
        expiresAt: null,
        overlapMs: 0,
        expectedVersion: null
      }
    ],
    gives: changed,
    body: { credential_id: id, success: true, message: "reconnected", version: 4 }
  },
  {
    operation: "credential.update",
    ask: { credential_id: id, allowed_consumers: [], scopes: ["a"], metadata: {} },
    calls: "update",
    args: [
      "demo",
      {
        credentialId: id,
        allowedConsumers: [],
        scopes: ["a"],
        expiresAt: undefined,
        metadata: {},
        rotation: undefined,
        expectedVersion: null
      }
    ],
    gives: metadata,
    body: shown
  },
  {
    operation: "credential.revoke",
    ask: { credential_id: id, reason: "leaked", expected_version: 3 },
    calls: "revoke",
    args: ["demo", { credentialId: id, reason: "leaked", expectedVersion: 3 }],
    gives: changed,
    body: { credential_id: id, success: true, message: "revoked", version: 4 }
  },
  {
    operation: "credential.history",
    ask: { credential_id: id },
    calls: "history",
    args: ["demo", id],
    gives: [
      { version: 1, state: "superseded", createdAt: someTime, createdBy: "bus", reason: "rotated", expiresAt: null }
    ],
    body: {
      content: [
        { version: 1, state: "superseded", created_at: date, created_by: "bus", reason: "rotated", expires_at: null }
      ]
    }
  },
  {
    operation: "credential.delete",
    ask: { credential_id: id },
    calls: "delete",
    args: ["demo", { credentialId: id, expectedVersion: null }],
    gives: { deleted: 1 },
    body: { deleted: 1 }
  },
  {
    operation: "service.list",
    ask: {},
    calls: "services",
    // A piece of the page.
    args: ["demo", { limit: 200, after: null }],
    gives: { content: [service], next: null },
    body: { content: [shownService] }
  },
  {
    operation: "service.enable",
    ask: { service_name: "outlook" },
    calls: "enableService",
    args: ["demo", "outlook"],
    gives: { ...service, isActive: true, reason: null },
    body: { service_name: "outlook", is_active: true, updated_at: date }
  },
  {
    operation: "service.disable",
    ask: { service_name: "outlook", reason: "r" },
    calls: "disableService",
    args: ["demo", "outlook", "r"],
    gives: service,
    body: shownService
  },
  {
    operation: "audit.list",
    ask: { entityId: id, from: date, to: 9, limit: 5 },
    calls: "auditList",
    args: ["demo", { entityId: id, from: { at: someTime }, to: { seq: 9 }, limit: 5, after: null }],
    gives: { content: [row, { ...row, diff: null }], next: null },
    body: { content: [shownRow, (({ diff: _, ...rest }) => rest)(shownRow)] }
  },
  {
    operation: "audit.verify",
    ask: { from: 3 },
    calls: "auditVerify",
    args: ["demo", { from: { seq: 3 }, to: null }],
    gives: {
      ...{ valid: false, checked: 4, firstBroken: { seq: 7, reason: "the row was changed" } },
      published: { seq: 9, at: someTime },
      repaired: [3]
    },
    body: {
      ...{ valid: false, checked: 4, firstBroken: { seq: 7, reason: "the row was changed" } },
      published: { seq: 9, at: date },
      repaired: [3]
    }
  },
  {
    operation: "audit.verify",
    ask: {},
    calls: "auditVerify",
    args: ["demo", { from: null, to: null }],
    gives: { valid: true, checked: 4, firstBroken: null, published: null, repaired: [] },
    body: { valid: true, checked: 4 }
  }
]

const byName = new Map(operations.map((operation) => [operation.name, operation]))
const script = (world: ProtocolWorld, method: string, answer: Effect.Effect<unknown, unknown>) => {
  Object.assign(world.tenants.script, { [method]: () => answer })
  world.tenants.calls.length = 0
}

describe("credentials, services and the audit on the bus", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
  })
  afterAll(() => world.close())

  for (const [index, one] of cases.entries()) {
    it(`${one.operation} hands on what was asked and answers what came of it (${index})`, async () => {
      script(world, one.calls, Effect.succeed(one.gives))
      const subject = `cm.v1.demo.${one.operation}${one.extra === undefined ? "" : `.${one.extra}`}`
      const who = one.extra === undefined ? {} : { "Nats-Request-Info": requestInfo("CONSUMERS", one.extra) }
      const answer = await world.ask(subject, one.ask, who)
      assert.strictEqual(answer.status, one.status ?? 200)
      assert.deepStrictEqual(answer.body, one.body)
      assert.strictEqual(world.tenants.calls[0]?.method, one.calls)
      assert.deepStrictEqual(world.tenants.calls[0]?.args.slice(0, one.args.length), one.args)
      const shape = byName.get(one.operation)?.answer
      if (shape === undefined || shape === "text") throw new Error("an answer is described")
      Schema.decodeUnknownSync(shape as Schema.Codec<unknown>, { onExcessProperty: "error" })(answer.body)
    })
  }

  it("what the platform's auditors and operators ask of an audit is handed on, and who they are", async () => {
    script(world, "auditListAny", Effect.succeed({ content: [row], next: null }))
    const listed = await world.admin("audit.list", { tenantId: "gone", entityId: id, from: 2, limit: 5 })
    assert.deepStrictEqual([listed.status, listed.body], [200, { content: [shownRow] }])
    assert.deepStrictEqual(world.tenants.calls[0]?.args.slice(0, 2), [
      "gone",
      { entityId: id, from: { seq: 2 }, to: null, limit: 5, after: null }
    ])
    assert.deepInclude(world.tenants.calls[0]?.args[2], { principal: "ADMIN/admin" })
    script(world, "auditRepair", Effect.void)
    const repaired = await world.admin("audit.repair", { tenantId: "demo", seq: 4 })
    assert.deepStrictEqual([repaired.status, repaired.body], [200, { tenantId: "demo", seq: 4, repaired: true }])
    const point = { tenantId: "demo", seq: 4, hash: "aa", at: 5, number: 2, previous: { seq: 3, hash: "bb" } }
    const signed = { ...point, keyId: "k", publicKey: "p", signature: new Uint8Array([1, 2]), links: [] }
    script(world, "auditSign", Effect.succeed(signed))
    const { body } = await world.admin("audit.sign", { tenantId: "demo" })
    assert.deepStrictEqual(body, {
      ...{ tenant_id: "demo", seq: 4, hash: "aa", at: 5, number: 2, previous_seq: 3, previous_hash: "bb" },
      ...{ key_id: "k", public_key: "p", signature: "AQI" }
    })
    const lost = { seq: 9, hash: "c".repeat(64) }
    script(world, "auditAccept", Effect.succeed({ ...signed, accepted: { lost, by: "ADMIN/admin", reason: "r" } }))
    const accepted = await world.admin("audit.accept", { tenantId: "demo", lost, reason: "r" })
    assert.deepStrictEqual(accepted.body, {
      ...body,
      accepted: { lost_seq: 9, lost_hash: lost.hash, by: "ADMIN/admin", reason: "r" }
    })
    for (const wrong of [
      { lost },
      { lost, reason: "" },
      { reason: "r" },
      { lost: { seq: 9 }, reason: "r" },
      { lost, reason: "r".repeat(257) }
    ]) {
      assert.strictEqual((await world.admin("audit.accept", { tenantId: "demo", ...wrong })).status, 400)
    }
  })

  it("every operation of these nouns is in the cases above", () => {
    const covered = new Set(cases.map(({ operation }) => operation))
    const mine = operations
      .filter(({ family, name }) => family === "tenant" && /^(?:credential|service|audit)\./u.test(name))
      .map(({ name }) => name)
    assert.deepStrictEqual(
      mine.filter((name) => !covered.has(name)),
      []
    )
  })

  const basic = { service_name: "outlook", type: "basic", credentials: { username: "u", password: planted } }
  const refused: ReadonlyArray<readonly [string, object, string]> = [
    ["credential.store", { ...basic, service_name: "Out Look" }, "service_name"],
    ["credential.store", { ...basic, type: "Basic" }, "type"],
    ["credential.store", { ...basic, credentials: planted }, "credentials"],
    [
      "credential.store",
      { ...basic, credentials: { username: "u", password: { deep: planted } } },
      "credentials.password"
    ],
    ["credential.store", { ...basic, credentials: { user: planted, password: planted } }, "credentials.username"],
    ["credential.store", { ...basic, owner: { level: "user" } }, "owner"],
    ["credential.store", { ...basic, owner: { level: "tenant", user_id: "u" } }, "owner"],
    ["credential.store", { ...basic, owner: { level: "global" } }, "owner.level"],
    ["credential.store", { ...basic, allowed_consumers: ["a b"] }, "allowed_consumers[0]"],
    ["credential.store", { ...basic, allowed_consumers: ["*"] }, "allowed_consumers[0]"],
    ["credential.store", { ...basic, expires_at: "tomorrow" }, "expires_at"],
    ["credential.store", { ...basic, metadata: { x: "y".repeat(9_000) } }, "metadata"],
    ["credential.store", { ...basic, scopes: [7] }, "scopes[0]"],
    ["credential.get", {}, ""],
    ["credential.get", { credential_id: id, service_name: "outlook" }, ""],
    ["credential.get", { credential_id: id, owner: { level: "tenant" } }, ""],
    ["credential.get", { credential_id: id, min_ttl: "soon" }, "min_ttl"],
    ["credential.rotate", { credential_id: id, expected_version: 0 }, "expected_version"],
    ["audit.verify", { from: "yesterday" }, "from"],
    ["audit.list", { limit: 1_001 }, "limit"]
  ]
  it.each(refused)("%s refuses %o, names %s and repeats no value", async (name, body, path) => {
    const answer = await world.ask(`cm.v1.demo.${name}`, body)
    assert.strictEqual(answer.status, 400)
    const error = (answer.body as { error: { code: string; details: { path: string } } }).error
    assert.strictEqual(error.code, "INVALID_REQUEST")
    assert.strictEqual(error.details.path, path)
    assert.notInclude(JSON.stringify(answer.body), planted)
    assert.notInclude(world.logged.join("\n"), planted)
  })

  it("says of an audit that is too long for one request how far it holds and where to go on", async () => {
    script(world, "auditVerify", Effect.fail(new errors.AuditRangeTooLong({ checked: 500, nextFrom: 501 })))
    const { body, status } = await world.tenant("audit.verify")
    assert.strictEqual(status, 409)
    assert.strictEqual(body.error.code, "LIMIT_REACHED")
    assert.deepStrictEqual(body.error.details, { limit: "auditRowsPerRequest", checked: 500, nextFrom: 501 })
    assert.match(body.error.reasonPhrase, /from 501$/u)
  })

  const failures: ReadonlyArray<readonly [Effect.Effect<never, unknown>, number, string]> = [
    [Effect.fail(new errors.CredentialNotFound({ credentialId: null })), 404, "CREDENTIAL_NOT_FOUND"],
    [Effect.fail(new errors.ConsumerNotAllowed()), 403, "CONSUMER_NOT_ALLOWED"],
    [Effect.fail(new errors.ServiceInactive({ serviceName: "outlook" })), 403, "SERVICE_INACTIVE"],
    [Effect.fail(new errors.CredentialRevoked({ credentialId: id })), 410, "CREDENTIAL_REVOKED"],
    [Effect.fail(new errors.CredentialExpired({ credentialId: id })), 410, "CREDENTIAL_EXPIRED"]
  ]
  it.each(failures)("a refusal %#: %s %s", async (failure, status, code) => {
    script(world, "get", failure)
    const answer = await world.ask("cm.v1.demo.credential.get.mail", { service_name: "outlook" })
    assert.strictEqual(answer.status, status)
    assert.strictEqual((answer.body as { error: { code: string } }).error.code, code)
  })

  it("takes a consumer for what its principal is known by", () => {
    const known = { by: "import", account: "ACME", user: "anna", client: null } as const
    assert.deepStrictEqual(consumerOf(busPrincipal), { by: "nothing" })
    assert.deepStrictEqual(consumerOf({ principal: "mail", known: { ...known, by: "subject" } }), {
      by: "subject",
      name: "mail"
    })
    assert.deepStrictEqual(consumerOf({ principal: "ACME/anna", known }), {
      by: "import",
      account: "ACME",
      user: "anna"
    })
    const bearer = { principal: "bearer:acme/alice", known: { ...known, by: "bearer" } } as const
    assert.deepStrictEqual(consumerOf(bearer), { by: "bearer", principal: "bearer:acme/alice" })
    assert.deepStrictEqual(consumerOf(servicePrincipal("sweep")), { by: "nothing" })
  })

  it.each(["account:GATEWAY", "account:GATEWAY/gateway"])(
    "refuses %s as a consumer, stored or put in later",
    async (name) => {
      const allowed_consumers = ["mail", name]
      const body = { service_name: "outlook", type: "api_key", credentials: { api_key: "k" }, allowed_consumers }
      for (const answer of [
        await world.tenant("credential.store", body),
        await world.tenant("credential.update", { credential_id: id, allowed_consumers })
      ]) {
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.error.details.path, "allowed_consumers[1]")
      }
    }
  )
})
