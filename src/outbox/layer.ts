/** The room `outbox`: announces what was committed, in order, when it is in force. */
import { Layer } from "effect"
import * as NatsEventLog from "./NatsEventLog.ts"
import { OutboxConfig } from "./OutboxConfig.ts"
import { OutboxRelay } from "./OutboxRelay.ts"
import { WakeCall } from "./WakeCall.ts"

export const settings = OutboxConfig.layer
export const background = OutboxRelay.layer.pipe(Layer.provide([NatsEventLog.layer, WakeCall.layer]))
