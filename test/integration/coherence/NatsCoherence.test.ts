// Verifies R-REV-6, R-RUN-8, R-BUS-31, R-BUS-32.
import { headers } from "@nats-io/transport-node"
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest"
import { freshInstance } from "../../support/bus.ts"
import {
  freshRevocation,
  lease,
  type ReplicaOptions,
  type RunningReplica,
  startReplica
} from "../../support/coherenceReplicas.ts"
import { eventually } from "../../support/eventually.ts"
import { type TcpProxy, tcpProxy } from "../../support/tcpProxy.ts"

const outwaitMs = lease.leaseMs + lease.marginMs

describe("coherence over NATS", () => {
  let instance: string
  let running: Array<RunningReplica>
  let proxies: Array<TcpProxy>

  const start = async (replicaId: string, options: Partial<ReplicaOptions> = {}) => {
    const replica = await startReplica({ natsUrl: inject("natsUrl"), instance, replicaId, ...options })
    running.push(replica)
    await eventually(replica.holds, Boolean, { what: `the lease of ${replicaId}` })
    return replica
  }
  const behindProxy = async () => {
    const proxy = await tcpProxy(Number(new URL(inject("natsUrl")).port))
    proxies.push(proxy)
    return { proxy, natsUrl: `nats://127.0.0.1:${proxy.port}` }
  }
  /**
   * What happens while every right stands. Whoever gets none of a busy machine for half a second loses its right, and is
   * outwaited as it should be: what was seen meanwhile says nothing, and it is tried again.
   */
  const undisturbed = async (attempt: () => Promise<void>): Promise<void> => {
    for (let tries = 1; ; tries++) {
      await eventually(() => running.every(({ holds }) => holds()), Boolean, { what: "every lease" })
      const before = running.map(({ lease }) => lease.generation)
      const isStill = () => running.every(({ holds, lease }, at) => holds() && lease.generation === before[at])
      const failure = await attempt().then(
        () => undefined,
        (error: unknown) => ({ error })
      )
      if (failure === undefined && isStill()) return
      if (failure !== undefined && (isStill() || tries === 20)) throw failure.error
      expect(tries, "no right stood for as long as an attempt takes").toBeLessThan(20)
    }
  }
  /** The quickest of some attempts: a busy machine makes one slow, and what waits for a lease is never quicker. */
  const quickest = async (enoughMs: number, attempt: () => Promise<number>): Promise<number> => {
    let leastMs = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 20 && leastMs >= enoughMs; tries++) leastMs = Math.min(leastMs, await attempt())
    return leastMs
  }
  const msOf = async (work: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now()
    await work()
    return performance.now() - begun
  }
  /** Until the bucket is proven old, a revocation waits for rights in a bucket that this one may have replaced. */
  const settle = (replica: RunningReplica) => replica.putInForce(freshRevocation())

  beforeEach(() => {
    instance = freshInstance()
    running = []
    proxies = []
  })
  afterEach(async () => {
    await Promise.all(running.map(({ stop }) => stop()))
    await Promise.all(proxies.map(({ close }) => close()))
  })

  it("answers a revocation after every replica has applied it", async () => {
    const [one, two, three] = [await start("one"), await start("two"), await start("three")]
    await undisturbed(async () => {
      for (const committer of [one, two, three]) {
        const revocation = freshRevocation()
        expect(await committer.putInForce(revocation)).toBe("in force")
        for (const replica of [one, two, three]) expect(replica.applied).toContainEqual(revocation)
      }
    })
  })

  it("takes milliseconds when all is well", async () => {
    const [one] = [await start("one"), await start("two")]
    await settle(one)
    const [durations, writes]: [Array<number>, Array<number>] = [[], []]
    for (let count = 0; count < 50; count++) {
      durations.push(await msOf(() => one.putInForce(freshRevocation())))
      // What one write to the same bucket takes just then: a revocation is a few of those.
      writes.push(await msOf(() => one.nats.jetstream.publish(`$KV.${one.bucket.slice(3)}.barrier.x`, "")))
    }
    const median = (all: ReadonlyArray<number>) => all.toSorted((a, b) => a - b)[25]!
    expect(median(durations)).toBeLessThan(Math.max(100, 10 * median(writes)))
  })

  it("outwaits a replica that was cut off, which has lapsed by itself before", async () => {
    const one = await start("one")
    const { natsUrl, proxy } = await behindProxy()
    const two = await start("two", { natsUrl })
    await settle(one)
    const again = await quickest(lease.leaseMs, async () => {
      proxy.cut()
      const revocation = freshRevocation()
      expect(await one.putInForce(revocation)).toBe("in force")
      expect(two.holds()).toBe(false)
      expect(two.applied).not.toContainEqual(revocation)
      const secondMs = await msOf(async () => expect(await one.putInForce(freshRevocation())).toBe("in force"))
      const generation = two.lease.generation
      proxy.mend()
      await eventually(two.holds, Boolean, { what: "the lease after the cut" })
      expect(two.lease.generation).toBeGreaterThan(generation)
      return secondMs
    })
    expect(again, "it is outwaited once").toBeLessThan(lease.leaseMs)
  })

  it("takes the lease of a replica that renews and does not acknowledge", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    const generation = two.lease.generation
    two.deaf = true
    const begun = performance.now()
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    expect(performance.now() - begun).toBeGreaterThan(outwaitMs)
    expect(two.lease.generation).toBeGreaterThan(generation)
    two.deaf = false
    await eventually(two.holds, Boolean, { what: "the lease after the eviction" })
    expect(await one.putInForce(freshRevocation())).toBe("in force")
  })

  it("does not wait for a replica that stopped orderly", async () => {
    const one = await start("one")
    await settle(one)
    const tookMs = await quickest(lease.leaseMs, async () => {
      const two = await start("two")
      await settle(one)
      await two.stop()
      expect(two.holds()).toBe(false)
      return msOf(async () => expect(await one.putInForce(freshRevocation())).toBe("in force"))
    })
    expect(tookMs).toBeLessThan(lease.leaseMs)
  })

  it("outwaits a full lease when the lease bucket was made anew", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    const generation = two.lease.generation
    await one.nats.jetstreamManager.streams.delete(one.bucket)
    const begun = performance.now()
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    expect(performance.now() - begun).toBeGreaterThan(outwaitMs * 0.9)
    await eventually(() => one.holds() && two.holds(), Boolean, { what: "leases in the new bucket" })
    expect(two.lease.generation).toBeGreaterThan(generation)
  })

  it("pays for a bucket made anew once, however far the old one's sequence was", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    // A year of renewals, in a moment.
    const many = Array.from({ length: 400 }, () =>
      one.nats.jetstream.publish(`$KV.${one.bucket.slice(3)}.barrier.x`, "")
    )
    await Promise.all(many)
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    await one.nats.jetstreamManager.streams.delete(one.bucket)
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    await eventually(() => one.holds() && two.holds(), Boolean, { what: "leases in the new bucket" })
    // An entry of the new bucket has to be a lease old before it proves anything.
    await eventually(
      async () => {
        const begun = performance.now()
        await one.putInForce(freshRevocation())
        return performance.now() - begun
      },
      (tookMs) => tookMs < outwaitMs / 4,
      { everyMs: 200, what: "a revocation that waits for no older bucket" }
    )
    const { state } = await one.nats.jetstreamManager.streams.info(one.bucket)
    expect(state.last_seq).toBeLessThan(400)
  })

  it("waits for a replica over whose entry somebody made the server write another one", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    two.deaf = true
    const bucket = one.bucket.slice(3)
    const leaseOfTwo = async () => {
      const { state } = await one.nats.jetstreamManager.streams.info(one.bucket, { subjects_filter: ">" })
      return Object.keys(state.subjects ?? {}).filter((subject) => subject.includes(".lease.two."))
    }
    for (let times = 0; times < 5; times++) {
      await eventually(two.holds, Boolean, { everyMs: 1, what: "the lease of two" })
      const { generation } = two.lease
      // What anybody who may ask for stored messages can do: the server answers wherever it is told to.
      const request = JSON.stringify({ last_by_subj: `$KV.${bucket}.barrier.one` })
      for (const reply of await leaseOfTwo()) {
        two.nats.requests.publish(`$JS.API.DIRECT.GET.${one.bucket}`, request, { reply })
      }
      await two.nats.requests.flush()
      expect(await one.putInForce(freshRevocation())).toBe("in force")
      // It may have taken another right since, which covers every tenant anew.
      expect(two.holds() && two.lease.generation === generation).toBe(false)
    }
  })

  it("waits for a replica over whose entry a message stands that says it is the listing's end, or another entry", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    two.deaf = true
    const bucket = one.bucket.slice(3)
    const end = headers(204, "EOB")
    end.set("Nats-Num-Pending", "0")
    end.set("Nats-UpTo-Sequence", "999999999999999")
    const another = headers()
    another.set("Nats-Subject", `$KV.${bucket}.barrier.one`)
    another.set("Nats-Sequence", "1")
    for (const forged of [end, another, end, another]) {
      await eventually(two.holds, Boolean, { everyMs: 1, what: "the lease of two" })
      const { generation } = two.lease
      const { state } = await one.nats.jetstreamManager.streams.info(one.bucket, { subjects_filter: ">" })
      for (const subject of Object.keys(state.subjects ?? {})) {
        if (subject.includes(".lease.two.")) two.nats.requests.publish(subject, "", { headers: forged })
      }
      await two.nats.requests.flush()
      expect(await one.putInForce(freshRevocation())).toBe("in force")
      expect(two.holds() && two.lease.generation === generation).toBe(false)
    }
    two.deaf = false
    // One over nobody's entry is outwaited like any other: it hides nothing, and holds nobody up for as long as it lies there.
    const nobodys = `$KV.${bucket}.lease.nobody.x.0`
    const last = async () => {
      const message = await one.nats.jetstreamManager.streams.getMessage(one.bucket, { last_by_subj: nobodys })
      return message?.seq ?? 0
    }
    for (const forged of [end, headers(404, "No Messages"), headers(503, "No Responders"), another]) {
      two.nats.requests.publish(nobodys, "", { headers: forged })
      await two.nats.requests.flush()
      const planted = await last()
      expect(await one.putInForce(freshRevocation())).toBe("in force")
      await eventually(last, (seq) => seq > planted, { limitMs: 10_000, what: "something in its place" })
    }
  })

  it("lets many revocations share few barriers", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    // Not what is renewed: how often that is depends on how long all of it takes.
    let barriers = 0
    const ear = one.nats.requests.subscribe(`$KV.${one.bucket.slice(3)}.barrier.>`, { callback: () => void barriers++ })
    await one.nats.requests.flush()
    await undisturbed(async () => {
      barriers = 0
      const revocations = Array.from({ length: 100 }, () => freshRevocation())
      const results = await Promise.all(revocations.map(one.putInForce))
      expect(new Set(results)).toEqual(new Set(["in force"]))
      await one.nats.requests.flush()
      expect(barriers).toBeGreaterThan(0)
      expect(barriers).toBeLessThan(20)
      expect(two.applied.slice(-100)).toEqual(revocations)
    })
    ear.unsubscribe()
  })

  it("tells the store what is in force, and puts in force what a dead committer left", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await undisturbed(async () => {
      const left = freshRevocation()
      const young = freshRevocation()
      one.outbox.pending.length = 0
      one.outbox.pending.push({ ...left, ageMs: 2 * lease.leaseMs }, { ...young, ageMs: lease.leaseMs })
      expect(await one.putOrphansInForce()).toBe(1)
      expect(one.outbox.pending.map(({ seq }) => seq)).toEqual([young.seq])
      expect(two.applied).toContainEqual(expect.objectContaining(left))
      expect(two.applied).not.toContainEqual(young)
    })
  })

  it("goes on telling the store after a bug there, with what it could not tell, and with what comes later", async () => {
    const [one] = [await start("one"), await start("two")]
    await settle(one)
    one.markDeaths = 1
    expect(await one.putInForceAndTell(freshRevocation())).toBe("in force")
    expect(one.markDeaths).toBeLessThanOrEqual(0)
    expect(await one.putInForceAndTell(freshRevocation())).toBe("in force")
  })

  it("answers when it is in force and the store was not told, tells it all the same, and the relay waits for that", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    const marks = one.holdMarks()
    let revocation = freshRevocation()
    await undisturbed(async () => {
      revocation = freshRevocation()
      one.outbox.pending.length = 0
      one.outbox.pending.push({ ...revocation, ageMs: 60_000 })
      expect(await one.putInForce(revocation)).toBe("in force")
      expect(two.applied).toContainEqual(revocation)
    })
    let relayed: number | null = null
    const relay = one.putOrphansInForce().then((count) => {
      relayed = count
    })
    // A whole round later.
    expect(await one.putInForce(freshRevocation())).toBe("in force")
    expect(relayed).toBeNull()
    expect(one.outbox.pending).toHaveLength(1)
    marks.release()
    await relay
    expect(relayed).toBe(1)
    expect(one.outbox.pending).toEqual([])
  })

  it("tells the store of what is in force when it is stopped", async () => {
    const one = await start("one")
    await settle(one)
    one.markDeaths = 1
    const revocation = freshRevocation()
    one.outbox.pending.push({ ...revocation, ageMs: 0 })
    expect(await one.putInForce(revocation)).toBe("in force")
    await one.stop()
    expect(one.outbox.pending).toEqual([])
  })

  it("says to every replica that something of a tenant is in force, after the store was told", async () => {
    const [one, two] = [await start("one"), await start("two")]
    const heard: Array<[string, number]> = []
    for (const replica of [one, two]) {
      replica.coherence.onInForceUnsafe((tenantId) => heard.push([tenantId, one.outbox.pending.length]))
    }
    const revocation = freshRevocation("told")
    one.outbox.pending.push({ ...revocation, ageMs: 0 })
    expect(await one.putInForce(revocation)).toBe("in force")
    await eventually(
      () => heard,
      ({ length }) => length === 2,
      { what: "the word on both replicas" }
    )
    expect(heard).toEqual([
      ["told", 0],
      ["told", 0]
    ])
  })

  it("tells every replica what appears", async () => {
    const [one, two] = [await start("one"), await start("two")]
    const appearance = { tenantId: "acme", targets: [{ kind: "token", cacheKey: "k" } as const] }
    one.coherence.announceUnsafe(appearance)
    await eventually(
      () => two.appeared,
      (seen) => seen.length > 0
    )
    expect(one.appeared).toEqual([appearance])
    expect(two.appeared).toEqual([appearance])
  })

  it("is unharmed by bytes that make no sense, and answers duplicates", async () => {
    const [one, two] = [await start("one"), await start("two")]
    await settle(one)
    const hostile = [
      "",
      "{",
      "null",
      "[]",
      '{"from":"*.>","id":1,"revocations":[]}',
      '{"from":"a.b","id":-1,"revocations":[]}',
      '{"from":"a.b","id":1,"revocations":[{"tenantId":7}]}',
      JSON.stringify({ from: "a.b", id: 1, revocations: [{ tenantId: "t", seq: 1, targets: [{ kind: "all" }] }] }),
      "\uFFFF".repeat(1_000)
    ]
    await undisturbed(async () => {
      const applied = two.applied.length
      for (const leaf of ["apply", "appear", "ack.one.x", "ack", "unheard"]) {
        for (const bytes of hostile) {
          const subject = `${instance}.internal.v1.${leaf}`
          one.nats.requests.publish(subject, bytes)
          one.nats.requests.publish(subject, bytes, { reply: `${instance}.internal.v1.apply` })
        }
      }
      const revocation = freshRevocation()
      expect(await one.putInForceAndTell(revocation)).toBe("in force")
      expect(await one.putInForceAndTell(revocation)).toBe("in force")
      expect(two.applied.slice(applied)).toEqual([revocation, revocation])
    })
  })
})
