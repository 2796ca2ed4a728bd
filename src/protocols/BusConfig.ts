/** The accounts of the bus that mean something to the service: its own, and the gateway's. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../observability/Setting.ts"

const accountPattern = /^[A-Za-z0-9_.$-]{1,64}$/u

const config = Config.all({
  ownAccount: Setting.text({
    name: "CM_BUS_ACCOUNT",
    pattern: accountPattern,
    byDefault: "CM",
    about: "The bus account that the service itself is in. Whoever else is in it may only validate."
  }),
  gatewayAccount: Setting.text({
    name: "CM_BUS_GATEWAY_ACCOUNT",
    pattern: accountPattern,
    byDefault: "GATEWAY",
    about: "The bus account of the HTTP gateway. Its requests need a bearer token, and it can be nobody's consumer."
  })
})

export class BusConfig extends Context.Service<
  BusConfig,
  { readonly ownAccount: string; readonly gatewayAccount: string }
>()("cm/protocols/BusConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(BusConfig, config)
  /** The names of the shipped nats.conf. */
  static readonly layerShipped = Layer.succeed(BusConfig, { ownAccount: "CM", gatewayAccount: "GATEWAY" })
}
