/**
 * Promise measured: a revocation is answered, in force everywhere, within milliseconds; and within one
 * lease, its margin and two seconds while a replica is dead or paused.
 *
 * Time from request to answer of `token.revoke` through the whole service, one at a time, with one, two and
 * three healthy replicas as processes; and its ratio to a bare `UPDATE` with its commit on the same
 * MariaDB and two request-reply round trips over the same NATS server, measured in turns with it. Then
 * many revocations at once while the second replica is killed, and while it is stopped. A request that
 * the bus has given to a stopped replica waits with it; who asks again is answered by another.
 *
 * `node bench/revokeWhole.ts [count=300]`. Exit code 1 when a revocation beside a dead or paused replica
 * takes longer than promised. `bench/revoke.ts` measures the barrier alone.
 */
import { setTimeout as pause } from "node:timers/promises"
import { connect } from "@nats-io/transport-node"
import { allHold, startGround, startWorld, type World } from "../test/chaos/World.ts"
import { type Client, connectClient } from "../test/support/client.ts"
import { connectSql } from "../test/support/freshDatabase.ts"
import { startEcho } from "./support/children.ts"
import { printMachine } from "./support/report.ts"

const count = Number(process.argv[2] ?? "300")
const warmUp = 30
const atOnce = 20
const leaseMs = 3_000
const promisedMs = leaseMs * 1.1 + 2_000
const askAgainMs = 1_000
const env = { CM_LEASE: `${leaseMs} millis`, CM_LEASES_AGE: "1 minute" }
const tenant = "demo"

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

const figures = (durations: ReadonlyArray<number>) => {
  const sorted = durations.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
const shown = ({ p50, p99 }: { readonly p50: number; readonly p99: number }) =>
  `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`

let names = 0
const provision = async (client: Client, wanted: number): Promise<ReadonlyArray<string>> => {
  const appName = `app-${++names}`
  await client.ask(tenant, "application.register", { appName })
  const items = Array.from({ length: wanted }, (_, index) => ({ endpointId: `e${index}` }))
  const { body } = await client.ask(tenant, "token.provision-batch", { appName, items })
  return body.results.map(({ tokenId }: { readonly tokenId: string }) => tokenId)
}

/**
 * Asks until it is answered, again after a second, since the bus may have given the request to a replica
 * that does not run. Milliseconds that the request took which was answered.
 */
const revoke = async (client: Client, tokenId: string): Promise<number> => {
  let took: number | null = null
  const ask = async (): Promise<void> => {
    const begun = performance.now()
    const { code, status } = await client.ask(tenant, "token.revoke", { tokenId })
    if (status !== 200) throw new Error(`token.revoke: ${status} ${code}`)
    took ??= performance.now() - begun
  }
  const asked = [ask()]
  while (took === null) {
    await Promise.race([Promise.any(asked), pause(askAgainMs, undefined, { ref: false })])
    if (took === null) asked.push(ask())
  }
  for (const one of asked) one.catch(() => {})
  return took
}

printMachine()
const ground = await startGround(1)
const echo = await startEcho(ground.natsUrl, "bench.echo", 64)
const caller = await connect({ servers: ground.natsUrl, noAsyncTraces: true })
const database = await connectSql(ground.databaseUrl)
await database.query("CREATE TABLE bare (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB")
await database.query("INSERT INTO bare VALUES (1, 0)")

const bare = async (): Promise<void> => {
  await caller.request("bench.echo", "x", { timeout: 30_000 })
  await database.query("UPDATE bare SET n = n + 1 WHERE id = 1")
  await caller.request("bench.echo", "x", { timeout: 30_000 })
}

console.log(`${count} revocations one after the other, through the whole service`)
const healthy = async (replicas: number): Promise<void> => {
  const world = await startWorld(ground, { replicas, env })
  await allHold(world)
  const client = await connectClient({ natsUrl: ground.natsUrl, instance: world.instance })
  const tokenIds = await provision(client, Math.min(1_000, count + warmUp))
  for (const tokenId of tokenIds.slice(0, warmUp)) {
    await revoke(client, tokenId)
    await bare()
  }
  const revocations: Array<number> = []
  const bares: Array<number> = []
  for (const tokenId of tokenIds.slice(warmUp)) {
    bares.push(await timed(bare))
    revocations.push(await revoke(client, tokenId))
  }
  const [whole, base] = [figures(revocations), figures(bares)]
  const ratios = `${(whole.p50 / base.p50).toFixed(2)} at p50, ${(whole.p99 / base.p99).toFixed(2)} at p99`
  console.log(`${replicas} replica(s): ${shown(whole)}; UPDATE and two round trips ${shown(base)}; ratio ${ratios}`)
  await client.close()
  await world.stop()
}
for (const replicas of [1, 2, 3]) await healthy(replicas)

let isLate = false
const troubled = async (what: string, trouble: (world: World) => unknown): Promise<void> => {
  const world = await startWorld(ground, { replicas: 2, env })
  await allHold(world)
  const client = await connectClient({ natsUrl: ground.natsUrl, instance: world.instance })
  const tokenIds = await provision(client, atOnce)
  // Its lease was taken from nobody: what follows meets a replica that was healthy until now.
  await revoke(client, (await provision(client, 1))[0]!)
  await trouble(world)
  const { max, p50 } = figures(await Promise.all(tokenIds.map((tokenId) => revoke(client, tokenId))))
  isLate ||= max > promisedMs
  console.log(
    `${atOnce} at once, a replica ${what}: p50 ${p50.toFixed(0)} ms, longest ${max.toFixed(0)} ms; ` +
      `promised ${promisedMs} ms`
  )
  await client.close()
  await world.stop()
}
await troubled("killed", (world) => world.replicas[1]!.kill())
await troubled("stopped", (world) => world.replicas[1]!.signal("SIGSTOP"))

await database.end()
await caller.close()
await echo.stop()
await ground.stop()
process.exit(isLate ? 1 : 0)
