/**
 * All devices come alive at once, after an outage of their own: tokens of many tenants that were never used, validated in
 * turns for as long as it takes. Printed: how long until all are Active and their events have left, how late events
 * were, and what somebody else's changes (suspend and activate, one after the other in a tenant of its own) took
 * meanwhile and before. The exit code says whether a validation was answered wrongly.
 *
 * `node bench/alive.ts [tenants=300] [tokens=250] [inFlight=256]`, tokens of each tenant
 */
import { setTimeout as pause } from "node:timers/promises"
import { connectSql } from "../test/support/freshDatabase.ts"
import { startLoad } from "./support/children.ts"
import {
  appName,
  must,
  provision,
  registered,
  startGround,
  validationBytes,
  validationRequest,
  validationSubject
} from "./support/ground.ts"
import { median, printMachine, processorSeconds } from "./support/report.ts"

const [tenants = 300, each = 250, inFlight = 256] = process.argv.slice(2).map(Number)
const instance = "alive"
const now = () => performance.now()

printMachine()
const ground = await startGround()
const { client, database, service } = await ground.service(instance, {
  env: {
    CM_EVENTS_BYTES_MAX: "2147483648",
    CM_TOKENS_BYTES_MAX: "2147483648",
    CM_DB_TIMEOUT: "5 seconds"
  }
})
const sql = await connectSql(database.url)
const numberOf = async (statement: string): Promise<number> => Number(Object.values((await sql.query(statement))[0])[0])
const waiting = () => numberOf("SELECT COUNT(*) FROM outbox")
const unused = () => numberOf("SELECT COUNT(*) FROM tokens WHERE status = 0")
const eventAgeMs = () => numberOf("SELECT COALESCE(UNIX_TIMESTAMP(NOW(3)) * 1000 - MIN(created_at), 0) FROM outbox")

const requests: Array<string> = []
for (let number = 0; number < tenants; number++) {
  const tenant = `tenant-${number}`
  const created = await client.admin("tenants.create", { tenantId: tenant })
  if (created.status >= 300) throw new Error(`tenants.create: ${created.status}`)
  const app = `application-${number}`
  await registered(client, tenant, app)
  for (const { token } of await provision(client, each, { app, tenant })) requests.push(validationRequest(token, app))
}
await registered(client, "demo")
const [own] = await provision(client, 1)
const count = requests.length + 1
while ((await waiting()) > 0) await pause(100)

/** Of the changes since it was last asked: milliseconds of each, and how many were refused. */
let taken: Array<number> = []
let refused = 0
let goesOn = true
const changing = (async () => {
  // It must have been used, to be suspended.
  await must(client, "demo", "token.validate", { appName, token: own!.token })
  while (goesOn) {
    for (const operation of ["token.suspend", "token.activate"]) {
      const began = now()
      const { status } = await client.ask("demo", operation, { tokenId: own!.tokenId })
      taken.push(now() - began)
      if (status >= 300) refused++
    }
    await pause(50)
  }
})()
const told = (when: string) => {
  const [all, sorted] = [taken, taken.toSorted((a, b) => a - b)]
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN
  console.log(
    `changes ${when}: ${all.length}, median ${median(all).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, refused ${refused}`
  )
  taken = []
  refused = 0
}
await pause(5_000)
told("before")

const load = await startLoad({ natsUrl: ground.natsUrl, requests, inFlight })
ground.onStop(load.stop)
const [began, cpu] = [now(), processorSeconds(service.pid)]
const seconds = () => (now() - began) / 1_000
let [activeAfter, latest, answered, wrong] = [0, 0, 0, 0]
let shownAt = 0
for (let left = count; left > 0 || (await waiting()) > 0; ) {
  if (left > 0) {
    const round = await load.run({
      subject: validationSubject(instance),
      milliseconds: 1_000,
      replyBytes: validationBytes
    })
    answered += round.perSecond
    wrong += round.wrong
  } else await pause(200)
  left = await unused()
  latest = Math.max(latest, await eventAgeMs())
  if (left === 0 && activeAfter === 0) activeAfter = seconds()
  if (seconds() - shownAt > 10) {
    shownAt = seconds()
    console.log(`  ${shownAt.toFixed(0)} s: ${left} not Active yet, ${await waiting()} events wait`)
  }
}
const used = processorSeconds(service.pid) - cpu
console.log(`${count - 1} tokens of ${tenants} tenants were Active after ${activeAfter.toFixed(1)} s`)
console.log(
  `${Math.round((count - 1) / activeAfter)} first uses a second; all events had left after ${seconds().toFixed(1)} s`
)
console.log(
  `the latest event waited ${(latest / 1_000).toFixed(1)} s; ${((used * 1e6) / count).toFixed(0)} us of the service's processor for a token`
)
console.log(`${Math.round(answered / activeAfter)} validations a second, ${wrong} wrong`)
told("meanwhile")
goesOn = false
await changing
await sql.end()
await ground.stop()
process.exitCode = wrong === 0 ? 0 : 1
