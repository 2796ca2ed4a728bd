/**
 * Listening to a subject, with an orderly end.
 *
 * `take` is called from the socket's read and must not wait; what it throws ends in `nats/Door.ts`. When the scope closes
 * the subscription is drained first: the server sends nothing new, and what has arrived is taken.
 * A subscription that the server refuses or ends is logged; without it the service is not ready.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Effect, type Scope } from "effect"
import * as Door from "../nats/Door.ts"
import { Readiness } from "../observability/Health.ts"

const drainTimeout = "5 seconds"

/** Why a message was not taken: its headers break the rules for headers, or taking it met a bug. */
export type NotTaken = "headers_unreadable" | "bug"

export interface Listener {
  readonly connection: NatsConnection
  readonly subject: string
  readonly queue: string | null
  readonly take: (message: Msg) => void
  /** Answers what is owed an answer, and counts. */
  readonly notTaken: (message: Msg, why: NotTaken) => void
}

export const listen = Effect.fnUntraced(function* ({
  connection,
  notTaken,
  queue,
  subject,
  take
}: Listener): Generator<Effect.Effect<unknown, never, Readiness | Scope.Scope>, void, never> {
  const readiness = yield* Readiness
  const open = yield* Door.make
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let refused: string | null = null
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      open(connection, subject, {
        queue,
        take,
        unreadable: (message) => notTaken(message, "headers_unreadable"),
        failed: (message) => notTaken(message, "bug"),
        ended: (error) => {
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
