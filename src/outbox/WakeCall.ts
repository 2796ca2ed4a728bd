/**
 * How a replica that committed something wakes the relay on another replica.
 *
 * A hint and nothing else: the relay looks by itself every poll interval, so a lost call costs that
 * much. Calls carry nothing.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import * as Door from "../nats/Door.ts"
import { Nats } from "../nats/Nats.ts"
import { Replica } from "../observability/Replica.ts"

export class WakeCall extends Context.Service<
  WakeCall,
  {
    /** To all replicas. Never waits, never fails. */
    readonly callUnsafe: () => void
    /** `heard` runs at each call, also of this replica's own, as long as the scope lives. It must not throw. */
    readonly listen: (heard: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("cm/outbox/WakeCall") {
  /** For one replica alone. */
  static readonly layerNoop = Layer.succeed(WakeCall, { callUnsafe: () => {}, listen: () => Effect.void })

  /** Needs `Nats`, `Replica`. */
  static readonly layer = Layer.effect(
    WakeCall,
    Effect.gen(function* () {
      const { control } = yield* Nats
      const { instance } = yield* Replica
      const open = yield* Door.make
      const subject = `${instance}.internal.v1.outbox.wake`
      return WakeCall.of({
        callUnsafe: () => {
          // A connection that is being closed refuses; there is nobody to wake then.
          if (!control.isClosed() && !control.isDraining()) control.publish(subject)
        },
        listen: (heard) =>
          Effect.asVoid(
            Effect.acquireRelease(
              Effect.sync(() => open(control, subject, { take: heard, unreadable: heard })),
              (subscription) => Effect.sync(() => subscription.unsubscribe())
            )
          )
      })
    })
  )
}
