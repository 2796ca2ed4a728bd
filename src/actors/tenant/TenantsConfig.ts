/** Bounds of the tenant actors. */
import { Config, Context, type Duration, Layer } from "effect"
import * as Setting from "../../observability/Setting.ts"

const config = Config.all({
  /** Changes that may wait for one tenant on this replica; one more is answered 429. */
  mailboxCapacity: Setting.int({
    name: "CM_MAILBOX_CAPACITY",
    unit: "changes",
    min: 1,
    max: 65_536,
    byDefault: 2_048,
    about: "Changes that may wait for one tenant on one replica. One more is answered 429."
  }),
  groupMax: Setting.int({
    name: "CM_GROUP_COMMIT_MAX",
    unit: "changes",
    min: 1,
    max: 1_024,
    byDefault: 128,
    about: "Changes of one tenant that are committed in one transaction."
  }),
  requestsInFlight: Setting.int({
    name: "CM_TENANT_REQUESTS_IN_FLIGHT",
    unit: "requests",
    min: 1,
    max: 65_536,
    byDefault: 256,
    about:
      "Management requests of one tenant being worked on at once, unless the tenant has a limit of its own. One more is answered 429."
  }),
  actorIdle: Setting.duration({
    name: "CM_ACTOR_IDLE",
    min: "1 second",
    max: "1 day",
    byDefault: "5 minutes",
    about: "A tenant's actor without a change for this long is put to sleep."
  }),
  requestTimeout: Setting.duration({
    name: "CM_REQUEST_TIMEOUT",
    min: "1 second",
    max: "2 minutes",
    byDefault: "20 seconds",
    about: "No management request waits longer than this for its answer; then it is 503."
  }),
  tokenLength: Setting.int({
    name: "CM_TOKEN_LENGTH",
    unit: "characters",
    min: 8,
    max: 256,
    byDefault: 10,
    about: "Length of generated token values, from 62 characters each."
  }),
  idempotencyTtl: Setting.duration({
    name: "CM_IDEMPOTENCY_TTL",
    min: "1 minute",
    max: "7 days",
    byDefault: "24 hours",
    about: "How long the answer to an Idempotency-Key is kept."
  })
})

export interface TenantsConfigShape {
  readonly mailboxCapacity: number
  readonly groupMax: number
  readonly requestsInFlight: number
  readonly actorIdle: Duration.Duration
  readonly requestTimeout: Duration.Duration
  readonly tokenLength: number
  readonly idempotencyTtl: Duration.Duration
}

export class TenantsConfig extends Context.Service<TenantsConfig, TenantsConfigShape>()("cm/actors/TenantsConfig") {
  static readonly layer = Layer.effect(TenantsConfig, config)
}
