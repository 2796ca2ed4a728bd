/** The small end as it is: three replicas on a NATS server, and what one round trip and one write take there. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { freshRevocation, type RunningReplica, startReplica } from "../../test/support/coherenceReplicas.ts"
import { startNats, temporaryFolder } from "../../test/support/servers.ts"
import { median } from "../support/report.ts"

export interface Real {
  readonly roundTripMs: number
  readonly writeMs: number
  readonly barrierMs: number
}

const warmUp = 50

export const measureReal = async (count: number): Promise<Real> => {
  const folder = temporaryFolder()
  const server = await startNats({ dir: folder.path })
  const caller = await connect({ servers: server.url, noAsyncTraces: true })
  const responder = await connect({ servers: server.url, noAsyncTraces: true })
  responder.subscribe("bench.echo", { callback: (_error, msg) => void msg.respond(msg.data) })
  await responder.flush()
  await (await jetstreamManager(caller)).streams.add({ name: "BENCH", subjects: ["baseline.>"] })
  const js = jetstream(caller)
  const replicas: Array<RunningReplica> = []
  for (const replicaId of ["one", "two", "three"]) {
    const variables = { CM_LEASE: "3 seconds", CM_LEASES_AGE: "1 minute" }
    replicas.push(await startReplica({ natsUrl: server.url, instance: "bench", replicaId, variables }))
  }
  const kinds = {
    roundTripMs: () => caller.request("bench.echo", "x", { timeout: 30_000 }),
    writeMs: () => js.publish("baseline.write", "x"),
    barrierMs: () => replicas[0]!.putInForce(freshRevocation())
  }
  const times = { roundTripMs: [] as Array<number>, writeMs: [] as Array<number>, barrierMs: [] as Array<number> }
  for (let n = -warmUp; n < count; n++) {
    for (const name of ["roundTripMs", "writeMs", "barrierMs"] as const) {
      const began = performance.now()
      await kinds[name]()
      if (n >= 0) times[name].push(performance.now() - began)
    }
  }
  await Promise.all(replicas.map(({ stop }) => stop()))
  await caller.close()
  await responder.close()
  await server.stop()
  folder.remove()
  return {
    roundTripMs: median(times.roundTripMs),
    writeMs: median(times.writeMs),
    barrierMs: median(times.barrierMs)
  }
}
