/** The room `store/maria`: every store contract on MariaDB, and the signal that something waits in the outbox. */
import { Effect, Layer } from "effect"
import { OutboxSignal } from "../OutboxSignal.ts"
import { StartWait } from "../StartWait.ts"
import * as MariaStores from "./MariaStores.ts"
import { StoreConfig } from "./StoreConfig.ts"

export const settings = Layer.effect(
  StartWait,
  Effect.map(StoreConfig, ({ connectLimit }) => connectLimit)
).pipe(Layer.provideMerge(StoreConfig.layer))
export const layer = Layer.merge(MariaStores.layer, OutboxSignal.layer)
