// Verifies R-BUS-16.
/**
 * Nobody makes the service or JetStream act in the service's account by pointing an answer there.
 *
 * On the shipped nats.conf every user outside of CM makes every request that it may make, each with
 * every subject that would hurt as its reply subject, while whoever answers in CM answers at once and
 * with an empty body, which is the worst: it is a valid request to the JetStream API.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { Kvm } from "@nats-io/kv"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Duration } from "effect"
import { afterAll, assert, beforeAll, it } from "vitest"
import { type Limits, plansOf } from "../../../src/nats/StreamPlan.ts"
import { eventually } from "../../support/eventually.ts"
import { insertAfter, type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"

/** One who hears everything in CM, and one who has there what an operator has outside. */
const spies = `
      { user: spy, password: $CM_BUS_SPY, permissions { subscribe: [">"], publish: ["_INBOX.spy.>"] } }
      { user: looker, password: $CM_BUS_LOOKER, permissions { subscribe: ["_INBOX.looker.>"], publish: ["$JS.API.DIRECT.GET.*"] } }`
const cmUsers = "    limits { max_payload: 8MB }\n\n    users: ["

const hurting = [
  "$JS.API.STREAM.DELETE.CM_EVENTS",
  "$JS.API.STREAM.PURGE.CM_EVENTS",
  "$JS.API.STREAM.DELETE.CM_REVOCATIONS",
  "$JS.API.STREAM.DELETE.KV_CM_TOKENS",
  "$JS.API.STREAM.DELETE.KV_CM_LEASES",
  "$JS.API.STREAM.PURGE.KV_CM_LEASES",
  "$JS.API.STREAM.UPDATE.CM_EVENTS",
  "$KV.CM_LEASES.lease.two",
  "$KV.CM_TOKENS.a.b",
  "cm.internal.v1.apply",
  "cm.v1.demo.token.revoke",
  "cm.v1.demo.application.remove",
  "cm.events.v1.demo.token.revoked",
  "kaa.v1.events.cm.endpoint.token.revoked",
  "kaa.v1.events.epr.endpoint.lifecycle.unregistered",
  "kaa.v1.service.cm.scmp.configuration.delete",
  "kaa.v1.service.cm.ecap.ep-token-status-transition-request",
  "_INBOX.comms.a.1",
  "_INBOX.service.a.1"
]
/** A literal import may pass an answer on, without a reply subject; what comes so is not carried out. */
const withoutReply = new Set(["kaa.v1.service.cm.ecap.ep-token-status-transition-request"])
const bodies = ["", '{"seq":999999}', '{"last_by_subj":"cm.events.v1.>"}']

/** What a user may publish, as nats.conf says, a word in place of each wildcard. */
const requestsOf = (user: string): ReadonlyArray<string> => {
  const text = readFileSync(join(import.meta.dirname, "../../../nats.conf"), "utf8")
  const block = text.slice(text.indexOf(`        user: ${user}\n`))
  const publish = /publish(?::| \{\s+allow:) \[([^\]]*)\]/u.exec(block)?.[1] ?? ""
  return [...publish.matchAll(/"([^"]+)"/gu)].map(([, subject]) =>
    subject!
      .replace(/^cm\.v1\.>$/u, "cm.v1.demo.token.get")
      .replace(/^kaa\.v1\.events\.>$/u, "kaa.v1.events.epr.endpoint.lifecycle.unregistered")
      .replace(/\.>$/u, ".x")
      .replaceAll("*", "demo")
  )
}

/** What takes the platform's events in is made as the service makes it: a stream's answer goes wherever the publisher says. */
const limits: Limits = {
  replicas: 1,
  eventsAge: Duration.days(1),
  eventsBytesMax: 1_000_000,
  revocationsBytesMax: 1_000_000,
  inboxAge: Duration.days(1),
  inboxBytesMax: 1_000_000,
  elceOriginators: "*",
  tleOriginators: "*",
  duplicateWindow: Duration.minutes(1),
  tokensAge: Duration.days(1),
  tokensBytesMax: 1_000_000,
  metadataAge: Duration.days(1),
  metadataBytesMax: 1_000_000
}
const inboxPlan = plansOf("cm", limits).find(({ name }) => name === "CM_INBOX")!

let bus: ShippedBus
let service: NatsConnection
let spy: NatsConnection
const heard: Array<{ readonly subject: string; readonly reply: string }> = []

beforeAll(async () => {
  bus = await startShippedBus({ edit: (text) => insertAfter(text, cmUsers, spies) })
  service = await bus.as("service")
  const manager = await jetstreamManager(service, { timeout: 60_000 })
  await manager.streams.add({ name: "CM_EVENTS", subjects: ["cm.events.v1.>"], allow_direct: true })
  const revocations = ["kaa.v1.events.cm.endpoint.token.revoked", "kaa.v1.events.cm.client.>"]
  await manager.streams.add({ name: "CM_REVOCATIONS", subjects: revocations, allow_direct: true })
  await manager.streams.add({ ...inboxPlan })
  await jetstream(service, { timeout: 60_000 }).publish("cm.events.v1.demo.token.revoked", "{}")
  for (const name of ["CM_TOKENS", "CM_METADATA", "CM_LEASES"]) {
    await (await new Kvm(jetstream(service, { timeout: 60_000 })).create(name)).put("lease.two", "held")
  }
  for (const subject of ["cm.v1.>", "cm.admin.v1.>", "cm.gateway.v1.>", "kaa.v1.service.cm.>", "$SRV.>"]) {
    service.subscribe(subject, { callback: (_, message) => void message.respond("") })
  }
  await service.flush()
})
afterAll(async () => {
  await Promise.all([service, spy].map((connection) => connection?.close()))
  await bus?.stop()
})

const state = async () => {
  const manager = await jetstreamManager(service, { timeout: 60_000 })
  const names = ["CM_EVENTS", "CM_REVOCATIONS", "KV_CM_TOKENS", "KV_CM_METADATA", "KV_CM_LEASES"]
  const infos = await Promise.all(names.map((name) => manager.streams.info(name)))
  return infos.map(({ config, state: { last_seq, messages } }) => [config.name, messages, last_seq].join(" "))
}

it.each(["operator", "admin", "gateway", "mail", "chat", "platform", "rotator"])(
  "%s has no answer put onto a subject of CM, whatever it asks",
  async (user) => {
    const before = await state()
    spy = await bus.as("spy")
    spy.subscribe(">", { callback: (_, { reply, subject }) => void heard.push({ subject, reply: reply ?? "" }) })
    await spy.flush()
    heard.length = 0
    const asker = await bus.as(user)
    const requests = requestsOf(user)
    assert.isNotEmpty(requests)
    const answers: Array<string> = []
    asker.subscribe(`_INBOX.${user}.>`, { callback: (_, { subject }) => void answers.push(subject) })
    for (const request of requests) {
      for (const reply of hurting) for (const body of bodies) asker.publish(request, body, { reply })
    }
    await asker.flush()
    // JetStream's own queue is worked off in order: its answer comes after all of those.
    const sentinel = user === "operator" ? "$JS.API.STREAM.NAMES" : requests[0]!
    asker.publish(sentinel, "", { reply: `_INBOX.${user}.end` })
    if (!["platform", "rotator"].includes(user)) {
      await eventually(
        () => answers.length,
        (count) => count > 0,
        { limitMs: 120_000, what: "the last answer" }
      )
    }
    // Once for every request to be heard and answered, and once for the answers to have left.
    await service.flush()
    await service.flush()
    await spy.flush()
    if (user !== "rotator") assert.isNotEmpty(heard)
    const wrong = heard.filter(
      ({ reply, subject }) => hurting.includes(subject) && !(withoutReply.has(subject) && reply === "")
    )
    // What a user may publish by itself it may publish.
    const own = user === "platform" ? new Set(["kaa.v1.events.epr.endpoint.lifecycle.unregistered"]) : new Set<string>()
    assert.deepStrictEqual(
      [...new Set(wrong.map(({ subject }) => subject))].filter(
        (subject) => !own.has(subject) && !requests.includes(subject)
      ),
      []
    )
    assert.deepStrictEqual(await state(), before)
    await Promise.all([asker.close(), spy.close()])
  }
)

it("the same message deletes a stream where the asker shares the account, so that the above would notice", async () => {
  const looker = await connect({ servers: bus.url, user: "looker", pass: bus.passwords.looker! })
  looker.publish("$JS.API.DIRECT.GET.CM_REVOCATIONS", '{"seq":999999}', {
    reply: "$JS.API.STREAM.DELETE.CM_REVOCATIONS"
  })
  const manager = await jetstreamManager(service, { timeout: 60_000 })
  await eventually(
    () =>
      manager.streams.info("CM_REVOCATIONS").then(
        () => "there",
        () => "gone"
      ),
    (found) => found === "gone",
    { limitMs: 120_000 }
  )
  await looker.close()
})

it("users of CM come in as plain clients only, so that no leaf node can write the server's own word", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../nats.conf"), "utf8")
  const cm = text.slice(text.indexOf("\n  CM {"), text.indexOf("\n    exports: ["))
  assert.strictEqual([...cm.matchAll(/\n {8}user: /gu)].length, 2)
  assert.strictEqual([...cm.matchAll(/allowed_connection_types: \["STANDARD"\]/gu)].length, 2)
})

it("runs with the settings that the promises stand on, as the server itself says", async () => {
  const sys = await bus.as("sys")
  const answer = await sys.request("$SYS.REQ.SERVER.PING.VARZ", "", { timeout: 60_000 })
  const { data } = answer.json<{
    readonly data: Readonly<Record<string, unknown>> & { readonly jetstream: { readonly config: object } }
  }>()
  assert.deepInclude(data, {
    max_payload: 8_388_608,
    max_pending: 134_217_728,
    write_deadline: 5_000_000_000,
    system_account: "SYS"
  })
  assert.deepInclude(data.jetstream.config, { sync_always: true })
  await sys.close()
})

it.each([
  ["admin", 8_388_608],
  ["gateway", 8_388_608],
  ["service", 8_388_608],
  ["operator", 1_048_576],
  ["platform", 1_048_576],
  ["mail", 65_536]
])("%s may send messages of %i bytes and no larger", async (user, bytes) => {
  const subject = requestsOf(user)[0]!
  const connection = await bus.as(user)
  connection.publish(subject, new Uint8Array(bytes))
  await connection.flush()
  const refused = connection.closed()
  let failure = ""
  try {
    connection.publish(subject, new Uint8Array(bytes + 1))
    await Promise.race([refused, connection.flush()])
    for await (const status of connection.status()) {
      failure = status.type === "error" ? status.error.message : status.type
      if (status.type === "error" || status.type === "disconnect") break
    }
  } catch (error) {
    failure = String(error)
  }
  assert.match(failure, /payload|disconnect/iu)
  // May fail: the server has closed it already.
  await connection.close().catch(() => undefined)
})
