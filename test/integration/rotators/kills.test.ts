// Verifies R-ROT-9.
/**
 * A replica is killed at each step of a rotation, stopped exactly there; another process goes on. The system says
 * what it takes: what is handed out works there at every moment, and nothing else does at the end.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"
import { type RotatorStandIn, startRotator } from "../../support/standIns/rotator.ts"
import { type Passing, type StatementGate, statementGate } from "../../support/statementGate.ts"

const instance = "rok"
const env = {
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
/** The one that is killed next. */
let service: Service

const start = async (): Promise<Service> => {
  const started = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: gated,
    instance,
    env,
    asShipped: true,
    unready: true,
    ...(service === undefined ? {} : { keyFile: service.keyFile })
  })
  let end: number | NodeJS.Signals | undefined
  // Never fails.
  void started.exited.then((code) => {
    end = code
  })
  await eventually(
    // May fail: it is still starting.
    async () => end ?? (await ask("credential.list", { limit: 1 }).catch(() => undefined))?.status,
    (seen) => seen === 200 || end !== undefined,
    { limitMs: 240_000, everyMs: 50, what: "the service's first answer" }
  ).catch((error: unknown) => {
    started.kill()
    throw new Error(`it printed:\n${started.output().slice(-4_000)}`, { cause: error })
  })
  assert.isUndefined(end, `it ended while starting:\n${started.output().slice(-4_000)}`)
  return started
}
const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const url = new URL(database.url)
  gate = await statementGate({ host: url.hostname, port: Number(url.port) })
  gated = Object.assign(new URL(database.url), { port: String(gate.port) }).href
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  service = await start()
  rotator = await startRotator(inject("natsUrl"), instance, "crm")
  assert.strictEqual((await ask("rotator.put", { name: "crm", seal_to: rotator.sealTo })).status, 201)
}, 300_000)
afterAll(async () => {
  await rotator?.stop()
  await client?.close()
  await service?.stop()
  await gate?.close()
  await database?.drop()
})

let services = 0
const store = async () => {
  const password = `first-${++services}-planted-secret`
  const answer = await ask("credential.store", {
    service_name: `svc${services}`,
    type: "basic",
    credentials: { username: "app", password },
    allowed_consumers: ["mail"],
    rotation: { rotator: "crm", every: "P1D" }
  })
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  rotator.live.add(password)
  return { id: answer.body.credential_id as string, password }
}
const passwordOf = async (id: string) =>
  (await ask("credential.get.mail", { credential_id: id })).body.credentials.password as string
const shown = async (id: string) =>
  (await ask("credential.list", { limit: 1000 })).body.content.find(
    (one: { credential_id: string }) => one.credential_id === id
  )

const stepsOf = (id: string) => rotator.steps.filter(({ credential_id }) => credential_id === id)
/** Of the passwords that it had or that were made for it, those that the system takes. */
const liveOf = (id: string, first: string) =>
  Array.from(new Set([first, ...stepsOf(id).flatMap(({ secrets }) => [secrets.old?.password, secrets.new?.password])]))
    .filter((one) => one !== undefined)
    .filter((one) => rotator.live.has(one))
/** What was read may be switched and retired before it is compared: then the next one is another. */
const handsOutWhatWorks = async (id: string, where: string) => {
  for (let before: string | null = null; ; ) {
    const handedOut = await passwordOf(id)
    if (rotator.live.has(handedOut)) return
    assert.notStrictEqual(handedOut, before, `${where}: what is handed out works`)
    before = handedOut
  }
}

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

describe("killed", () => {
  it.each(places)("at each moment of writing %s", { timeout: 1_200_000 }, async (place, is) => {
    for (const [moment, when, at] of moments) {
      const where = `${moment} ${place}`
      const { id, password } = await store()
      let isStopped = false
      // Never fails.
      void gate.stopAt(at(is), when).then(() => {
        isStopped = true
      })
      // May fail: its answer may never come.
      void ask("credential.rotate", { credential_id: id }).catch(() => undefined)
      await eventually(
        () => isStopped,
        (there) => there,
        { limitMs: 120_000, everyMs: 2, what: `${where}: the stop` }
      )
      service.kill()
      await service.exited
      service = await start()
      await handsOutWhatWorks(id, where)
      // Where the first one had not begun, nobody asks again.
      await eventually(
        async () => {
          await handsOutWhatWorks(id, where)
          const { last_refreshed_at } = (await shown(id)).refresh
          return last_refreshed_at === undefined ? (await ask("credential.rotate", { credential_id: id })).status : 200
        },
        (status) => status === 200,
        { limitMs: 200_000, everyMs: 200, what: `${where}: rotated` }
      )
      // Of all that worked or was made for it, one works when the overlap is over, and is what is handed out.
      await eventually(
        async () => ({ handedOut: await passwordOf(id), live: liveOf(id, password) }),
        ({ handedOut, live }) => live.length === 1 && live[0] === handedOut && handedOut !== password,
        { limitMs: 200_000, everyMs: 100, what: `${where}: one works, and it is handed out` }
      )
      await eventually(
        () => shown(id),
        ({ refresh, retire_pending }) => refresh.state === "fresh" && retire_pending.length === 0,
        { limitMs: 120_000, everyMs: 100, what: `${where}: nothing is left to do` }
      )
      assert.deepStrictEqual(liveOf(id, password), [await passwordOf(id)], where)
      // Nobody was asked to take away what is handed out, nor to set what was not kept.
      const sets = stepsOf(id).filter(({ step }) => step === "set")
      assert.strictEqual(
        new Set(sets.map(({ generation, secrets }) => `${generation} ${secrets.new!.password}`)).size,
        new Set(sets.map(({ generation }) => generation)).size,
        `${where}: one new secret for each generation`
      )
    }
  })
})
