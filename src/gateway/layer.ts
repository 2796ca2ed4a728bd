/**
 * The room `gateway`: the optional HTTP door, a client of the bus and nothing else.
 *
 * `alone` is a process of its own, whose bus user is NATS_USER. `inside` is the same within the service, off by default,
 * with a bus user and a connection of its own: what the gateway may is what that user may.
 */
import { Effect, Layer } from "effect"
import { NatsConfig } from "../nats/NatsConfig.ts"
import * as NatsConnection from "../nats/NatsConnection.ts"
import * as Bus from "./Bus.ts"
import * as Gateway from "./Gateway.ts"
import { GatewayConfig, insideUser } from "./GatewayConfig.ts"

export const settings = GatewayConfig.layer

/** Listens, and says so with `tell`. Needs `Replica`, `NatsConfig`, `GatewayConfig`. */
export const alone = (tell: (line: string) => Effect.Effect<void>) =>
  Layer.effectDiscard(
    Effect.flatMap(Gateway.start, ({ address, adminAddress }) =>
      tell(`ready: the HTTP gateway on ${address}${adminAddress === null ? "" : `, for operators on ${adminAddress}`}`)
    )
  ).pipe(Layer.provide(Bus.layer), Layer.provide(Layer.fresh(NatsConnection.layer)))

/** The service's bus, as another user of it. */
const ownUser = Layer.effect(
  NatsConfig,
  Effect.gen(function* () {
    const config = yield* NatsConfig
    return { ...config, connection: { ...config.connection, ...(yield* insideUser) } }
  })
)

export const inside = Layer.unwrap(
  Effect.map(GatewayConfig, ({ inService }) =>
    inService === "off" ? Layer.empty : alone((line) => Effect.logInfo(line)).pipe(Layer.provide(ownUser))
  )
)
