/**
 * `/health`, `/ready` and `/metrics`: of the gateway, and whether the service behind it answers.
 *
 * They take no place of a request: a gateway that is full is still to be told from one that is dead. So that strangers who ask
 * for `/ready` cannot ask the bus without bound, there is one question to the service at a time, and whoever comes meanwhile
 * hears its answer.
 */
import { Clock, Deferred, Duration, Effect } from "effect"
import { prometheusText } from "../observability/Metrics.ts"
import { Bus } from "./Bus.ts"
import { problem } from "./Problem.ts"
import type { PublicRow } from "./PublicRow.ts"

const readyTimeout = Duration.seconds(3)

/** Needs nothing of a caller, so it says nothing that a stranger may not know. */
export const make = (isStopping: () => boolean) =>
  Effect.gen(function* () {
    const bus = yield* Bus
    const clock = yield* Clock.Clock
    const startedMs = clock.currentTimeMillisUnsafe()

    const ask = bus.ask(`${bus.instance}.admin.v1.ready`, "{}", {}, readyTimeout).pipe(
      Effect.map(({ status }) => (status === 200 ? null : "is not ready")),
      Effect.catch(() => Effect.succeed("does not answer"))
    )
    let asking: Deferred.Deferred<string | null> | null = null
    const serviceProblem = Effect.suspend(() => {
      if (asking !== null) return Deferred.await(asking)
      const answer = Deferred.makeUnsafe<string | null>()
      asking = answer
      return Effect.onExit(ask, (exit) => {
        asking = null
        return Deferred.done(answer, exit)
      })
    })
    const health = Effect.sync(() => ({
      status: 200,
      body: JSON.stringify({
        status: isStopping() ? "stopping" : bus.isUp() ? "up" : "degraded",
        bus: bus.isUp() ? "up" : "away",
        uptimeSeconds: Math.floor((clock.currentTimeMillisUnsafe() - startedMs) / 1_000)
      }),
      headers: {}
    }))
    const ready = Effect.gen(function* () {
      const checks = {
        gateway: isStopping() ? "is being stopped" : null,
        bus: bus.isUp() ? null : "away",
        service: bus.isUp() ? yield* serviceProblem : "cannot be asked"
      }
      if (Object.values(checks).some((why) => why !== null)) {
        return yield* Effect.fail(problem("UNAVAILABLE", "Not ready", { details: { checks } }))
      }
      return { status: 200, body: JSON.stringify({ ready: true, checks }), headers: {} }
    })
    const metrics = Effect.map(prometheusText, (body) => ({
      status: 200,
      body,
      headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }
    }))
    const rows: ReadonlyArray<PublicRow> = [
      { method: "GET", path: "/health", about: "Whether the gateway lives.", serve: health },
      {
        method: "GET",
        path: "/ready",
        about: "200 when the gateway and the service behind it should get requests.",
        serve: ready
      },
      { method: "GET", path: "/metrics", about: "The gateway's metrics in Prometheus' text format.", serve: metrics }
    ]
    return rows
  })
