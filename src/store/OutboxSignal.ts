/**
 * "There is something in the outbox": whoever commits says so, the relay hears it.
 *
 * A signal and nothing else: it may be lost or come for nothing, because the relay looks by itself
 * every so often. Many signals before the relay looks are one.
 */
import { Context, Effect, Layer, Queue } from "effect"

export class OutboxSignal extends Context.Service<
  OutboxSignal,
  {
    /** Never waits, never fails. */
    readonly wakeUnsafe: () => void
    /** Returns at the next signal, or at once when one came since the last call. For one listener. */
    readonly awaitWake: Effect.Effect<void>
  }
>()("cm/store/OutboxSignal") {
  static readonly layer = Layer.effect(
    OutboxSignal,
    Effect.gen(function* () {
      const signals = yield* Queue.sliding<void>(1)
      return OutboxSignal.of({
        wakeUnsafe: () => {
          Queue.offerUnsafe(signals, undefined)
        },
        awaitWake: Queue.take(signals)
      })
    })
  )
}
