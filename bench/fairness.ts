/**
 * How much one tenant's flood moves another tenant's p99.
 *
 * A quiet tenant validates a hot token, reads a record, provisions and revokes, a little at a time; its p99
 * of each is measured alone and while another tenant floods, in turns, round by round. Floods are of four
 * kinds, each of them over a limit: validations of values that nobody has (misses), changes, lists, and
 * batches. What is promised is the ratio of the medians of the p99s: at most 1.33.
 *
 * The flood comes from a process of its own, and its processor time is not the service's: on a machine with
 * few processors the figures say as much of the flood's own work as of the service's, so the processor's
 * share that the flood leaves to others is printed beside them.
 *
 * `node bench/fairness.ts [rounds=5] [milliseconds=2000] [inFlight=512]`. Exit code 1 above the promise.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type Client, connectClient } from "../test/support/client.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { median, printMachine, processorSeconds } from "./support/report.ts"

const promised = 1.33
const instance = "fair"
const [loud, quiet] = ["fair-loud", "fair-quiet"]
const floods = ["misses", "changes", "lists", "batches"] as const
type Flood = (typeof floods)[number]
const works = ["validate", "get", "provision and revoke"] as const
type Work = (typeof works)[number]

// ---- the flood, in a process of its own

const asking = (client: Client): Record<Flood, (n: number) => Promise<unknown>> => ({
  misses: (n) => client.validate(loud, `${n}nobodys${n}`),
  changes: (n) => client.ask(loud, "token.provision", { appName: loud, endpointId: `e${n}` }),
  lists: () => client.ask(loud, "token.list", { appName: loud, limit: 1_000 }),
  batches: () =>
    client.ask(loud, "token.transition-batch", { tokenIds: Array(1_000).fill("x"), targetStatus: "Revoked" })
})

const flood = async (natsUrl: string, kind: Flood, inFlight: number): Promise<void> => {
  const client = await connectClient({ natsUrl, instance, timeoutMs: 30_000 })
  const ask = asking(client)[kind]
  let [goesOn, count] = [true, 0]
  process.once("message", () => {
    goesOn = false
  })
  process.once("disconnect", () => process.exit(1))
  process.send?.("begun")
  const one = async () => {
    while (goesOn) await ask(count++).catch(() => undefined)
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  await client.close()
  process.removeAllListeners("disconnect")
  process.send?.(count)
  process.disconnect()
}

// ---- the quiet tenant

const p99 = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * 0.99) - 1)]!

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now()
  await work()
  return performance.now() - before
}

/** Changes of the quiet tenant that were not done. */
let refused = 0

interface Known {
  readonly token: string
  readonly tokenId: string
}

const measure = async (client: Client, { token, tokenId }: Known, milliseconds: number) => {
  const times: Record<Work, Array<number>> = { validate: [], get: [], "provision and revoke": [] }
  const until = performance.now() + milliseconds
  let n = 0
  while (performance.now() < until) {
    for (let more = 0; more < 8; more++) {
      times.validate.push(await timed(() => client.validate(quiet, token)))
      times.get.push(await timed(() => client.ask(quiet, "token.get", { tokenId })))
    }
    times["provision and revoke"].push(
      await timed(async () => {
        const body = { appName: quiet, endpointId: `q${n++ % 500}` }
        const made = await client.ask(quiet, "token.provision", body)
        const ended = await client.ask(quiet, "token.delete", { tokenId: made.body.tokenId })
        if (made.status !== 201 || ended.status !== 200) refused++
      })
    )
  }
  return {
    validate: p99(times.validate),
    get: p99(times.get),
    "provision and revoke": p99(times["provision and revoke"])
  }
}

const bench = async (rounds: number, milliseconds: number, inFlight: number): Promise<void> => {
  printMachine()
  const pair = await startPair()
  const stops: Array<() => Promise<unknown>> = [pair.stop]
  try {
    const natsUrl = pair.nats.url
    const database = await freshDatabase(pair.mariadb.url)
    const env = { CM_TENANT_REQUESTS_IN_FLIGHT: "256" }
    const service = await startService({ natsUrl, databaseUrl: database.url, instance, env })
    stops.push(service.stop)
    const client = await connectClient({ natsUrl, instance, timeoutMs: 30_000 })
    stops.push(client.close)
    for (const tenantId of [loud, quiet]) {
      await client.admin("tenants.create", { tenantId })
      await client.ask(tenantId, "application.register", { appName: tenantId })
    }
    const items = Array.from({ length: 1_000 }, (_, n) => ({ endpointId: `l${n}` }))
    await client.ask(loud, "token.provision-batch", { appName: loud, items })
    const known = (await client.ask(quiet, "token.provision", { appName: quiet, endpointId: "known" })).body as Known
    await measure(client, known, milliseconds)

    console.log(`${rounds} rounds of ${milliseconds} ms alone and in the flood, ${inFlight} of the flood in flight`)
    let worst = 0
    for (const kind of floods) {
      const alone: Array<Record<Work, number>> = []
      const within: Array<Record<Work, number>> = []
      const rates: Array<number> = []
      const shares: Array<number> = []
      for (let round = 0; round < rounds; round++) {
        alone.push(await measure(client, known, milliseconds))
        const child = fork(fileURLToPath(import.meta.url), ["flood", natsUrl, kind, String(inFlight)])
        await once(child, "message")
        const [began, used] = [performance.now(), processorSeconds(child.pid!)]
        within.push(await measure(client, known, milliseconds))
        const seconds = (performance.now() - began) / 1_000
        shares.push((processorSeconds(child.pid!) - used) / seconds)
        child.send("stop")
        const [count] = (await once(child, "message")) as [number]
        rates.push(count / seconds)
        await once(child, "exit")
      }
      console.log(
        `flood of ${kind}: ${Math.round(median(rates)).toLocaleString("en")} a second, itself ${median(shares).toFixed(2)} of a processor`
      )
      for (const work of works) {
        const [before, after] = [alone, within].map((all) => median(all.map((one) => one[work]))) as [number, number]
        const ratio = after / before
        worst = Math.max(worst, ratio)
        console.log(`  ${work}: p99 ${before.toFixed(1)} ms alone, ${after.toFixed(1)} ms in it: ${ratio.toFixed(2)}`)
      }
    }
    console.log(`changes of the quiet tenant that were refused: ${refused}`)
    console.log(`worst ratio: ${worst.toFixed(2)} (promised ${promised})`)
    if (worst > promised || refused > 0) process.exitCode = 1
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

if (process.argv[2] === "flood") {
  const [, , , natsUrl = "", kind = "", inFlight = ""] = process.argv
  await flood(natsUrl, kind as Flood, Number(inFlight))
} else {
  const [rounds = 5, milliseconds = 2_000, inFlight = 512] = process.argv.slice(2).map(Number)
  await bench(rounds, milliseconds, inFlight)
}
