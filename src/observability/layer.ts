/** The room `observability`: the log, whether this replica works, and whether it was asked to stop. */
import { Layer } from "effect"
import { Readiness } from "./Health.ts"
import * as Log from "./Log.ts"
import { Shutdown } from "./Shutdown.ts"

export const settings = Log.LogConfig.layer
export const layer = Layer.merge(Readiness.layer, Shutdown.layer).pipe(Layer.provideMerge(Log.layer))
