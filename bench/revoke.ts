/**
 * Promise measured: a revocation is in force on every replica within milliseconds.
 *
 * Time from the call of `putInForce` to its answer, one at a time, with one, two and three healthy
 * replicas, each with connections of its own to one NATS server; and its ratio to a bare pair of
 * request-reply round trips over the same server, measured in turns with it. The store is in memory,
 * so this is the barrier alone; everything shares this process, so two and three replicas share its
 * thread as well.
 *
 * `node bench/revoke.ts [count]`
 */
import { connect } from "@nats-io/transport-node"
import { freshRevocation, type RunningReplica, startReplica } from "../test/support/coherenceReplicas.ts"
import { startNats, temporaryFolder } from "../test/support/servers.ts"
import { printMachine } from "./support/report.ts"

const count = Number(process.argv[2] ?? "2000")
const warmUp = 200
const variables = { CM_LEASE: "3 seconds", CM_LEASES_AGE: "1 minute" }

const folder = temporaryFolder()
const server = await startNats({ dir: folder.path })

const caller = await connect({ servers: server.url, noAsyncTraces: true })
const responder = await connect({ servers: server.url, noAsyncTraces: true })
responder.subscribe("bench.echo", { callback: (_error, msg) => void msg.respond(msg.data) })
await responder.flush()

const roundTripPair = async () => {
  await caller.request("bench.echo", "x", { timeout: 30_000 })
  await caller.request("bench.echo", "x", { timeout: 30_000 })
}

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

const percentile = (sorted: ReadonlyArray<number>, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
const figures = (durations: ReadonlyArray<number>) => {
  const sorted = durations.toSorted((a, b) => a - b)
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}
const shown = ({ p50, p99 }: { readonly p50: number; readonly p99: number }) =>
  `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`

printMachine()
console.log(`${count} revocations one after the other, nats-server on loopback, file storage, sync always`)

const running: Array<RunningReplica> = []
const instance = "bench"
for (const replicaId of ["one", "two", "three"]) {
  const replica = await startReplica({ natsUrl: server.url, instance, replicaId, variables })
  running.push(replica)
  const committer = running[0]!
  // The first waits until the bucket is proven old; the others find it so.
  for (let index = 0; index < warmUp; index++)
    await Promise.all([committer.putInForce(freshRevocation()), roundTripPair()])
  const revocations: Array<number> = []
  const pairs: Array<number> = []
  for (let index = 0; index < count; index++) {
    pairs.push(await timed(roundTripPair))
    const revocation = freshRevocation()
    revocations.push(await timed(() => committer.putInForce(revocation)))
    for (const each of running) each.applied.length = 0
  }
  const [pair, whole] = [figures(pairs), figures(revocations)]
  const ratios = `${(whole.p50 / pair.p50).toFixed(2)} at p50, ${(whole.p99 / pair.p99).toFixed(2)} at p99`
  console.log(`${running.length} replica(s): ${shown(whole)}; round trip pair ${shown(pair)}; ratio ${ratios}`)
}

await Promise.all(running.map(({ stop }) => stop()))
await caller.close()
await responder.close()
await server.stop()
folder.remove()
