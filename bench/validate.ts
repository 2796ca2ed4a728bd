/**
 * How much of a bare echo's rate a validation reaches.
 *
 * Three responders are measured by the same load in turns, round by round, each in a process of its own:
 * an echo that answers the same number of bytes, the service with its tokens hot, and the service
 * with hot table and KV off, so that every validation is a coalesced MariaDB read. The rates of one
 * machine and moment mean little; the ratios of the medians are what is promised:
 * hot at least 0.75 of echo, cold at least 0.35, with 1,000 tokens. On a machine that is busy with
 * other things the figures say little; the processor times beside them show where the time goes.
 *
 * `node bench/validate.ts [rounds=7] [milliseconds=2000] [inFlight=256]`. Exit code 1 below a promise.
 */
import { setTimeout as pause } from "node:timers/promises"
import { connectClient } from "../test/support/client.ts"
import * as ecap from "../test/support/ecap.ts"
import { eventually } from "../test/support/eventually.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { type Load, startEcho, startLoad } from "./support/children.ts"
import { hotTokenBytes } from "./support/hotBytes.ts"
import { median, printMachine, processorSeconds, spread } from "./support/report.ts"

const [rounds = 7, milliseconds = 2_000, inFlight = 256] = process.argv.slice(2).map(Number)
const tokens = 1_000
const promised = { hot0: 0.75, cold: 0.35 } as const
const appName = "c5r5udp04t2n6tdie500"
const correlationId = "br7si8mg10l7an82que0"
const subjectOf = (instance: string) => `kaa.v1.service.${instance}.ecap.ep-token-request`

/** The application's tokens, made on one service; answers the requests for them. */
const provision = async (natsUrl: string, instance: string): Promise<ReadonlyArray<string>> => {
  const client = await connectClient({ natsUrl, instance })
  const registered = await client.ask("demo", "application.register", { appName })
  if (registered.status >= 300) throw new Error(`application.register: ${registered.status} ${registered.code}`)
  const items = Array.from({ length: tokens }, () => ({ endpointId: crypto.randomUUID() }))
  const { body, status } = await client.ask("demo", "token.provision-batch", { appName, items })
  if (status !== 200) throw new Error(`token.provision-batch: ${status}`)
  await client.close()
  return body.results.map(({ token }: { readonly token: string }) =>
    ecap.ValidationRequest.toBuffer({ correlationId, timestamp: Date.now(), timeout: 0, appName, token }).toString(
      "base64"
    )
  )
}

const replyBytes = ecap.ValidationResponse.toBuffer({
  correlationId,
  timestamp: Date.now(),
  timeout: 0,
  tokenId: crypto.randomUUID(),
  endpointId: crypto.randomUUID(),
  statusCode: 200,
  reasonPhrase: null
}).length

const modes = ["echo", "hot0", "cold"] as const
type Mode = (typeof modes)[number]

interface Measured {
  readonly perSecond: Array<number>
  /** Processor time for one request in microseconds: of the responder, and of all processes that took part. */
  readonly responder: Array<number>
  readonly all: Array<number>
}

/** Waits until a process does next to nothing: what provisioning and first uses left to do is done. */
const quiet = (pid: number): Promise<unknown> => {
  const look = async () => {
    const before = processorSeconds(pid)
    await pause(500)
    return processorSeconds(pid) - before
  }
  return eventually(look, (seconds) => !(seconds > 0.05), { limitMs: 60_000, what: "a quiet process" })
}

/** Who takes part in a mode: the responder first. */
type Parts = Record<Mode, ReadonlyArray<number>>

const measure = async (loads: Record<Mode, Load>, parts: Parts): Promise<Record<Mode, Measured>> => {
  const measured = {} as Record<Mode, Measured>
  for (const mode of modes) measured[mode] = { perSecond: [], responder: [], all: [] }
  for (let round = -1; round < rounds; round++) {
    if (round === 0) for (const mode of modes) await quiet(parts[mode][0]!)
    for (const mode of modes) {
      const before = parts[mode].map(processorSeconds)
      const result = await loads[mode].run({ subject: subjectOf(mode), milliseconds, replyBytes })
      if (result.wrong > 0) throw new Error(`${mode}: ${result.wrong} of ${result.replies} replies were no 200`)
      // The first round warms up.
      if (round < 0) continue
      const used = parts[mode].map((pid, index) => ((processorSeconds(pid) - before[index]!) / result.replies) * 1e6)
      measured[mode].perSecond.push(result.perSecond)
      measured[mode].responder.push(used[0]!)
      measured[mode].all.push(used.reduce((sum, one) => sum + one))
    }
  }
  return measured
}

printMachine()
const pair = await startPair()
const stops: Array<() => Promise<unknown>> = [pair.stop]
try {
  const natsUrl = pair.nats.url
  const requests: Record<Mode, ReadonlyArray<string>> = { echo: [], hot0: [], cold: [] }
  const pids = { echo: 0, hot0: 0, cold: 0 }
  for (const [instance, env] of [
    ["hot0", {}],
    ["cold", { CM_HOT_TOKENS_MAX: "0", CM_KV_CACHE: "false" }]
  ] as const) {
    const database = await freshDatabase(pair.mariadb.url)
    const service = await startService({ natsUrl, databaseUrl: database.url, instance, replica: instance, env })
    stops.push(service.stop)
    pids[instance] = service.pid
    requests[instance] = await provision(natsUrl, instance)
  }
  requests.echo = requests.hot0
  const echo = await startEcho(natsUrl, subjectOf("echo"), replyBytes)
  stops.push(echo.stop)
  pids.echo = echo.pid
  const loads = {} as Record<Mode, Load>
  for (const mode of modes) {
    loads[mode] = await startLoad({ natsUrl, requests: requests[mode], inFlight })
    stops.push(loads[mode].stop)
  }

  console.log(`${rounds} rounds of ${milliseconds} ms in turns, ${inFlight} in flight, ${tokens} tokens; medians`)
  const shared = (mode: Mode) => [pids[mode], pair.nats.pid, loads[mode].pid]
  const parts = { echo: shared("echo"), hot0: shared("hot0"), cold: [...shared("cold"), pair.mariadb.pid] }
  const measured = await measure(loads, parts)
  const ratio = (mode: Mode) => median(measured[mode].perSecond) / median(measured.echo.perSecond)
  for (const [mode, name] of [
    ["echo", "echo"],
    ["hot0", "hot validation"],
    ["cold", "hot table and KV off"]
  ] as const) {
    const { all, perSecond, responder } = measured[mode]
    console.log(`${name}: ${spread(perSecond)} a second`)
    console.log(`  processor time a request: ${median(responder).toFixed(1)} us, all ${median(all).toFixed(1)} us`)
    if (mode === "echo") continue
    console.log(`  ${ratio(mode).toFixed(2)} of echo by rate (promised ${promised[mode]})`)
  }
  console.log(`memory of a hot token: ${hotTokenBytes(200_000)} bytes, at 200,000 tokens`)
  if (ratio("hot0") < promised.hot0 || ratio("cold") < promised.cold) process.exitCode = 1
} finally {
  for (const stop of stops.reverse()) await stop()
}
