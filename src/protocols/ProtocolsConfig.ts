/** Bounds of what is taken from the bus. */
import { Config, Context, type Duration, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const config = Config.all({
  requestBytesMax: Setting.int({
    name: "CM_REQUEST_BYTES_MAX",
    unit: "bytes",
    min: 1_024,
    max: 8_388_608,
    byDefault: 4_194_304,
    about: "The largest payload of a management request. A larger one is answered 413."
  }),
  requestsInFlightMax: Setting.int({
    name: "CM_REQUESTS_IN_FLIGHT_MAX",
    unit: "requests",
    min: 1,
    max: 65_536,
    byDefault: 4_096,
    about:
      "Management requests being worked on at once, and beside them as many validations in JSON, requests that wait for a provider, and status transitions. One more is answered 429."
  }),
  eventsWaitingMax: Setting.int({
    name: "CM_EVENTS_WAITING_MAX",
    unit: "events",
    min: 1,
    max: 1_000_000,
    byDefault: 100_000,
    about: "Events of other services that may wait while the database is away. One more is dropped and counted."
  }),
  inboxWorkers: Setting.int({
    name: "CM_INBOX_WORKERS",
    unit: "events",
    min: 1,
    max: 256,
    byDefault: 16,
    about: "Events of other services that a replica carries out at once."
  }),
  drainTimeout: Setting.duration({
    name: "CM_DRAIN_TIMEOUT",
    min: "1 second",
    max: "5 minutes",
    byDefault: "25 seconds",
    about: "How long an orderly stop waits for the answers to accepted requests."
  })
})

export interface ProtocolsConfigShape {
  readonly requestBytesMax: number
  readonly requestsInFlightMax: number
  readonly eventsWaitingMax: number
  readonly inboxWorkers: number
  readonly drainTimeout: Duration.Duration
}

export class ProtocolsConfig extends Context.Service<ProtocolsConfig, ProtocolsConfigShape>()(
  "cm/protocols/ProtocolsConfig"
) {
  static readonly layer = Layer.effect(ProtocolsConfig, config)
}
