// Verifies R-BUS-4, R-INP-6, R-LIM-3.
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import { heldBytesMax, holdMs } from "../../../src/actors/tenant/HeldRefusals.ts"
import type { Caller } from "../../../src/actors/tenant/Tenants.ts"
import * as errors from "../../../src/domain/errors.ts"
import { unknownEntityId } from "../../../src/domain/Names.ts"
import { servicePrincipal } from "../../../src/domain/Principal.ts"
import { providerOf } from "../../../src/domain/Provider.ts"
import type { KnownProvider } from "../../../src/domain/ProviderEntry.ts"
import type { KnownRotator } from "../../../src/domain/Rotator.ts"
import { Access } from "../../../src/protocols/Access.ts"
import { astrayPerSecond } from "../../../src/protocols/Management.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { pressedMax, stuckMs, waitsMax } from "../../../src/protocols/Turns.ts"
import { readPlainItems } from "../../../src/schema/PlainItems.ts"
import { eventually } from "../../support/eventually.ts"
import { type ProtocolWorld, protocolWorld, type SentHeaders } from "../../support/protocolWorld.ts"
import { someTime, someToken, someTokenId, toldVerdicts, verdict } from "../../support/scriptedTenants.ts"

const date = "2026-11-24T10:20:30.123Z"
const application = {
  appName: "app",
  tenantId: "demo",
  createdAt: someTime,
  removedAt: null,
  outOfService: null,
  decidedAt: 0
}
const tenant = { tenantId: "demo", name: null, createdAt: someTime, removedAt: null }
const provisioned = { record: someToken(), token: "0123456789" }
const record = {
  tokenId: someTokenId,
  appName: "app",
  endpointId: "endpoint",
  status: "Inactive",
  version: 1,
  tokenHint: "89",
  createdDate: date,
  updatedDate: date,
  createdBy: "bus",
  updatedBy: "bus"
}
const item = { endpointId: "endpoint", token: null, expiresAt: null, description: null }
const page = <A>(content: ReadonlyArray<A>) => Effect.succeed({ content, next: null })

interface Case {
  readonly operation: string
  readonly ask: object
  /** The method, the arguments before the caller, and what it gives. */
  readonly calls: string
  readonly args: ReadonlyArray<unknown>
  readonly gives: Effect.Effect<unknown, unknown>
  readonly status?: number
  readonly body: unknown
}

const acme: KnownProvider = {
  provider: providerOf({ name: "acme", token_url: "https://provider.example/token" }),
  origin: "tenant",
  entry: {
    tenantId: "demo",
    name: "acme",
    providerId: someTokenId,
    version: 1,
    definition: { name: "acme", token_url: "https://provider.example/token" },
    clientId: "id",
    secrets: 1,
    hasKey: false,
    updatedAt: someTime
  }
}
const shownAcme = {
  ...acme.provider,
  origin: "tenant",
  client_id: "id",
  client_secrets: 1,
  has_client_key: false
}

const sealTo = "XAB4S3BBZMYZXDTTCVMOSVPBI5J46HMCKVLGJ2D3PEWSIXZHX77GEDJF"
const turner: KnownRotator = {
  name: "turner",
  kind: "webhook",
  origin: "tenant",
  entry: {
    tenantId: "demo",
    name: "turner",
    version: 1,
    definition: { name: "turner", seal_to: sealTo },
    updatedAt: someTime
  }
}
const shownTurner = { name: "turner", kind: "webhook", origin: "tenant", seal_to: sealTo }

/** One right request of every operation that reaches `Tenants`. */
const twoItems = (token: string) => ({
  items: [
    { appName: "app", token },
    { appName: "app", token: "b" }
  ]
})
const cases: ReadonlyArray<Case> = [
  {
    operation: "application.register",
    ask: { appName: "app" },
    calls: "registerApplication",
    args: ["demo", "app"],
    gives: Effect.succeed({ application, created: true }),
    status: 201,
    body: { appName: "app", createdDate: date }
  },
  {
    operation: "application.register",
    ask: { appName: "app" },
    calls: "registerApplication",
    args: ["demo", "app"],
    gives: Effect.succeed({ application, created: false }),
    body: { appName: "app", createdDate: date }
  },
  {
    operation: "application.list",
    ask: {},
    calls: "listApplications",
    args: ["demo", { limit: 20, after: null, among: null }],
    gives: page([application]),
    body: { content: [{ appName: "app", createdDate: date }] }
  },
  {
    operation: "application.remove",
    ask: { appName: "app" },
    calls: "removeApplication",
    args: ["demo", "app"],
    gives: Effect.succeed({ deleted: 7 }),
    body: { deleted: 7 }
  },
  {
    operation: "token.provision",
    ask: { appName: "app", endpointId: "endpoint" },
    calls: "provisionTokens",
    args: ["demo", "app", [item]],
    gives: Effect.succeed([Result.succeed(provisioned)]),
    status: 201,
    body: { ...record, token: "0123456789" }
  },
  {
    operation: "token.provision",
    ask: { appName: "app", endpointId: "endpoint", token: "0123456789", expiresDate: date, description: "d" },
    calls: "provisionTokens",
    args: ["demo", "app", [{ endpointId: "endpoint", token: "0123456789", expiresAt: someTime, description: "d" }]],
    gives: Effect.succeed([
      Result.succeed({
        record: someToken({ expiresAt: someTime, activatedAt: someTime, lastUsedAt: someTime, description: "d" }),
        token: "0123456789"
      })
    ]),
    status: 201,
    body: {
      ...record,
      activatedDate: date,
      lastUsedDate: date,
      expiresDate: date,
      description: "d",
      token: "0123456789"
    }
  },
  {
    operation: "token.provision-batch",
    ask: { appName: "app", items: [{ endpointId: "endpoint" }, { endpointId: "endpoint" }] },
    calls: "provisionTokens",
    args: ["demo", "app", [item, item]],
    gives: Effect.succeed([Result.succeed(provisioned), Result.fail(new errors.TokenExists({ appName: "app" }))]),
    body: {
      results: [
        { statusCode: 201, ...record, token: "0123456789" },
        {
          code: "TOKEN_EXISTS",
          statusCode: 409,
          reasonPhrase: "The application has a token of this value",
          details: { appName: "app" }
        }
      ]
    }
  },
  {
    operation: "token.get",
    ask: { tokenId: someTokenId },
    calls: "getToken",
    args: ["demo", someTokenId],
    gives: Effect.succeed(someToken()),
    body: record
  },
  {
    operation: "token.list",
    ask: {
      ...{ appName: "app", endpointId: "e", status: ["Active", "Inactive"], limit: 3, order: "ASC" },
      ...{ unusedSince: "1970-01-01T00:00:01Z", expiringBefore: "1970-01-01T00:00:02Z" }
    },
    calls: "listTokens",
    args: [
      "demo",
      {
        ...{ appName: "app", endpointId: "e", statuses: ["Active", "Inactive"], order: "ASC", limit: 3, after: null },
        ...{ createdBy: null, unusedSince: 1_000, expiringBefore: 2_000 }
      }
    ],
    gives: page([someToken()]),
    body: { content: [record] }
  },
  ...(["transition", "suspend"] as const).flatMap((verb): ReadonlyArray<Case> => {
    const target = verb === "transition" ? { targetStatus: "sUsPended" } : {}
    return [
      {
        operation: `token.${verb}`,
        ask: { tokenId: someTokenId, expectedVersion: 4, reason: "why", ...target },
        calls: "transitionTokens",
        args: ["demo", [{ tokenId: someTokenId }], { target: "Suspended", expectedVersion: 4, reason: "why" }],
        gives: Effect.succeed([Result.succeed(someToken())]),
        body: record
      },
      {
        operation: `token.${verb}`,
        ask: { appName: "app", token: "value", ...target },
        calls: "transitionTokens",
        args: [
          "demo",
          [{ appName: "app", token: "value" }],
          { target: "Suspended", expectedVersion: null, reason: null }
        ],
        gives: Effect.succeed([Result.succeed(someToken())]),
        body: record
      }
    ]
  }),
  ...(["activate", "revoke"] as const).map(
    (verb): Case => ({
      operation: `token.${verb}`,
      ask: { tokenId: someTokenId },
      calls: "transitionTokens",
      args: [
        "demo",
        [{ tokenId: someTokenId }],
        { target: verb === "revoke" ? "Revoked" : "Active", expectedVersion: null, reason: null }
      ],
      gives: Effect.succeed([Result.succeed(someToken())]),
      body: record
    })
  ),
  {
    operation: "token.transition-batch",
    ask: { tokenIds: [someTokenId, "nonsense"], targetStatus: "Revoked", reason: "why" },
    calls: "transitionTokens",
    args: [
      "demo",
      [{ tokenId: someTokenId }, { tokenId: unknownEntityId }],
      { target: "Revoked", expectedVersion: null, reason: "why" }
    ],
    gives: Effect.succeed([
      Result.succeed(someToken()),
      Result.fail(new errors.TokenNotFound({ tokenId: "nonsense" }))
    ]),
    body: {
      results: [
        { statusCode: 200, ...record },
        { code: "TOKEN_NOT_FOUND", statusCode: 404, reasonPhrase: "Token not found", details: {} }
      ]
    }
  },
  {
    operation: "token.rotate",
    ask: { tokenId: someTokenId, overlap: "PT5M", token: "new-value", expectedVersion: 3 },
    calls: "rotateToken",
    args: ["demo", { tokenId: someTokenId, overlapMs: 300_000, token: "new-value", expectedVersion: 3 }],
    gives: Effect.succeed({ ...provisioned, token: "new-value" }),
    status: 201,
    body: { ...record, token: "new-value" }
  },
  {
    operation: "token.rotate",
    ask: { tokenId: someTokenId },
    calls: "rotateToken",
    args: ["demo", { tokenId: someTokenId, overlapMs: 0, token: null, expectedVersion: null }],
    gives: Effect.succeed(provisioned),
    status: 201,
    body: { ...record, token: "0123456789" }
  },
  {
    operation: "token.revoke-all",
    ask: {
      applications: ["a", "b", "a"],
      createdBy: "ADMIN/alice",
      unusedSince: "1970-01-01T00:00:02Z",
      reason: "leaked"
    },
    calls: "revokeAll",
    args: [
      "demo",
      {
        population: {
          applications: ["a", "b"],
          endpointIds: null,
          createdBefore: null,
          createdBy: "ADMIN/alice",
          unusedSince: 2_000
        },
        reason: "leaked"
      }
    ],
    gives: Effect.succeed({ operationId: someTokenId, matched: 3, isAtLeast: false }),
    body: { operationId: someTokenId, matched: 3 }
  },
  {
    operation: "token.revoke-all",
    ask: { endpointIds: ["e"], createdBefore: "1970-01-01T00:00:02Z", dryRun: true },
    calls: "countPopulation",
    args: [
      "demo",
      { applications: null, endpointIds: ["e"], createdBefore: 2_000, createdBy: null, unusedSince: null }
    ],
    gives: Effect.succeed({ matched: 3, isAtLeast: true }),
    body: { matched: 3, atLeast: true }
  },
  {
    operation: "token.revoke-all-status",
    ask: { operationId: someTokenId },
    calls: "findRevokeAll",
    args: ["demo", someTokenId],
    gives: Effect.succeed({
      operationId: someTokenId,
      matched: 3,
      isAtLeast: false,
      done: 2,
      asker: { principal: "ADMIN/alice" },
      startedAt: 1_000,
      finishedAt: 2_000
    }),
    body: {
      operationId: someTokenId,
      state: "done",
      matched: 3,
      done: 2,
      createdBy: "ADMIN/alice",
      startedDate: "1970-01-01T00:00:01.000Z",
      finishedDate: "1970-01-01T00:00:02.000Z"
    }
  },
  {
    operation: "token.delete",
    ask: { tokenId: someTokenId },
    calls: "deleteTokens",
    args: ["demo", { tokenId: someTokenId, expectedVersion: null }],
    gives: Effect.succeed({ deleted: 1 }),
    body: { deleted: 1 }
  },
  {
    operation: "token.delete",
    ask: { tokenId: someTokenId, expectedVersion: 3 },
    calls: "deleteTokens",
    args: ["demo", { tokenId: someTokenId, expectedVersion: 3 }],
    gives: Effect.succeed({ deleted: 1 }),
    body: { deleted: 1 }
  },
  {
    operation: "token.delete",
    ask: { endpointId: "endpoint" },
    calls: "deleteTokens",
    args: ["demo", { endpointId: "endpoint" }],
    gives: Effect.succeed({ deleted: 0 }),
    body: { deleted: 0 }
  },
  {
    operation: "token.validate",
    ask: { appName: "APP", token: "a.b", dryRun: true },
    calls: "validate",
    args: ["demo", [{ appName: "APP", token: "a.b" }], { dryRun: true }],
    gives: Effect.succeed([verdict(400)]),
    body: verdict(400)
  },
  {
    operation: "token.validate-batch",
    ask: twoItems("a"),
    calls: "validatePlain",
    args: ["demo", readPlainItems(Buffer.from(JSON.stringify(twoItems("a"))))],
    gives: Effect.sync(() => toldVerdicts(verdict(200), verdict(404))),
    body: { results: [verdict(200), verdict(404)] }
  },
  {
    operation: "token.validate-batch",
    ask: twoItems("ü"),
    calls: "validate",
    args: ["demo", twoItems("ü").items, { dryRun: false }],
    gives: Effect.succeed([verdict(200), verdict(404)]),
    body: { results: [verdict(200), verdict(404)] }
  },
  {
    operation: "tenants.list",
    ask: { limit: 2 },
    calls: "listTenants",
    args: [{ limit: 2, after: null }],
    gives: page([tenant]),
    body: { content: [{ tenantId: "demo", createdDate: date }] }
  },
  {
    operation: "tenants.create",
    ask: { tenantId: "demo", name: "Demo" },
    calls: "createTenant",
    args: [{ tenantId: "demo", name: "Demo" }],
    gives: Effect.succeed({ ...tenant, name: "Demo" }),
    status: 201,
    body: { tenantId: "demo", name: "Demo", createdDate: date }
  },
  {
    operation: "tenants.create",
    ask: { tenantId: "demo", issuer: "https://a.example", audience: "cm" },
    calls: "createTenant",
    args: [
      {
        tenantId: "demo",
        name: null,
        settings: {
          issuer: { issuer: "https://a.example", audience: "cm", jwksUri: null },
          retentionMs: null,
          limits: {}
        }
      }
    ],
    gives: Effect.succeed(tenant),
    status: 201,
    body: { tenantId: "demo", createdDate: date }
  },
  {
    operation: "tenants.configure",
    ask: { tenantId: "demo", issuer: null, retention: "P1D", limits: { tokens: null } },
    calls: "configureTenant",
    args: ["demo", { issuer: null, retentionMs: 86_400_000, limits: { tokens: null } }],
    gives: Effect.succeed({
      ...tenant,
      settings: {
        issuer: { issuer: "https://a.example", audience: "cm", jwksUri: "https://a.example/k" },
        retentionMs: 86_400_000,
        limits: { tokens: 1 }
      }
    }),
    body: {
      tenantId: "demo",
      issuer: "https://a.example",
      audience: "cm",
      jwksUri: "https://a.example/k",
      retention: "PT86400S",
      limits: { tokens: 1 },
      createdDate: date
    }
  },
  {
    operation: "tenants.resolve",
    ask: { issuer: "https://a.example" },
    calls: "tenantOfIssuer",
    args: ["https://a.example"],
    gives: Effect.succeed(tenant),
    body: { tenantId: "demo" }
  },
  {
    operation: "tenants.remove",
    ask: { tenantId: "demo" },
    calls: "removeTenant",
    args: ["demo"],
    gives: Effect.succeed({ deleted: 3 }),
    body: { deleted: 3 }
  },
  {
    operation: "keys.list",
    ask: { limit: 2 },
    calls: "listKeys",
    args: [{ limit: 2, after: null }],
    gives: page([
      { keyId: someTokenId, purpose: "seal", tenantId: null, state: "active", createdAt: someTime, rows: 0 },
      { keyId: someTokenId, purpose: "tenant-data", tenantId: "demo", state: "retiring", createdAt: someTime, rows: 7 }
    ]),
    body: {
      content: [
        { keyId: someTokenId, purpose: "seal", state: "active", createdDate: date, rows: 0 },
        { keyId: someTokenId, purpose: "tenant-data", tenantId: "demo", state: "retiring", createdDate: date, rows: 7 }
      ]
    }
  },
  {
    operation: "keys.rotate",
    ask: {},
    calls: "rotateKeys",
    args: [],
    gives: Effect.succeed({ keyIds: [someTokenId], tenants: 2, notRotated: [] }),
    body: { keyIds: [someTokenId], tenants: 2 }
  },
  {
    operation: "keys.status",
    ask: {},
    calls: "keysStatus",
    args: [],
    gives: Effect.succeed({ state: "running", total: 10, done: 4, etaSeconds: 3 }),
    body: { state: "running", total: 10, done: 4, etaSeconds: 3 }
  },
  {
    operation: "keys.retire",
    ask: { keyId: someTokenId },
    calls: "retireKey",
    args: [someTokenId],
    gives: Effect.void,
    body: { keyId: someTokenId, state: "retired" }
  },
  {
    operation: "provider.put",
    ask: { name: "acme", token_url: "https://provider.example/token", client_id: "id", client_secrets: ["planted"] },
    calls: "providerPut",
    args: [
      "demo",
      {
        definition: { name: "acme", token_url: "https://provider.example/token" },
        clientId: "id",
        secrets: { clientSecrets: ["planted"], clientKey: null }
      }
    ],
    gives: Effect.succeed({ known: acme, created: true }),
    status: 201,
    body: shownAcme
  },
  {
    operation: "provider.get",
    ask: { name: "acme" },
    calls: "providerGet",
    args: ["demo", "acme"],
    gives: Effect.succeed(acme),
    body: { ...shownAcme, circuits: [] }
  },
  {
    operation: "provider.list",
    ask: {},
    calls: "providerList",
    args: ["demo"],
    gives: Effect.succeed([acme]),
    body: { content: [shownAcme] }
  },
  {
    operation: "provider.delete",
    ask: { name: "acme" },
    calls: "providerRemove",
    args: ["demo", "acme"],
    gives: Effect.succeed({ deleted: 1 }),
    body: { deleted: 1 }
  },
  {
    operation: "rotator.put",
    ask: { name: "turner", seal_to: sealTo },
    calls: "rotatorPut",
    args: ["demo", { name: "turner", seal_to: sealTo }],
    gives: Effect.succeed({ known: turner, created: true }),
    status: 201,
    body: shownTurner
  },
  {
    operation: "rotator.get",
    ask: { name: "turner" },
    calls: "rotatorGet",
    args: ["demo", "turner"],
    gives: Effect.succeed(turner),
    body: shownTurner
  },
  {
    operation: "rotator.list",
    ask: {},
    calls: "rotatorList",
    args: ["demo"],
    gives: Effect.succeed([turner]),
    body: { content: [shownTurner] }
  },
  {
    operation: "rotator.delete",
    ask: { name: "turner" },
    calls: "rotatorRemove",
    args: ["demo", "turner"],
    gives: Effect.succeed({ deleted: 1 }),
    body: { deleted: 1 }
  },
  {
    operation: "outbox.list",
    ask: { limit: 2 },
    calls: "listBlocked",
    args: [{ limit: 2, after: null }],
    gives: page([
      {
        id: 7,
        tenantId: "demo",
        eventId: someTokenId,
        stream: "events",
        subject: "$JS.API.\ud800",
        entityKey: "x",
        bytes: 3,
        reason: "foreign subject",
        createdAt: someTime,
        asideAt: someTime
      }
    ]),
    body: {
      content: [
        {
          id: 7,
          tenantId: "demo",
          eventId: someTokenId,
          stream: "events",
          subject: "$JS.API.\ufffd",
          bytes: 3,
          reason: "foreign subject",
          createdDate: date,
          asideDate: date
        }
      ]
    }
  },
  {
    operation: "outbox.release",
    ask: { id: 7, action: "drop" },
    calls: "releaseBlocked",
    args: [7, "drop"],
    gives: Effect.succeed({ id: 7, action: "drop" }),
    body: { id: 7, action: "drop" }
  }
]

const byName = new Map(operations.map((operation) => [operation.name, operation]))
const script = (world: ProtocolWorld, { calls, gives }: Pick<Case, "calls" | "gives">) => {
  Object.assign(world.tenants.script, { [calls]: () => gives })
  world.tenants.calls.length = 0
}
const subjectOf = (name: string) =>
  byName.get(name)?.family === "admin" ? `cm.admin.v1.${name}` : `cm.v1.demo.${name}`

describe("every operation", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
  })
  afterAll(() => world.close())

  for (const [index, one] of cases.entries()) {
    it(`${one.operation} hands on what was asked and answers what came of it (${index})`, async () => {
      script(world, one)
      const answer = await world.ask(subjectOf(one.operation), one.ask, { "Correlation-ID": "my id" })
      assert.strictEqual(answer.status, one.status ?? 200)
      assert.deepStrictEqual(answer.body, one.body)
      assert.strictEqual(answer.header("Correlation-ID"), "my id")
      assert.strictEqual(answer.header("Nats-Service-Error-Code"), "")
      const [call] = world.tenants.calls
      assert.strictEqual(call?.method, one.calls)
      assert.deepStrictEqual(call?.args.slice(0, one.args.length), one.args)
      const shape = byName.get(one.operation)?.answer
      if (shape === undefined || shape === "text") throw new Error("an answer is described")
      Schema.decodeUnknownSync(shape as Schema.Codec<unknown>, { onExcessProperty: "error" })(answer.body)
    })
  }

  for (const name of ["", "\u0000", "a\nb", "a\u0085", "n".repeat(257)]) {
    it(`refuses ${JSON.stringify(name).slice(0, 12)} as a tenant's name`, async () => {
      const calls = world.tenants.calls.slice()
      for (const operation of ["tenants.create", "tenants.configure"]) {
        const answer = await world.admin(operation, { tenantId: "demo", name })
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.error.code, "INVALID_REQUEST")
        assert.strictEqual(answer.body.error.details.path, "name")
      }
      assert.deepStrictEqual(world.tenants.calls, calls)
    })
  }

  it("is in the cases above or in those of credentials.test.ts and clients.test.ts, or is about the replica", () => {
    const covered = new Set(cases.map(({ operation }) => operation))
    const elsewhere = /^(?:client-credential|credential|service|audit)\./u
    const missing = operations.map(({ name }) => name).filter((name) => !covered.has(name) && !elsewhere.test(name))
    assert.deepStrictEqual(missing.toSorted(), ["config.show", "drain", "health", "metrics", "ready"])
  })

  for (const operation of operations.filter(({ name }) => name !== "drain")) {
    it(`${operation.name} refuses a field that it does not know, and names it`, async () => {
      const answer = await world.ask(subjectOf(operation.name), { typo: "planted-value" })
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.body.error.code, "INVALID_REQUEST")
      assert.isString(answer.body.error.details.reason)
      assert.notInclude(answer.text, "planted-value")
    })
  }
})

describe("headers", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
  })
  afterAll(() => world.close())
  const ask = { appName: "app", endpointId: "endpoint" }
  const provision = { calls: "provisionTokens", gives: Effect.succeed([Result.succeed(provisioned)]) }
  const callerOf = () => world.tenants.calls[0]?.args.at(-1)

  it("an idempotency key reaches the tenants with operation and body", async () => {
    script(world, provision)
    await world.tenant("token.provision", ask, { "Idempotency-Key": "key-1", "Correlation-ID": "c" })
    assert.deepStrictEqual(callerOf(), {
      principal: "ADMIN/admin",
      known: { by: "import", account: "ADMIN", user: "admin", client: null },
      correlationId: "c",
      idempotency: { key: "key-1", operation: "token.provision", body: new TextEncoder().encode(JSON.stringify(ask)) }
    })
  })

  it("an idempotency key that is too long is refused before anything is done", async () => {
    script(world, provision)
    const answer = await world.tenant("token.provision", ask, { "Idempotency-Key": "k".repeat(129) })
    assert.strictEqual(answer.body.error.details.path, "Idempotency-Key")
    assert.strictEqual(world.tenants.calls.length, 0)
  })

  const once: ReadonlyArray<readonly [string, Readonly<Record<string, string | ReadonlyArray<string>>>]> = [
    ["Idempotency-Key", { "Idempotency-Key": ["k", "k"] }],
    ["Idempotency-Key", { "Idempotency-Key": "k", "idempotency-key": "k" }],
    ["Idempotency-Key", { "Idempotency-Key": "" }],
    ["Idempotency-Key", { "Idempotency-Key": " \t  " }],
    ["Idempotency-Key", { "Idempotency-Key": "a b" }],
    ["Authorization", { Authorization: ["Bearer a", "Bearer a"] }],
    ["Authorization", { Authorization: "Bearer a", AUTHORIZATION: "Bearer b" }],
    ["Authorization", { authorization: "", Authorization: "Bearer b" }],
    ["Correlation-ID", { "Correlation-ID": ["a", "a"] }],
    ["Correlation-ID", { "Correlation-ID": "a", "correlation-id": "b" }],
    ["Correlation-ID", { "Correlation-ID": "c".repeat(257) }],
    ["Correlation-ID", { "Correlation-ID": "a\u0000b" }],
    ["Correlation-ID", { "Correlation-ID": "a\ufffdb" }]
  ]
  for (const [name, headers] of once) {
    it(`${JSON.stringify(headers).slice(0, 60)} is 400 at ${name}, and nothing is asked (R-INP-6)`, async () => {
      script(world, provision)
      const answer = await world.tenant("token.provision", ask, headers)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.body.error.code, "INVALID_REQUEST")
      assert.strictEqual(answer.body.error.details.path, name)
      if (name === "Correlation-ID") assert.match(answer.header("Correlation-ID"), /^[0-9a-f]{32}$/u)
      assert.deepStrictEqual(world.tenants.calls, [])
    })
  }

  it("a correlation id of 256 characters is echoed, an empty one is none, a trace that is no trace is none", async () => {
    for (const [given, echoed] of [
      ["😀".repeat(256), /^(?:😀){256}$/u],
      // Joined, private, and one that no version of Unicode has given a meaning yet.
      ["👩\u200d💻 \ue000 \u{3fff0}", /^👩\u200d💻 \ue000 \u{3fff0}$/u],
      ["", /^[0-9a-f]{32}$/u]
    ] as const) {
      script(world, provision)
      const answer = await world.tenant("token.provision", ask, { "Correlation-ID": given, traceparent: "no trace" })
      assert.strictEqual(answer.status, 201)
      assert.match(answer.header("Correlation-ID"), echoed)
    }
  })

  it("a trace that is sent twice, whatever the spelling, is none, and nothing is refused for it (R-INP-6)", async () => {
    const [one, other] = ["a", "b"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`) as [string, string]
    const traceOf = async (headers: SentHeaders) => {
      script(world, provision)
      assert.strictEqual((await world.tenant("token.provision", ask, headers)).status, 201)
      return (callerOf() as Caller).trace ?? null
    }
    assert.deepInclude(await traceOf({ traceparent: one }), { traceId: "a".repeat(32) })
    assert.deepInclude(await traceOf({ Traceparent: other }), { traceId: "b".repeat(32) })
    for (const headers of [
      { traceparent: [one, other] },
      { traceparent: [one, one] },
      { traceparent: one, Traceparent: other }
    ])
      assert.isNull(await traceOf(headers))
  })

  it("a missing correlation id is made up, and is the one the tenants see", async () => {
    script(world, provision)
    const answer = await world.tenant("token.provision", ask)
    assert.match(answer.header("Correlation-ID"), /^[0-9a-f]{32}$/)
    assert.strictEqual((callerOf() as { correlationId: string }).correlationId, answer.header("Correlation-ID"))
  })

  it("header names are read whatever their case", async () => {
    script(world, provision)
    const answer = await world.tenant("token.provision", ask, { "correlation-id": "lower" })
    assert.strictEqual(answer.header("Correlation-ID"), "lower")
  })
})

describe("what is wrong is looked for in this order", () => {
  it("tenant, operation, payload, authorization, tenant's existence, the rest", async () => {
    const access = Layer.succeed(Access, {
      authorize: ({ authorization }) =>
        authorization === null
          ? Effect.fail(new errors.Unauthenticated({ reason: "no token" }))
          : Effect.succeed(servicePrincipal("me"))
    })
    const world = await protocolWorld({ access })
    world.tenants.script.getToken = () => Effect.fail(new errors.TenantNotFound({ tenantId: "demo" }))
    const code = async (subject: string, body: unknown, headers?: Record<string, string>) =>
      (await world.ask(subject, body, headers)).body.error.code as string
    for (const bad of ["*", ">", "a*b", "a b", "x".repeat(65), "ä"]) {
      assert.strictEqual(await code(`cm.v1.${bad}.no.such`, "{"), "INVALID_TENANT")
    }
    assert.strictEqual(await code("cm.v1.demo", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.v1.demo.no.such", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.v1.demo.token.get.more", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.v1.demo.token.get.a.b", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.admin.v1.no.such", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.admin.v1.token.get", "{"), "OPERATION_NOT_FOUND")
    assert.strictEqual(await code("cm.v1.demo.token.get", "{"), "INVALID_REQUEST")
    assert.strictEqual(await code("cm.v1.demo.token.get", { tokenId: "x" }), "UNAUTHENTICATED")
    assert.strictEqual(world.tenants.calls.length, 0)
    assert.strictEqual(
      await code("cm.v1.demo.token.get", { tokenId: "x" }, { Authorization: "Bearer x" }),
      "TENANT_NOT_FOUND"
    )
    await world.close()
  })
})

describe("failures", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld({ config: { requestBytesMax: 1_000, requestsInFlightMax: 2 } })
  })
  afterAll(() => world.close())

  const failures: ReadonlyArray<readonly [errors.RequestError, number, string, object]> = [
    [new errors.InvalidCursor({}), 400, "INVALID_CURSOR", {}],
    [
      new errors.InvalidRequest({ path: "expiresDate", reason: "in the past" }),
      400,
      "INVALID_REQUEST",
      { path: "expiresDate", reason: "in the past" }
    ],
    [new errors.Unauthenticated({ reason: "expired" }), 401, "UNAUTHENTICATED", { reason: "expired" }],
    [new errors.Forbidden({ reason: "r" }), 403, "FORBIDDEN", {}],
    [
      new errors.ScopeMissing({ scope: "endpoint:read", resource: "endpoint-e" }),
      403,
      "FORBIDDEN",
      { scope: "endpoint:read", resource: "endpoint-e" }
    ],
    [new errors.IssuerInUse(), 409, "ISSUER_IN_USE", {}],
    [new errors.ConsumerNotAllowed({}), 403, "CONSUMER_NOT_ALLOWED", {}],
    [new errors.ServiceInactive({ serviceName: "mail" }), 403, "SERVICE_INACTIVE", { service_name: "mail" }],
    [new errors.TenantNotFound({ tenantId: "demo" }), 404, "TENANT_NOT_FOUND", { tenantId: "demo" }],
    [new errors.ApplicationNotFound({ appName: "app" }), 404, "APPLICATION_NOT_FOUND", { appName: "app" }],
    [new errors.TokenNotFound({ tokenId: someTokenId }), 404, "TOKEN_NOT_FOUND", { tokenId: someTokenId }],
    [new errors.TokenNotFound({ tokenId: "planted-value" }), 404, "TOKEN_NOT_FOUND", {}],
    [new errors.TokenNotFound({ tokenId: null }), 404, "TOKEN_NOT_FOUND", {}],
    [new errors.CredentialNotFound({ credentialId: null }), 404, "CREDENTIAL_NOT_FOUND", {}],
    [new errors.TenantExists({ tenantId: "demo" }), 409, "TENANT_EXISTS", { tenantId: "demo" }],
    [new errors.ApplicationExists({ appName: "app", reason: "taken" }), 409, "APPLICATION_EXISTS", { appName: "app" }],
    [new errors.TokenExists({ appName: "app" }), 409, "TOKEN_EXISTS", { appName: "app" }],
    [
      new errors.CredentialExists({ serviceName: "mail", credentialId: null }),
      409,
      "CREDENTIAL_EXISTS",
      { service_name: "mail", credential_id: null }
    ],
    [
      new errors.TransitionNotAllowed({ from: "Revoked", to: "Active" }),
      409,
      "TRANSITION_NOT_ALLOWED",
      { from: "Revoked", to: "Active" }
    ],
    [
      new errors.VersionConflict({ expectedVersion: 1, actualVersion: 2 }),
      409,
      "VERSION_CONFLICT",
      { expectedVersion: 1, actualVersion: 2 }
    ],
    [new errors.LimitReached({ limit: "tokens", max: 9 }), 409, "LIMIT_REACHED", { limit: "tokens", max: 9 }],
    [new errors.ManagedElsewhere({ by: "Tekton" }), 409, "MANAGED_ELSEWHERE", { by: "Tekton" }],
    [
      new errors.CredentialRevoked({ credentialId: someTokenId }),
      410,
      "CREDENTIAL_REVOKED",
      { credential_id: someTokenId }
    ],
    [
      new errors.CredentialExpired({ credentialId: someTokenId }),
      410,
      "CREDENTIAL_EXPIRED",
      { credential_id: someTokenId }
    ],
    [new errors.IdempotencyKeyReused({}), 422, "IDEMPOTENCY_KEY_REUSED", {}],
    [
      new errors.TooManyRequests({ limit: "mailbox" }),
      429,
      "TOO_MANY_REQUESTS",
      { limit: "mailbox", retryAfterMs: 1_000 }
    ],
    [
      new errors.Unavailable({ part: "database", committed: null }),
      503,
      "UNAVAILABLE",
      { part: "database", committed: null }
    ],
    [new errors.NotYetInForce({}), 503, "NOT_YET_IN_FORCE", { committed: true }]
  ]
  for (const [error, status, code, details] of failures) {
    it(`${error._tag} is answered ${status} ${code} in body and headers alike`, async () => {
      script(world, { calls: "getToken", gives: Effect.fail(error) })
      const answer = await world.tenant("token.get", { tokenId: "planted-value" }, { "Correlation-ID": "c" })
      assert.strictEqual(answer.status, status)
      assert.strictEqual(answer.header("Nats-Service-Error-Code"), String(status))
      assert.strictEqual(answer.header("Nats-Service-Error"), `${code}: ${answer.body.error.reasonPhrase}`)
      assert.deepStrictEqual(answer.body, {
        error: { code, statusCode: status, reasonPhrase: answer.body.error.reasonPhrase, details, correlationId: "c" }
      })
      assert.notInclude(answer.text, "planted-value")
    })
  }

  it("a bug is answered 500 without detail and logged with its cause", async () => {
    script(world, { calls: "getToken", gives: Effect.die(new Error("planted-value")) })
    const answer = await world.tenant("token.get", { tokenId: "x" })
    assert.strictEqual(answer.status, 500)
    assert.strictEqual(answer.body.error.code, "INTERNAL")
    assert.notInclude(answer.text, "planted-value")
    assert.isTrue(world.logged.some((line) => line.includes("bug") && line.includes("Die")))
  })

  it("a payload over the limit is answered 413 and not read", async () => {
    const answer = await world.tenant("token.get", { tokenId: "x".repeat(1_000) })
    assert.strictEqual(answer.body.error.code, "PAYLOAD_TOO_LARGE")
    assert.deepStrictEqual(answer.body.error.details, { part: "request", bytesMax: 1_000 })
  })

  it("one request more than may be in flight is answered 429, health all the same; then all are answered", async () => {
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    script(world, {
      calls: "getToken",
      gives: Effect.as(
        Effect.promise(() => gate),
        someToken()
      )
    })
    const held = [world.tenant("token.get", { tokenId: "a" }), world.tenant("token.get", { tokenId: "b" })]
    const third = await world.tenant("token.get", { tokenId: "c" })
    assert.strictEqual(third.body.error.code, "TOO_MANY_REQUESTS")
    assert.strictEqual((await world.admin("health")).status, 200)
    release()
    assert.deepStrictEqual(
      (await Promise.all(held)).map(({ status }) => status),
      [200, 200]
    )
    assert.strictEqual((await world.tenant("token.get", { tokenId: "d" })).status, 200)
  })
})

describe("a tenant within its limits", () => {
  it("has as many begun as it asks for, though it was refused since others had all places", async () => {
    const count = pressedMax + 4
    const world = await protocolWorld({ standsStill: true, config: { requestsInFlightMax: 2 * count } })
    const waiting: Array<() => void> = []
    let waits = true
    world.tenants.script.getToken = () =>
      Effect.as(
        Effect.promise(() => (waits ? new Promise<void>((end) => void waiting.push(end)) : Promise.resolve())),
        someToken()
      )
    const ask = (tenantId: string) => world.ask(`cm.v1.${tenantId}.token.get`, { tokenId: someTokenId })
    const [first, ...held] = Array.from({ length: 2 * count }, (_, n) => ask(n < count + 2 ? "loud" : "demo"))
    await eventually(
      () => waiting.length,
      (length) => length === 2 * count,
      { what: "all to have begun" }
    )
    const refused = ask("demo")
    waits = false
    waiting[0]!()
    await first
    assert.strictEqual((await ask("demo")).status, 200)
    for (const end of waiting) end()
    await Promise.all(held)
    await world.close()
    assert.strictEqual((await refused).status, 429)
  })
})

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Whether it was answered by now. */
const isAnswered = async (answer: Promise<unknown>): Promise<boolean> => {
  let isThere = false
  const there = () => {
    isThere = true
  }
  void answer.then(there, there)
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  return isThere
}

describe("a refusal by a limit is told a moment later", () => {
  it("however large its request, and whoever refuses it", async () => {
    const world = await protocolWorld({ standsStill: true, limits: { requestsInFlight: 1 } })
    script(world, { calls: "getToken", gives: Effect.never })
    const held = world.tenant("token.get", { tokenId: "a" })
    const large = { "X-Large": "x".repeat(2 * heldBytesMax) }
    const refused = [
      world.tenant("token.get", { tokenId: "x".repeat(2 * heldBytesMax) }),
      world.tenant("token.get", { tokenId: "b" }, large)
    ]
    script(world, { calls: "listTenants", gives: Effect.fail(new errors.TooManyRequests({ limit: "mailbox" })) })
    refused.push(world.admin("tenants.list"))
    for (const one of refused) assert.isFalse(await isAnswered(one))
    await world.pass(holdMs)
    for (const one of refused) assert.strictEqual((await one).status, 429)
    await world.pass("5 minutes")
    assert.strictEqual((await held).status, 503)
    await world.close()
  })

  it("and nothing of its message is kept until then", async () => {
    const world = await protocolWorld({ standsStill: true, limits: { requestsInFlight: 1 } })
    script(world, { calls: "getToken", gives: Effect.never })
    const held = world.tenant("token.get", { tokenId: "a" })
    const ask = (reply: string): WeakRef<Uint8Array> => {
      const body = new TextEncoder().encode(JSON.stringify({ tokenId: reply }))
      world.bus.publish("cm.v1.demo.token.get", body, { reply })
      return new WeakRef(body)
    }
    const bodies = ["_R_.kept.0", "_R_.kept.1", "_R_.kept.2"].map(ask)
    assert.isFalse(await isAnswered(held))
    collectGarbage()
    assert.deepStrictEqual(
      bodies.map((body) => body.deref()),
      [undefined, undefined, undefined]
    )
    await world.pass("5 minutes")
    assert.strictEqual((await held).status, 503)
    await world.close()
  })

  it("and so is that a request goes nowhere, when very many do in a second", async () => {
    const world = await protocolWorld({ standsStill: true })
    const astray = (n: number) => world.ask(["cm.v1.demo.no.such", "cm.v1.*.token.get"][n % 2]!)
    const atOnce = await Promise.all(Array.from({ length: astrayPerSecond }, (_, n) => astray(n)))
    assert.deepStrictEqual(Array.from(new Set(atOnce.map(({ status }) => status))).toSorted(), [400, 404])
    const [later, health] = [astray(0), world.admin("health")]
    assert.strictEqual((await health).status, 200)
    assert.isFalse(await isAnswered(later))
    await world.pass(holdMs)
    assert.strictEqual((await later).status, 404)
    await world.pass("1 second")
    assert.strictEqual((await astray(0)).status, 404)
    await world.close()
  })
})

describe("a tenant far over its limits, of which few are done in a second", () => {
  it("has what waited for ten seconds refused, in the order of its line, and its place back", async () => {
    const places = 8 * pressedMax
    const world = await protocolWorld({ standsStill: true, limits: { requestsInFlight: places } })
    const begun: Array<() => void> = []
    world.tenants.script.getToken = () =>
      Effect.as(
        Effect.promise(() => new Promise<void>((end) => void begun.push(end))),
        someToken()
      )
    const ask = () => world.tenant("token.get", { tokenId: someTokenId })
    const begin = (count: number) =>
      eventually(
        () => begun.length,
        (length) => length === count,
        { what: `${count} to have begun` }
      )
    const first = Array.from({ length: places }, ask)
    await begin(places)
    const over = Array.from({ length: places }, ask)
    for (const end of begun) end()
    await Promise.all(first)
    const all = Array.from({ length: places }, ask)
    let ended = places
    await begin(ended + pressedMax)
    const last = all.at(-1)!
    const late: Array<ReturnType<typeof ask>> = []
    for (let second = 1; !(await isAnswered(last)); second++) {
      assert.isBelow(second, 4 * waitsMax, "nobody is refused")
      begun[ended++]!()
      await begin(ended + pressedMax)
      // One that has the place which became free, and one that is refused, so that the line stays pressed.
      late.push(ask())
      over.push(ask())
      await world.pass(stuckMs - 1)
    }
    assert.isAtLeast(ended - places, waitsMax)
    const refused = all.slice(ended - places + pressedMax)
    assert.deepStrictEqual(
      (await Promise.all(refused)).map(({ status, body }) => `${status} ${body.error.code}`),
      refused.map(() => "429 TOO_MANY_REQUESTS")
    )
    assert.isFalse(await isAnswered(late.at(-1)!))
    await world.pass("5 minutes")
    for (let left = begun.length; left > 0; left = begun.length) for (const end of begun.splice(0)) end()
    await Promise.all([...all, ...late, ...over])
    const anew = Array.from({ length: places }, ask)
    await eventually(
      () => begun.length,
      (length) => length === places,
      { what: "all places to be free again" }
    )
    for (const end of begun) end()
    for (const { status } of await Promise.all(anew)) assert.strictEqual(status, 200)
    await world.close()
  })
})

describe("an operation that does not end in its time", () => {
  it("is answered 503, with the word that nobody knows what became of it", async () => {
    const world = await protocolWorld({ standsStill: true })
    script(world, { calls: "getToken", gives: Effect.never })
    const asked = world.tenant("token.get", { tokenId: "a" })
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
    await world.pass("5 minutes")
    const { body, status } = await asked
    assert.deepStrictEqual([status, body.error.code], [503, "UNAVAILABLE"])
    assert.deepStrictEqual(body.error.details, { part: "the operation did not end", committed: null })
    await world.close()
  })
})

describe("the end", () => {
  it("waits for the answers of what has a place, and tells at once what was refused", async () => {
    const world = await protocolWorld({ limits: { requestsInFlight: 1 } })
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    script(world, {
      calls: "getToken",
      gives: Effect.as(
        Effect.promise(() => gate),
        someToken()
      )
    })
    const held = world.tenant("token.get", { tokenId: "a" })
    const refused = world.tenant("token.get", { tokenId: "b" })
    let isClosed = false
    const closed = world.close().then(() => {
      isClosed = true
    })
    assert.strictEqual((await refused).status, 429)
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
    assert.isFalse(isClosed)
    release()
    assert.strictEqual((await held).status, 200)
    await closed
  })
})

describe("pages", () => {
  const many = Array.from({ length: 100 }, (_, index) =>
    someToken({ tokenId: `${someTokenId.slice(0, -3)}${String(index).padStart(3, "0")}` })
  )
  const list = (world: ProtocolWorld) => {
    world.tenants.script.listTokens = (_tenantId, { after, limit }) => {
      const start = after === null ? 0 : many.findIndex(({ tokenId }) => tokenId === after) + 1
      const content = many.slice(start, start + limit)
      return Effect.succeed({ content, next: start + limit < many.length ? (content.at(-1)?.tokenId ?? null) : null })
    }
  }

  it("are shorter where the server's largest message asks for it, and miss and repeat nothing", async () => {
    const world = await protocolWorld({ maxPayload: 4_096 + 3_000 })
    list(world)
    const seen: Array<string> = []
    let cursor: string | undefined
    do {
      const answer = await world.tenant("token.list", { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
      assert.strictEqual(answer.status, 200)
      seen.push(...answer.body.content.map(({ tokenId }: { tokenId: string }) => tokenId))
      cursor = answer.body.nextCursor
    } while (cursor !== undefined)
    assert.deepStrictEqual(
      seen,
      many.map(({ tokenId }) => tokenId)
    )
    await world.close()
  })

  it("are read in pieces, but where the reading is recorded, and are whole all the same", async () => {
    const world = await protocolWorld()
    const tokens = Array.from({ length: 450 }, (_, index) =>
      someToken({ tokenId: `${someTokenId.slice(0, -3)}${String(index).padStart(3, "0")}` })
    )
    const asked: Array<number> = []
    world.tenants.script.listTokens = (_tenantId, { after, limit }) => {
      asked.push(limit)
      const start = after === null ? 0 : tokens.findIndex(({ tokenId }) => tokenId === after) + 1
      const content = tokens.slice(start, start + limit)
      return Effect.succeed({ content, next: start + limit < 450 ? (content.at(-1)?.tokenId ?? null) : null })
    }
    const ids = async (body: object) => {
      const answer = await world.tenant("token.list", body)
      return [answer.body.content.map(({ tokenId }: { tokenId: string }) => tokenId), answer.body.nextCursor]
    }
    assert.deepStrictEqual(await ids({ limit: 1_000 }), [tokens.map(({ tokenId }) => tokenId), undefined])
    assert.deepStrictEqual(asked, [200, 200, 200])
    const [first, cursor] = await ids({ limit: 250 })
    assert.deepStrictEqual(asked.slice(3), [200, 50])
    const [second] = await ids({ limit: 1_000, cursor })
    assert.deepStrictEqual(
      [...first, ...second],
      tokens.map(({ tokenId }) => tokenId)
    )
    // One that looked at all that one request may look at ends the page.
    let looks = 0
    world.tenants.script.listTokens = (_tenantId, { after }) => {
      looks++
      // Who asks on all the same comes to an end, and is told by the count.
      return Effect.succeed({ content: after === null ? tokens.slice(0, 3) : [], next: looks < 9 ? someTokenId : null })
    }
    assert.lengthOf((await ids({ limit: 1_000 }))[0], 3)
    assert.strictEqual(looks, 1)
    const audits: Array<number> = []
    world.tenants.script.auditList = (_tenantId, { limit }) => {
      audits.push(limit)
      return Effect.succeed({ content: [], next: null })
    }
    assert.strictEqual((await world.tenant("audit.list", { limit: 1_000 })).status, 200)
    assert.deepStrictEqual(audits, [1_000])
    await world.close()
  })

  it("refuse a cursor that is not theirs: another order, another list, another text", async () => {
    const world = await protocolWorld()
    list(world)
    const { nextCursor } = (await world.tenant("token.list", { limit: 1 })).body
    const codes = await Promise.all([
      world.tenant("token.list", { cursor: nextCursor, order: "ASC" }),
      world.tenant("application.list", { cursor: nextCursor }),
      world.tenant("token.list", { cursor: `${nextCursor}A` }),
      world.tenant("token.list", { cursor: "" }),
      world.tenant("token.list", { cursor: someTokenId })
    ])
    assert.deepStrictEqual(
      codes.map(({ body }) => body.error.code),
      Array.from({ length: 5 }, () => "INVALID_CURSOR")
    )
    await world.close()
  })

  it("a batch whose answer could not be sent is refused before anything is provisioned", async () => {
    const world = await protocolWorld({ maxPayload: 4_096 + 2_000 })
    const items = Array.from({ length: 3 }, () => ({ endpointId: "e" }))
    const answer = await world.tenant("token.provision-batch", { appName: "app", items })
    assert.deepStrictEqual(answer.body.error.details, { part: "answer", bytesMax: 2_000 })
    assert.strictEqual(world.tenants.calls.length, 0)
    await world.close()
  })
})
