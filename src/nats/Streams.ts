/**
 * The streams and buckets of this instance exist and are as configured.
 *
 * Promises: idempotent, also when several replicas start at once; what differs from the configuration
 * and may be changed is changed; what may not be changed (storage, retention, protection against
 * deletion) stops the start with a line that names the stream and the fields. Nothing is ever
 * deleted or purged.
 *
 * A cluster without a leader for its metadata is waited for, at most `ensureLimit`.
 */
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream"
import { Context, Duration, Effect, Layer, Schedule } from "effect"
import { Replica } from "../observability/Replica.ts"
import { Nats } from "./Nats.ts"
import { NatsConfig } from "./NatsConfig.ts"
import { NatsStartError } from "./NatsError.ts"
import { differenceOf, namesOf, plansOf, type StreamNames, type StreamPlan } from "./StreamPlan.ts"

const ensureLimit = Duration.seconds(30)
const ensureAgain = Duration.millis(500)

/** Two replicas created it at once with different settings; the next look finds it. */
const streamNameInUse = 10058
/** Codes that pass by themselves: no leader yet, not enough peers yet, the cluster is not ready. */
const passing = new Set<number>([10004, 10005, 10008, 10009, streamNameInUse])

/** Only one stream of an account may take a subject, and the inbox takes other services' subjects. */
const subjectsOverlap = 10065
const onOverlap =
  ": another instance of this account takes the same events; give each instance an account of its own, or " +
  "originators of its own (CM_ELCE_ORIGINATORS, CM_TLE_ORIGINATORS)"

const problemOf = (stream: string, cause: unknown) => {
  const advice = cause instanceof JetStreamApiError && cause.code === subjectsOverlap ? onOverlap : ""
  const problem = `stream ${stream} cannot be set up: ${cause instanceof Error ? cause.message : "unknown error"}`
  return new NatsStartError({ reason: "stream", problem: problem + advice, cause })
}

const ask = <A>(stream: string, request: () => Promise<A>) =>
  Effect.tryPromise({ try: request, catch: (cause) => problemOf(stream, cause) })

/** An answer of JetStream that will not change by waiting; everything else may. */
export const isFinal = (error: NatsStartError) =>
  error.cause === undefined || (error.cause instanceof JetStreamApiError && !passing.has(error.cause.code))

/** What was found: as planned, not there and made, otherwise and changed, or otherwise and left so. */
export type Ensured = "there" | "made" | "changed" | "differs"

export const ensure = Effect.fnUntraced(function* (manager: JetStreamManager, plan: StreamPlan, mayChange = true) {
  const { name } = plan
  const existing = yield* ask(name, () => manager.streams.info(name)).pipe(
    Effect.catchIf(
      ({ cause }) => cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound,
      () => Effect.succeed(null)
    )
  )
  if (existing === null) {
    yield* ask(name, () => manager.streams.add({ ...plan }))
    yield* Effect.logInfo(`stream ${name} made`)
    return "made" satisfies Ensured
  }
  const { changeable, fixed } = differenceOf(existing.config, plan)
  if (fixed.length > 0) {
    return yield* new NatsStartError({
      reason: "stream",
      problem: `stream ${name} exists with another ${fixed.join(", ")}, which cannot be changed: back it up, remove it and start again`
    })
  }
  if (changeable.length === 0) return "there" satisfies Ensured
  if (!mayChange) return "differs" satisfies Ensured
  const { name: _, ...settings } = plan
  yield* ask(name, () => manager.streams.update(name, settings))
  yield* Effect.logInfo(`stream ${name} changed: ${changeable.join(", ")}`)
  return "changed" satisfies Ensured
})

const make = Effect.gen(function* () {
  const { jetstreamManager } = yield* Nats
  const { streams: limits } = yield* NatsConfig
  const { instance } = yield* Replica
  for (const plan of plansOf(instance, limits)) {
    yield* ensure(jetstreamManager, plan).pipe(
      Effect.retry({
        while: (error) => !isFinal(error),
        schedule: Schedule.spaced(ensureAgain).pipe(Schedule.upTo({ duration: ensureLimit }))
      }),
      Effect.mapError((error) =>
        error.cause instanceof Error && error.cause.name === "JetStreamNotEnabled"
          ? new NatsStartError({
              reason: "no-jetstream",
              problem: "JetStream does not answer: it is off for this account, or the user lacks its permissions"
            })
          : error
      )
    )
  }
  return namesOf(instance)
})

/** Names of the streams and buckets; having them means that they exist. */
export class Streams extends Context.Service<Streams, StreamNames>()("cm/nats/Streams") {
  /** Needs `Nats`, `NatsConfig`, `Replica`. */
  static readonly layer = Layer.effect(Streams, make)
}
