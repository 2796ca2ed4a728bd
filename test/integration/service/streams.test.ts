// Verifies R-BUS-19.
/**
 * Each stream and bucket of the service removed, emptied, and made by hand with other settings while the service
 * is under load: it is noticed within seconds and said, made again where that is safe, and nobody is answered wrongly.
 */
import { setTimeout as pause } from "node:timers/promises"
import { type JetStreamManager, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import * as ecap from "../../support/ecap.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "stm"
const streams = ["STM_EVENTS", "STM_REVOCATIONS", "STM_INBOX", "KV_STM_TOKENS", "KV_STM_METADATA", "KV_STM_LEASES"]
const events = ["STM_EVENTS", "STM_REVOCATIONS"]
const buckets = ["KV_STM_TOKENS", "KV_STM_METADATA", "KV_STM_LEASES"]
const secondsMax = 60_000
/** Between two turns of a user: some hundred requests a second are a load, and leave the machine to other suites. */
const turnEveryMs = 30
let database: FreshDatabase
let service: Service
let client: Client
let manager: JetStreamManager
let isLoaded = true
const wrong: Array<string> = []
const slow = { revocationMs: 0, validationMs: 0 }
let load: Promise<unknown>
let revoked = 0

const said = (text: string) => service.output().split(text).length - 1
const ready = async () => (await client.admin("ready")).body
const isReady = () =>
  eventually(ready, ({ ready: is }) => is === true, { limitMs: secondsMax, what: "the service being ready" })

/** Whoever uses the service meanwhile: a good token stays good, a revoked one is gone, metadata are there. */
const user = async (credentialId: string) => {
  // What is not answered is as wrong as a wrong answer, and is told at the end.
  while (isLoaded) {
    await useOnce(credentialId).catch((error: unknown) => wrong.push(String(error)))
    await pause(turnEveryMs)
  }
}
const useOnce = async (credentialId: string) => {
  const asked = performance.now()
  const good = await client.validate("app", "always-good-1")
  slow.validationMs = Math.max(slow.validationMs, performance.now() - asked)
  if (good.statusCode !== 200) wrong.push(`a good token: ${good.statusCode}`)
  const described = await client.ask("demo", "credential.describe", { credential_id: credentialId })
  if (described.status !== 200) wrong.push(`describe: ${described.status} ${described.code}`)
  const made = await client.ask("demo", "token.provision", { appName: "app", endpointId: `e${revoked++}` })
  if (made.status !== 201) wrong.push(`provision: ${made.status} ${made.code}`)
  if ((await client.validate("app", made.body.token)).statusCode !== 200) wrong.push("a new token is not good")
  const begun = performance.now()
  const gone = await client.ask("demo", "token.revoke", { tokenId: made.body.tokenId })
  slow.revocationMs = Math.max(slow.revocationMs, performance.now() - begun)
  if (gone.status !== 200) wrong.push(`revoke: ${gone.status} ${gone.code}`)
  const after = await client.validate("app", made.body.token)
  if (after.statusCode !== 410) wrong.push(`a revoked token: ${after.statusCode}`)
}

/** What the stream holds from `next.from` on, up to the first that is of `entity`. */
const holds = async (stream: string, next: { from: number }, entity: string) => {
  const { state } = await manager.streams.info(stream)
  // Made anew meanwhile.
  if (state.last_seq < next.from - 1) next.from = 1
  for (; next.from <= state.last_seq; next.from++) {
    const message = await manager.streams.getMessage(stream, { seq: next.from })
    if (message !== null && Buffer.from(message.data).includes(entity)) return true
  }
  return false
}

/** An event of now reaches its stream, and one of another service takes effect. */
const eventsFlow = async () => {
  const heard = await client.ask("demo", "token.provision", { appName: "app", endpointId: "heard" })
  client.nc.publish(
    `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
    ecap.UnregisteredEvent.toBuffer({
      correlationId: "c",
      timestamp: 1_700_000_000_000,
      timeout: 0,
      appVersionName: "v",
      endpointId: "heard",
      tenantId: "demo",
      originatorReplicaId: "epr"
    })
  )
  await eventually(
    () => client.validate("app", heard.body.token),
    ({ statusCode }) => statusCode === 404,
    { limitMs: secondsMax, what: "an unregistered endpoint without tokens" }
  )
  const starts = await Promise.all(
    events.map(async (stream) => ({ stream, next: { from: (await manager.streams.info(stream)).state.last_seq + 1 } }))
  )
  const made = await client.ask("demo", "token.provision", { appName: "app", endpointId: "flow" })
  await client.ask("demo", "token.revoke", { tokenId: made.body.tokenId })
  for (const { next, stream } of starts) {
    await eventually(() => holds(stream, next, made.body.tokenId), Boolean, {
      limitMs: secondsMax,
      what: `the event in ${stream}`
    })
  }
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  manager = await jetstreamManager(client.nc, { timeout: 60_000 })
  await client.ask("demo", "application.register", { appName: "app" })
  await client.ask("demo", "token.provision", { appName: "app", endpointId: "e", token: "always-good-1" })
  const stored = await client.ask("demo", "credential.store", {
    service_name: "s",
    type: "basic",
    credentials: { username: "user", password: "pw" }
  })
  assert.strictEqual(stored.status, 201)
  load = Promise.all([1, 2, 3].map(() => user(stored.body.credential_id)))
})
afterAll(async () => {
  isLoaded = false
  await load
  await client?.close()
  await service?.stop()
  await database?.drop()
})

describe("under load", () => {
  it("says what each is for", async () => {
    for (const stream of streams) assert.isNotEmpty((await manager.streams.info(stream)).config.description)
    await eventsFlow()
  })

  it.each(streams)("%s removed is made again within seconds, and said", async (stream) => {
    const { config, created } = await manager.streams.info(stream)
    await manager.streams.delete(stream)
    const again = await eventually(
      () => manager.streams.info(stream),
      (info) => info.created !== created,
      { limitMs: secondsMax, what: `${stream} made again` }
    )
    assert.deepStrictEqual(again.config, config)
    await eventually(
      () => said(`stream ${stream} was gone and was made anew`) + said(`stream ${stream} was removed and made anew`),
      (times) => times > 0,
      { limitMs: secondsMax, what: "a line in the log" }
    )
    await isReady()
    await eventsFlow()
    const { body } = await client.admin("metrics")
    assert.match(String(body), new RegExp(`cm_streams_remade_total\\{[^}]*${stream}[^}]*\\} [1-9]`, "u"))
  })

  it.each(buckets)("%s emptied harms nobody", async (stream) => {
    // The bucket of leases lets nobody: whom it does not list, nobody waits for.
    // May fail: which is asserted.
    const purged = await manager.streams.purge(stream).catch(() => null)
    assert.strictEqual(purged === null, stream === "KV_STM_LEASES")
    await isReady()
    await eventsFlow()
  })

  it.each(events)("%s lets nobody empty it", async (stream) => {
    // May fail: which is asserted.
    assert.isNull(await manager.streams.purge(stream).catch(() => null))
  })

  it.each(streams)("%s changed by hand is said, and changed back", async (stream) => {
    const { config } = await manager.streams.info(stream)
    await manager.streams.update(stream, { max_age: config.max_age + 60_000_000_000 })
    await eventually(
      () => said(`stream ${stream} had been changed by somebody and was changed back`),
      (times) => times > 0,
      { limitMs: secondsMax, what: "a line in the log" }
    )
    assert.deepStrictEqual((await manager.streams.info(stream)).config, config)
    await isReady()
  })

  it.each(streams)("%s made by hand with settings that cannot be changed is said by ready", async (stream) => {
    const { config } = await manager.streams.info(stream)
    const isOtherwise = async () => {
      await manager.streams.delete(stream)
      // The service may be quicker with the right one.
      return await manager.streams.add({ ...config, storage: StorageType.Memory }).then(
        () => true,
        () => false
      )
    }
    await eventually(isOtherwise, Boolean, { everyMs: 1, what: "another stream of that name" })
    const named = ({ body }: Answer) => String(body.error?.details?.checks?.[`stream ${stream}`] ?? "")
    await eventually(
      () => client.admin("ready"),
      (answer) => named(answer).includes("storage"),
      { limitMs: secondsMax, what: "ready naming it" }
    )
    await manager.streams.delete(stream)
    await isReady()
    assert.strictEqual((await manager.streams.info(stream)).config.storage, StorageType.File)
    await eventsFlow()
  })

  it("a stranger's message in a bucket is no harm", async () => {
    for (const key of ["TOKENS.demo.x", "METADATA.demo.x", "LEASES.lease.x.y.0", "LEASES.barrier.one"]) {
      await jetstream(client.nc, { timeout: 60_000 }).publish(`$KV.STM_${key}`, "nonsense")
    }
    await isReady()
    await eventsFlow()
  })

  it("nobody was answered wrongly, and a revocation took a lease at most", () => {
    assert.isAbove(revoked, 50)
    assert.deepStrictEqual(wrong, [])
    // Beyond that, what the machine took for the simplest of requests, as often as a revocation has steps.
    assert.isBelow(slow.revocationMs, 8_000 + 10 * slow.validationMs)
    assert.notMatch(service.output(), /"level":"fatal"|reader closed/u)
  })
})
