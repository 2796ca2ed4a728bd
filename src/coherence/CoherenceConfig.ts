/**
 * How long a lease lasts, how long a revocation may take, and what the lease bucket may hold.
 *
 * Relations between them are checked at start: a barrier must be able to outlast one dead replica,
 * and the bucket must keep an entry for ten leases, so that only its owner, or somebody who
 * outwaited it, ends it sooner.
 */
import { Config, Context, Duration, Effect, Layer, Schema } from "effect"
import * as Setting from "../observability/Setting.ts"
import type { LeaseTiming } from "./Lease.ts"

const config = Config.all({
  lease: Setting.duration({
    name: "CM_LEASE",
    min: "300 millis",
    max: "60 seconds",
    byDefault: "3 seconds",
    about:
      "How long a replica may answer from memory after it last renewed its lease. A dead replica delays " +
      "revocations by this once; a bus without a leader for longer sends validations to the database."
  }),
  marginPercent: Setting.int({
    name: "CM_LEASE_MARGIN",
    unit: "percent of the lease",
    min: 1,
    max: 50,
    byDefault: 10,
    about: "How far the clocks of two machines may differ in rate over one lease."
  }),
  barrierTimeout: Setting.duration({
    name: "CM_BARRIER_TIMEOUT",
    min: "1 second",
    max: "5 minutes",
    byDefault: "10 seconds",
    about: "How long a revocation waits for every replica before it is answered 503 NOT_YET_IN_FORCE."
  }),
  bucketAge: Setting.duration({
    name: "CM_LEASES_AGE",
    min: "3 seconds",
    max: "1 day",
    byDefault: "1 hour",
    about: "How long an abandoned entry stays in the lease bucket. Ten leases or more."
  })
})

/** Settings that are each in range and do not fit together. */
export class CoherenceSettingsRefused extends Schema.TaggedError<CoherenceSettingsRefused>()(
  "CoherenceSettingsRefused",
  { problem: Schema.String }
) {
  override get message(): string {
    return this.problem
  }
}

/** A dead replica costs one lease and its margin; finding that out and answering takes some of this. */
const outwaitSlackMs = 2_000

type Settings = Config.Success<typeof config>

export const timingOf = (settings: Settings): LeaseTiming => {
  const leaseMs = Duration.toMillis(settings.lease)
  return { leaseMs, marginMs: Math.ceil((leaseMs * settings.marginPercent) / 100) }
}

/** What is wrong with the settings taken together, or null. */
export const problemOf = (settings: Settings): string | null => {
  const { leaseMs, marginMs } = timingOf(settings)
  if (Duration.toMillis(settings.bucketAge) < 10 * leaseMs) return "CM_LEASES_AGE must be ten times CM_LEASE or more"
  if (Duration.toMillis(settings.barrierTimeout) < leaseMs + marginMs + outwaitSlackMs) {
    return "CM_BARRIER_TIMEOUT must be CM_LEASE with its margin and 2 seconds, or more"
  }
  return null
}

export class CoherenceConfig extends Context.Service<CoherenceConfig, Settings>()("cm/coherence/CoherenceConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const settings = yield* config
      const problem = problemOf(settings)
      if (problem !== null) return yield* new CoherenceSettingsRefused({ problem })
      return settings
    })
  )
}
