/**
 * The protocol with one safeguard taken away, and the scenario in which that is seen. Each of them
 * must be caught; what each one breaks is in `docs/decisions`.
 */
import { begin, expire, observe } from "../../../src/coherence/Barrier.ts"
import { afterRenewal } from "../../../src/coherence/Lease.ts"
import { mayBelieve } from "../../../src/domain/Belief.ts"
import type { Protocol } from "./model.ts"
import type { ScenarioName } from "./scenarios.ts"

export interface Mutant {
  readonly name: string
  /** Of a shortest way to a stale 200. */
  readonly steps: number
  readonly scenario: ScenarioName
  readonly change: Partial<Protocol>
}

export const mutants: ReadonlyArray<Mutant> = [
  { name: "no lease check", steps: 8, scenario: "plain", change: { holds: () => true } },
  {
    name: "lease counted from the acknowledgement instead of before the renewal",
    steps: 11,
    scenario: "plain",
    change: { afterRenewal: (right, _sent, received, timing) => afterRenewal(right, received, received, timing) }
  },
  {
    name: "no covered sequence",
    steps: 10,
    scenario: "plain",
    change: {
      believes: (holds, _covered, ...rest) => mayBelieve(holds, 0, ...rest),
      believesArrival: (holds, _covered, ...rest) => mayBelieve(holds, 0, ...rest)
    }
  },
  { name: "delete instead of tombstone", steps: 5, scenario: "plain", change: { remembersTombstones: false } },
  {
    name: "listing accepted below the barrier's sequence",
    steps: 13,
    scenario: "deposed",
    change: { accepts: () => true }
  },
  {
    name: "covered sequence read before the renewal",
    steps: 13,
    scenario: "plain",
    change: { coverageCountsFrom: "arrival" }
  },
  {
    name: "a request joins a statement already sent",
    steps: 6,
    scenario: "statement",
    change: { joinsSentStatement: true }
  },
  {
    name: "already so is answered before it is in force",
    steps: 2,
    scenario: "plain",
    change: { alreadySoWaits: false }
  },
  {
    name: "rotation with overlap without a barrier",
    steps: 2,
    scenario: "overlap",
    change: { overlapHasBarrier: false }
  },
  {
    name: "a lease bucket made anew is taken as empty",
    steps: 5,
    scenario: "recreation",
    change: { begin: (listing, known) => ({ ...begin(listing, known), settledAtMs: listing.receivedMs }) }
  },
  { name: "a copied entry is believed", steps: 8, scenario: "copying", change: { believesCopies: true } },
  {
    name: "absence of an entry is taken for death",
    steps: 8,
    scenario: "vanishing",
    change: {
      observe: (round, listing, timing) => {
        const awaited = round.awaited.filter(({ entry }) => listing.entries.some(({ key }) => key === entry.key))
        return observe({ ...round, awaited }, listing, timing)
      }
    }
  },
  {
    name: "the shared cache is believed without a lease",
    steps: 8,
    scenario: "plain",
    change: { believesArrival: (_holds, ...rest) => mayBelieve(true, ...rest) }
  },
  { name: "what arrives late is not tested", steps: 5, scenario: "plain", change: { believesArrival: () => true } },
  { name: "nobody is waited for", steps: 4, scenario: "plain", change: { isOver: () => true } },
  {
    name: "the wait ends when a listing arrives, whenever its barrier was sent",
    steps: 14,
    scenario: "deposed",
    change: {
      observe: (round, listing, timing) => observe(round, { ...listing, sentMs: listing.receivedMs }, timing)
    }
  },
  {
    name: "an acknowledgement after the right's end goes on with the old coverage",
    steps: 11,
    scenario: "plain",
    change: { afterRenewal: (right, ...rest) => ({ ...afterRenewal(right, ...rest), generation: right.generation }) }
  },
  {
    name: "a lost compare-and-set is no lapse",
    steps: 13,
    scenario: "vanishing",
    change: { afterLapse: (right) => right }
  },
  {
    name: "an evicted replica counts as dead at once",
    steps: 11,
    scenario: "eviction",
    change: {
      evicted: (round, key) => ({ ...round, awaited: round.awaited.filter(({ entry }) => entry.key !== key) })
    }
  },
  {
    name: "what cannot be renewed any more counts as dead at once",
    steps: 8,
    scenario: "vanishing",
    change: {
      expire: (round, nowMs) =>
        expire({ ...round, awaited: round.awaited.map((awaited) => ({ ...awaited, outwaitMs: 0 })) }, nowMs)
    }
  },
  {
    name: "no wall clock",
    steps: 8,
    scenario: "suspension",
    change: { holds: (right, now) => now.monotonicMs < right.trustedUntilMonotonicMs }
  },
  {
    name: "trimming tombstones covers nothing",
    steps: 6,
    scenario: "trimming",
    change: { coversWhatIsTrimmed: false }
  },
  {
    name: "a tombstone above the covered sequence is taken for spent",
    steps: 5,
    scenario: "trimming",
    change: { isSpent: () => true }
  },
  { name: "the relay announces without a barrier", steps: 3, scenario: "restart", change: { relayHasBarrier: false } }
]
