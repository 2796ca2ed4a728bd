/** One world: replicas over regions, revocations at a rate, and what each of them took. */
import type { LeaseTiming } from "../../src/coherence/Lease.ts"
import { makeBucket } from "./Bucket.ts"
import { makeEvents } from "./Events.ts"
import { makeNetwork } from "./Network.ts"
import { makeReplica, type Replica } from "./Replicas.ts"

export interface WorldOptions {
  readonly replicas: number
  readonly roundTrips: ReadonlyArray<ReadonlyArray<number>>
  readonly loss: number
  readonly syncMs: number
  /** A commit in MariaDB, whose primary is in the first region, without the way to it. */
  readonly commitMs: number
  readonly revocationsPerSecond: number
  readonly seconds: number
  readonly timing: LeaseTiming
  /** By which committers wait for the end of others' leases, when it is another: then the rules are broken. */
  readonly outwaits?: LeaseTiming
  readonly random: () => number
  /** The region that leads the lease bucket; default: that of the database. */
  readonly leader?: number
  /** A region that is cut off for a while. */
  readonly cut?: { readonly region: number; readonly atMs: number; readonly forMs: number }
}

export interface WorldResult {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Neither answered nor given up at the end. */
  readonly unanswered: number
  readonly messagesPerSecond: number
  readonly bucketWritesPerSecond: number
  /** The part of (replica, moment) pairs at which a lease held, while the world was cut; else of all. */
  readonly leasesHeld: number
  /** Replicas that could answer from memory and had not applied a revocation when it was answered. Promised: 0. */
  readonly stale: number
}

const warmUpMs = 8_000
const sampleMs = 100
const sendAgainMs = 1_000

export const simulate = (options: WorldOptions): WorldResult => {
  const { commitMs, cut, loss, random, revocationsPerSecond, roundTrips, seconds, syncMs, timing } = options
  const events = makeEvents()
  const network = makeNetwork({ events, random, roundTrips, loss })
  const regions = roundTrips.length
  const leader = options.leader ?? 0
  const bucket = makeBucket({
    events,
    network,
    random,
    regions,
    leader,
    roundTrips,
    syncMs,
    timing: options.outwaits ?? timing
  })
  const committed = new Set<number>()
  const all: Array<Replica> = []
  for (let n = 0; n < options.replicas; n++) {
    const region = n % regions
    all.push(
      makeReplica({
        events,
        network,
        bucket,
        timing,
        outwaits: options.outwaits ?? timing,
        all,
        name: `r${n}`,
        region,
        random,
        committed
      })
    )
  }
  const times: Array<number> = []
  let [asked, stale, held, looked] = [0, 0, 0, 0]

  /** As over TCP: what a cut swallowed is sent again after it. */
  const surely = (from: number, to: number, then: () => void): void => {
    let isDelivered = false
    const attempt = () => {
      if (isDelivered) return
      network.send(from, to, () => {
        if (isDelivered) return
        isDelivered = true
        then()
      })
      events.after(sendAgainMs, attempt)
    }
    attempt()
  }

  /** There and back, and the commit. */
  const commit = (replica: Replica, then: () => void) =>
    surely(replica.region, 0, () => events.after(commitMs, () => surely(0, replica.region, then)))

  const revoke = (id: number): void => {
    const replica = all[Math.floor(random() * all.length)]!
    // Whoever cannot reach the database commits nothing: it answers 503, and the client asks another.
    if (network.isCut(replica.region, 0)) return
    asked++
    const began = events.now()
    commit(replica, () => {
      committed.add(id)
      replica.enqueue(id, () => {
        stale += all.filter((one) => one.holds() && !one.appliedUnsafe.has(id)).length
        commit(replica, () => {
          times.push(events.now() - began)
          committed.delete(id)
          for (const one of all) one.appliedUnsafe.delete(id)
        })
      })
    })
  }

  const endMs = warmUpMs + seconds * 1_000
  let id = 0
  const next = () => {
    if (events.now() > endMs) return
    revoke(id++)
    events.after((-Math.log(1 - random()) * 1_000) / revocationsPerSecond, next)
  }
  events.at(warmUpMs, next)
  const isCutNow = () =>
    cut === undefined || (events.now() >= warmUpMs + cut.atMs && events.now() < warmUpMs + cut.atMs + cut.forMs)
  const sample = () => {
    if (isCutNow()) {
      looked += all.length
      held += all.filter((one) => one.holds()).length
    }
    events.after(sampleMs, sample)
  }
  events.at(warmUpMs, sample)
  if (cut !== undefined) {
    events.at(warmUpMs + cut.atMs, () => bucket.cut(cut.region, true))
    events.at(warmUpMs + cut.atMs + cut.forMs, () => bucket.cut(cut.region, false))
  }
  events.runUntil(warmUpMs)
  const [sentBefore, writesBefore] = [network.sent(), bucket.writes()]
  events.runUntil(endMs)
  const [sent, writes] = [network.sent() - sentBefore, bucket.writes() - writesBefore]
  // What is under way comes to its end, whatever it waits for.
  events.runUntil(endMs + 60_000)
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? Number.NaN
  return {
    count: times.length,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    unanswered: asked - times.length,
    messagesPerSecond: sent / seconds,
    bucketWritesPerSecond: writes / seconds,
    leasesHeld: held / Math.max(1, looked),
    stale
  }
}
