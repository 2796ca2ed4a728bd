/**
 * The lease bucket as a replicated stream: a leader that gives out sequences, a copy in each region (or all
 * in one), and a write that is acknowledged when most of the copies have it on their disks.
 *
 * When the leader's region is cut off, another region leads after an election; until then nothing is
 * acknowledged, and nothing is listed as new enough.
 */
import type { Entry, EntryState, Listing } from "../../src/coherence/Barrier.ts"
import type { LeaseTiming } from "../../src/coherence/Lease.ts"
import type { Events } from "./Events.ts"
import type { Network } from "./Network.ts"

export interface BucketOptions {
  readonly events: Events
  readonly network: Network
  readonly random: () => number
  readonly regions: number
  /** Where the bucket is led at the beginning. */
  readonly leader: number
  readonly roundTrips: ReadonlyArray<ReadonlyArray<number>>
  /** A write on one copy's disk, with its sync. */
  readonly syncMs: number
  readonly timing: LeaseTiming
}

export interface Bucket {
  /** By compare-and-set; `revision` 0: there is none. Answers the new revision, or `null` for a lost one. */
  readonly write: (
    from: number,
    entry: { readonly key: string; readonly process: string; readonly state: EntryState; readonly heldMs: number },
    revision: number,
    done: (revision: number | null) => void
  ) => void
  /** A barrier entry, then a listing at least as new. */
  readonly list: (from: number, done: (listing: Listing) => void) => void
  /** A region is cut off, or joined again. */
  readonly cut: (region: number, isCut: boolean) => void
  readonly writes: () => number
}

/** How long a JetStream group takes no write after an unclean loss of its leader: measured, 4.2 to 8.4 s. */
const electionMs = { from: 4_200, to: 8_400 }

export const makeBucket = (options: BucketOptions): Bucket => {
  const { events, network, random, regions, roundTrips, syncMs, timing } = options
  const entries = new Map<string, Entry>()
  let leader: number | null = options.leader
  let sequence = 0
  let writes = 0

  /** The way to the nearest copies that make it most of three, and back; within one region when there is one. */
  const quorumMs = (at: number): number => {
    if (regions === 1) return roundTrips[at]![at]!
    const ways = roundTrips[at]!.filter((_, to) => to !== at && !network.isCut(at, to)).toSorted((a, b) => a - b)
    return ways[0] ?? Number.POSITIVE_INFINITY
  }

  /** At the leader, after most copies have it; nothing happens while there is none. */
  const commit = (from: number, apply: () => (() => void) | null): void => {
    const to = leader
    if (to === null) return
    network.send(from, to, () => {
      if (leader !== to) return
      const answer = apply()
      if (answer === null) return
      writes++
      events.after(quorumMs(to) + syncMs, () => {
        if (leader === to) network.send(to, from, answer)
      })
    })
  }

  return {
    writes: () => writes,
    write: (from, { heldMs, key, process, state }, revision, done) =>
      commit(from, () => {
        const at = entries.get(key)?.revision ?? 0
        if (at !== revision) return () => done(null)
        const written = ++sequence
        entries.set(key, { key, process, revision: written, state, heldMs, timing })
        return () => done(written)
      }),
    list: (from, done) => {
      const sentMs = events.now()
      commit(from, () => {
        const barrier = ++sequence
        return () => {
          const to = leader
          if (to === null) return
          network.send(from, to, () => {
            const seen = [...entries.values()]
            network.send(to, from, () => done({ sentMs, receivedMs: events.now(), barrier, entries: seen }))
          })
        }
      })
    },
    cut: (region, isCut) => {
      network.setCut(region, isCut)
      if (!isCut || leader !== region) return
      leader = null
      if (regions === 1) return
      events.after(electionMs.from + random() * (electionMs.to - electionMs.from), () => {
        leader = (region + 1) % regions
      })
    }
  }
}
