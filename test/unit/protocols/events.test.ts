// Verifies R-PLT-9.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Platform } from "../../../src/actors/tenant/Platform.ts"
import type { ChangeError } from "../../../src/actors/tenant/Tenants.ts"
import * as errors from "../../../src/domain/errors.ts"
import { servicePrincipal } from "../../../src/domain/Principal.ts"
import * as TleListener from "../../../src/protocols/Tle.ts"
import * as Elce from "../../../src/schema/Elce.ts"
import * as Tle from "../../../src/schema/Tle.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"
import { scriptedTenants } from "../../support/scriptedTenants.ts"

const gone = (endpointId: string) =>
  Elce.UnregisteredEvent.encode({
    correlationId: "c",
    timestamp: 1n,
    timeout: 0n,
    appVersionName: "app-v1",
    endpointId,
    originatorReplicaId: "epr-0"
  })
const tenantEvent = (tenantId: string) =>
  Tle.UnregisteredEvent.encode({ correlationId: "c", timestamp: 1n, timeout: 0n, tenantId, originatorReplicaId: "tm" })
const elce = "kaa.v1.events.epr.endpoint.lifecycle.unregistered"
const tle = "kaa.v1.events.tm.tenant.lifecycle.unregistered"

const asked = (world: ProtocolWorld, count: number) =>
  eventually(
    () => world.tenants.calls,
    ({ length }) => length >= count,
    { everyMs: 2 }
  )
const counted = async (world: ProtocolWorld, ...parts: ReadonlyArray<string>): Promise<number> => {
  const { text } = await world.admin("metrics")
  return text
    .split("\n")
    .filter((line) => parts.every((part) => line.includes(part)))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)
}

describe("9/ELCE", () => {
  it("an unregistered endpoint loses its tokens; the same bytes as registered do nothing", async () => {
    const world = await protocolWorld()
    world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 2 })
    assert.strictEqual(world.bus.publish("kaa.v1.events.epr.endpoint.lifecycle.registered", gone("e-1")), 0)
    assert.isFalse(world.inbox.publish("kaa.v1.events.epr.endpoint.lifecycle.registered", gone("e-1")))
    assert.isTrue(world.inbox.publish(elce, gone("e-1")))
    assert.deepStrictEqual(await asked(world, 1), [
      {
        method: "unregisterEndpoint",
        args: [
          "e-1",
          {
            ...servicePrincipal("elce"),
            correlationId: "c",
            // One that comes again is recognised, and does nothing twice.
            idempotency: { key: "paper.0", operation: "elce.unregistered", body: gone("e-1") }
          }
        ]
      }
    ])
    await world.close()
  })

  it("is done with when it is carried out, and not before", async () => {
    const world = await protocolWorld()
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    world.tenants.script.unregisterEndpoint = () =>
      Effect.as(
        Effect.promise(() => gate),
        { deleted: 1 }
      )
    world.inbox.publish(elce, gone("e-1"))
    await asked(world, 1)
    assert.deepStrictEqual(world.inbox.done, [])
    release()
    await eventually(
      () => world.inbox.done,
      (done) => done.length === 1
    )
    await world.close()
  })

  it("is said to be done until that is confirmed, a few times", async () => {
    for (const [unconfirmed, expected] of [
      [0, 1],
      [2, 3],
      [9, 3]
    ] as const) {
      const world = await protocolWorld()
      world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 1 })
      world.inbox.confirmations.missing = unconfirmed
      world.inbox.publish(elce, gone("e-1"))
      await eventually(
        () => world.inbox.done,
        (done) => done.length === expected
      )
      await world.close()
      assert.lengthOf(world.inbox.done, expected)
    }
  })

  it("what does not decode is counted and gone", async () => {
    const world = await protocolWorld()
    world.inbox.publish(elce, gone("e-1").subarray(1))
    world.inbox.publish(elce, new TextEncoder().encode("{}"))
    await eventually(
      () => counted(world, 'protocol="elce"', 'reason="undecodable"'),
      (count) => count === 2
    )
    assert.lengthOf(world.inbox.done, 2)
    assert.deepStrictEqual(world.tenants.calls, [])
    await world.close()
  })

  it("an id too long to be one, or none, is left out and one of ours takes its place (R-INP-2)", async () => {
    const world = await protocolWorld()
    world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 0 })
    world.tenants.script.removeTenant = () => Effect.succeed({ deleted: 0 })
    const event = { timestamp: 1, timeout: 0, appVersionName: "a", endpointId: "e", originatorReplicaId: "o" }
    for (const correlationId of ["", "a".repeat(257), "x".repeat(4_000_000), "😀".repeat(256)]) {
      world.inbox.publish(elce, ecap.UnregisteredEvent.toBuffer({ ...event, correlationId }))
      const removed = { correlationId, timestamp: 1, timeout: 0, tenantId: "t", originatorReplicaId: "tm" }
      world.inbox.publish(tle, ecap.TenantUnregisteredEvent.toBuffer(removed))
    }
    const calls = await asked(world, 8)
    const heard = calls.map(({ args }) => (args[1] as { correlationId: string }).correlationId)
    assert.strictEqual(heard.filter((id) => id === "😀".repeat(256)).length, 2)
    const ours = heard.filter((id) => /^[0-9a-f]{32}$/u.test(id))
    assert.strictEqual(new Set(ours).size, 6)
    await world.close()
  })

  it("an endpoint id that no token can have asks nothing", async () => {
    const world = await protocolWorld()
    world.inbox.publish(elce, gone("../../x y"))
    await eventually(
      () => counted(world, "cm_events_heard_total", 'protocol="elce"', 'outcome="done"'),
      (count) => count >= 1
    )
    assert.deepStrictEqual(world.tenants.calls, [])
    await world.close()
  })

  it("is tried again until the store is back; a refusal ends it", async () => {
    const world = await protocolWorld()
    const answers: Array<Effect.Effect<{ deleted: number }, ChangeError>> = [
      Effect.fail(new errors.Unavailable({ part: "database", committed: null })),
      Effect.fail(new errors.TooManyRequests({ limit: "mailbox" })),
      Effect.succeed({ deleted: 1 }),
      Effect.fail(new errors.TenantNotFound({ tenantId: "t" }))
    ]
    world.tenants.script.unregisterEndpoint = () => answers.shift() ?? Effect.succeed({ deleted: 0 })
    world.inbox.publish(elce, gone("first"))
    await asked(world, 3)
    world.inbox.publish(elce, gone("second"))
    await eventually(
      () => world.inbox.done,
      (done) => done.length === 2
    )
    assert.deepStrictEqual(
      world.tenants.calls.map(({ args }) => args[0]),
      ["first", "first", "first", "second"]
    )
    // By the replica that has it, not by giving it back.
    assert.strictEqual(await counted(world, "cm_events_heard_total", 'outcome="left"'), 0)
    assert.strictEqual(await counted(world, "cm_events_heard_total", 'outcome="tried_again"'), 2)
    await world.close()
  })

  it("one that meets a bug stands in nobody's way, comes again a few times, and is then given up and told", async () => {
    const world = await protocolWorld({ config: { inboxWorkers: 1 } })
    world.tenants.script.unregisterEndpoint = (endpointId) =>
      endpointId === "poison" ? Effect.die(new Error("planted")) : Effect.succeed({ deleted: 1 })
    world.inbox.publish(elce, gone("poison"))
    for (let index = 0; index < 8; index++) world.inbox.publish(elce, gone(`e-${index}`))
    await eventually(
      () => counted(world, "cm_events_heard_total", 'type="unregistered"', 'outcome="given_up"'),
      (count) => count === 1
    )
    const poisoned = world.tenants.calls.filter(({ args }) => args[0] === "poison")
    assert.lengthOf(poisoned, 5)
    assert.lengthOf(world.inbox.done, 9)
    assert.strictEqual(world.inbox.waiting(), 0)
    const told = world.logged.find((line) => line.includes("an event was given up")) ?? ""
    // Whoever reads it deletes those tokens by hand.
    assert.include(told, '"endpointId":"poison"')
    await world.close()
  })

  it("a replica that stops while the store is away leaves its events to another", async () => {
    const world = await protocolWorld()
    world.tenants.script.unregisterEndpoint = () =>
      Effect.fail(new errors.Unavailable({ part: "database", committed: false }))
    world.inbox.publish(elce, gone("e-1"))
    await asked(world, 1)
    await world.close()
    await eventually(
      () => world.inbox.waiting(),
      (waiting) => waiting === 1
    )
    assert.deepStrictEqual(world.inbox.done, [])
  })
})

describe("21/TLE", () => {
  it("an unregistered tenant is removed; a tenant that is gone is no trouble", async () => {
    const world = await protocolWorld()
    world.tenants.script.removeTenant = (tenantId) => Effect.fail(new errors.TenantNotFound({ tenantId }))
    world.inbox.publish("kaa.v1.events.tm.tenant.lifecycle.updated", tenantEvent("demo"))
    world.inbox.publish(tle, tenantEvent("not a tenant id"))
    world.inbox.publish(tle, tenantEvent("demo"))
    assert.deepStrictEqual(await asked(world, 1), [
      { method: "removeTenant", args: ["demo", { ...servicePrincipal("tle"), correlationId: "c", idempotency: null }] }
    ])
    await eventually(
      () => counted(world, "cm_events_heard_total", 'type="updated"', 'outcome="done"'),
      (count) => count === 1
    )
    await world.close()
  })

  it.effect("what is the id of no tenant is read by nobody, and ended by nobody", () =>
    Effect.gen(function* () {
      const named: Array<string> = []
      const names = (tenantId: string) => Effect.sync(() => void named.push(tenantId))
      const kinds = yield* TleListener.kinds.pipe(
        Effect.provideService(Platform, {
          ...(yield* Platform),
          tenantUpdated: names,
          tenantUnregistered: names
        }),
        Effect.provide(scriptedTenants().layer)
      )
      const message = {
        subject: tle,
        isUnreadable: false,
        at: 1,
        id: "1",
        deliveries: 1,
        done: Effect.succeed(true),
        working: Effect.void,
        later: () => Effect.void
      }
      for (const tenantId of ["not a tenant id", "x".repeat(65), "demo"]) {
        for (const { prepare } of kinds) {
          yield* prepare({ ...message, data: tenantEvent(tenantId) }, () => "c")!.act
        }
      }
      assert.deepStrictEqual(named, ["demo", "demo"])
    })
  )
})
