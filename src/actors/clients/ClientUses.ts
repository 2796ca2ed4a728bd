/** Records first uses of client credentials, by a `UseRecorder`. */
import { Context, Effect, Layer } from "effect"
import * as UseRecorder from "../tenant/UseRecorder.ts"
import { activateOnFirstUse } from "./commands.ts"

export class ClientUses extends Context.Service<
  ClientUses,
  UseRecorder.UseRecorder & {
    /** Set by who keeps a mark that a use was told: it is to be told again. Must not throw. */
    onForgotten: (credentialId: string) => void
  }
>()("cm/actors/ClientUses") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const uses: ClientUses["Service"] = {
        onForgotten: () => {},
        ...(yield* UseRecorder.make({
          name: "first use of clients",
          command: activateOnFirstUse,
          forgotten: (credentialId) => uses.onForgotten(credentialId)
        }))
      }
      return uses
    })
  )
}
