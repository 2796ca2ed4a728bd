/**
 * The correlation id of work that nobody asked for: each turn of a loop in the background has one of its
 * own, and whatever it does carries that, in rows, events and log lines alike.
 */
import { Context, Effect } from "effect"

/** Empty outside of a turn. */
export const CorrelationId = Context.Reference<string>("cm/observability/CorrelationId", { defaultValue: () => "" })

export const under =
  (correlationId: string) =>
  <A, E, R>(turn: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    turn.pipe(Effect.provideService(CorrelationId, correlationId), Effect.annotateLogs({ correlationId }))
