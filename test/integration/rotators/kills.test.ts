// Verifies R-ROT-9.
/**
 * A replica is killed at each step of a rotation, stopped exactly there; another process goes on. The system says
 * what it takes: what is handed out works there at every moment, and nothing else does at the end.
 *
 * One replica is stopped at all of them at once, each in a tenant of its own, so that none waits for another one's locks;
 * one kill ends them all.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type RotatorStandIn, startRotator } from "../../support/standIns/rotator.ts"
import { type Passing, type StatementGate, type Stopped, statementGate } from "../../support/statementGate.ts"

/** The row of a credential as it is written in a transaction, at one step. */
const writes = (step: string, isClaimed: boolean) => (text: string) =>
  text.includes("UPDATE credentials") &&
  text.includes(`"underWay":{"generation":1,"step":"${step}"`) &&
  (isClaimed ? text.includes('"claim":{"term"') : text.includes('"claim":null'))
const retires = (isClaimed: boolean) => (text: string) =>
  text.includes("UPDATE credentials") &&
  text.includes('"underWay":null') &&
  text.includes('"lastRotatedAt":1') &&
  (isClaimed ? text.includes('"claim":{"term"') : text.includes('"cleanups":[]'))
const switches = (text: string) =>
  text.includes("UPDATE credentials") && text.includes('"underWay":null') && text.includes('"step":"retire"')

const places: ReadonlyArray<readonly [string, (text: string) => boolean]> = [
  ["the claim of prepare", writes("prepare", true)],
  ["what prepare made", writes("set", false)],
  ["the claim of set", writes("set", true)],
  ["that it is set", writes("test", false)],
  ["the claim of test", writes("test", true)],
  ["the switch", switches],
  ["the claim of retire", retires(true)],
  ["that it is retired", retires(false)]
]
const moments: ReadonlyArray<
  readonly [string, "before" | "answered", (is: (text: string) => boolean) => (passing: Passing) => boolean]
> = [
  [
    "before it is written:",
    "before",
    (is) =>
      ({ text }) =>
        is(text)
  ],
  [
    "before it is committed:",
    "before",
    (is) =>
      ({ commits, transaction }) =>
        commits && is(transaction)
  ],
  [
    "after it was committed:",
    "answered",
    (is) =>
      ({ commits, transaction }) =>
        commits && is(transaction)
  ]
]

interface Kill {
  readonly place: string
  readonly where: string
  readonly tenantId: string
  readonly at: (passing: Passing) => boolean
  readonly when: "before" | "answered"
}
const kills: ReadonlyArray<Kill> = places
  .flatMap(([place, is]) =>
    moments.map(([moment, when, at]) => ({ place, where: `${moment} ${place}`, when, at: at(is) }))
  )
  .map((kill, index) => ({ ...kill, tenantId: `tenant-${index}` }))

const instance = "rok"
const env = {
  CM_DEV_TENANTS: kills.map(({ tenantId }) => tenantId).join(","),
  // Each stop keeps one.
  CM_DB_CONNECTIONS: String(kills.length + 10),
  // Whoever is stopped stays so until the last one is.
  CM_DB_TIMEOUT: "60 seconds",
  // Through this process, which may be as busy as all others.
  CM_DB_CONNECT_TIMEOUT: "8 seconds",
  CM_REFRESH_INTERVAL: "100 millis",
  CM_ROTATOR_TIMEOUT: "1 second",
  CM_ROTATOR_CLAIM_BEYOND: "1 second",
  CM_ROTATOR_OVERLAP: "1 second"
}
let database: FreshDatabase
let gate: StatementGate
let client: Client
let gated: string
let rotator: RotatorStandIn
let service: Service
/** What became of each, by where it was killed; it never fails. */
const ends = new Map<string, Promise<{ readonly error: unknown } | null>>()

const start = (): Promise<Service> =>
  startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: gated,
    instance,
    env,
    asShipped: true,
    readyLimitMs: 240_000,
    ...(service === undefined ? {} : { keyFile: service.keyFile })
  })

interface Planted {
  readonly tenantId: string
  readonly id: string
  readonly password: string
}
let services = 0
const store = async (tenantId: string): Promise<Planted> => {
  const password = `first-${++services}-planted-secret`
  const answer = await client.ask(tenantId, "credential.store", {
    service_name: `svc${services}`,
    type: "basic",
    credentials: { username: "app", password },
    allowed_consumers: ["mail"],
    rotation: { rotator: "crm", every: "P1D" }
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  rotator.live.add(password)
  return { tenantId, id: answer.body.credential_id as string, password }
}
const rotate = ({ id, tenantId }: Planted) => client.ask(tenantId, "credential.rotate", { credential_id: id })
const passwordOf = async ({ id, tenantId }: Planted) =>
  (await client.ask(tenantId, "credential.get.mail", { credential_id: id })).body.credentials.password as string
const shown = async ({ id, tenantId }: Planted) =>
  (await client.ask(tenantId, "credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )

const stepsOf = ({ id }: Planted) => rotator.steps.filter(({ credential_id }) => credential_id === id)
/** Of the passwords that it had or that were made for it, those that the system takes. */
const liveOf = (planted: Planted) =>
  Array.from(
    new Set([
      planted.password,
      ...stepsOf(planted).flatMap(({ secrets }) => [secrets.old?.password, secrets.new?.password])
    ])
  )
    .filter((one) => one !== undefined)
    .filter((one) => rotator.live.has(one))
/** What was read may be switched and retired before it is compared: then the next one is another. */
const handsOutWhatWorks = async (planted: Planted, where: string) => {
  for (let before: string | null = null; ; ) {
    const handedOut = await passwordOf(planted)
    if (rotator.live.has(handedOut)) return
    assert.notStrictEqual(handedOut, before, `${where}: what is handed out works`)
    before = handedOut
  }
}

/** Has another row behind its own: what a stopped transaction locks beside its rows is in nobody else's way. */
const storeApart = async ({ tenantId }: Kill): Promise<Planted> => {
  const planted = await store(tenantId)
  await store(tenantId)
  return planted
}
/** Begins a rotation that stops there. */
const stopAt = async ({ at, when, where }: Kill, planted: Planted): Promise<Stopped> => {
  const bytes = Buffer.from(planted.id.replaceAll("-", ""), "hex").toString("latin1")
  let stopped: Stopped | undefined
  // Never fails.
  void gate
    .stopAt((passing) => passing.transaction.includes(bytes) && at(passing), when)
    .then((one) => {
      stopped = one
    })
  // May fail: its answer may never come.
  void rotate(planted).catch(() => undefined)
  const there = await eventually(
    () => stopped,
    (one) => one !== undefined,
    { limitMs: 120_000, what: `${where}: the stop` }
  )
  return there!
}
/** All at once: one that the service gave up before the last one was there is stopped anew, with another credential. */
const stopAtAll = async (): Promise<ReadonlyMap<Kill, Planted>> => {
  const planted = new Map<Kill, Planted>()
  const stopped = new Map<Kill, Stopped>()
  for (;;) {
    const missing = kills.filter((kill) => stopped.get(kill)?.isHeld() !== true)
    if (missing.length === 0) return planted
    // One after the other: the order of their rows is that of their ids.
    for (const kill of missing) planted.set(kill, await storeApart(kill))
    await Promise.all(missing.map(async (kill) => void stopped.set(kill, await stopAt(kill, planted.get(kill)!))))
  }
}

const goesOn = async (planted: Planted, where: string): Promise<void> => {
  await handsOutWhatWorks(planted, where)
  // Where the first one had not begun, nobody asks again.
  await eventually(
    async () => {
      await handsOutWhatWorks(planted, where)
      const { last_refreshed_at } = (await shown(planted)).refresh
      return last_refreshed_at === undefined ? (await rotate(planted)).status : 200
    },
    (status) => status === 200,
    { limitMs: 200_000, everyMs: 200, what: `${where}: rotated` }
  )
  // Of all that worked or was made for it, one works when the overlap is over, and is what is handed out.
  await eventually(
    async () => ({ handedOut: await passwordOf(planted), live: liveOf(planted) }),
    ({ handedOut, live }) => live.length === 1 && live[0] === handedOut && handedOut !== planted.password,
    { limitMs: 200_000, everyMs: 100, what: `${where}: one works, and it is handed out` }
  )
  await eventually(
    () => shown(planted),
    ({ refresh, retire_pending }) => refresh.state === "fresh" && retire_pending.length === 0,
    { limitMs: 120_000, everyMs: 100, what: `${where}: nothing is left to do` }
  )
  assert.deepStrictEqual(liveOf(planted), [await passwordOf(planted)], where)
  // Nobody was asked to take away what is handed out, nor to set what was not kept.
  const sets = stepsOf(planted).filter(({ step }) => step === "set")
  assert.strictEqual(
    new Set(sets.map(({ generation, secrets }) => `${generation} ${secrets.new!.password}`)).size,
    new Set(sets.map(({ generation }) => generation)).size,
    `${where}: one new secret for each generation`
  )
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const url = new URL(database.url)
  gate = await statementGate({ host: url.hostname, port: Number(url.port) })
  gated = Object.assign(new URL(database.url), { port: String(gate.port) }).href
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  service = await start()
  rotator = await startRotator(inject("natsUrl"), instance, "crm")
  const put = await Promise.all(
    kills.map(({ tenantId }) => client.ask(tenantId, "rotator.put", { name: "crm", seal_to: rotator.sealTo }))
  )
  for (const { body, status } of put) assert.strictEqual(status, 201, JSON.stringify(body))
  const planted = await stopAtAll()
  service.kill()
  await service.exited
  service = await start()
  for (const [{ where }, one] of planted) {
    const end = goesOn(one, where).then(
      () => null,
      (error: unknown) => ({ error })
    )
    ends.set(where, end)
  }
}, 1_200_000)
afterAll(async () => {
  await rotator?.stop()
  await client?.close()
  await service?.stop()
  await gate?.close()
  await database?.drop()
})

describe("killed", () => {
  it.each(places)("at each moment of writing %s", { timeout: 1_200_000 }, async (place) => {
    const own = kills.filter((kill) => kill.place === place)
    assert.lengthOf(own, moments.length)
    for (const { where } of own) {
      const end = await ends.get(where)
      if (end !== null) throw end?.error
    }
  })
})
