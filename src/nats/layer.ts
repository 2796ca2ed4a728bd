/** The room `nats`: connections that are kept for ever, the streams and buckets on them, and the inbox. */
import { Layer } from "effect"
import * as EventPages from "./EventPages.ts"
import * as Inbox from "./Inbox.ts"
import { NatsConfig } from "./NatsConfig.ts"
import * as NatsConnection from "./NatsConnection.ts"
import { Streams } from "./Streams.ts"
import * as StreamWatch from "./StreamWatch.ts"

export const settings = NatsConfig.layer
export const layer = Layer.merge(Inbox.layer, EventPages.layer).pipe(
  Layer.provideMerge(Streams.layer),
  Layer.provideMerge(NatsConnection.layer)
)
export const background = StreamWatch.layer
