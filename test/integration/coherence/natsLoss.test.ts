import { Effect, Metric } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BarrierTimeout } from "../../../src/coherence/Coherence.ts"
import * as Metrics from "../../../src/coherence/CoherenceMetrics.ts"
import { freshInstance } from "../../support/bus.ts"
import { freshRevocation, lease, type RunningReplica, startReplica } from "../../support/coherenceReplicas.ts"
import { eventually } from "../../support/eventually.ts"
import { freePort, type Server, startNats, temporaryFolder } from "../../support/servers.ts"

const variables = { CM_BARRIER_TIMEOUT: "3 seconds" }

describe("coherence when the bus is lost", () => {
  let folder: ReturnType<typeof temporaryFolder>
  let servers: Array<Server>
  let running: Array<RunningReplica>

  beforeEach(() => {
    folder = temporaryFolder()
    servers = []
    running = []
  })
  afterEach(async () => {
    Reflect.deleteProperty(BarrierTimeout.prototype, "seq")
    for (const server of servers) if (!server.hasEnded()) server.kill("SIGCONT")
    await Promise.all(running.map(({ stop }) => stop()))
    await Promise.all(servers.map((server) => server.stop()))
    folder.remove()
  })

  const startBoth = async (natsUrl: string, more: Record<string, string> = {}) => {
    const instance = freshInstance()
    for (const replicaId of ["one", "two"]) {
      running.push(await startReplica({ natsUrl, instance, replicaId, variables: { ...variables, ...more } }))
    }
    const [one, two] = running as [RunningReplica, RunningReplica]
    await eventually(() => one.holds() && two.holds(), Boolean, { what: "both leases", limitMs: 120_000 })
    return { one, two }
  }

  it("lapses at once, answers late, and puts in force what waited when the bus is back", async () => {
    const first = await startNats({ dir: folder.path })
    servers.push(first)
    const { one, two } = await startBoth(first.url)
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    const generations = [one.lease.generation, two.lease.generation]

    first.kill("SIGKILL")
    const killed = performance.now()
    // When it was seen to hold last; that it lapsed may be noticed late.
    let heldMs = 0
    await eventually(
      () => {
        const askedMs = performance.now() - killed
        const holds = one.holds() || two.holds()
        if (holds) heldMs = askedMs
        return holds
      },
      (holds) => !holds,
      { everyMs: 5, what: "the lapse" }
    )
    expect(heldMs).toBeLessThan(lease.leaseMs)
    const late = freshRevocation()
    one.outbox.pending.push({ ...late, ageMs: 0 })
    expect(await one.putInForce(late)).toBe("timed out")
    expect(one.applied).toContainEqual(late)
    expect(one.outbox.pending).toHaveLength(1)
    expect(await two.run(two.coherence.lapse)).not.toBeNull()

    await first.exited
    servers.push(await startNats({ dir: folder.path, port: first.port }))
    await eventually(
      () => one.outbox.pending.length,
      (length) => length === 0,
      { what: "the late revocation in force" }
    )
    await eventually(() => one.holds() && two.holds(), Boolean, { what: "both leases again" })
    expect(one.lease.generation).toBeGreaterThan(generations[0]!)
    expect(two.lease.generation).toBeGreaterThan(generations[1]!)
    const after = freshRevocation()
    expect(await two.putInForce(after)).toBe("in force")
    expect(one.applied).toContainEqual(after)
  })

  it("counts a revocation that is late, and says which it was; for one that is in time nothing of that is made", async () => {
    const made: Array<unknown> = []
    Object.defineProperty(BarrierTimeout.prototype, "seq", {
      configurable: true,
      set(seq: unknown) {
        made.push(seq)
        Object.defineProperty(this, "seq", { value: seq, enumerable: true })
      }
    })
    const server = await startNats({ dir: folder.path })
    servers.push(server)
    const { one } = await startBoth(server.url)
    const counted = () => one.run(Effect.map(Metric.value(Metrics.barrierTimeouts), ({ count }) => count))
    const before = await counted()
    for (let time = 0; time < 3; time++) expect(await one.putInForce(freshRevocation())).toBe("in force")
    expect(made).toEqual([])
    expect(await counted()).toBe(before)

    server.kill("SIGKILL")
    await server.exited
    const late = freshRevocation()
    const error = await one.run(Effect.orDie(Effect.flip(one.coherence.putInForce(late))))
    expect(error).toMatchObject({ _tag: "BarrierTimeout", seq: late.seq })
    expect(made).toEqual([late.seq])
    expect(await counted()).toBe(before + 1)
  })

  it("goes on when the leader of a three-node cluster stops answering", async () => {
    const routes = await Promise.all([freePort(), freePort(), freePort()])
    const names = ["n0", "n1", "n2"]
    const nodes = await Promise.all(
      names.map((name, index) => {
        const args = ["--cluster_name", "c", "--cluster", `nats://127.0.0.1:${routes[index]}`]
        const routesArgs = ["--routes", routes.map((port) => `nats://127.0.0.1:${port}`).join(",")]
        return startNats({ dir: `${folder.path}/${name}`, name, args: [...args, ...routesArgs] })
      })
    )
    servers.push(...nodes)
    const { one, two } = await startBoth(nodes.map(({ url }) => url).join(","), {
      CM_STREAM_REPLICAS: "3",
      CM_BARRIER_TIMEOUT: "30 seconds"
    })
    expect(await one.putInForce(freshRevocation())).toBe("in force")

    const { cluster } = await one.nats.jetstreamManager.streams.info(one.bucket)
    const leader = nodes[names.indexOf(cluster!.leader!)]!
    leader.kill("SIGSTOP")
    const revocation = freshRevocation()
    const generation = two.lease.generation
    const begun = performance.now()
    expect(await one.putInForce(revocation)).toBe("in force")
    const answeredMs = Math.round(performance.now() - begun)
    // Either it heard of it, or the right it had is gone: one taken since covers each tenant by a read that came after.
    const lostIts = !two.holds() || two.lease.generation !== generation
    expect(two.applied.some(({ seq }) => seq === revocation.seq) || lostIts).toBe(true)
    await eventually(() => one.holds() && two.holds(), Boolean, { what: "both leases again", limitMs: 120_000 })
    process.stdout.write(`revocation answered ${answeredMs} ms after the bucket's leader was stopped\n`)
  })
})
