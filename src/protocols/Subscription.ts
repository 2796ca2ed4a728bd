/**
 * Listening to a subject, with an orderly end.
 *
 * `take` is called from the socket's read and must neither throw nor wait. When the scope closes
 * the subscription is drained first: the server sends nothing new, and what has arrived is taken.
 * A subscription that the server refuses or ends is logged; without it the service is not ready.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Effect, type Scope } from "effect"
import { Readiness } from "../observability/Health.ts"

const drainTimeout = "5 seconds"

export const listen = Effect.fnUntraced(function* (
  connection: NatsConnection,
  subject: string,
  queue: string | null,
  take: (message: Msg) => void
): Generator<Effect.Effect<unknown, never, Readiness | Scope.Scope>, void, never> {
  const readiness = yield* Readiness
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let refused: string | null = null
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      connection.subscribe(subject, {
        ...(queue === null ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) return take(message)
          refused = "the bus ended the subscription"
          run(Effect.logError("a subscription was ended by the bus", { subject, error: error.message }))
        }
      })
    ),
    (subscription) =>
      Effect.promise(() => subscription.drain().catch(() => undefined)).pipe(
        Effect.timeoutOrElse({ duration: drainTimeout, orElse: () => Effect.void })
      )
  )
  yield* readiness.register(
    `subscription ${subject}`,
    Effect.sync(() => refused)
  )
})
