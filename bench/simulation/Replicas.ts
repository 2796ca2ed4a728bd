/**
 * Replicas that hold leases, and committers that run barriers: the rules are `Lease.ts` and `Barrier.ts`
 * themselves; what is simulated is the time that everything takes.
 */
import {
  acknowledged,
  begin,
  evicted,
  expire,
  isOver,
  observe,
  type Round,
  seenAfter,
  seenNothing
} from "../../src/coherence/Barrier.ts"
import { afterLapse, afterRenewal, holds, type LeaseTiming, type Right } from "../../src/coherence/Lease.ts"
import type { Bucket } from "./Bucket.ts"
import type { Events } from "./Events.ts"
import type { Network } from "./Network.ts"

interface Message {
  readonly id: number
  readonly revocations: ReadonlyArray<number>
}

export interface Replica {
  readonly name: string
  readonly region: number
  readonly appliedUnsafe: Set<number>
  readonly holds: () => boolean
  /** Puts a revocation that is committed in force. */
  readonly enqueue: (revocation: number, done: () => void) => void
  readonly hear: (message: Message, from: Replica) => void
  readonly acknowledge: (id: number, from: string) => void
}

export interface ReplicaOptions {
  readonly events: Events
  readonly network: Network
  readonly bucket: Bucket
  readonly timing: LeaseTiming
  readonly outwaits: LeaseTiming
  readonly all: ReadonlyArray<Replica>
  readonly name: string
  readonly region: number
  readonly random: () => number
  /** Revocations that are committed and not answered: what a read of the database says. */
  readonly committed: ReadonlySet<number>
}

const repeatMs = 100
const listingsPerLease = 6
const retryMs = 100
const requestTimeoutMs = 1_000

export const makeReplica = (options: ReplicaOptions): Replica => {
  const { all, bucket, committed, events, name, network, outwaits, random, region, timing } = options
  const moment = () => ({ monotonicMs: events.now(), wallMs: events.now() })
  const applied = new Set<number>()

  // ---- the lease
  let right: Right = { trustedUntilMonotonicMs: 0, trustedUntilWallMs: 0, generation: 0 }
  let key: string | null = null
  let takenAt = 0
  let taken = 0
  let seen = seenNothing

  /** The callback of whichever comes first, the answer or the time-out. */
  const once = <A>(answered: (value: A) => void, late: () => void): ((value: A) => void) => {
    let isOpen = true
    events.after(requestTimeoutMs, () => {
      if (isOpen) {
        isOpen = false
        late()
      }
    })
    return (value) => {
      if (isOpen) {
        isOpen = false
        answered(value)
      }
    }
  }

  const renew = (revision: number): void => {
    const mine = key!
    const sent = moment()
    const before = seen
    const lost = () => {
      right = afterLapse(right)
      key = null
      events.after(retryMs, take)
    }
    bucket.write(
      region,
      { key: mine, process: name, state: "held", heldMs: events.now() - takenAt },
      revision,
      once<number | null>((next) => {
        if (next === null) return lost()
        seen = seenAfter(seen, before, next, events.now())
        const { generation } = right
        right = afterRenewal(right, sent, moment(), timing)
        // After a lapse each tenant is covered by a read, before its first answer.
        if (right.generation !== generation) for (const revocation of committed) applied.add(revocation)
        events.after(timing.leaseMs / 3, () => renew(next))
      }, lost)
    )
  }
  const take = (): void => {
    key = `${name}.${taken++}`
    takenAt = events.now()
    renew(0)
  }
  // Replicas do not start in step.
  events.after((random() * timing.leaseMs) / 3, take)

  // ---- barriers
  let waiting: Array<{ readonly revocation: number; readonly done: () => void }> = []
  let isRunning = false
  let nextId = 0
  let round: Round | null = null
  let currentId = -1
  let acks = new Set<string>()
  let step: () => void = () => {}

  const publish = (message: Message): void => {
    for (const other of all) {
      if (other !== self) network.send(region, other.region, () => other.hear(message, self))
    }
  }

  const run = (): void => {
    if (isRunning || waiting.length === 0) return
    isRunning = true
    const batch = waiting
    waiting = []
    const message = { id: nextId++, revocations: batch.map(({ revocation }) => revocation) }
    currentId = message.id
    acks = new Set()
    round = null
    publish(message)
    const known = { process: name, seen, ownKey: key, timing: outwaits }
    let lookAt = 0
    let repeatAt = events.now() + repeatMs
    let isLooking = false
    const finish = () => {
      step = () => {}
      isRunning = false
      currentId = -1
      for (const { done } of batch) done()
      run()
    }
    const look = () => {
      isLooking = true
      bucket.list(
        region,
        once(
          (listing) => {
            isLooking = false
            if (currentId !== message.id || round === null) return
            const observed = observe(round, listing, outwaits)
            round = observed.round
            for (const entry of observed.remove)
              bucket.write(region, { ...entry, state: "removed" }, entry.revision, () => {})
            for (const entry of observed.evict) {
              bucket.write(region, { ...entry, state: "evicted" }, entry.revision, (revision) => {
                if (revision !== null && round !== null) round = evicted(round, entry.key, revision, events.now())
              })
            }
            lookAt = events.now() + timing.leaseMs / listingsPerLease
            step()
          },
          () => {
            isLooking = false
            lookAt = events.now()
          }
        )
      )
    }
    step = () => {
      if (round === null || currentId !== message.id) return
      for (const from of acks) round = acknowledged(round, from)
      round = expire(round, events.now()).round
      if (isOver(round, events.now())) finish()
    }
    const tick = () => {
      if (currentId !== message.id) return
      step()
      if (currentId !== message.id || round === null) return
      if (round.awaited.length > 0 && events.now() >= repeatAt) {
        publish(message)
        repeatAt = events.now() + repeatMs
      }
      if (round.awaited.length > 0 && events.now() >= lookAt && !isLooking) look()
      events.after(10, tick)
    }
    const first = () =>
      bucket.list(
        region,
        once((listing) => {
          round = begin(listing, known)
          lookAt = events.now() + timing.leaseMs / listingsPerLease
          tick()
        }, first)
      )
    first()
  }

  const self: Replica = {
    name,
    region,
    appliedUnsafe: applied,
    holds: () => holds(right, moment()),
    enqueue: (revocation, done) => {
      applied.add(revocation)
      waiting.push({ revocation, done })
      run()
    },
    hear: (message, from) => {
      for (const revocation of message.revocations) applied.add(revocation)
      network.send(region, from.region, () => from.acknowledge(message.id, name))
    },
    acknowledge: (id, from) => {
      if (id !== currentId) return
      acks.add(from)
      step()
    }
  }
  return self
}
