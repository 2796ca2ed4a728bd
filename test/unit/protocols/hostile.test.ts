import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { afterAll, beforeAll } from "vitest"
import { endpointSubject } from "../../../src/protocols/OperationEndpoints.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { EndpointTokenStatusTransitionRequest } from "../../../src/schema/Ecap.ts"
import { UnregisteredEvent } from "../../../src/schema/Elce.ts"
import { eventually } from "../../support/eventually.ts"
import { mutations } from "../../support/mutations.ts"
import { type ProtocolWorld, protocolWorld, requestInfo } from "../../support/protocolWorld.ts"
import { someToken, someTokenId, verdict } from "../../support/scriptedTenants.ts"
import { times } from "../../support/times.ts"

const perSubject = times(1_000)
const seed = Number(process.env.CM_TEST_SEED ?? 20_261_124)

const json = new TextEncoder().encode(
  JSON.stringify({
    appName: "app",
    endpointId: "endpoint",
    tokenId: someTokenId,
    token: "value",
    targetStatus: "Suspended",
    items: [{ endpointId: "e", token: "t", expiresDate: "2027-01-01T00:00:00.000Z" }],
    limit: 20
  })
)
const avro = EndpointTokenStatusTransitionRequest.encode({
  correlationId: "c",
  timestamp: 0n,
  timeout: 0n,
  appName: "app",
  token: "t",
  targetStatus: "Revoked"
})

describe(`hostile payloads (seed ${seed})`, () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld({ config: { requestsInFlightMax: 4_096 } })
    const [token, deleted] = [someToken(), Effect.succeed({ deleted: 0 })]
    Object.assign(world.tenants.script, {
      createTenant: () => Effect.succeed({ tenantId: "t", name: null, createdAt: 0, removedAt: null }),
      removeTenant: () => deleted,
      listTenants: () => Effect.succeed({ content: [], next: null }),
      registerApplication: () =>
        Effect.succeed({
          application: { appName: "a", tenantId: "t", createdAt: 0, removedAt: null, outOfService: null, decidedAt: 0 },
          created: true
        }),
      listApplications: () => Effect.succeed({ content: [], next: null }),
      removeApplication: () => deleted,
      provisionTokens: () => Effect.succeed([Result.succeed({ record: token, token: "v" })]),
      getToken: () => Effect.succeed(token),
      listTokens: () => Effect.succeed({ content: [token], next: null }),
      transitionTokens: () => Effect.succeed([Result.succeed(token)]),
      rotateToken: () => Effect.succeed({ record: token, token: "v" }),
      deleteTokens: () => deleted,
      transitionByValue: () => Effect.void,
      validate: () => Effect.succeed([verdict(404)]),
      list: () => Effect.succeed({ content: [], next: null }),
      clientsList: () => Effect.succeed({ content: [], next: null }),
      services: () => Effect.succeed({ content: [], next: null }),
      listKeys: () => Effect.succeed({ content: [], next: null }),
      rotateKeys: () => Effect.succeed({ keyIds: [], tenants: 0, notRotated: [] }),
      keysStatus: () => Effect.succeed({ state: "idle", total: 0, done: 0, etaSeconds: null }),
      retireKey: () => Effect.void,
      listBlocked: () => Effect.succeed({ content: [], next: null }),
      releaseBlocked: () => Effect.succeed({ id: 1, action: "drop" }),
      ...({ providerList: () => Effect.succeed([]), rotatorList: () => Effect.succeed([]) } as object),
      auditList: () => Effect.succeed({ content: [], next: null }),
      auditVerify: () => Effect.succeed({ valid: true, checked: 0, firstBroken: null, published: null, repaired: [] }),
      auditListAny: () => Effect.succeed({ content: [], next: null }),
      auditRepair: () => Effect.void,
      auditAccept: () =>
        Effect.succeed({
          ...{ tenantId: "t", seq: 1, hash: "h", at: 0, number: 1, previous: null, keyId: "k", publicKey: "p" },
          accepted: { lost: { seq: 2, hash: "h" }, by: "b", reason: "r" },
          signature: new Uint8Array(64)
        }),
      auditSign: () =>
        Effect.succeed({
          ...{ tenantId: "t", seq: 1, hash: "h", at: 0, number: 1, previous: null, keyId: "k", publicKey: "p" },
          signature: new Uint8Array(64)
        })
    })
  })
  afterAll(() => world.close())

  const fromAdmin = { "Nats-Request-Info": requestInfo("ADMIN", "admin") }
  const subjects = [
    ...operations
      .filter(({ name }) => name !== "drain")
      .map((operation) => ({ subject: endpointSubject("cm", operation).replace("*", "demo"), from: json })),
    { subject: "kaa.v1.service.cm.ecap.ep-token-status-transition-request", from: avro },
    { subject: "cm.v1.demo.no.such", from: json },
    { subject: "cm.v1.a*b.token.get", from: json }
  ]
  for (const { from, subject } of subjects) {
    it(`${perSubject} on ${subject} are answered once each, none as a bug, and the service goes on`, async () => {
      world.bus.sent.length = 0
      world.tenants.calls.length = 0
      mutations(from, perSubject, seed).forEach((payload, index) => {
        world.bus.publish(subject, payload, { reply: `_R_.hostile.${index}`, headers: fromAdmin })
      })
      await eventually(
        () => world.bus.sent.length,
        (length) => length >= perSubject,
        { everyMs: 1, limitMs: 25_000, what: `${perSubject} answers on ${subject}` }
      )
      assert.strictEqual(new Set(world.bus.sent.map((sent) => sent.subject)).size, perSubject)
      assert.strictEqual(world.bus.sent.length, perSubject)
      assert.isEmpty(world.bus.sent.filter(({ headers }) => headers?.get("Cm-Status") === "500"))
      assert.strictEqual((await world.admin("health")).status, 200)
    })
  }

  it(`every one of ${perSubject} on the event subjects is acted on or counted, and nothing is answered`, async () => {
    const world = await protocolWorld()
    world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 0 })
    const event = UnregisteredEvent.encode({
      correlationId: "c",
      timestamp: 0n,
      timeout: 0n,
      appVersionName: "a",
      endpointId: "endpoint",
      originatorReplicaId: "r"
    })
    for (const payload of mutations(event, perSubject, seed)) {
      world.inbox.publish("kaa.v1.events.epr.endpoint.lifecycle.unregistered", payload)
    }
    await eventually(
      async () =>
        (await world.admin("metrics")).text
          .split("\n")
          .filter((line) => /^cm_(events_heard|messages_dropped)_total\{.*protocol="elce"/.test(line))
          .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
      (count) => count === perSubject
    )
    assert.isEmpty(world.bus.sent.filter(({ subject }) => !subject.startsWith("_R_.client.")))
    await world.close()
  })
})
