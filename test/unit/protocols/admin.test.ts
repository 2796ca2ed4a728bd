// Verifies R-AUD-5.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope } from "effect"
import type { Caller } from "../../../src/actors/tenant/Tenants.ts"
import * as Setting from "../../../src/observability/Setting.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { eventually } from "../../support/eventually.ts"
import { protocolWorld } from "../../support/protocolWorld.ts"
import { someToken } from "../../support/scriptedTenants.ts"

const matchesShape = (name: string, body: unknown): void => {
  const shape = operations.find((operation) => operation.name === name)?.answer
  Schema.decodeUnknownSync(shape as Schema.Codec<unknown>, { onExcessProperty: "error" })(body)
}

/** What was told to the audit of `global`, and of whom. */
const audited = ({ tenants }: Awaited<ReturnType<typeof protocolWorld>>) =>
  tenants.calls
    .filter(({ method }) => method === "auditTell")
    .map(({ args: [act, caller] }) => [act, (caller as Caller).principal])
const ofReplica = (action: string) => [{ action, entityType: "replica", entityId: "one", diff: null }, "ADMIN/admin"]

describe("about the replica", () => {
  it("health lives and says what does not work; ready answers 503 with the reasons", async () => {
    const world = await protocolWorld()
    const scope = Scope.makeUnsafe()
    const [good, bad] = [await world.admin("health"), await world.admin("ready")]
    assert.deepStrictEqual([good.status, good.body.status, bad.status, bad.body.ready], [200, "up", 200, true])
    matchesShape("health", good.body)
    matchesShape("ready", bad.body)
    await Effect.runPromise(
      Scope.provide(world.readiness.register("database", Effect.succeed("connection refused")), scope)
    )
    await Effect.runPromise(Scope.provide(world.readiness.register("bug", Effect.die(new Error("planted"))), scope))
    const [health, ready] = [await world.admin("health"), await world.admin("ready")]
    assert.deepStrictEqual([health.status, health.body.status], [200, "degraded"])
    assert.strictEqual(health.body.checks.database, "connection refused")
    assert.deepStrictEqual([ready.status, ready.body.error.code], [503, "UNAVAILABLE"])
    assert.deepInclude(ready.body.error.details.checks, {
      database: "connection refused",
      bug: "the check itself failed"
    })
    await Effect.runPromise(Scope.close(scope, Exit.void))
    assert.strictEqual((await world.admin("ready")).status, 200)
    await world.close()
  })

  it("metrics are Prometheus text and count requests by operation and status", async () => {
    const world = await protocolWorld()
    world.tenants.script.getToken = () => Effect.succeed(someToken())
    await world.tenant("token.get", { tokenId: "x" })
    await world.tenant("token.get", {})
    await world.tenant("no.such", {})
    world.bus.publish("cm.v1.demo.token.get", "{}")
    const { text } = await eventually(
      () => world.admin("metrics"),
      (answer) => answer.text.includes("no_reply_subject")
    )
    const line = (...parts: ReadonlyArray<string>) =>
      text.split("\n").some((one) => parts.every((part) => one.includes(part)))
    assert.isTrue(line("cm_requests_total{", 'operation="token-get"', 'status="200"', "} 1"))
    assert.isTrue(line("cm_requests_total{", 'operation="token-get"', 'status="400"', "} 1"))
    assert.isTrue(line("cm_requests_total{", 'operation="unknown"', 'status="404"', "} 1"))
    assert.isTrue(line("cm_messages_dropped_total{", 'reason="no_reply_subject"', "} 1"))
    assert.match(text, /^# TYPE cm_requests_total counter$/m)
    await world.close()
  })

  it("config.show tells every setting and masks what is secret", async () => {
    const world = await protocolWorld()
    const { body } = await world.admin("config.show")
    matchesShape("config.show", body)
    const names = body.settings.map(({ name }: { name: string }) => name)
    assert.includeMembers(names, ["CM_REQUEST_BYTES_MAX", "CM_ELCE_ORIGINATORS", "CM_DRAIN_TIMEOUT"])
    assert.deepStrictEqual(audited(world), [ofReplica("config.shown")], "who looked at them is in the audit")
    await world.close()
  })

  it("config.show gives no secret away, whether declared as one or written into a URL", async () => {
    const planted = "planted-value"
    Setting.secret({ name: "CM_TEST_SECRET", about: "a secret" })
    Setting.text({ name: "CM_TEST_URL", pattern: /^.*$/u, about: "a URL with a password" })
    const variables = {
      CM_TEST_SECRET: planted,
      CM_TEST_URL: `mariadb://user:${planted}@host:1/db`,
      CM_DRAIN_TIMEOUT: "9 seconds"
    }
    const world = await protocolWorld({ environment: variables })
    const { body, text } = await world.admin("config.show")
    const value = (name: string) => body.settings.find((setting: { name: string }) => setting.name === name).value
    assert.strictEqual(value("CM_TEST_SECRET"), "***")
    assert.strictEqual(value("CM_TEST_URL"), "mariadb://user:***@host:1/db")
    assert.strictEqual(value("CM_DRAIN_TIMEOUT"), "9 seconds")
    assert.isNull(value("CM_ELCE_ORIGINATORS"))
    assert.notInclude(text, planted)
    await world.close()
  })

  it("drain answers, then asks for the stop; from then on the replica is not ready", async () => {
    const world = await protocolWorld()
    const answer = await world.admin("drain")
    assert.deepStrictEqual(answer.body, { replicaId: "one", draining: true })
    assert.deepStrictEqual(audited(world), [ofReplica("replica.drained")])
    await Effect.runPromise(world.shutdown.requested)
    assert.strictEqual((await world.admin("health")).body.status, "stopping")
    assert.strictEqual((await world.admin("ready")).status, 503)
    await world.close()
  })
})

describe("an orderly stop", () => {
  it("takes nothing new, answers what it has, and only then ends", async () => {
    const world = await protocolWorld()
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    world.tenants.script.getToken = () =>
      Effect.as(
        Effect.promise(() => gate),
        someToken()
      )
    const held = world.tenant("token.get", { tokenId: "x" })
    let closed = false
    const closing = world.close().then(() => {
      closed = true
    })
    await eventually(world.bus.subjects, (subjects) => !subjects.includes("cm.v1.>"))
    assert.isTrue(world.bus.subjects().some((subject) => subject.startsWith("$SRV.")))
    assert.strictEqual(world.bus.publish("cm.v1.demo.token.get", "{}", { reply: "_INBOX.x.y" }), 0)
    assert.isFalse(closed)
    release()
    assert.strictEqual((await held).status, 200)
    await closing
    assert.deepStrictEqual(world.bus.subjects(), [])
  })
})
