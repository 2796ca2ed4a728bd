/** Where the bus is, who this service is on it, and how large its streams and buckets may grow. */
import { Config, ConfigProvider, Context, Effect, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"
import { clearTextError, insecureTransport, isLoopback } from "../observability/Transport.ts"

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
    about:
      "The NATS servers, separated by commas, such as nats://127.0.0.1:4222; tls:// where a server without TLS must be refused, which is everywhere but on this machine. No user in it: see NATS_USER."
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
  ca: Setting.text({
    name: "NATS_CA",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about:
      "File with the certificates (PEM) of who may vouch for a NATS server (tls://); without it those of Node. Read at each connection."
  }),
  cert: Setting.text({
    name: "NATS_CERT",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about: "File with the service's own certificate (PEM), where the server asks for one. Read at each connection."
  }),
  key: Setting.text({
    name: "NATS_KEY",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about: "File with the private key (PEM) of NATS_CERT. Read at each connection."
  }),
  serverName: Setting.text({
    name: "NATS_SERVER_NAME",
    pattern: /^[A-Za-z0-9.-]{0,253}$/u,
    byDefault: "",
    about: "The name that a server's certificate must have; without it one of those in NATS_URL."
  }),
  insecure: insecureTransport,
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

const settings = Config.all({ connection: Config.all(connection), streams: Config.all(streams) })

export interface Server {
  readonly host: string
  readonly isTls: boolean
}

/** The servers of `NATS_URL`, or null where it holds what is no address. */
export const serversOf = (text: string): ReadonlyArray<Server> | null => {
  const urls = text.split(",").map((one) => URL.parse(one))
  return urls.some((url) => url === null || url.hostname === "")
    ? null
    : urls.map((url) => ({ host: url!.hostname, isTls: url!.protocol === "tls:" }))
}

const failed = (message: string): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))

/** A server may take the place of another: one that may be spoken to in clear makes TLS to the others worth nothing. */
const config = settings.pipe(
  Config.mapEffect((given: Config.Success<typeof settings>) => {
    const { cert, insecure, key, servers: text } = given.connection
    const servers = serversOf(text)
    if (servers === null) return failed("NATS_URL holds what is no address")
    const withTls = servers.filter(({ isTls }) => isTls).length
    if (withTls > 0 && withTls < servers.length) return failed("NATS_URL has servers with TLS and others without it")
    if ((cert === "") !== (key === "")) return failed("NATS_CERT and NATS_KEY go together")
    const isLocal = servers.every(({ host }) => isLoopback(host))
    return withTls > 0 || isLocal || insecure
      ? Effect.succeed(given)
      : Effect.fail(clearTextError("NATS_URL", "use tls://"))
  })
)

export class NatsConfig extends Context.Service<NatsConfig, Config.Success<typeof config>>()("cm/nats/NatsConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
