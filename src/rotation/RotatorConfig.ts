/** How the runtime of rotators paces itself. */
import { Config, Context, Duration, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const config = Config.all({
  timeout: Setting.duration({
    name: "CM_ROTATOR_TIMEOUT",
    min: "100 millis",
    max: "2 minutes",
    byDefault: "20 seconds",
    about: "How long a rotator may take for one step."
  }),
  beyond: Setting.duration({
    name: "CM_ROTATOR_CLAIM_BEYOND",
    min: "1 second",
    max: "10 minutes",
    byDefault: "35 seconds",
    about:
      "How much longer than a step's own time a step belongs to the replica that claimed it: a database that is away for 30 s is waited for, and a replica that died is followed after it."
  }),
  overlap: Setting.duration({
    name: "CM_ROTATOR_OVERLAP",
    min: "0 millis",
    max: "90 days",
    byDefault: "1 hour",
    about:
      "How long an old secret still works after a rotator's new one is handed out, unless the request says it; half of the rotation's `every` at most."
  })
})

export class RotatorConfig extends Context.Service<
  RotatorConfig,
  Config.Success<typeof config> & { readonly claim: Duration.Duration }
>()("cm/rotation/RotatorConfig") {
  static readonly config = Config.map(config, (given) => ({
    ...given,
    claim: Duration.sum(given.timeout, given.beyond)
  }))
  static readonly layer = Layer.effect(this, this.config)
}
