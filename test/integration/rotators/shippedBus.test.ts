// Verifies R-BUS-8, R-ROT-4.
/**
 * A rotation over the shipped nats.conf, each as the user that the contract gives them: `admin` sets it up and asks for it,
 * `rotator` does the steps from an account of its own, `mail` reads what came of it.
 */
import { afterAll, assert, beforeAll, expect, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"
import { type RotatorStandIn, startRotator } from "../../support/standIns/rotator.ts"

let bus: ShippedBus
let database: FreshDatabase
let service: Service
let admin: Client
let mail: Client
let rotator: RotatorStandIn

const clientOf = (user: string) =>
  connectClient({
    natsUrl: bus.url,
    user,
    password: bus.passwords[user]!,
    inboxPrefix: `_INBOX.${user}`,
    timeoutMs: 75_000
  })
const firstPassword = "first-planted-password"

beforeAll(async () => {
  bus = await startShippedBus()
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({
    natsUrl: bus.url,
    databaseUrl: database.url,
    env: { NATS_USER: "service", NATS_PASSWORD: bus.passwords.service!, CM_REFRESH_INTERVAL: "100 millis" }
  })
  admin = await clientOf("admin")
  mail = await clientOf("mail")
  rotator = await startRotator(bus.url, "cm", "crm", { user: "rotator", pass: bus.passwords.rotator! })
})
afterAll(async () => {
  await rotator?.stop()
  await Promise.all([admin, mail].map((client) => client?.close()))
  await service?.stop()
  await bus?.stop()
  await database?.drop()
})

it("goes from the first step to the last", async () => {
  assert.strictEqual((await admin.ask("demo", "rotator.put", { name: "crm", seal_to: rotator.sealTo })).status, 201)
  const stored = await admin.ask("demo", "credential.store", {
    service_name: "crm-db",
    type: "basic",
    credentials: { username: "app", password: firstPassword },
    allowed_consumers: ["mail"],
    rotation: { rotator: "crm", every: "P1D" }
  })
  assert.strictEqual(stored.status, 201, JSON.stringify(stored.body))
  rotator.live.add(firstPassword)
  const { credential_id } = stored.body
  const rotated = await admin.ask("demo", "credential.rotate", { credential_id, overlap: "PT0S" })
  assert.strictEqual(rotated.status, 200, JSON.stringify(rotated.body))
  await eventually(
    () => Array.from(rotator.live),
    (live) => live.length === 1 && live[0] !== firstPassword,
    { limitMs: 120_000, what: "the old one is taken away" }
  )
  const read = await mail.ask("demo", "credential.get.mail", { credential_id })
  assert.isTrue(rotator.live.has(read.body.credentials.password))
  assert.deepStrictEqual(
    rotator.steps.map(({ step, tenantId }) => `${tenantId} ${step}`),
    ["prepare", "set", "test", "retire"].map((step) => `demo ${step}`)
  )
})

it("lets nobody else be asked, or ask: neither a person, nor a consumer, nor the rotator itself", async () => {
  const before = rotator.steps.length
  for (const client of [admin, mail]) {
    await expect(client.nc.request("cm.rotators.v1.crm.set", "{}", { timeout: 2_000 })).rejects.toThrow()
  }
  const own = await bus.as("rotator")
  await expect(own.request("cm.v1.demo.credential.list", "{}", { timeout: 2_000 })).rejects.toThrow()
  await expect(own.request("cm.rotators.v1.crm.set", "{}", { timeout: 2_000 })).rejects.toThrow()
  await own.close()
  assert.strictEqual(rotator.steps.length, before)
})
