/**
 * One wish, passed from whoever has it to `main`: stop this replica in good order.
 *
 * `main` waits for `requested` beside the signals. Asking twice is asking once.
 */
import { Context, Deferred, Effect, Layer } from "effect"

export class Shutdown extends Context.Service<
  Shutdown,
  {
    readonly request: Effect.Effect<void>
    /** Completes when somebody has asked. */
    readonly requested: Effect.Effect<void>
    readonly isRequested: Effect.Effect<boolean>
  }
>()("cm/observability/Shutdown") {
  static readonly layer = Layer.sync(Shutdown, () => {
    const wish = Deferred.makeUnsafe<void>()
    return {
      request: Effect.asVoid(Deferred.succeed(wish, undefined)),
      requested: Deferred.await(wish),
      isRequested: Deferred.isDone(wish)
    }
  })
}
