/**
 * What the HTTP gateway costs: requests a second and p99 of a list of an endpoint's tokens and of an audited read of a
 * secret, through the gateway, against (a) a bare `node:http` server that answers the same bytes with the same headers, and (b) the
 * bus alone, asked by the gateway's own user with the same bearer token.
 *
 * The three take turns, round by round; printed are medians with their smallest and largest, and ratios of medians. The
 * load is one process that asks all three alike, and its processor time is printed: on few processors it takes its time
 * from what it measures. Every answer is looked at: its status and its length.
 *
 * `node bench/gateway.ts [seconds a round=3] [rounds=5] [callers=32]`
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { headers as natsHeaders } from "@nats-io/transport-node"
import { gatewayWorld, http } from "../test/support/gateway.ts"
import { startPair } from "../test/support/servers.ts"
import type { HttpLoad, HttpResult, HttpRound } from "./support/httpLoad.ts"
import { median, printMachine, processorSeconds, spread } from "./support/report.ts"

const seconds = Number(process.argv[2] ?? "3")
const rounds = Number(process.argv[3] ?? "5")
const callers = Number(process.argv[4] ?? "32")
const tokensListed = 20

const child = async (name: string, given: object): Promise<readonly [ChildProcess, unknown]> => {
  const started = fork(fileURLToPath(new URL(`./support/${name}`, import.meta.url)))
  started.send(given)
  const [said] = await once(started, "message")
  return [started, said]
}

printMachine()
console.log(`${rounds} rounds of ${seconds} s each, in turns, ${callers} callers; medians (smallest to largest)`)
const pair = await startPair()
const world = await gatewayWorld({ databaseUrl: pair.mariadb.url })
const stops: Array<() => unknown> = [world.stop]
try {
  await world.ask("POST", "/api/v1/applications", { appName: "meters" })
  for (let count = 0; count < tokensListed; count++) {
    await world.ask("POST", "/api/v1/endpoints/e1/tokens", { appName: "meters" })
  }
  const stored = await world.ask("POST", "/api/v1/credentials", {
    service_name: "bench",
    type: "api_key",
    credentials: { api_key: "x".repeat(256) },
    allowed_consumers: ["bearer:acme/robot"]
  })
  if (stored.status !== 201) throw new Error(stored.text)
  const credentialId: string = stored.body.credential_id
  const kinds = [
    {
      name: `a list of ${tokensListed} tokens`,
      path: "/api/v1/endpoints/e1/tokens",
      operation: "token.list",
      // What the gateway asks for it: an endpoint has 1,000 tokens at most.
      request: { endpointId: "e1", limit: 1_000, order: "DESC" }
    },
    {
      name: "a read of a secret",
      path: `/api/v1/credentials/${credentialId}?secret=true`,
      operation: "credential.get",
      request: { credential_id: credentialId }
    }
  ]

  const bus = {
    url: world.bus.url,
    user: "gateway",
    password: world.bus.passwords.gateway!,
    inboxPrefix: "_INBOX.gateway"
  }
  const [load] = await child("httpLoad.ts", { callers, token: world.token, bus } satisfies HttpLoad)
  stops.unshift(() => load.disconnect())
  const run = async (round: HttpRound): Promise<HttpResult> => {
    load.send(round)
    const [result] = (await once(load, "message")) as [HttpResult]
    if (result.wrong > 0) throw new Error(`${result.wrong} answers were wrong, of ${JSON.stringify(round)}`)
    return result
  }

  for (const { name, operation, path, request } of kinds) {
    const answer = await http(world.gateway.url, "GET", path, { token: world.token })
    if (answer.status !== 200) throw new Error(answer.text)
    const names = [
      "correlation-id",
      "cache-control",
      "x-content-type-options",
      "content-type",
      "content-length",
      "etag"
    ]
    const headers = Object.fromEntries(
      names.flatMap((header) => (answer.header(header) === undefined ? [] : [[header, answer.header(header)!]]))
    )
    const [bare, port] = await child("httpEcho.ts", { headers, body: answer.text })
    stops.unshift(() => bare.disconnect())
    const bytes = Buffer.byteLength(answer.text)
    const milliseconds = seconds * 1_000
    const subject = `cm.v1.acme.${operation}`
    const body = JSON.stringify(request)
    const asking = await world.bus.as("gateway")
    const sent = natsHeaders()
    sent.set("Authorization", `Bearer ${world.token}`)
    const message = await asking.request(subject, body, { timeout: 30_000, headers: sent })
    if (message.headers?.get("Cm-Status") !== "200") throw new Error(message.string())
    const direct = message.data.length
    await asking.close()
    const ways: Readonly<Record<string, HttpRound>> = {
      gateway: { milliseconds, bytes, url: world.gateway.url, path },
      bare: { milliseconds, bytes, url: `http://127.0.0.1:${port}`, path },
      bus: { milliseconds, bytes: direct, subject, body }
    }
    const results: Record<string, Array<HttpResult>> = { gateway: [], bare: [], bus: [] }
    const processors: Array<ReadonlyArray<number>> = []
    const pids = [world.gateway.pid, world.service.pid, load.pid!]
    for (let round = 0; round <= rounds; round++) {
      for (const [way, asked] of Object.entries(ways)) {
        const before = pids.map(processorSeconds)
        const result = await run(round === 0 ? { ...asked, milliseconds: 1_000 } : asked)
        if (round === 0) continue
        results[way]!.push(result)
        if (way !== "gateway") continue
        const count = result.perSecond * seconds
        processors.push(pids.map((pid, at) => ((processorSeconds(pid) - before[at]!) / count) * 1e6))
      }
    }
    console.log(`\n${name}, ${bytes} bytes`)
    for (const [way, what] of [
      ["gateway", "through the gateway"],
      ["bare", "bare node:http, the same bytes"],
      ["bus", "the bus alone"]
    ] as const) {
      const of = results[way]!
      const milli = (times: ReadonlyArray<number>) =>
        `${median(times).toFixed(1)} ms (${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)})`
      const [perSecond, p99s] = [of.map((one) => one.perSecond), of.map(({ p99 }) => p99)]
      console.log(`  ${what}: ${spread(perSecond)} a second; p99 ${milli(p99s)}`)
    }
    const rate = (way: string) => median(results[way]!.map(({ perSecond }) => perSecond))
    console.log(
      `  gateway to bare ${(rate("gateway") / rate("bare")).toFixed(2)}, gateway to bus ${(rate("gateway") / rate("bus")).toFixed(2)}`
    )
    const [gateway, service, loading] = [0, 1, 2].map((at) => median(processors.map((all) => all[at]!)).toFixed(0))
    console.log(
      `  processor time for one through the gateway: gateway ${gateway} us, service ${service}, load ${loading}`
    )
  }
} finally {
  for (const stop of stops) await stop()
  await pair.stop()
}
