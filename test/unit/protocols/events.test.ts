import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ChangeError } from "../../../src/actors/tenant/Tenants.ts"
import * as errors from "../../../src/domain/errors.ts"
import { servicePrincipal } from "../../../src/domain/Principal.ts"
import * as Elce from "../../../src/schema/Elce.ts"
import * as Tle from "../../../src/schema/Tle.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"

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
    assert.strictEqual(world.bus.publish(elce, gone("e-1")), 1)
    assert.deepStrictEqual(await asked(world, 1), [
      {
        method: "unregisterEndpoint",
        args: ["e-1", { ...servicePrincipal("elce"), correlationId: "c", idempotency: null }]
      }
    ])
    await world.close()
  })

  it("hears only the originators that are configured", async () => {
    const world = await protocolWorld({ config: { elceOriginators: "epr,other" } })
    world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 0 })
    assert.strictEqual(world.bus.publish("kaa.v1.events.stranger.endpoint.lifecycle.unregistered", gone("e")), 0)
    assert.strictEqual(world.bus.publish(elce, gone("e")), 1)
    await world.close()
  })

  it("what has a reply subject or does not decode is dropped and counted", async () => {
    const world = await protocolWorld()
    world.bus.publish(elce, gone("e-1"), { reply: "_INBOX.client.x" })
    world.bus.publish(elce, gone("e-1").subarray(1))
    world.bus.publish(elce, "{}")
    assert.strictEqual(await counted(world, 'protocol="elce"', 'reason="has_reply_subject"'), 1)
    assert.strictEqual(await counted(world, 'protocol="elce"', 'reason="undecodable"'), 2)
    assert.deepStrictEqual(world.tenants.calls, [])
    assert.deepStrictEqual(
      world.bus.sent.filter(({ subject }) => subject === "_INBOX.client.x"),
      []
    )
    await world.close()
  })

  it("an id too long to be one, or none, is left out and one of ours takes its place (R-INP-2)", async () => {
    const world = await protocolWorld()
    world.tenants.script.unregisterEndpoint = () => Effect.succeed({ deleted: 0 })
    world.tenants.script.removeTenant = () => Effect.succeed({ deleted: 0 })
    const event = { timestamp: 1, timeout: 0, appVersionName: "a", endpointId: "e", originatorReplicaId: "o" }
    for (const correlationId of ["", "a".repeat(257), "x".repeat(4_000_000), "😀".repeat(256)]) {
      world.bus.publish(elce, ecap.UnregisteredEvent.toBuffer({ ...event, correlationId }))
      const removed = { correlationId, timestamp: 1, timeout: 0, tenantId: "t", originatorReplicaId: "tm" }
      world.bus.publish(tle, ecap.TenantUnregisteredEvent.toBuffer(removed))
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
    world.bus.publish(elce, gone("../../x y"))
    await eventually(
      () => counted(world, "cm_events_heard_total", 'protocol="elce"', 'outcome="done"'),
      (count) => count >= 1
    )
    assert.deepStrictEqual(world.tenants.calls, [])
    await world.close()
  })

  it("is tried again until the store is back; a refusal ends it, and so does a bug", async () => {
    const world = await protocolWorld()
    const answers: Array<Effect.Effect<{ deleted: number }, ChangeError>> = [
      Effect.fail(new errors.Unavailable({ part: "database", committed: null })),
      Effect.fail(new errors.TooManyRequests({ limit: "mailbox" })),
      Effect.succeed({ deleted: 1 }),
      Effect.fail(new errors.TenantNotFound({ tenantId: "t" })),
      Effect.die(new Error("planted")),
      Effect.succeed({ deleted: 1 })
    ]
    world.tenants.script.unregisterEndpoint = () => answers.shift() ?? Effect.succeed({ deleted: 0 })
    world.bus.publish(elce, gone("first"))
    await asked(world, 3)
    for (const endpoint of ["second", "third", "fourth"]) {
      world.bus.publish(elce, gone(endpoint))
      await eventually(
        () => world.tenants.calls.at(-1)?.args[0],
        (last) => last === endpoint
      )
    }
    assert.deepStrictEqual(
      world.tenants.calls.map(({ args }) => args[0]),
      ["first", "first", "first", "second", "third", "fourth"]
    )
    assert.isTrue(world.logged.some((line) => line.includes("an event met a bug")))
    await world.close()
  })

  it("more than may wait are dropped and counted; those that wait are all done when the store is back", async () => {
    const world = await protocolWorld({ config: { eventsWaitingMax: 8 } })
    let away = true
    const done = new Set<unknown>()
    world.tenants.script.unregisterEndpoint = (endpointId) =>
      Effect.suspend(() => {
        if (away) return Effect.fail(new errors.Unavailable({ part: "database", committed: null }))
        done.add(endpointId)
        return Effect.succeed({ deleted: 1 })
      })
    for (let index = 0; index < 12; index++) world.bus.publish(elce, gone(`e-${index}`))
    assert.strictEqual(await counted(world, 'protocol="elce"', 'reason="overflow"'), 4)
    away = false
    await eventually(
      () => done.size,
      (size) => size === 8
    )
    await world.close()
  })
})

describe("21/TLE", () => {
  it("an unregistered tenant is removed by every replica that hears it; a tenant that is gone is no trouble", async () => {
    const world = await protocolWorld()
    world.tenants.script.removeTenant = (tenantId) => Effect.fail(new errors.TenantNotFound({ tenantId }))
    world.bus.publish("kaa.v1.events.tm.tenant.lifecycle.updated", tenantEvent("demo"))
    world.bus.publish(tle, tenantEvent("not a tenant id"))
    world.bus.publish(tle, tenantEvent("demo"))
    assert.deepStrictEqual(await asked(world, 1), [
      { method: "removeTenant", args: ["demo", { ...servicePrincipal("tle"), correlationId: "c", idempotency: null }] }
    ])
    await eventually(
      () => counted(world, "cm_events_heard_total", 'type="updated"', 'outcome="done"'),
      (count) => count === 1
    )
    await world.close()
  })
})
