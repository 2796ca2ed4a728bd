/** The room `nats`: connections that are kept for ever, and the streams and buckets on them. */
import { Layer } from "effect"
import { NatsConfig } from "./NatsConfig.ts"
import * as NatsConnection from "./NatsConnection.ts"
import { Streams } from "./Streams.ts"

export const settings = NatsConfig.layer
export const layer = Streams.layer.pipe(Layer.provideMerge(NatsConnection.layer))
