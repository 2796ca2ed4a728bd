/**
 * Where a request waits for somebody outside of the service, its place among the tenant's requests in flight is
 * another's: so many may wait, and however long they do, nothing else of the tenant waits for them.
 *
 * A reference: without who shares out places, whoever waits has none to give back.
 */
import { Context, Effect } from "effect"
import type { TooManyRequests } from "../../domain/errors.ts"

export interface WaitingPlaceShape {
  /** Fails where as many wait as may. Taken twice it is one. */
  readonly take: Effect.Effect<void, TooManyRequests>
}

export const WaitingPlace = Context.Reference<WaitingPlaceShape>("cm/actors/WaitingPlace", {
  defaultValue: () => ({ take: Effect.void })
})

export const whileWaiting = <A, E, R>(waiting: Effect.Effect<A, E, R>): Effect.Effect<A, E | TooManyRequests, R> =>
  Effect.andThen(
    Effect.flatMap(WaitingPlace, ({ take }) => take),
    waiting
  )
