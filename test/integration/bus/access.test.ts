// Verifies R-BUS-18.
/**
 * docs/access.md, walked through under load: people, passwords, users and accounts come and go by
 * reload, the service's own bus user and its database password change replica by replica, and no
 * request of anybody else is lost meanwhile. While it reloads, a server may say at once that nobody is
 * there (2.15.2, seldom): such a request was not carried out, and its second try must be.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { createUser } from "@nats-io/nkeys"
import { afterAll, assert, beforeAll, expect, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { type Server, startMariadb, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"
import { addPerson, addTenant, insertAfter, type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"

/** What `nats server passwd` made of it. */
const annasPassword = "planted-password-of-admin"
const annasHash = "$2a$11$wbCI3JsSs/bVrj97JgHx1u7asXQdauOsqxczjXZ3n7VUF1gnwU/jK"

const folder = temporaryFolder()
let bus: ShippedBus
let mariadb: Server
const services: Array<Service> = []
const clients: Array<Client> = []

const clientOf = async (user: string, password = bus.passwords[user]!): Promise<Client> => {
  const client = await connectClient({ natsUrl: bus.url, user, password, inboxPrefix: `_INBOX.${user}` })
  clients.push(client)
  return client
}
const replica = async (
  name: string,
  user: string,
  databaseUrl: string,
  identity: Record<string, string> = { NATS_PASSWORD: bus.passwords[user]! }
): Promise<Service> => {
  const service = await startService({
    natsUrl: bus.url,
    databaseUrl,
    replica: name,
    keyFile: join(folder.path, "keys.json"),
    env: { NATS_USER: user, ...identity }
  })
  services.push(service)
  return service
}
const refused = (user: string, password: string) =>
  expect(bus.as(user, password)).rejects.toThrow(/Authorization Violation|ECONNRESET/u)

/** Requests that go on all the time, and what became of each that was not answered as it should be. */
const load = (asks: ReadonlyArray<() => Promise<unknown>>) => {
  const lost: Array<string> = []
  let [answered, repeated, isOver] = [0, 0, false]
  const isNobody = (error: Error) => error.message.startsWith("no responders")
  /** Until the reload is over, which a busy machine takes a moment for. */
  const again = (error: Error, ask: () => Promise<unknown>) => {
    if (!isNobody(error)) throw error
    repeated++
    const look = () =>
      ask().catch((other: Error) => {
        if (isNobody(other)) throw other
        return `${other.name} ${other.message}`
      })
    return eventually(look, () => true, { limitMs: 60_000, what: "an answer after the reload" })
  }
  const lines = asks.flatMap((ask) =>
    Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const outcome = await ask()
          .catch((error: Error) => again(error, ask))
          .catch((error: Error) => `${error.name} ${error.message}`)
        if (outcome === 200) answered++
        else lost.push(String(outcome))
      }
    })
  )
  return {
    lost,
    repeated: () => repeated,
    /** Waits until so many more were answered. */
    goesOn: async () => {
      const from = answered
      await eventually(
        () => answered,
        (count) => count > from + 200,
        { limitMs: 120_000, what: "more answers" }
      )
      assert.deepStrictEqual(lost, [])
    },
    end: async () => {
      isOver = true
      await Promise.all(lines)
    }
  }
}

let admin: Client
let running: ReturnType<typeof load>
let databaseUrl: string

beforeAll(async () => {
  bus = await startShippedBus()
  mariadb = await startMariadb({ dir: join(folder.path, "mariadb"), password: "pone", mayCreateDatabases: true })
  databaseUrl = mariadb.url
  await replica("one", "service", databaseUrl)
  admin = await clientOf("admin")
  const [comms, mail] = [await clientOf("comms"), await clientOf("mail")]
  await admin.ask("demo", "application.register", { appName: "app" })
  const { body } = await admin.ask("demo", "token.provision", { appName: "app", endpointId: "e" })
  await admin.ask("demo", "credential.store", {
    service_name: "s",
    type: "api_key",
    credentials: { api_key: "k" },
    allowed_consumers: ["mail"]
  })
  running = load([
    async () => (await comms.validate("app", body.token)).statusCode,
    async () => (await admin.ask("demo", "token.get", { tokenId: body.tokenId })).status,
    async () => (await mail.ask("demo", "credential.get.mail", { service_name: "s" })).status
  ])
}, 300_000)
afterAll(async () => {
  await running?.end()
  await Promise.all(clients.map((client) => client.close()))
  await Promise.all(services.map((service) => service.stop()))
  await Promise.all([bus?.stop(), mariadb?.stop()])
  folder.remove()
}, 300_000)

it("a person comes with one reload, with a password that the file holds as bcrypt, and goes with another", async () => {
  await refused("anna", annasPassword)
  bus.edit((text) => addPerson(text, "anna"))
  bus.passwords.anna = annasHash
  await bus.reload()
  const anna = await clientOf("anna", annasPassword)
  await refused("anna", annasHash)
  const { body } = await anna.ask("demo", "token.provision", { appName: "app", endpointId: "annas" })
  assert.strictEqual(body.createdBy, "ADMIN/anna")
  bus.passwords.anna = annasHash.replace(/.$/u, "a")
  await bus.reload()
  await refused("anna", annasPassword)
  await running.goesOn()
})

it("a password changes with one reload: the old one is refused, the new one taken", async () => {
  const old = bus.passwords.operator!
  bus.passwords.operator = "panother"
  await bus.reload()
  await refused("operator", old)
  const operator = await clientOf("operator")
  await eventually(
    () => operator.admin("ready"),
    ({ status }) => status === 200,
    { what: "the service being ready" }
  )
  await running.goesOn()
})

it("a service that must not pause has two users in turn, and is the same consumer as either", async () => {
  bus.edit((text) =>
    insertAfter(
      text,
      "    limits { max_payload: 64KB }\n    users: [",
      `
      {
        user: mail-2
        password: $CM_BUS_MAIL_2
        permissions {
          publish: ["cm.v1.*.credential.get.mail", "cm.v1.*.credential.describe"]
          subscribe: ["_INBOX.mail-2.>"]
        }
      }`
    )
  )
  await bus.reload()
  const second = await clientOf("mail-2")
  const got = await second.ask("demo", "credential.get.mail", { service_name: "s" })
  assert.deepStrictEqual(got.body.credentials, { api_key: "k" })
  await running.goesOn()
})

it("a tenant's account comes with two reloads", async () => {
  const operator = await clientOf("operator")
  assert.strictEqual((await operator.admin("tenants.create", { tenantId: "acme" })).status, 201)
  bus.edit(addTenant)
  await bus.reload()
  // Its service imports begin to work with the second one (2.15.2).
  await bus.reload()
  const anna = await clientOf("acme-anna")
  assert.strictEqual((await anna.ask("acme", "application.register", { appName: "acme-app" })).status, 201)
  await running.goesOn()
})

it("the service's own bus user and its database password change replica by replica", async () => {
  const [first] = services
  // The bus: a second user with the same rights and an inbox of its own, known by a key and not by a password.
  const key = createUser()
  const seedFile = join(folder.path, "service-b.nk")
  writeFileSync(seedFile, `${new TextDecoder().decode(key.getSeed())}\n`, { mode: 0o600 })
  bus.edit((text) => {
    const own = / {6}\{\n {8}# The credential service itself\.[\s\S]*?\n {6}\}\n/u.exec(text)![0]
    const second = own
      .replaceAll("_INBOX.service.", "_INBOX.service-b.")
      .replace("user: service\n        password: $CM_BUS_SERVICE\n", `nkey: ${key.getPublicKey()}\n`)
    return insertAfter(text, own, second)
  })
  await bus.reload()
  // The database: both passwords are good for a while.
  const other = new URL(databaseUrl)
  other.password = "ptwo"
  const root = await connectSql(databaseUrl)
  const alter = (how: string) => root.query(`ALTER USER cm@127.0.0.1 IDENTIFIED ${how}`)
  await alter("VIA mysql_native_password USING PASSWORD('ptwo') OR mysql_native_password USING PASSWORD('pone')")
  await replica("two", "service-b", other.href, { NATS_CREDS: seedFile })
  await running.goesOn()
  assert.strictEqual(await first!.stop(), 0)
  await running.goesOn()
  // Nobody uses the old ones any more.
  await alter("BY 'ptwo'")
  await root.end()
  await expect(connectSql(databaseUrl)).rejects.toThrow(/Access denied/u)
  const old = bus.passwords.service!
  bus.edit((text) => text.replace(/ {6}\{\n {8}# The credential service itself\.[\s\S]*?\n {6}\}\n/u, ""))
  await bus.reload()
  await refused("service", old)
  await running.goesOn()
})

it("nothing was lost all the while", async () => {
  await running.end()
  assert.deepStrictEqual(running.lost, [])
  // Seven reloads, 24 requests in flight: what was repeated is a rare exception.
  assert.isAtMost(running.repeated(), 24)
  assert.isTrue((await admin.ask("demo", "audit.verify")).body.valid)
})
