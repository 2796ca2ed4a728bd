// Verifies R-ACT-6.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, References } from "effect"
import * as Background from "../../../../src/actors/tenant/Background.ts"
import * as Loop from "../../../../src/observability/Loop.ts"
import { EndpointTokenRevokedEvent } from "../../../../src/schema/Ecap.ts"
import { eventually } from "../../../support/eventually.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const nobody = { ...operator, correlationId: "" }

describe("work that nobody asked for", () => {
  it.live("has a correlation id of its own each turn, in what it changes and in its log", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const logged: Array<unknown> = []
      const collect = Logger.make(({ fiber }) => {
        logged.push(fiber.getRef(References.CurrentLogAnnotations).correlationId)
      })
      const turn = Effect.gen(function* () {
        const { correlationId, known, principal } = yield* Background.caller("sweep")
        assert.deepStrictEqual([principal, known.by], ["sweep", "service"])
        seen.push(correlationId)
        yield* Effect.logInfo("turn")
        if (seen.length === 2) yield* Effect.die(new Error("planted"))
        if (seen.length === 4) yield* Effect.never
      })
      const fiber = yield* Effect.forkChild(Loop.forever("test", turn).pipe(Effect.provide(Logger.layer([collect]))))
      yield* Effect.promise(() =>
        eventually(
          () => seen.length,
          (turns) => turns === 4
        )
      )
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(new Set(seen).size, 4)
      for (const id of seen) assert.match(id, /^[0-9a-f]{32}$/u)
      assert.includeMembers(logged, seen)
      assert.notInclude(logged, undefined)
    })
  )

  it.live("without one gets one where rows and events are written, so that none is empty", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", nobody)
      const item = { endpointId: "e", token: null, expiresAt: null, description: null }
      yield* tenants.provisionTokens("acme", "app", [item], nobody)
      yield* tenants.unregisterEndpoint("e", nobody)
      const rows = world.tables.audit.get("acme") ?? []
      assert.isAbove(rows.length, 3)
      for (const row of rows) assert.notStrictEqual(row.correlationId, "", row.action)
      const [event] = (yield* world.outbox.unsent(100)).filter(({ stream }) => stream === "revocations")
      const told = EndpointTokenRevokedEvent.decode(event!.payload)?.correlationId
      assert.strictEqual(told, rows.find(({ action }) => action === "token.deleted")?.correlationId)
    }).pipe(Effect.scoped)
  )
})
