// Verifies R-BUS-16.
/**
 * A subject with a carriage return, on the way from one server of a cluster to another.
 *
 * A server takes such a subject from its client as it is, and looks at permissions, exports and imports with all of it.
 * The next server reads the line of the route with the carriage return as a blank: what stands before it is the subject,
 * what stands behind it can be a reply subject in the service's account. A request to JetStream that ends so had a
 * stream deleted, as within one account.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, it } from "vitest"
import { busEnvironment, newPasswords } from "../../../scripts/stack.mjs"
import { eventually } from "../../support/eventually.ts"
import { type NatsCluster, startNatsCluster } from "../../support/natsCluster.ts"
import { type RawClient, rawClient } from "../../support/rawClient.ts"

const text = readFileSync(join(import.meta.dirname, "../../../nats.conf"), "utf8")
const passwords: Record<string, string> = newPasswords()
const streams = ["CM_EVENTS", "CM_REVOCATIONS", "KV_CM_TOKENS", "KV_CM_METADATA"]

let cluster: NatsCluster
let service: NatsConnection

beforeAll(async () => {
  cluster = await startNatsCluster({ config: text, env: busEnvironment(passwords) })
  const opening = () =>
    connect({
      servers: cluster.url.split(","),
      user: "service",
      pass: passwords.service!,
      inboxPrefix: "_INBOX.service"
    })
  service = await opening()
  // What is asked before the cluster has chosen its leader is answered by nobody.
  const manager = await jetstreamManager(service, { timeout: 2_000, checkAPI: false })
  const subjects: Readonly<Record<string, string>> = {
    CM_EVENTS: "cm.events.v1.>",
    CM_REVOCATIONS: "kaa.v1.events.cm.>",
    KV_CM_TOKENS: "$KV.CM_TOKENS.>",
    KV_CM_METADATA: "$KV.CM_METADATA.>"
  }
  for (const name of streams) {
    await eventually(
      () =>
        manager.streams.add({ name, subjects: [subjects[name]!], num_replicas: 1, allow_direct: true }).then(
          () => "made",
          (error: Error) => error.message
        ),
      (made) => made === "made",
      { limitMs: 120_000, what: `the stream ${name}` }
    )
  }
})
afterAll(async () => {
  await service?.close()
  await cluster?.stop()
})

/**
 * When each was made: a stream that somebody deleted is not found. Such a line ends the route it goes over, for about a
 * second, and an answer that would have come over it with it.
 */
const made = async () => {
  const manager = await jetstreamManager(service, { timeout: 2_000, checkAPI: false })
  const told = (name: string) =>
    manager.streams.info(name).then(
      ({ created }) => created,
      (error: Error) => error.message
    )
  const answered = (name: string) =>
    eventually(
      () => told(name),
      (answer) => /^20|not found/u.test(answer),
      { limitMs: 40_000, what: `what became of ${name}` }
    )
  return Promise.all(streams.map(answered))
}

/** Connected to every server: at least one of them is not where the stream is. */
const everywhere = (user: string, password: string): Promise<ReadonlyArray<RawClient>> =>
  Promise.all(cluster.servers.map(({ port }) => rawClient({ port, user, password })))

const pointedAt = (stream: string, subject: string): string =>
  `$JS.API.DIRECT.GET.${stream}.${subject}\r+\r$JS.API.STREAM.DELETE.CM_EVENTS`

it("an operator at any server has no stream deleted by what stands behind a carriage return", async () => {
  const before = await made()
  const operators = await everywhere("operator", passwords.operator!)
  for (const operator of operators) {
    for (const stream of streams) {
      const bucket = stream.replace("KV_", "$KV.")
      for (const subject of ["a", `${bucket}.a`, `${bucket}.a.b`, "cm.events.v1.demo.token.revoked"]) {
        operator.publish({ subject: pointedAt(stream, subject) })
        operator.publish({ subject: pointedAt(stream, subject), headers: "NATS/1.0\r\nA: b\r\n\r\n" })
      }
    }
    await operator.flush()
  }
  for (const operator of operators) {
    // Who has this answer has waited for what JetStream was asked before; it is lost where a route has ended.
    const names = () =>
      operator.ask({ subject: "$JS.API.STREAM.NAMES" }, 2_000).then(
        ({ data }) => data.toString(),
        () => ""
      )
    await eventually(names, (answer) => answer.includes("CM_REVOCATIONS"), { limitMs: 40_000, what: "the names" })
  }
  assert.deepStrictEqual(await made(), before)
  assert.isNotEmpty(operators.flatMap(({ refusals }) => refusals))
  for (const operator of operators) operator.close()
})

it("nothing that JetStream answers is exported with any number of words behind it", () => {
  const exported = [...text.matchAll(/\{ service: "(\$JS\.[^"]+)"/gu)].map(([, subject]) => subject!)
  assert.isAbove(exported.length, 20)
  assert.deepStrictEqual(
    exported.filter((subject) => subject.includes(">")),
    []
  )
})
