/** The room `outbox`: announces what was committed, in order, when it is in force. */
import { Layer } from "effect"
import * as NatsEventLog from "./NatsEventLog.ts"
import * as NatsPublishedCheckpoints from "./NatsPublishedCheckpoints.ts"
import * as NatsPublishedEnds from "./NatsPublishedEnds.ts"
import { OutboxConfig } from "./OutboxConfig.ts"
import { OutboxRelay } from "./OutboxRelay.ts"
import { WakeCall } from "./WakeCall.ts"

export const settings = OutboxConfig.layer
/** What was announced of the audit, for whoever checks it. */
export const published = NatsPublishedCheckpoints.layer
/** What was announced at all, for a database that was put back. */
export const ends = NatsPublishedEnds.layer
export const background = OutboxRelay.layer.pipe(Layer.provide([NatsEventLog.layer, WakeCall.layer]))
