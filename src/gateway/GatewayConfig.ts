/** Where the HTTP gateway listens, what it bounds, and who it is on the bus when it runs inside the service. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const file = /^[^\0]{0,4096}$/u

const config = Config.all({
  inService: Setting.text({
    name: "CM_GATEWAY",
    pattern: /^(?:on|off)$/u,
    byDefault: "off",
    about:
      "on: the service is the HTTP gateway, too, as the bus user CM_GATEWAY_NATS_USER. `npm run gateway` is one whatever this says."
  }),
  host: Setting.text({
    name: "CM_GATEWAY_HOST",
    pattern: /^[A-Za-z0-9.:_-]{1,255}$/u,
    byDefault: "127.0.0.1",
    about:
      "Address that the HTTP gateway listens on. Beyond this machine give it a certificate, or a proxy that has one."
  }),
  port: Setting.int({
    name: "CM_GATEWAY_PORT",
    unit: "port",
    min: 0,
    max: 65_535,
    byDefault: 8_080,
    about: "Port of the HTTP gateway; 0 is any free one, which the line that begins with `ready` tells."
  }),
  adminPort: Setting.text({
    name: "CM_GATEWAY_ADMIN_PORT",
    pattern: /^(?:|0|[1-9][0-9]{0,4})$/u,
    byDefault: "",
    about:
      "Port for /health, /ready and /metrics, which the main one then does not answer. Empty: the main one; 0: any."
  }),
  certificateFile: Setting.text({
    name: "CM_GATEWAY_TLS_CERT",
    pattern: file,
    byDefault: "",
    about: "PEM file with the gateway's certificate and those between it and the root. Read again when it changes."
  }),
  keyFile: Setting.text({
    name: "CM_GATEWAY_TLS_KEY",
    pattern: file,
    byDefault: "",
    about: "PEM file with the private key of CM_GATEWAY_TLS_CERT."
  }),
  connectionsMax: Setting.int({
    name: "CM_GATEWAY_CONNECTIONS_MAX",
    unit: "connections",
    min: 1,
    max: 65_536,
    byDefault: 1_024,
    about: "Open connections of HTTP clients. One more is closed at once."
  }),
  requestsMax: Setting.int({
    name: "CM_GATEWAY_REQUESTS_MAX",
    unit: "requests",
    min: 1,
    max: 65_536,
    byDefault: 512,
    about: "HTTP requests being worked on at once; one more is answered 429. Readers of events do not count."
  }),
  readersMax: Setting.int({
    name: "CM_GATEWAY_READERS_MAX",
    unit: "readers",
    min: 1,
    max: 4_096,
    byDefault: 64,
    about: "Readers of events of one tenant at once; one more is answered 429."
  }),
  busTimeout: Setting.duration({
    name: "CM_GATEWAY_BUS_TIMEOUT",
    min: "100 millis",
    max: "150 seconds",
    byDefault: "30 seconds",
    about: "How long the gateway waits for the service's answer before it says 503."
  }),
  headersTimeout: Setting.duration({
    name: "CM_GATEWAY_HEADERS_TIMEOUT",
    min: "100 millis",
    max: "60 seconds",
    byDefault: "10 seconds",
    about: "How long a client may take to send a request's headers."
  }),
  bodyTimeout: Setting.duration({
    name: "CM_GATEWAY_BODY_TIMEOUT",
    min: "200 millis",
    max: "120 seconds",
    byDefault: "30 seconds",
    about: "How long a client may take to send a whole request. Not less than CM_GATEWAY_HEADERS_TIMEOUT."
  }),
  heartbeat: Setting.duration({
    name: "CM_GATEWAY_HEARTBEAT",
    min: "100 millis",
    max: "60 seconds",
    byDefault: "15 seconds",
    about: "How often a reader of events hears that the connection stands, and its bearer token is looked at again."
  })
})

/** Of the gateway inside the service, which is another user there. */
export const insideUser = Config.all({
  user: Setting.text({
    name: "CM_GATEWAY_NATS_USER",
    pattern: /^[A-Za-z0-9_-]{1,64}$/u,
    byDefault: "gateway",
    about: "With CM_GATEWAY=on: the gateway's own bus user. Its inbox prefix is _INBOX.<user>."
  }),
  password: Setting.secret({
    name: "CM_GATEWAY_NATS_PASSWORD",
    about: "Password of CM_GATEWAY_NATS_USER."
  }).pipe(Config.option),
  credentialsFile: Setting.text({
    name: "CM_GATEWAY_NATS_CREDS",
    pattern: file,
    byDefault: "",
    about: "File with NATS credentials of the gateway's bus user, instead of a password."
  })
})

export class GatewayConfig extends Context.Service<GatewayConfig, Config.Success<typeof config>>()(
  "cm/gateway/GatewayConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
