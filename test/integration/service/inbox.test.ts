// Verifies R-PLT-8.
/** Events that come while every replica is down, or while MariaDB is, are all effective afterwards, once. */
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { freePort, type Server, startMariadb, startRolesNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "inb"
const folder = temporaryFolder()
let nats: Server
let mariadb: Server
let port: number
let client: Client
let services: ReadonlyArray<Service> = []
let keyFile: string

const startBoth = async () => {
  const start = (replica: string) =>
    startService({ natsUrl: nats.url, databaseUrl: mariadb.url, instance, replica, keyFile })
  const one = await start("one")
  services = [one, await start("two")]
}
const stopBoth = () => Promise.all(services.map((service) => service.stop()))
const startDatabase = async () => {
  mariadb = await startMariadb({ dir: join(folder.path, "mariadb"), port, password: "of-this-test" })
}

beforeAll(async () => {
  keyFile = join(folder.path, "keys.json")
  port = await freePort()
  nats = await startRolesNats({ dir: join(folder.path, "nats") })
  await startDatabase()
  await startBoth()
  client = await connectClient({ natsUrl: nats.url, instance })
  await client.ask("demo", "application.register", { appName: "app" })
})
afterAll(async () => {
  await client?.close()
  await stopBoth()
  await Promise.all([nats.stop(), mariadb.stop()])
  folder.remove()
})

const provision = async (endpointId: string): Promise<string> => {
  const { body, status } = await client.ask("demo", "token.provision", { appName: "app", endpointId })
  assert.strictEqual(status, 201)
  return body.token
}
const unregister = async (endpointId: string) => {
  const event = { correlationId: "c", timestamp: 1, timeout: 0, appVersionName: "v", originatorReplicaId: "epr" }
  const bytes = ecap.UnregisteredEvent.toBuffer({ ...event, endpointId })
  client.nc.publish(`kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`, bytes)
  await client.nc.flush()
}
const status = async (token: string) => (await client.validate("app", token)).statusCode
/** As soon as whoever is asked has its database again. */
const answered = (token: string) =>
  eventually(
    () => status(token),
    (code) => code !== 503,
    { what: "an answer" }
  )
const names = (prefix: string) => Array.from({ length: 20 }, (_, index) => `${prefix}-${index}`)
const allGone = (tokens: ReadonlyArray<string>) =>
  eventually(
    () => Promise.all(tokens.map(status)),
    (statuses) => statuses.every((status) => status === 404),
    { limitMs: 120_000, what: "every token of an unregistered endpoint being gone" }
  )

describe("endpoints that are unregistered", () => {
  it("while every replica is down lose their tokens when one is back", async () => {
    const endpoints = names("down")
    const tokens = await Promise.all(endpoints.map(provision))
    const stays = await provision("stays")
    await stopBoth()
    for (const endpoint of endpoints) await unregister(endpoint)
    await startBoth()
    await allGone(tokens)
    assert.strictEqual(await answered(stays), 200)
  })

  it("while MariaDB is down lose their tokens when it is back", async () => {
    const endpoints = names("away")
    const tokens = await Promise.all(endpoints.map(provision))
    const stays = await provision("stays-too")
    await mariadb.stop()
    for (const endpoint of endpoints) await unregister(endpoint)
    await startDatabase()
    await allGone(tokens)
    assert.strictEqual(await answered(stays), 200)
  })

  it("while MariaDB is down and the replicas are killed lose their tokens when all are back", async () => {
    const endpoints = names("killed")
    const tokens = await Promise.all(endpoints.map(provision))
    await mariadb.stop()
    for (const endpoint of endpoints) await unregister(endpoint)
    for (const service of services) service.kill("SIGKILL")
    await Promise.all(services.map(({ exited }) => exited))
    await startDatabase()
    await startBoth()
    await eventually(
      () => Promise.all(tokens.map(status)),
      (statuses) => statuses.every((status) => status === 404),
      // What a killed replica held comes again when it has been silent for ten seconds.
      { limitMs: 120_000, what: "what the killed replicas held" }
    )
  })
})
