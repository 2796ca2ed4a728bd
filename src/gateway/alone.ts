/** The gateway as a process's own, whose bus user is NATS_USER. */
import { Effect, Layer } from "effect"
import * as NatsConnection from "../nats/NatsConnection.ts"
import * as Bus from "./Bus.ts"
import * as Gateway from "./Gateway.ts"

/** Listens, and says so with `tell`. Needs `Replica`, `NatsConfig`, `GatewayConfig`. */
export const alone = (tell: (line: string) => Effect.Effect<void>) =>
  Layer.effectDiscard(
    Effect.flatMap(Gateway.start, ({ address, adminAddress }) =>
      tell(`ready: the HTTP gateway on ${address}${adminAddress === null ? "" : `, for operators on ${adminAddress}`}`)
    )
  ).pipe(Layer.provide(Bus.layer), Layer.provide(Layer.fresh(NatsConnection.layer)))
