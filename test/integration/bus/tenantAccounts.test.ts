// Verifies R-BUS-17.
/** A tenant with an account of its own, on nats.conf with ops/tenant-accounts.conf: its own, and nobody else's. */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, expect, inject, it } from "vitest"
import { busEnvironment, findNatsServer, newPasswords } from "../../../scripts/stack.mjs"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { rawNats } from "../../support/rawNats.ts"
import { temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"
import { addTenant, type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"

let bus: ShippedBus
let database: FreshDatabase
let service: Service
let anna: Client
let admin: Client

const clientOf = (user: string) =>
  connectClient({ natsUrl: bus.url, user, password: bus.passwords[user]!, inboxPrefix: `_INBOX.${user}` })

beforeAll(async () => {
  bus = await startShippedBus({ edit: addTenant })
  database = await freshDatabase(inject("databaseUrl"))
  const env = { NATS_USER: "service", NATS_PASSWORD: bus.passwords.service!, CM_DEV_TENANTS: "acme,beta" }
  service = await startService({ natsUrl: bus.url, databaseUrl: database.url, env })
  anna = await clientOf("acme-anna")
  admin = await clientOf("admin")
})
afterAll(async () => {
  await Promise.all([anna, admin].map((client) => client?.close()))
  await service?.stop()
  await bus?.stop()
  await database?.drop()
})

it("its people manage it, hear its events, and stand in its audit by name", async () => {
  const heard: Array<string> = []
  anna.nc.subscribe("cm.events.v1.acme.>", { callback: (_, { subject }) => void heard.push(subject) })
  await anna.nc.flush()
  assert.strictEqual((await anna.ask("acme", "application.register", { appName: "acme-app" })).status, 201)
  const token = await anna.ask("acme", "token.provision", { appName: "acme-app", endpointId: "e" })
  assert.strictEqual(token.body.createdBy, "acme/acme-anna")
  assert.strictEqual((await anna.ask("acme", "token.revoke", { tokenId: token.body.tokenId })).status, 200)
  const rows = (await anna.ask("acme", "audit.list", { entityId: token.body.tokenId })).body.content
  assert.deepStrictEqual(
    rows.map((row: { readonly actor: string }) => row.actor),
    ["acme/acme-anna", "acme/acme-anna"]
  )
  await eventually(
    () => heard,
    (subjects) => subjects.includes("cm.events.v1.acme.token.revoked")
  )
  const secret = {
    service_name: "own",
    type: "api_key",
    credentials: { api_key: "k" },
    allowed_consumers: ["account:acme/acme-anna", "mail"]
  }
  const { credential_id } = (await anna.ask("acme", "credential.store", secret)).body
  assert.deepStrictEqual((await anna.ask("acme", "credential.get", { credential_id })).body.credentials, {
    api_key: "k"
  })
})

it("another tenant's anything is out of its reach, and so are wildcards, operators' and consumers' subjects", async () => {
  assert.strictEqual((await admin.ask("beta", "application.register", { appName: "beta-app" })).status, 201)
  for (const tenant of ["beta", "global", "ACME", "*", ">", "acme*"]) {
    await expect(anna.ask(tenant, "application.list")).rejects.toThrow(/no responders|[Pp]ermissions? [Vv]iolation/u)
  }
  await expect(anna.admin("tenants.list")).rejects.toThrow(/[Pp]ermissions? [Vv]iolation/u)
  await expect(anna.ask("acme", "credential.get.mail", { service_name: "own" })).rejects.toThrow(/no responders/u)
  const raw = await rawNats(bus.server.port, "acme-anna", bus.passwords["acme-anna"]!)
  for (const subject of ["tenant.beta.token.list", "cm.v1.beta.token.list", "$JS.API.STREAM.NAMES", "$SRV.PING"]) {
    assert.isFalse(await raw.mayPublish(subject), subject)
  }
  for (const subject of ["cm.events.v1.>", "cm.events.v1.beta.>", ">", "_INBOX.admin.>", "kaa.v1.events.cm.>"]) {
    assert.isFalse(await raw.maySubscribe(subject), subject)
  }
  const forged = await raw.request("cm.v1.acme.application.list", "{}", [
    'nats-request-info: {"acc":"ADMIN","user":"admin"}'
  ])
  assert.include(forged, "UNAUTHENTICATED")
  raw.close()
})

it("hears nothing of another tenant's events, and changes nothing of another's with an id that it knows", async () => {
  const heard: Array<string> = []
  anna.nc.subscribe("cm.events.v1.acme.>", { callback: (_, { subject }) => void heard.push(subject) })
  await anna.nc.flush()
  const theirs = await admin.ask("beta", "token.provision", { appName: "beta-app", endpointId: "e" })
  const stolen = await anna.ask("acme", "token.revoke", { tokenId: theirs.body.tokenId })
  assert.deepStrictEqual([stolen.status, stolen.code], [404, "TOKEN_NOT_FOUND"])
  await anna.ask("acme", "token.provision", { appName: "acme-app", endpointId: "last" })
  await eventually(
    () => heard,
    (subjects) => subjects.length > 0
  )
  assert.isEmpty(heard.filter((subject) => !subject.startsWith("cm.events.v1.acme.")))
})

it("the server takes the file every time, and never one in which a tenant imports another's door", () => {
  const folder = temporaryFolder()
  const file = join(folder.path, "nats.conf")
  const env = {
    ...process.env,
    ...busEnvironment(newPasswords()),
    CM_BUS_ACME_ANNA: "panna",
    CM_NATS_PORT: "4333",
    CM_NATS_NAME: "one",
    CM_NATS_STORE_DIR: folder.path
  }
  const check = (text: string) => {
    writeFileSync(file, text)
    return execFileSync(findNatsServer()!, ["-t", "-c", file], { env, stdio: "pipe" })
  }
  const good = addTenant(readFileSync(join(import.meta.dirname, "../../../nats.conf"), "utf8"))
  for (let time = 1; time <= 20; time++) check(good)
  const greedy = good.replace('subject: "tenant.acme.token.>"', 'subject: "tenant.beta.token.>"')
  for (let time = 1; time <= 20; time++) assert.throws(() => check(greedy))
  folder.remove()
})
