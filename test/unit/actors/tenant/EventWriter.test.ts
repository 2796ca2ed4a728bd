// Verifies R-EVT-2, R-EVT-3, R-EVT-6.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Ids } from "../../../../src/actors/tenant/Ids.ts"
import { bodyOf, EventWriter } from "../../../../src/actors/tenant/TokenEvents.ts"
import type { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import { activateOnFirstUse } from "../../../../src/actors/tokens/commands/tokens.ts"
import { eventBytesMax } from "../../../../src/domain/Names.ts"
import type { Token } from "../../../../src/domain/Token.ts"
import * as Pieces from "../../../../src/observability/Pieces.ts"
import { Replica, replicaOf } from "../../../../src/observability/Replica.ts"
import { EndpointTokenRevokedEvent } from "../../../../src/schema/Ecap.ts"
import type { OutboxEntry } from "../../../../src/store/TenantStore.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const correlationIdOf = (payload: Uint8Array | undefined) =>
  EndpointTokenRevokedEvent.decode(payload ?? new Uint8Array())?.correlationId

const someIds = Layer.succeed(Ids, { next: () => "id", tokenValue: () => "value", tokenValues: () => [] })

describe("events of tokens", () => {
  const begun = Effect.gen(function* () {
    const world = yield* tenantWorld
    const { commit, tenants } = yield* world.replica("one")
    yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
    const made: Array<string> = []
    for (const appName of ["app", "other"]) {
      yield* tenants.registerApplication("acme", appName, operator)
      const item = { endpointId: "shared", token: null, expiresAt: null, description: null }
      for (const one of yield* tenants.provisionTokens("acme", appName, [item, item], operator)) {
        made.push(Result.getOrThrow(one).record.tokenId)
      }
    }
    const entries = () => Array.from(world.tables.outbox.values(), ({ entry }) => entry)
    return { commit, entries, made, tenants }
  })

  it.live("say the end of sessions once for each application and endpoint, with all ids", () =>
    Effect.gen(function* () {
      const { entries, made, tenants } = yield* begun
      yield* tenants.deleteTokens("acme", { endpointId: "shared" }, operator)
      const told = entries()
        .filter(({ stream }) => stream === "revocations")
        .map(({ payload }) => EndpointTokenRevokedEvent.decode(payload))
      assert.deepStrictEqual(
        told.map((one) => [one?.appName, one?.endpointId, one?.tokenIds.toSorted()]),
        [
          ["app", "shared", made.slice(0, 2).toSorted()],
          ["other", "shared", made.slice(2).toSorted()]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("say no end of sessions where a token is made, used first, activated, or rotated with an overlap", () =>
    Effect.gen(function* () {
      const { commit, entries, made, tenants } = yield* begun
      const [used, asked] = made as [string, string]
      yield* commit.serve("acme", [{ command: activateOnFirstUse([used], operator), reply: () => {} }])
      const active = { target: "Active", expectedVersion: null, reason: null } as const
      yield* tenants.transitionTokens("acme", [{ tokenId: asked }], active, operator)
      yield* tenants.rotateToken("acme", { tokenId: asked, overlapMs: 60_000, token: null }, operator)
      assert.deepStrictEqual(
        entries().map(({ headers, stream }) => [headers["ce-type"], stream]),
        [
          ...made.map(() => ["token.provisioned", "events"]),
          ["token.activated", "events"],
          ["token.activated", "events"],
          ["token.rotated", "events"],
          ["token.provisioned", "events"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("are held until what they tell of is in force, when it takes a right away", () =>
    Effect.gen(function* () {
      const { entries, made, tenants } = yield* begun
      const change = { expectedVersion: null, reason: null }
      yield* tenants.transitionTokens("acme", [{ tokenId: made[0]! }], { ...change, target: "Active" }, operator)
      yield* tenants.transitionTokens("acme", [{ tokenId: made[0]! }], { ...change, target: "Revoked" }, operator)
      yield* tenants.deleteTokens("acme", { tokenId: made[1]! }, operator)
      const held = Object.fromEntries(
        entries().map(({ afterRevocation, headers }) => [headers["ce-type"], afterRevocation])
      )
      assert.deepInclude(held, {
        "token.provisioned": false,
        "token.activated": false,
        "token.revoked": true,
        "token.deleted": true
      })
    }).pipe(Effect.scoped)
  )
})

describe("the end of sessions", () => {
  it.live("has a number that rises with each that is told of an endpoint, whatever the tokens' versions", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: null, expiresAt: null, description: null }
      for (let times = 0; times < 3; times++) {
        yield* tenants.provisionTokens("acme", "app", [item], operator)
        yield* tenants.deleteTokens("acme", { endpointId: "e" }, operator)
      }
      const numbers = Array.from(world.tables.outbox.values())
        .filter(({ entry }) => entry.stream === "revocations")
        .map(({ entry }) => Number(entry.headers["ce-entityversion"]))
      assert.lengthOf(new Set(numbers), 3)
      assert.deepStrictEqual(
        numbers,
        numbers.toSorted((one, other) => one - other)
      )
    }).pipe(Effect.scoped)
  )

  it.effect("of tokens that did not change is told by application and endpoint, a thousand ids in one event", () =>
    Effect.gen(function* () {
      const { endSessions, ofFacts } = yield* EventWriter
      const workspace = {
        now: 0,
        nextSeq: 1,
        targetCount: 1,
        facts: [],
        correlationIdOf: () => "c"
      } as unknown as Workspace
      const token = (appName: string, tokenId: string) => ({ appName, endpointId: "e", tokenId }) as Token
      const told = (entries: ReadonlyArray<OutboxEntry>) =>
        entries
          .filter(({ stream }) => stream === "revocations")
          .map(({ payload }) => EndpointTokenRevokedEvent.decode(payload))
          .map((one) => [one?.appName, one?.tokenIds.length])
      const tokens = [token("app", "1"), token("other", "2"), token("app", "3")]
      assert.deepStrictEqual(told(endSessions(workspace, tokens, "c")), [
        ["app", 2],
        ["other", 1]
      ])
      const facts = Array.from({ length: 1_001 }, (_, number) => ({
        type: "deleted",
        token: token("app", String(number)),
        previousStatus: "Active",
        reason: null,
        endsSessions: true,
        caller: operator
      }))
      const pieces = ofFacts({ ...workspace, facts } as unknown as Workspace)
      assert.deepStrictEqual(told(Pieces.atOnce(pieces)), [
        ["app", 1_000],
        ["app", 1]
      ])
    }).pipe(Effect.provide(Layer.provide(EventWriter.layer, [someIds, Layer.succeed(Replica, replicaOf("cm", "one"))])))
  )
})

describe("an event is bounded when it is written", () => {
  it.live("one long correlation id is left out of the event, and silences nobody", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const items = ["a", "b", "c"].map((endpointId) => ({
        endpointId,
        token: null,
        expiresAt: null,
        description: null
      }))
      yield* tenants.provisionTokens("acme", "app", items, operator)
      const ids = ["x".repeat(8_388_488), "🙂".repeat(257), "🙂".repeat(256)]
      for (const [index, correlationId] of ids.entries()) {
        const { deleted } = yield* tenants.unregisterEndpoint(items[index]!.endpointId, { ...operator, correlationId })
        assert.strictEqual(deleted, 1)
      }
      const rows = (yield* world.outbox.unsent(1_000)).filter(({ stream }) => stream === "revocations")
      assert.deepStrictEqual(
        rows.map(({ payload }) => correlationIdOf(payload)),
        ["", "", ids[2]]
      )
      // Whoever reads one hears it without; it is not even sent.
      for (const { payload } of rows) assert.isBelow(payload.length, 2_000)
    }).pipe(Effect.scoped)
  )

  it("says a thousand ids in one event of ended sessions, and more in more", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const world = yield* tenantWorld
        const { tenants } = yield* world.replica("one")
        yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
        yield* tenants.registerApplication("acme", "app", operator)
        const item = { endpointId: "crowded", token: null, expiresAt: null, description: null }
        yield* tenants.provisionTokens(
          "acme",
          "app",
          Array.from({ length: 1_000 }, () => item),
          operator
        )
        yield* tenants.deleteTokens("acme", { endpointId: "crowded" }, operator)
        const rows = (yield* world.outbox.unsent(10_000)).filter(({ stream }) => stream === "revocations")
        assert.strictEqual(rows.length, 1)
        assert.isBelow(rows[0]!.payload.length, 64_000)
      }).pipe(Effect.scoped)
    ))

  it("leaves the longest fields out of a body that would not fit, and names them", () => {
    const data = { eventType: "x", scopes: ["s".repeat(200_000)], message: "m".repeat(100_000), timestamp: "t" }
    const body = bodyOf(data)
    assert.isBelow(body.length, eventBytesMax)
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(body)), {
      eventType: "x",
      message: data.message,
      timestamp: "t",
      leftOut: ["scopes"]
    })
    const short = { eventType: "x", scopes: ["s"] }
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(bodyOf(short))), short)
  })
})
