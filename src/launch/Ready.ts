/**
 * Tells whoever started the service that it is ready: not before the operation `ready` says so. The
 * file is there only while the service answers; one that a killed predecessor left says nothing of
 * this process and goes first. Whoever waits for the stop is told when it is begun.
 */
import { Effect, Layer } from "effect"
import { Coherence } from "../coherence/Coherence.ts"
import { Nats } from "../nats/Nats.ts"
import { untilReady } from "../observability/Health.ts"
import { Replica } from "../observability/Replica.ts"
import { Shutdown } from "../observability/Shutdown.ts"
import * as ReadyFile from "./ReadyFile.ts"
import { StartConfig } from "./StartConfig.ts"

export const layerNotReady = Layer.effectDiscard(
  Effect.map(StartConfig, ({ readyFile }) => (readyFile === "" ? undefined : ReadyFile.clear(readyFile)))
)

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { readyFile } = yield* StartConfig
    const shutdown = yield* Shutdown
    // This is built last, so it is the first to end: whatever began the stop, from now on it was begun for all.
    yield* Effect.addFinalizer(() => Effect.andThen(shutdown.request, Effect.logInfo("stopping")))
    const { instance, replicaId } = yield* Replica
    const { control, events, requests, validation } = yield* Nats
    yield* Effect.promise(() =>
      Promise.all([validation, requests, events, control].map((connection) => connection.flush()))
    )
    yield* (yield* Coherence).settled
    yield* Effect.raceFirst(untilReady, shutdown.requested)
    if (yield* shutdown.isRequested) return
    yield* Effect.logInfo("ready")
    if (readyFile === "") return
    yield* ReadyFile.hold(readyFile, JSON.stringify({ instance, replica: replicaId, pid: process.pid }))
  })
)
