import { Layer } from "effect"
import { inject } from "vitest"
import * as NatsEventLog from "../../../src/outbox/NatsEventLog.ts"
import { OutboxConfig } from "../../../src/outbox/OutboxConfig.ts"
import { eventLogSuite } from "../../suites/eventLogSuite.ts"
import { busLayer, environment, freshInstance } from "../../support/bus.ts"

const instance = freshInstance()

eventLogSuite(
  "NATS",
  NatsEventLog.layer.pipe(
    Layer.provide(OutboxConfig.layer.pipe(Layer.provide(environment({ CM_OUTBOX_PUBLISH_TIMEOUT: "30 seconds" })))),
    Layer.provide(busLayer({ natsUrl: inject("natsUrl"), instance }))
  ),
  {
    events: `${instance}.events.v1.acme.token.provisioned`,
    revocations: `kaa.v1.events.${instance}.endpoint.token.revoked`
  }
)
