/** Bounds of the relay. */
import { Config, Context, Duration, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"
import { termMsMax } from "../store/Outbox.ts"

const config = Config.all({
  batchMax: Setting.int({
    name: "CM_OUTBOX_BATCH_MAX",
    unit: "events",
    min: 1,
    max: 4_096,
    byDefault: 256,
    about: "Events that are on their way to a stream at a time."
  }),
  pollInterval: Setting.duration({
    name: "CM_OUTBOX_POLL_INTERVAL",
    min: "10 millis",
    max: "10 seconds",
    byDefault: "1 second",
    about:
      "How often the relay looks into the outbox unasked. A commit of any replica wakes it at once; this is for a wake-up that was lost."
  }),
  termTtl: Setting.duration({
    name: "CM_OUTBOX_TERM_TTL",
    min: "1 second",
    max: Duration.millis(termMsMax),
    byDefault: "5 seconds",
    about: "How long a relay may be silent before another replica takes its place."
  }),
  publishTimeout: Setting.duration({
    name: "CM_OUTBOX_PUBLISH_TIMEOUT",
    min: "100 millis",
    max: "60 seconds",
    byDefault: "5 seconds",
    about: "How long a publish waits for the stream's acknowledgement before it is looked into."
  })
})

export class OutboxConfig extends Context.Service<OutboxConfig, Config.Success<typeof config>>()(
  "cm/outbox/OutboxConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
