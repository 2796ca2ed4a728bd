/** Records first uses of tokens: what `FirstUse` is told, by a `UseRecorder`. */
import { Effect, Layer } from "effect"
import * as UseRecorder from "../tenant/UseRecorder.ts"
import { FirstUse } from "../validation/FirstUse.ts"
import { activateOnFirstUse } from "./commands/tokens.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const firstUse = yield* FirstUse
    const recorder = yield* UseRecorder.make({
      name: "first use",
      command: activateOnFirstUse,
      forgotten: firstUse.forget
    })
    firstUse.onFirstUse = recorder.tellUnsafe
    firstUse.recordNow = recorder.recordNowUnsafe
  })
)
