/**
 * The HTTP gateway as a process of its own: `npm run gateway`.
 *
 * Its environment is a bus user and CM_GATEWAY_…; it opens no database and no key file. Prints one line that begins
 * with `ready` and the address. SIGTERM ends it with exit code 0, after what was accepted is answered.
 */
import { Effect, Layer } from "effect"
import { layerEnvironment, layerReplica } from "./Config.ts"
import { alone } from "./gateway/alone.ts"
import * as gateway from "./gateway/layer.ts"
import * as Process from "./launch/Process.ts"
import { NatsConfig } from "./nats/NatsConfig.ts"
import * as observability from "./observability/layer.ts"

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const Gateway = alone(say).pipe(
  Layer.provideMerge(observability.layerOf("credential-management-gateway")),
  Layer.provideMerge(Layer.mergeAll(NatsConfig.layer, observability.settings, gateway.settings)),
  Layer.provideMerge(layerReplica),
  Layer.provide(layerEnvironment)
)

Process.run(Effect.never.pipe(Effect.provide(Gateway)))
