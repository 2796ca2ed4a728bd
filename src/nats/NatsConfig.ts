/** Where the bus is, who this service is on it, and how large its streams and buckets may grow. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const mebibyte = 1_048_576

const originators = /^(?:\*|[A-Za-z0-9_-]{1,64}(?:,[A-Za-z0-9_-]{1,64}){0,31})$/u

const replicas = Setting.int({
  name: "CM_STREAM_REPLICAS",
  unit: "servers",
  min: 1,
  max: 5,
  byDefault: 1,
  about: "Copies of each stream and bucket in the NATS cluster. Three in production; one server can keep only one."
})

const connection = {
  servers: Setting.text({
    name: "NATS_URL",
    pattern: /^(nats|tls):\/\/[^\s,@]+(,(nats|tls):\/\/[^\s,@]+)*$/u,
    about: "The NATS servers, separated by commas, such as nats://127.0.0.1:4222. No user in it: see NATS_USER."
  }),
  user: Setting.text({
    name: "NATS_USER",
    pattern: /^[A-Za-z0-9_-]{0,64}$/u,
    byDefault: "",
    about: "Bus user of the service. Its inbox prefix is _INBOX.<user>."
  }),
  password: Setting.secret({ name: "NATS_PASSWORD", about: "Password of NATS_USER." }).pipe(Config.option),
  credentialsFile: Setting.text({
    name: "NATS_CREDS",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about:
      "File with NATS credentials (a JWT and its seed), or with the seed of an nkey alone, instead of a password. NATS_USER then only makes the inbox prefix."
  }),
  connectLimit: Setting.duration({
    name: "CM_NATS_CONNECT_LIMIT",
    min: "1 second",
    max: "1 hour",
    byDefault: "60 seconds",
    about: "How long the start waits for the bus before it gives up. Once connected, reconnecting never gives up."
  }),
  dialTimeout: Setting.duration({
    name: "CM_NATS_DIAL_TIMEOUT",
    min: "100 millis",
    max: "60 seconds",
    byDefault: "500 millis",
    about: "How long one attempt to reach one server may take. Raise it over a wide area network."
  })
}

const streams = {
  replicas,
  eventsAge: Setting.duration({
    name: "CM_EVENTS_AGE",
    min: "1 hour",
    max: "3650 days",
    byDefault: "30 days",
    about: "How long events and revocations stay in their streams. Older ones give way."
  }),
  eventsBytesMax: Setting.int({
    name: "CM_EVENTS_BYTES_MAX",
    unit: "bytes",
    min: mebibyte,
    max: 1_048_576 * mebibyte,
    byDefault: 1_024 * mebibyte,
    about: "Largest size of the event stream. The oldest events give way."
  }),
  revocationsBytesMax: Setting.int({
    name: "CM_REVOCATIONS_BYTES_MAX",
    unit: "bytes",
    min: mebibyte,
    max: 1_048_576 * mebibyte,
    byDefault: 256 * mebibyte,
    about: "Largest size of the revocation stream. The oldest revocations give way."
  }),
  inboxAge: Setting.duration({
    name: "CM_INBOX_AGE",
    min: "1 second",
    max: "365 days",
    byDefault: "7 days",
    about: "How long an event of another service waits for this one. What is older is gone, and that is told."
  }),
  inboxBytesMax: Setting.int({
    name: "CM_INBOX_BYTES_MAX",
    unit: "bytes",
    min: mebibyte,
    max: 1_048_576 * mebibyte,
    byDefault: 256 * mebibyte,
    about: "Largest size of the stream in which events of other services wait. The oldest give way, and that is told."
  }),
  elceOriginators: Setting.text({
    name: "CM_ELCE_ORIGINATORS",
    pattern: originators,
    byDefault: "*",
    about: "Service instances whose endpoint lifecycle events are heard, separated by commas; * is any."
  }),
  tleOriginators: Setting.text({
    name: "CM_TLE_ORIGINATORS",
    pattern: originators,
    byDefault: "*",
    about: "Service instances whose tenant lifecycle events are heard, separated by commas; * is any."
  }),
  duplicateWindow: Setting.duration({
    name: "CM_EVENTS_DUPLICATE_WINDOW",
    min: "2 minutes",
    max: "1 hour",
    byDefault: "10 minutes",
    about:
      "How long the server recognises a repeated event by its id. Longer than the server takes to drop a dead " +
      "connection (about 6 minutes by default). Repetitions later than that are recognised by the relay."
  }),
  tokensAge: Setting.duration({
    name: "CM_TOKENS_AGE",
    min: "1 minute",
    max: "365 days",
    byDefault: "1 day",
    about: "How long an entry of the validation cache stays in its bucket."
  }),
  tokensBytesMax: Setting.int({
    name: "CM_TOKENS_BYTES_MAX",
    unit: "bytes",
    min: mebibyte,
    max: 1_048_576 * mebibyte,
    byDefault: 512 * mebibyte,
    about: "Largest size of the validation cache's bucket. The oldest entries give way."
  }),
  metadataAge: Setting.duration({
    name: "CM_METADATA_AGE",
    min: "1 minute",
    max: "365 days",
    byDefault: "1 day",
    about: "How long an entry of the credential metadata cache stays in its bucket."
  }),
  metadataBytesMax: Setting.int({
    name: "CM_METADATA_BYTES_MAX",
    unit: "bytes",
    min: mebibyte,
    max: 1_048_576 * mebibyte,
    byDefault: 128 * mebibyte,
    about: "Largest size of the credential metadata cache's bucket. The oldest entries give way."
  })
}

const config = Config.all({ connection: Config.all(connection), streams: Config.all(streams) })

export class NatsConfig extends Context.Service<NatsConfig, Config.Success<typeof config>>()("cm/nats/NatsConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
