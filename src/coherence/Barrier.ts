/**
 * Whom a committer waits for, as pure functions over listings of the lease bucket.
 *
 * A round begins with an accepted listing: everybody who may still answer from before the commit is
 * in it. Each of them is then done in one of four ways:
 * - its process *acknowledged* that it applied the revocations (then all its rights are harmless);
 * - it *released* its right, or somebody else has outwaited and *removed* it;
 * - it was *outwaited*: a listing whose barrier was sent one lease and margin after the entry was
 *   seen still shows it unrenewed;
 * - its entry cannot be renewed any more (*evicted* by compare-and-set, or vanished), and one lease and
 *   margin have passed since that was seen. A vanished entry is no sign of death: a server clock
 *   that steps drops entries of replicas that live.
 *
 * A right that was taken after the barrier's write needs no waiting for: its replica covers each
 * tenant by a read that follows. A listing of a bucket that may be younger than a lease says nothing
 * about rights in its predecessor: the round lasts until those have ended (`settledAtMs`).
 *
 * All times are the committer's own monotonic milliseconds. Nothing here does I/O or reads a clock.
 */
import { type LeaseTiming, outwaitMs } from "./Lease.ts"

/** `evicted`: overwritten because it did not acknowledge; cannot be renewed, may still be trusted by its owner. */
export type EntryState = "held" | "evicted" | "released" | "removed"

export interface Entry {
  readonly key: string
  /** Whose right it is: a process's name, never used by another process. */
  readonly process: string
  /** The bucket's sequence of its last write. */
  readonly revision: number
  readonly state: EntryState
  /** How long its owner had held it when it wrote this, by the owner's clock: the bucket is at least that old. */
  readonly heldMs: number
  /** The timing its owner lives by. */
  readonly timing: LeaseTiming
}

export interface Listing {
  /** When the barrier entry was sent. */
  readonly sentMs: number
  /** When the listing had arrived. */
  readonly receivedMs: number
  /** The sequence that acknowledged the barrier entry. */
  readonly barrier: number
  readonly entries: ReadonlyArray<Entry>
}

/** The end of a listing as the server states it: it must be whole and at least as new as the barrier. */
export const accepts = (barrier: number, end: { readonly pending: number; readonly upTo: number }): boolean =>
  end.pending === 0 && end.upTo >= barrier

interface Awaited {
  /** As last seen. */
  readonly entry: Entry
  /** When that revision was first seen. */
  readonly sinceMs: number
  /** It cannot be renewed any more: time alone ends it. */
  readonly frozen: boolean
  /** It is not in the bucket any more. */
  readonly gone: boolean
  readonly outwaitMs: number
}

export interface Round {
  readonly begunAtMs: number
  readonly awaited: ReadonlyArray<Awaited>
  /** Before this, a right of a bucket that this one replaced may be alive. */
  readonly settledAtMs: number
}

/** What a process knows of the bucket from the sequences that were acknowledged to it. */
export interface Seen {
  /** The highest since the bucket was last seen to have changed; 0 before the first. */
  readonly highest: number
  /** When a sequence was last seen that had been given before: the bucket is another one, or was restored. */
  readonly changedAtMs: number
}

export const seenNothing: Seen = { highest: 0, changedAtMs: Number.NEGATIVE_INFINITY }

/** After an acknowledgement, received at `nowMs`, of a write that was sent when `before` was known. */
export const seenAfter = (seen: Seen, before: Seen, sequence: number, nowMs: number): Seen =>
  sequence > before.highest
    ? { ...seen, highest: Math.max(seen.highest, sequence) }
    : { highest: sequence, changedAtMs: nowMs }

/** What the committer knew before the barrier's write was sent. */
export interface Known {
  readonly process: string
  /** What was acknowledged to this process so far. */
  readonly seen: Seen
  /** The key of the right that this process believes it holds, or null. */
  readonly ownKey: string | null
  readonly timing: LeaseTiming
}

const isAwaited = (entry: Entry): boolean => entry.state === "held" || entry.state === "evicted"

/**
 * For how long the bucket has certainly existed: keys are never created twice, so an entry held long lived here.
 * But for no longer than it has not been seen to change: that costs one lease, once.
 */
const provenAgeMs = (listing: Listing, known: Known): number => {
  if (listing.barrier <= known.seen.highest) return 0
  if (known.ownKey !== null && !listing.entries.some((entry) => entry.key === known.ownKey)) return 0
  const rate = known.timing.leaseMs / outwaitMs(known.timing)
  const ageMs = listing.entries.reduce((age, entry) => Math.max(age, entry.heldMs * rate), 0)
  return Math.min(ageMs, Math.max(0, listing.receivedMs - known.seen.changedAtMs))
}

const awaitedOf = (entry: Entry, seenMs: number, timing: LeaseTiming): Awaited => ({
  entry,
  sinceMs: seenMs,
  frozen: entry.state === "evicted",
  gone: false,
  outwaitMs: Math.max(outwaitMs(timing), outwaitMs(entry.timing))
})

/** From when on no right of a bucket that this one replaced can be alive. */
export const settledAtMs = (listing: Listing, known: Known): number =>
  listing.receivedMs + Math.max(0, outwaitMs(known.timing) - provenAgeMs(listing, known))

/** The round that the first accepted listing after the commit begins. */
export const begin = (listing: Listing, known: Known): Round => ({
  begunAtMs: listing.receivedMs,
  awaited: listing.entries
    .filter((entry) => isAwaited(entry) && entry.process !== known.process)
    .map((entry) => awaitedOf(entry, listing.receivedMs, known.timing)),
  settledAtMs: settledAtMs(listing, known)
})

/** `process` obeys: it applied everything this round is about. */
export const acknowledged = (round: Round, process: string): Round => ({
  ...round,
  awaited: round.awaited.filter(({ entry }) => entry.process !== process)
})

/** The entry was overwritten at `nowMs` (acknowledged) and cannot be renewed any more. */
export const evicted = (round: Round, key: string, revision: number, nowMs: number): Round => ({
  ...round,
  awaited: round.awaited.map((awaited) =>
    awaited.entry.key === key
      ? { ...awaited, entry: { ...awaited.entry, revision, state: "evicted" }, sinceMs: nowMs, frozen: true }
      : awaited
  )
})

export interface Observed {
  readonly round: Round
  /** Outwaited: nobody needs to wait for them again. By compare-and-set on the revision. */
  readonly remove: ReadonlyArray<Entry>
  /** Goes on renewing and does not acknowledge: to be overwritten by compare-and-set on the revision. */
  readonly evict: ReadonlyArray<Entry>
}

/** Time alone has ended what cannot be renewed. */
export const expire = (round: Round, nowMs: number): Observed => {
  const isOverdue = ({ frozen, outwaitMs: wait, sinceMs }: Awaited) => frozen && nowMs >= sinceMs + wait
  const overdue = round.awaited.filter(isOverdue)
  if (overdue.length === 0) return { round, remove: [], evict: [] }
  return {
    round: { ...round, awaited: round.awaited.filter((awaited) => !isOverdue(awaited)) },
    remove: overdue.filter(({ gone }) => !gone).map(({ entry }) => entry),
    evict: []
  }
}

/** A further accepted listing, with a barrier of its own. */
export const observe = (round: Round, listing: Listing, timing: LeaseTiming): Observed => {
  const awaited: Array<Awaited> = []
  const remove: Array<Entry> = []
  const evict: Array<Entry> = []
  for (const before of round.awaited) {
    const entry = listing.entries.find(({ key }) => key === before.entry.key)
    // The barrier of this listing was sent after the wait was over: a renewal in between would be in it.
    const isOverdue = listing.sentMs >= before.sinceMs + before.outwaitMs
    if (entry === undefined) {
      awaited.push(before.frozen ? before : { ...before, sinceMs: listing.receivedMs, frozen: true, gone: true })
    } else if (entry.state === "released" || entry.state === "removed") {
      // Its right has ended.
    } else if (entry.revision === before.entry.revision) {
      if (isOverdue) remove.push(entry)
      else awaited.push(before)
    } else {
      const next = awaitedOf(entry, listing.receivedMs, timing)
      awaited.push(next)
      if (!next.frozen && listing.receivedMs >= round.begunAtMs + timing.leaseMs) evict.push(entry)
    }
  }
  return { round: { ...round, awaited }, remove, evict }
}

export const isOver = (round: Round, nowMs: number): boolean => round.awaited.length === 0 && nowMs >= round.settledAtMs
