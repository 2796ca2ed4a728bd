/** How often the sweeps look, and how much they take at once. */
import { Config, Context, Duration, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"
import { claimMsMax } from "../store/Sweeps.ts"

const config = Config.all({
  interval: Setting.duration({
    name: "CM_SWEEP_INTERVAL",
    min: "100 millis",
    max: "2 seconds",
    byDefault: "1 second",
    about: "How often a replica looks for tokens whose end has come and for what was removed."
  }),
  pieceMax: Setting.int({
    name: "CM_SWEEP_PIECE_MAX",
    unit: "tokens",
    min: 1,
    max: 1_000,
    byDefault: 250,
    about: "Tokens of one tenant that a sweep changes in one transaction."
  }),
  claimTtl: Setting.duration({
    name: "CM_SWEEP_CLAIM_TTL",
    min: "1 second",
    max: Duration.millis(claimMsMax),
    byDefault: "10 seconds",
    about: "How long a sweep belongs to the replica that claimed it last."
  })
})

export class SweepConfig extends Context.Service<SweepConfig, Config.Success<typeof config>>()(
  "cm/rotation/SweepConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
