/** What the protocol counts and measures; `docs/operations` says what to do about each. */
import { Metric } from "effect"

export const barrierSeconds = Metric.histogram("cm_barrier_seconds", {
  description: "Time from a revocation's start to its being in force on every replica, in seconds",
  boundaries: [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 3, 4, 6, 10, 30]
})
export const barriers = Metric.counter("cm_barriers_total", { description: "Barriers completed", incremental: true })
export const barrierTimeouts = Metric.counter("cm_barrier_timeouts_total", {
  description: "Revocations answered before they were in force",
  incremental: true
})
export const outwaited = Metric.counter("cm_barrier_outwaited_total", {
  description: "Replicas that did not acknowledge and whose lease had to run out",
  incremental: true
})
export const evictions = Metric.counter("cm_barrier_evictions_total", {
  description: "Leases overwritten because their replica renewed and did not acknowledge",
  incremental: true
})
export const listingsRefused = Metric.counter("cm_lease_listings_refused_total", {
  description: "Listings of the lease bucket that were not as new as the barrier",
  incremental: true
})
export const entriesRefused = Metric.counter("cm_lease_entries_refused_total", {
  description: "Entries met in the lease bucket that no replica wrote there; each counts as held",
  incremental: true
})
export const leaseLapses = Metric.counter("cm_lease_lapses_total", {
  description: "Times this replica lost its lease",
  incremental: true
})
export const leaseHeld = Metric.gauge("cm_lease_held", { description: "1 while this replica holds its lease" })
export const messagesRefused = Metric.counter("cm_internal_messages_refused_total", {
  description: "Messages between replicas that made no sense",
  incremental: true
})
export const markRetries = Metric.counter("cm_in_force_mark_retries_total", {
  description: "Attempts to tell the database that a revocation is in force, that failed",
  incremental: true
})
export const applyFailures = Metric.counter("cm_apply_failures_total", {
  description: "Messages of other replicas that could not be applied: a bug, and this replica will lose its lease",
  incremental: true
})
