// Verifies R-BUS-34.
/**
 * A flood harms no innocent request: a consumer of secrets publishes as much and as large as its account may, from
 * several connections at once, while others validate, change and tell events. And where a bus lets it publish
 * messages of any size, what carries validations, events and leases is not what it floods.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "@nats-io/transport-node"
import { afterEach, assert, expect, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { rawClient } from "../../support/rawClient.ts"
import { roleAccounts } from "../../support/roleAccounts.ts"
import { type Server, startNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "flo"
const floodMs = 8_000
const floodersCount = 4
/** A flood that kept a lease from being renewed all its time would cost it; that a process gets no turn for a while does not. */
const env = { CM_LEASE: "6 seconds" }
const mebibyte = 1_048_576

/** What the shipped nats.conf says: the largest message of a consumer, and how much may wait for one client. */
const shipped = readFileSync(join(import.meta.dirname, "../../../nats.conf"), "utf8")
const consumerPayload = /CONSUMERS \{\s+limits \{ max_payload: (\d+)KB \}/u.exec(shipped)?.[1]
const pending = /^max_pending: (\S+)$/mu.exec(shipped)?.[1]

interface World {
  readonly server: Server
  readonly service: Service
  readonly client: Client
  readonly stop: () => Promise<void>
}
let world: World | undefined
afterEach(() => world?.stop())

const start = async (config: string): Promise<World> => {
  const folder = temporaryFolder()
  const configFile = join(folder.path, "flood.conf")
  writeFileSync(configFile, config)
  const server = await startNats({ dir: folder.path, configFile })
  const database: FreshDatabase = await freshDatabase(inject("databaseUrl"))
  const service = await startService({ natsUrl: server.url, databaseUrl: database.url, instance, env })
  const client = await connectClient({ natsUrl: server.url, instance })
  await client.ask("demo", "application.register", { appName: "app" })
  await client.ask("demo", "token.provision", { appName: "app", endpointId: "e", token: "good-token-1" })
  const stop = async () => {
    await client.close()
    await service.stop()
    await server.stop()
    await database.drop()
    folder.remove()
  }
  return { server, service, client, stop }
}

const lostConnections = async ({ client }: World) => {
  const { body } = await client.admin("metrics")
  return [...String(body).matchAll(/^cm_nats_disconnects_total\{[^}]*connection="(\w+)"[^}]*\} ([1-9]\d*)/gmu)].map(
    ([, connection]) => connection!
  )
}

/** Does each again and again for as long as the flood lasts; what went wrong. */
const during = async (works: Record<string, (turn: number) => Promise<string | null>>) => {
  const until = performance.now() + floodMs
  const turns: Record<string, number> = {}
  const wrong: Array<string> = []
  const goOn = async ([what, once]: [string, (turn: number) => Promise<string | null>]) => {
    for (let turn = 0; performance.now() < until; turn++) {
      const problem = await once(turn).catch((error: unknown) => `${error}`)
      if (problem !== null) wrong.push(`${what}: ${problem}`)
      turns[what] = turn + 1
    }
  }
  await Promise.all(Object.entries(works).map(goOn))
  process.stdout.write(`flood: ${JSON.stringify(turns)}\n`)
  return { turns, wrong }
}

const flooders = async ({ server }: World, bytes: number) => {
  const large = new Uint8Array(bytes).fill(0x20)
  const connections = await Promise.all(
    Array.from({ length: floodersCount }, () =>
      connect({ servers: server.url, user: "chat", pass: "chat", noAsyncTraces: true, maxReconnectAttempts: -1 })
    )
  )
  const works = connections.map((nc, index) => {
    const flood = async () => {
      nc.publish(`${instance}.v1.demo.credential.describe`, large, { reply: `_INBOX.flood.${index}` })
      await nc.flush()
      return null
    }
    return [`flood ${index}`, flood] as const
  })
  return {
    works: Object.fromEntries(works),
    close: () => Promise.all(connections.map((nc) => nc.close()))
  }
}

const validators = ({ client }: World) =>
  Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => {
      const validate = async () => {
        const { statusCode } = await client.validate("app", "good-token-1")
        return statusCode === 200 ? null : String(statusCode)
      }
      return [`validation ${index}`, validate]
    })
  )

const tellGone = ({ client }: World, endpointId: string) =>
  client.nc.publish(
    `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
    ecap.UnregisteredEvent.toBuffer({
      correlationId: "c",
      timestamp: 1_700_000_000_000,
      timeout: 0,
      appVersionName: "v",
      endpointId,
      tenantId: "demo",
      originatorReplicaId: "epr"
    })
  )
const isGone = ({ client }: World, token: string) =>
  eventually(
    () => client.validate("app", token),
    ({ statusCode }) => statusCode === 404,
    { limitMs: 120_000, what: "an unregistered endpoint without tokens" }
  )

it("of what a consumer may send harms nobody", { timeout: 300_000 }, async () => {
  assert(consumerPayload !== undefined && pending !== undefined, "the shipped nats.conf limits consumers")
  const limits = `CONSUMERS {\n    limits { max_payload: ${consumerPayload}KB }`
  world = await start(roleAccounts(`max_pending: ${pending}`).replace("CONSUMERS {", limits))
  const { client, server, service } = world
  const flood = await flooders(world, Number(consumerPayload) * 1_024 - 512)
  const changed = async () => {
    const { body, status } = await client.ask("demo", "token.provision", { appName: "app", endpointId: "t" })
    if (status !== 201) return `provision ${status}`
    const answer = await client.transition("app", body.token, "Revoked")
    if (answer.statusCode !== 200) return `transition ${answer.statusCode}`
    const { statusCode } = await client.validate("app", body.token)
    return statusCode === 410 ? null : `revoked and ${statusCode}`
  }
  const told = async (turn: number) => {
    const { body } = await client.ask("demo", "token.provision", { appName: "app", endpointId: `gone-${turn}` })
    tellGone(world!, `gone-${turn}`)
    await isGone(world!, body.token)
    return null
  }
  /** The server lets nobody send more: it ends the connection. */
  const tooLarge = async () => {
    const raw = await rawClient({ port: server.port, user: "chat", password: "chat", inboxPrefix: "_INBOX" })
    raw.publish({
      subject: `${instance}.v1.demo.credential.describe`,
      reply: "_INBOX.x.y",
      payload: Buffer.alloc(8 * mebibyte)
    })
    await eventually(raw.isClosed, Boolean, { what: "the end of a connection that sent too much" })
    return null
  }
  const { turns, wrong } = await during({ ...flood.works, ...validators(world), changed, told, tooLarge })
  await flood.close()
  expect(wrong).toEqual([])
  expect(await lostConnections(world)).toEqual([])
  expect(Math.min(...["changed", "told", "tooLarge"].map((what) => turns[what] ?? 0))).toBeGreaterThan(0)
  await eventually(
    () => client.admin("ready"),
    ({ status }) => status === 200,
    { what: "the service being ready" }
  )
  expect(service.output()).not.toMatch(/lease lost/u)
})

it("of any size harms no validation, no lease and no event", { timeout: 300_000 }, async () => {
  world = await start(roleAccounts(`max_pending: ${pending}`))
  const { client, service } = world
  const tokens: Array<string> = []
  for (let index = 0; index < 20; index++) {
    const { body } = await client.ask("demo", "token.provision", { appName: "app", endpointId: `gone-${index}` })
    tokens.push(body.token)
  }
  const flood = await flooders(world, 8 * mebibyte - 1_024)
  const told = async (turn: number) => {
    tellGone(world!, `gone-${turn % tokens.length}`)
    await isGone(world!, tokens[turn % tokens.length]!)
    return null
  }
  const { wrong } = await during({ ...flood.works, ...validators(world), told })
  await flood.close()
  expect(wrong).toEqual([])
  const lost = await eventually(
    () => lostConnections(world!),
    () => true
  )
  expect(lost.filter((connection) => connection !== "requests")).toEqual([])
  expect(service.output()).not.toMatch(/lease lost/u)
})
