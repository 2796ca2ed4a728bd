// Verifies R-BUS-8.
/**
 * Who may say and hear what on the bus: every user of the shipped nats.conf against every operation of
 * the table and every family of subjects, on a server that runs that very file. Whoever is not named
 * beside a subject is refused.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { Kvm } from "@nats-io/kv"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, expect, it } from "vitest"
import { busEnvironment, busUsers, configFor, findNatsServer, newPasswords } from "../../scripts/stack.mjs"
import type { Operation } from "../../src/protocols/Operation.ts"
import { endpointSubject } from "../../src/protocols/OperationEndpoints.ts"
import { operations } from "../../src/protocols/OperationTable.ts"
import { rawNats } from "../support/rawNats.ts"
import { type Server, startNats, temporaryFolder } from "../support/servers.ts"

const shipped = join(import.meta.dirname, "../../nats.conf")
const passwords = newPasswords()
const folder = temporaryFolder()
let server: Server

beforeAll(async () => {
  server = await startNats({ dir: folder.path, configFile: shipped, env: busEnvironment(passwords) })
})

afterAll(async () => {
  await server.stop()
  folder.remove()
})

/** `sys` lives in an account of its own: it may say anything there, and nobody here hears it. */
const users = busUsers.filter((user) => user !== "sys")

const secretReaders = ["mail", "chat", "whatsapp"]
/**
 * Whose keys an operator may ask for one by one, by a subject of as many words as a key has. What ends with `>` would let
 * somebody write a reply subject into it (bus/routes.test.ts).
 */
const buckets = ["CM_TOKENS", "CM_METADATA"]
/** Leases are between replicas: nobody else looks at them. */
const leases = "KV_CM_LEASES"
const streams = ["CM_EVENTS", "CM_REVOCATIONS", "CM_INBOX", "KV_CM_TOKENS", "KV_CM_METADATA", leases]

const looking = (stream: string): ReadonlyArray<string> => (stream === leases ? ["service"] : ["operator", "service"])

/** Who may ask for an operation. A new one is an administrator's or an operator's, until it is named here. */
const whoAsks = ({ family, name }: Pick<Operation, "family" | "name">): ReadonlyArray<string> => {
  if (family === "admin") return name === "ready" ? ["gateway", "operator"] : ["operator"]
  switch (name) {
    case "token.validate":
    case "token.validate-batch":
      return ["admin", "comms", "gateway"]
    case "credential.get":
      return ["gateway"]
    case "credential.describe":
      return ["admin", "gateway", ...secretReaders]
    default:
      return ["admin", "gateway"]
  }
}

const mayPublish: ReadonlyArray<readonly [subject: string, who: ReadonlyArray<string>]> = [
  // Platform protocols.
  ["kaa.v1.service.cm.ecap.ep-token-request", ["comms"]],
  ["kaa.v1.service.cm.ecap.client-username-password-request", ["comms"]],
  ["kaa.v1.service.cm.ecap.client-certificate-request", ["comms"]],
  ["kaa.v1.service.cm.cap.basic-request", ["comms"]],
  ["kaa.v1.service.cm.cap.certificate-request", ["comms"]],
  ["kaa.v1.service.cm.ecap.ep-token-status-transition-request", ["admin", "gateway"]],
  ["kaa.v1.service.cm.scmp.configuration.upsert", ["platform"]],
  ["kaa.v1.service.cm.scmp.configuration.delete", ["platform"]],
  ["kaa.v1.service.cm.other", []],
  ["kaa.v1.service.other.ecap.ep-token-request", []],
  // Management: every operation that there is.
  ...operations.map((operation): readonly [string, ReadonlyArray<string>] => [
    endpointSubject("cm", operation).replace("*", "demo"),
    whoAsks(operation)
  ]),
  ["cm.v1.demo.no.such", ["admin", "gateway"]],
  ["cm.gateway.v1.resolve", ["gateway"]],
  ["cm.gateway.v1.events", ["gateway"]],
  ["cm.gateway.v1.other", []],
  ["cm.rotators.v1.pin.set", ["service"]],
  // Secrets, also under the literal token that a wildcard permission admits.
  ["cm.v1.*.credential.get", ["gateway"]],
  ["cm.v1.demo.credential.get.mail", ["mail"]],
  ["cm.v1.*.credential.get.mail", ["mail"]],
  ["cm.v1.demo.credential.get.chat", ["chat"]],
  ["cm.v1.demo.credential.get.whatsapp", ["whatsapp"]],
  ["cm.v1.demo.credential.get.gateway", []],
  ["cm.v1.demo.credential.get.mail.more", []],
  // Running the service.
  ["cm.admin.v1.no.such", ["operator"]],
  ["$SRV.PING", ["operator"]],
  ["$SRV.STATS.credential-management", ["operator"]],
  // Between replicas.
  ["cm.internal.v1.apply", ["service"]],
  // Events.
  ["kaa.v1.events.cm.endpoint.token.revoked", ["service"]],
  ["cm.events.v1.demo.token.revoked", ["service"]],
  ["kaa.v1.events.epr.endpoint.lifecycle.unregistered", ["platform"]],
  ["kaa.v1.events.tenants.tenant.lifecycle.updated", ["platform"]],
  ["kaa.v1.events.tekton.service.configuration.upsert", ["platform"]],
  // Answers.
  ["_INBOX.comms.a.1", ["service"]],
  ["_INBOX.service.a.1", ["service"]],
  ["_INBOX.admin.a.1", []],
  ["_R_.a.1", ["rotator", "service"]],
  ["kaa.v1.replica.comms.1", ["service"]],
  // Buckets.
  ["$KV.CM_TOKENS.a.b", ["service"]],
  ["$KV.CM_METADATA.a.b", ["service"]],
  ["$KV.CM_LEASES.lease.one", ["service"]],
  ["$KV.OTHER.a", []],
  // JetStream.
  ["$JS.API.INFO", ["operator", "service"]],
  ["$JS.API.STREAM.NAMES", ["operator"]],
  ["$JS.API.STREAM.LIST", ["operator"]],
  ...streams.flatMap(
    (stream): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => [
      [`$JS.API.STREAM.INFO.${stream}`, looking(stream)],
      [`$JS.API.STREAM.MSG.GET.${stream}`, looking(stream)],
      [`$JS.API.DIRECT.GET.${stream}`, stream === "CM_INBOX" ? ["service"] : looking(stream)],
      [`$JS.API.DIRECT.GET.${stream}.a.b`, ["service"]],
      [`$JS.API.CONSUMER.INFO.${stream}.c`, looking(stream)],
      [`$JS.API.CONSUMER.LIST.${stream}`, stream === leases ? [] : ["operator"]],
      [`$JS.API.CONSUMER.NAMES.${stream}`, stream === leases ? [] : ["operator"]],
      [`$JS.API.STREAM.CREATE.${stream}`, ["service"]],
      [`$JS.API.STREAM.UPDATE.${stream}`, ["service"]],
      [`$JS.API.CONSUMER.CREATE.${stream}.c.>`, ["service"]],
      [`$JS.API.CONSUMER.MSG.NEXT.${stream}.c`, ["service"]],
      [`$JS.API.CONSUMER.DURABLE.CREATE.${stream}.c`, []],
      [`$JS.API.STREAM.DELETE.${stream}`, []],
      [`$JS.API.STREAM.PURGE.${stream}`, []],
      [`$JS.API.STREAM.MSG.DELETE.${stream}`, []],
      [`$JS.API.STREAM.SNAPSHOT.${stream}`, []],
      [`$JS.API.STREAM.RESTORE.${stream}`, []],
      [`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, []]
    ]
  ),
  ...buckets.flatMap((bucket): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => {
    const key = `$JS.API.DIRECT.GET.KV_${bucket}.$KV.${bucket}.demo`
    return [
      [`${key}.a`, ["operator", "service"]],
      [`${key}.a.b`, ["service"]]
    ]
  }),
  ["$JS.API.STREAM.INFO.OTHER", []],
  ["$JS.API.STREAM.MSG.GET.OTHER", []],
  ["$JS.API.DIRECT.GET.OTHER", []],
  ["$JS.API.STREAM.CREATE.OTHER", []],
  ["$JS.API.CONSUMER.CREATE.OTHER.c.>", []],
  ["$JS.API.META.LEADER.STEPDOWN", []],
  ["$SYS.REQ.SERVER.PING", []],
  ["anything.else", []]
]

const mayHear: ReadonlyArray<readonly [subject: string, who: ReadonlyArray<string>]> = [
  [">", []],
  ["kaa.v1.service.cm.>", ["service"]],
  ["kaa.v1.service.cm.ecap.ep-token-request", ["service"]],
  ["cm.v1.>", ["service"]],
  ["cm.v1.*.credential.get.mail", ["service"]],
  ["cm.admin.v1.>", ["service"]],
  ["cm.internal.v1.>", ["service"]],
  ["$SRV.PING", ["service"]],
  ["kaa.v1.events.>", ["operator"]],
  ["kaa.v1.events.cm.>", ["comms", "operator"]],
  ["kaa.v1.events.*.endpoint.lifecycle.unregistered", ["operator", "service"]],
  ["cm.events.v1.>", ["gateway", "operator"]],
  ["cm.gateway.v1.>", ["service"]],
  ["cm.rotators.v1.>", ["rotator"]],
  ["kaa.v1.replica.comms.>", ["comms"]],
  ["kaa.v1.replica.other.>", []],
  ["$KV.CM_LEASES.>", []],
  ["$JS.EVENT.ADVISORY.>", []],
  ["$SYS.>", []],
  ["_INBOX.>", []],
  ...users.map((user): readonly [string, ReadonlyArray<string>] => [`_INBOX.${user}.>`, [user]])
]

it("nats-server finds the file valid every time, for this instance and for another", () => {
  const binary = findNatsServer()
  assert.isDefined(binary)
  const env = {
    ...process.env,
    ...busEnvironment(passwords),
    CM_NATS_PORT: "4333",
    CM_NATS_NAME: "one",
    CM_NATS_STORE_DIR: folder.path
  }
  const other = join(folder.path, "other.conf")
  const text = configFor(readFileSync(shipped, "utf8"), "two-b")
  assert.notMatch(text.replace(/^\s*#.*$/gmu, ""), /"[^"]*\bcm\.|[^A-Z]CM_(?:EVENTS|TOKENS)/u)
  assert.include(text, '"$JS.API.STREAM.INFO.KV_TWO-B_LEASES"')
  writeFileSync(other, text)
  // An import that fits several exports is checked against any of them: such a file is valid now and then.
  for (let time = 1; time <= 20; time++) {
    for (const file of [shipped, other]) execFileSync(binary!, ["-t", "-c", file], { env, stdio: "pipe" })
  }
})

it.each(users)("%s publishes what it may and nothing else", async (user) => {
  const client = await rawNats(server.port, user, passwords[user]!)
  const wrong: Array<string> = []
  for (const [subject, who] of mayPublish) {
    const accepted = await client.mayPublish(subject)
    if (accepted !== who.includes(user)) wrong.push(`${subject} was ${accepted ? "accepted" : "refused"}`)
  }
  client.close()
  assert.deepStrictEqual(wrong, [])
})

it.each(users)("%s hears what it may and nothing else", async (user) => {
  const client = await rawNats(server.port, user, passwords[user]!)
  const wrong: Array<string> = []
  for (const [subject, who] of mayHear) {
    for (const queue of [undefined, "cm"]) {
      const accepted = await client.maySubscribe(subject, queue)
      if (accepted !== who.includes(user))
        wrong.push(`${subject} ${queue ?? ""} was ${accepted ? "accepted" : "refused"}`)
    }
  }
  client.close()
  assert.deepStrictEqual(wrong, [])
})

it("nobody comes in without a password, with a wrong one or with another user's", async () => {
  const refused = async (user: string, password: string) =>
    expect(rawNats(server.port, user, password)).rejects.toThrow(/Authorization Violation|ECONNRESET/u)
  for (const user of busUsers) {
    await refused(user, "")
    await refused(user, user === "comms" ? passwords.admin! : passwords.comms!)
  }
  await refused("", "")
})

const as = (user: string): Promise<NatsConnection> =>
  connect({ servers: server.url, user, pass: passwords[user]!, inboxPrefix: `_INBOX.${user}` })

it("what the system user says is heard by nobody in the service's account", async () => {
  const service = await as("service")
  const heard: Array<string> = []
  service.subscribe("cm.admin.v1.>", { callback: (_, message) => void heard.push(message.subject) })
  await service.flush()
  const [system, operator] = [await as("sys"), await as("operator")]
  system.publish("cm.admin.v1.drain")
  await system.flush()
  operator.publish("cm.admin.v1.health")
  await operator.flush()
  await service.flush()
  assert.deepStrictEqual(heard, ["cm.admin.v1.health"])
  await Promise.all([service.close(), system.close(), operator.close()])
})

it("the service makes and uses its streams and buckets; an operator looks at them and changes nothing", async () => {
  const service = await as("service")
  const manager = await jetstreamManager(service, { timeout: 60_000 })
  await manager.streams.add({ name: "CM_EVENTS", subjects: ["cm.events.v1.>"], allow_direct: true })
  await manager.streams.add({ name: "CM_REVOCATIONS", subjects: ["kaa.v1.events.cm.>"], allow_direct: true })
  await manager.streams.update("CM_EVENTS", { max_bytes: 1_048_576 })
  await jetstream(service, { timeout: 60_000 }).publish("cm.events.v1.demo.token.revoked", "{}")
  await manager.streams.add({ name: "CM_INBOX", subjects: ["kaa.v1.events.epr.endpoint.lifecycle.>"], no_ack: true })
  for (const name of ["CM_TOKENS", "CM_METADATA", "CM_LEASES"]) {
    const bucket = await new Kvm(jetstream(service, { timeout: 60_000 })).create(name, { history: 1 })
    const revision = await bucket.put("a.b", "one")
    await bucket.update("a.b", "two", revision)
    assert.strictEqual((await bucket.get("a.b"))?.string(), "two")
    await new Kvm(jetstream(service, { timeout: 60_000 })).open(name)
    const last = await manager.direct.getMessage(`KV_${name}`, { last_by_subj: `$KV.${name}.a.b` })
    assert.strictEqual(last?.string(), "two")
  }
  const consumer = await jetstream(service, { timeout: 60_000 }).consumers.get("CM_EVENTS", { deliver_policy: "all" })
  assert.strictEqual((await consumer.next({ expires: 20_000 }))?.subject, "cm.events.v1.demo.token.revoked")

  const operator = await as("operator")
  const looking = await jetstreamManager(operator, { timeout: 60_000 })
  assert.strictEqual((await looking.streams.list().next()).length, 6)
  assert.strictEqual((await looking.streams.info("CM_EVENTS")).state.messages, 1)
  assert.isNotNull(await looking.streams.getMessage("CM_EVENTS", { last_by_subj: "cm.events.v1.>" }))
  assert.strictEqual(
    (await (await new Kvm(jetstream(operator, { timeout: 60_000 })).open("CM_TOKENS")).get("a.b"))?.string(),
    "two"
  )
  const refused = [
    () => looking.streams.purge("CM_EVENTS"),
    () => looking.streams.delete("CM_EVENTS"),
    () => looking.streams.deleteMessage("CM_EVENTS", 1),
    () => looking.consumers.add("CM_EVENTS", { name: "c", deliver_subject: "cm.admin.v1.drain" })
  ]
  for (const attempt of refused) await expect(attempt()).rejects.toThrow(/[Pp]ermissions? [Vv]iolation/u)
  assert.strictEqual((await manager.streams.info("CM_EVENTS")).state.messages, 1)
  await Promise.all([service.close(), operator.close()])
})
