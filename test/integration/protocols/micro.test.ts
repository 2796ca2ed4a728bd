// Verifies R-BUS-7.
/**
 * The micro service on a real server: shapes of ADR-32, and the official CLI where there is one
 * (`NATS_CLI`, or `nats` on the path).
 */
import { execFile, spawnSync } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { connect, createInbox, type NatsConnection } from "@nats-io/transport-node"
import { Effect, Result } from "effect"
import { afterAll, beforeAll, inject } from "vitest"
import * as errors from "../../../src/domain/errors.ts"
import { everyOperation } from "../../../src/protocols/OperationTable.ts"
import { eventually } from "../../support/eventually.ts"
import { type LiveProtocols, liveProtocols } from "../../support/liveProtocols.ts"
import { administrator } from "../../support/roleAccounts.ts"
import { someToken } from "../../support/scriptedTenants.ts"

const cli = process.env.NATS_CLI ?? (spawnSync("nats", ["--version"]).status === 0 ? "nats" : null)
const name = "credential-management"

interface Named {
  readonly name: string
  readonly id: string
  readonly type: string
  readonly metadata: Record<string, string>
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came back
  readonly [field: string]: any
}

describe("the micro service", () => {
  let nc: NatsConnection
  let outside: NatsConnection
  let one: LiveProtocols
  let two: LiveProtocols
  beforeAll(async () => {
    const natsUrl = inject("natsUrl")
    nc = await connect({ servers: natsUrl })
    outside = await connect({ servers: natsUrl, user: administrator, pass: administrator })
    one = await liveProtocols({ natsUrl })
    two = await liveProtocols({ natsUrl, instance: one.instance, replicaId: "two" })
  })
  afterAll(async () => {
    await one.close()
    await two.close()
    await Promise.all([nc, outside].map((connection) => connection.close()))
  })

  /** Every answer of the two replicas, of which so many are to come; other instances on this server are left out. */
  const askAll = async (subject: string, expected = 2): Promise<ReadonlyArray<Named>> => {
    const answers: Array<Named> = []
    const reply = createInbox()
    const heard = nc.subscribe(reply, { callback: (_, message) => void answers.push(message.json<Named>()) })
    const own = () => answers.filter(({ metadata }) => metadata?.instance === one.instance)
    nc.publish(subject, "", { reply })
    await eventually(own, ({ length }) => length >= expected, { what: `${expected} answers on ${subject}` })
    // Whoever has it by now has answered by now, and one answer too many would be here.
    for (const connection of [one.connection, two.connection, nc]) await connection.flush()
    heard.unsubscribe()
    return own()
  }
  const sameKeys = (value: object, keys: ReadonlyArray<string>) =>
    assert.deepStrictEqual(Object.keys(value).toSorted(), keys.toSorted())

  it("every replica answers ping for all, for the name and for its own id", async () => {
    const all = await askAll("$SRV.PING")
    assert.deepStrictEqual(all.map(({ metadata }) => metadata.replica).toSorted(), ["one", "two"])
    assert.strictEqual((await askAll(`$SRV.PING.${name}`)).length, 2)
    for (const ping of all) {
      sameKeys(ping, ["type", "name", "id", "version", "metadata"])
      assert.strictEqual(ping.type, "io.nats.micro.v1.ping_response")
      assert.match(ping.id, /^[A-Za-z0-9_-]+$/)
      assert.match(ping.version, /^\d+\.\d+\.\d+$/)
      const [alone, ...more] = await askAll(`$SRV.PING.${name}.${ping.id}`, 1)
      assert.strictEqual(alone?.id, ping.id)
      assert.isEmpty(more)
    }
  })

  it("info lists every operation and both requests of 16/ECAP, with allowed names", async () => {
    const [info] = await askAll(`$SRV.INFO.${name}`)
    if (info === undefined) throw new Error("no answer")
    sameKeys(info, ["type", "name", "id", "version", "metadata", "description", "endpoints"])
    assert.strictEqual(info.type, "io.nats.micro.v1.info_response")
    // The four requests of 16/ECAP, the two of 22/CAP, and `credential.get` of a consumer.
    assert.strictEqual(info.endpoints.length, everyOperation.length + 7)
    for (const endpoint of info.endpoints) {
      sameKeys(endpoint, ["name", "subject", "queue_group", "metadata"])
      assert.match(endpoint.name, /^[A-Za-z0-9_-]+$/)
      assert.strictEqual(endpoint.queue_group, one.instance)
      for (const text of Object.values(endpoint.metadata)) assert.isString(text)
    }
    const subjects = info.endpoints.map(({ subject }: { subject: string }) => subject)
    assert.includeMembers(subjects, [
      `${one.instance}.v1.*.token.provision-batch`,
      `${one.instance}.admin.v1.tenants.list`,
      `${one.instance}.v1.*.credential.get`,
      `${one.instance}.v1.*.credential.get.*`,
      `kaa.v1.service.${one.instance}.ecap.ep-token-request`
    ])
  })

  it("statistics count late answers when they are sent, errors among them, in whole nanoseconds", async () => {
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const replica of [one, two]) {
      replica.tenants.script.getToken = () =>
        Effect.as(
          Effect.promise(() => gate),
          someToken()
        )
      replica.tenants.script.deleteTokens = () => Effect.fail(new errors.TokenNotFound({ tokenId: null }))
      replica.tenants.script.provisionTokens = () =>
        Effect.succeed([Result.succeed({ record: someToken(), token: "v" })])
    }
    const total = async (endpointName: string, field: string): Promise<number> =>
      (await askAll(`$SRV.STATS.${name}`))
        .flatMap(({ endpoints }) => endpoints)
        .filter((endpoint: { name: string }) => endpoint.name === endpointName)
        .reduce((sum: number, endpoint: Record<string, number>) => sum + (endpoint[field] ?? 0), 0)
    const patient = { timeout: 60_000 }
    const late = outside.request(`${one.instance}.v1.demo.token.get`, '{"tokenId":"x"}', patient)
    try {
      await outside.request(`${one.instance}.v1.demo.token.delete`, '{"tokenId":"x"}', patient)
      assert.strictEqual(await total("token-get", "num_requests"), 0)
    } finally {
      release()
      await late
    }
    assert.strictEqual(await total("token-get", "num_requests"), 1)
    assert.strictEqual(await total("token-get", "num_errors"), 0)
    assert.strictEqual(await total("token-delete", "num_errors"), 1)
    for (const stats of await askAll("$SRV.STATS")) {
      sameKeys(stats, ["type", "name", "id", "version", "metadata", "started", "endpoints"])
      assert.strictEqual(stats.type, "io.nats.micro.v1.stats_response")
      assert.match(stats.started, /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/)
      for (const endpoint of stats.endpoints) {
        for (const count of ["num_requests", "num_errors", "processing_time", "average_processing_time"]) {
          assert.isTrue(Number.isInteger(endpoint[count]), `${endpoint.name} ${count}`)
        }
        assert.isString(endpoint.last_error)
      }
    }
    const failed = (await askAll("$SRV.STATS"))
      .flatMap(({ endpoints }) => endpoints)
      .find((endpoint) => endpoint.name === "token-delete" && endpoint.num_errors === 1)
    assert.strictEqual(failed.last_error, "TOKEN_NOT_FOUND: Token not found")
  })

  it(
    cli === null ? "(no nats CLI here: its commands were not run)" : "the nats CLI lists, shows, counts and pings it",
    async () => {
      if (cli === null) return
      const run = async (...args: ReadonlyArray<string>) =>
        (await promisify(execFile)(cli, ["--server", inject("natsUrl"), ...args])).stdout
      assert.include(await run("micro", "ls"), name)
      assert.include(await run("micro", "info", name), "token-provision")
      const stats = await run("micro", "stats", name)
      assert.include(stats, "token-get")
      assert.include(await run("micro", "ping", name), name)
      assert.include(
        await run(
          "req",
          "--user",
          administrator,
          "--password",
          administrator,
          `${one.instance}.admin.v1.health`,
          "{}",
          "--raw"
        ),
        '"replicaId"'
      )
      assert.include(await run("req", `${one.instance}.admin.v1.no.such`, "", "--raw"), "OPERATION_NOT_FOUND")
    }
  )
})
