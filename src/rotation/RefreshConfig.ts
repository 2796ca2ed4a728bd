/** How the runtime of refreshes paces itself. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const config = Config.all({
  interval: Setting.duration({
    name: "CM_REFRESH_INTERVAL",
    min: "100 millis",
    max: "20 seconds",
    byDefault: "1 second",
    about: "How often a replica looks for credentials whose refresh is due."
  }),
  piece: Setting.int({
    name: "CM_REFRESH_PIECE",
    unit: "credentials",
    min: 1,
    max: 1_000,
    byDefault: 64,
    about: "Credentials that a replica takes to refresh at one look, and exchanges that it has under way at most."
  }),
  claim: Setting.duration({
    name: "CM_REFRESH_CLAIM",
    min: "2 seconds",
    max: "5 minutes",
    byDefault: "55 seconds",
    about:
      "How long a refresh belongs to the replica that claimed it. Longer than an exchange (20 s at most) and a database that is away for 30 s; a replica that died is followed after it."
  }),
  doubt: Setting.duration({
    name: "CM_REFRESH_DOUBT",
    min: "2 seconds",
    max: "1 day",
    byDefault: "5 minutes",
    about:
      "How long somebody who was paused may still come with a provider's answer, before a grant that was perhaps spent is given up or used again."
  }),
  exchange: Setting.duration({
    name: "CM_REFRESH_EXCHANGE",
    min: "100 millis",
    max: "20 seconds",
    byDefault: "20 seconds",
    about: "How long a provider may take for its answer."
  })
})

export class RefreshConfig extends Context.Service<RefreshConfig, Config.Success<typeof config>>()(
  "cm/rotation/RefreshConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
