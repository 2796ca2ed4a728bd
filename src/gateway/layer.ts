/**
 * The room `gateway`: the optional HTTP door, a client of the bus and nothing else.
 *
 * `alone.ts` is a process of its own, whose bus user is NATS_USER. `inside` is the same within the service, off by default
 * and then not even loaded, with a bus user and a connection of its own: what the gateway may is what that user may.
 */
import { Effect, Layer } from "effect"
import { NatsConfig } from "../nats/NatsConfig.ts"
import { GatewayConfig, insideUser } from "./GatewayConfig.ts"

export const settings = GatewayConfig.layer

/** The service's bus, as another user of it. */
const ownUser = Layer.effect(
  NatsConfig,
  Effect.gen(function* () {
    const config = yield* NatsConfig
    return { ...config, connection: { ...config.connection, ...(yield* insideUser) } }
  })
)

export const inside = Layer.unwrap(
  Effect.flatMap(GatewayConfig, ({ inService }) =>
    inService === "off"
      ? Effect.succeed(Layer.empty)
      : Effect.map(
          Effect.promise(() => import("./alone.ts")),
          ({ alone }) => alone((line) => Effect.logInfo(line)).pipe(Layer.provide(ownUser))
        )
  )
)
