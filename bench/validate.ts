/**
 * How much of a bare echo's rate a validation reaches.
 *
 * Three responders are measured by the same load in turns, round by round, each in a process of its own:
 * an echo that answers the same number of bytes, the service with its tokens hot, and the service
 * with hot table and KV off, so that every validation is a coalesced MariaDB read. The rates of one
 * machine and moment mean little; the ratios of the medians are what is promised:
 * hot at least 0.75 of echo, cold at least 0.35, with 1,000 tokens.
 *
 * `node bench/validate.ts [rounds=7] [milliseconds=2000] [inFlight=256]`. Exit code 1 below a promise.
 */
import { connectClient } from "../test/support/client.ts"
import * as ecap from "../test/support/ecap.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { type Load, startEcho, startLoad } from "./support/children.ts"
import { hotTokenBytes } from "./support/hotBytes.ts"
import { median, printMachine, spread } from "./support/report.ts"

const [rounds = 7, milliseconds = 2_000, inFlight = 256] = process.argv.slice(2).map(Number)
const tokens = 1_000
const promised = { hot: 0.75, cold: 0.35 } as const
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

const measure = async (loads: Record<Mode, Load>): Promise<Record<Mode, Array<number>>> => {
  const rates: Record<Mode, Array<number>> = { echo: [], hot0: [], cold: [] }
  for (let round = -1; round < rounds; round++) {
    for (const mode of modes) {
      const { perSecond, replies, wrong } = await loads[mode].run({
        subject: subjectOf(mode),
        milliseconds,
        replyBytes
      })
      if (wrong > 0) throw new Error(`${mode}: ${wrong} of ${replies} replies were no 200`)
      // The first round warms up.
      if (round >= 0) rates[mode].push(perSecond)
    }
  }
  return rates
}

printMachine()
const pair = await startPair()
const stops: Array<() => Promise<unknown>> = [pair.stop]
try {
  const natsUrl = pair.nats.url
  const requests: Record<Mode, ReadonlyArray<string>> = { echo: [], hot0: [], cold: [] }
  for (const [instance, env] of [
    ["hot0", {}],
    ["cold", { CM_HOT_TOKENS_MAX: "0", CM_KV_CACHE: "false" }]
  ] as const) {
    const database = await freshDatabase(pair.mariadb.url)
    const service = await startService({ natsUrl, databaseUrl: database.url, instance, replica: instance, env })
    stops.push(service.stop)
    requests[instance] = await provision(natsUrl, instance)
  }
  requests.echo = requests.hot0
  const echo = await startEcho(natsUrl, subjectOf("echo"), replyBytes)
  stops.push(echo.stop)
  const loads = {} as Record<Mode, Load>
  for (const mode of modes) {
    loads[mode] = await startLoad({ natsUrl, requests: requests[mode], inFlight })
    stops.push(loads[mode].stop)
  }

  console.log(`${rounds} rounds of ${milliseconds} ms in turns, ${inFlight} in flight, ${tokens} tokens; medians`)
  const rates = await measure(loads)
  const ratio = (mode: Mode) => median(rates[mode]) / median(rates.echo)
  console.log(`echo                        ${spread(rates.echo)} a second`)
  console.log(
    `hot validation              ${spread(rates.hot0)} a second, ${ratio("hot0").toFixed(2)} of echo (promised ${promised.hot})`
  )
  console.log(
    `hot table and KV off        ${spread(rates.cold)} a second, ${ratio("cold").toFixed(2)} of echo (promised ${promised.cold})`
  )
  console.log(`memory of a hot token       ${hotTokenBytes(200_000)} bytes, at 200,000 tokens`)
  if (ratio("hot0") < promised.hot || ratio("cold") < promised.cold) process.exitCode = 1
} finally {
  for (const stop of stops.reverse()) await stop()
}
