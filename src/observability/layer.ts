/** The room `observability`: the log, traces, whether this replica works, and whether it was asked to stop. */
import { Layer } from "effect"
import { Readiness } from "./Health.ts"
import * as Log from "./Log.ts"
import { Shutdown } from "./Shutdown.ts"
import * as Tracing from "./Tracing.ts"
import { TracingConfig } from "./TracingConfig.ts"

export const settings = Layer.merge(Log.LogConfig.layer, TracingConfig.layer)

/** `serviceName` is who this process is in a trace. */
export const layerOf = (serviceName: string) =>
  Layer.mergeAll(Readiness.layer, Shutdown.layer, Tracing.layer(serviceName)).pipe(Layer.provideMerge(Log.layer))
export const layer = layerOf("credential-management")
