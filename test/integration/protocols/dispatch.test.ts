import { assert, describe, it } from "@effect/vitest"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Effect } from "effect"
import { afterAll, beforeAll, inject } from "vitest"
import { EndpointTokenStatusTransitionRequest } from "../../../src/schema/Ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type LiveProtocols, liveProtocols } from "../../support/liveProtocols.ts"
import { administrator } from "../../support/roleAccounts.ts"
import { someToken } from "../../support/scriptedTenants.ts"

describe("on a real server", () => {
  const natsUrl = inject("natsUrl")
  /** Of an administrator, and within the service's account. */
  let nc: NatsConnection
  let inside: NatsConnection
  let replicas: ReadonlyArray<LiveProtocols>
  let instance: string
  beforeAll(async () => {
    nc = await connect({ servers: natsUrl, user: administrator, pass: administrator })
    inside = await connect({ servers: natsUrl })
    // One asker has a quarter of all places, and two hundred of its requests may wait for their turn.
    const requestsInFlightMax = 1_024
    const one = await liveProtocols({ natsUrl, requestsInFlightMax })
    instance = one.instance
    replicas = [one, await liveProtocols({ natsUrl, instance, replicaId: "two", requestsInFlightMax })]
    for (const { tenants } of replicas) tenants.script.getToken = () => Effect.succeed(someToken())
  })
  afterAll(async () => {
    for (const replica of replicas) await replica.close()
    await Promise.all([nc, inside].map((connection) => connection.close()))
  })
  /** The library's own limit is a second. */
  const patient = { timeout: 60_000 }
  const calls = () => replicas.map(({ tenants }) => tenants.calls.length)
  const forget = () => {
    for (const { tenants } of replicas) tenants.calls.length = 0
  }

  it("replicas share requests: each is answered once, and both take part", async () => {
    forget()
    const subject = `${instance}.v1.demo.token.get`
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => nc.request(subject, '{"tokenId":"x"}', patient))
    )
    assert.deepStrictEqual(new Set(answers.map(({ headers }) => headers?.get("Cm-Status"))), new Set(["200"]))
    const counts = calls()
    assert.strictEqual((counts[0] ?? 0) + (counts[1] ?? 0), 200)
    assert.isTrue(counts.every((count) => count > 0))
  })

  it("nothing under the management subjects times out, literal wildcards included", async () => {
    const code = async (subject: string) => (await nc.request(subject, "", patient)).headers?.get("Nats-Service-Error")
    assert.match((await code(`${instance}.v1.demo.no.such`)) ?? "", /^OPERATION_NOT_FOUND: /)
    assert.match((await code(`${instance}.v1.demo`)) ?? "", /^OPERATION_NOT_FOUND: /)
    assert.match((await code(`${instance}.admin.v1.tenants.erase`)) ?? "", /^OPERATION_NOT_FOUND: /)
    assert.match((await code(`${instance}.v1.*.token.get`)) ?? "", /^INVALID_TENANT: /)
    assert.match((await code(`${instance}.v1.>`)) ?? "", /^INVALID_TENANT: /)
    assert.match((await code(`${instance}.v1.a*b.token.get`)) ?? "", /^INVALID_TENANT: /)
  })

  it("an answer never goes to a subject that is no inbox", async () => {
    forget()
    const heard: Array<string> = []
    const target = `${instance}.v1.demo.application.remove`
    const spy = inside.subscribe(target, { callback: (_error, message) => void heard.push(message.reply ?? "none") })
    inside.publish(`${instance}.v1.demo.token.get`, '{"tokenId":"x"}', { reply: target })
    inside.publish(
      `kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`,
      EndpointTokenStatusTransitionRequest.encode({
        correlationId: "c",
        timestamp: 0n,
        timeout: 0n,
        appName: "app",
        token: "t",
        targetStatus: "Revoked"
      }),
      { reply: target }
    )
    await inside.flush()
    await nc.request(`${instance}.v1.demo.token.get`, '{"tokenId":"x"}', patient)
    assert.deepStrictEqual(heard, [])
    assert.strictEqual(
      calls().reduce((sum, count) => sum + count, 0),
      1
    )
    spy.unsubscribe()
  })

  it("a replica that stops under load answers all that it accepted; the others take the rest", async () => {
    const third = await liveProtocols({ natsUrl, instance, replicaId: "three" })
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    third.tenants.script.getToken = () =>
      Effect.as(
        Effect.promise(() => gate),
        someToken()
      )
    const subject = `${instance}.v1.demo.token.get`
    const ask = () => nc.request(subject, '{"tokenId":"x"}', patient)
    const answers = Array.from({ length: 60 }, ask)
    await eventually(
      () => third.tenants.calls.length,
      (count) => count > 0,
      { everyMs: 1 }
    )
    const closing = third.close()
    answers.push(...Array.from({ length: 60 }, ask))
    release()
    await closing
    const statuses = (await Promise.all(answers)).map(({ headers }) => headers?.get("Cm-Status"))
    assert.deepStrictEqual(new Set(statuses), new Set(["200"]))
  })
})
