/**
 * The span of a request of the bus, and what goes on below it: logs, statements, events.
 *
 * Without tracing there is no span, and the caller's own trace goes on.
 */
import { Effect, Tracer } from "effect"
import type { Trace } from "../observability/Trace.ts"
import { CurrentTrace, type Span, Tracing } from "../observability/Tracing.ts"
import type { Operation } from "./Operation.ts"

export interface RequestSpan {
  /** Null: none is made. What is asked all the time, by nobody's doing, makes no traces of its own. */
  readonly begin: (operation: Pick<Operation<never>, "name" | "always"> | null, parent: Trace | null) => Span | null
  readonly within: <A, E, R>(work: Effect.Effect<A, E, R>, trace: Trace | null) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<RequestSpan> = Effect.map(Tracing, ({ begin }) => ({
  begin: (operation, parent) => {
    if (begin === null || (parent === null && operation?.always === true)) return null
    const name = operation?.name ?? "none"
    return begin({ name, kind: "server", parent, attributes: { "messaging.system": "nats", "cm.operation": name } })
  },
  within: (work, trace) => {
    if (trace === null) return work
    const logged = Effect.provideService(work, Tracer.ParentSpan, Tracer.externalSpan(trace))
    return begin === null ? logged : Effect.provideService(logged, CurrentTrace, { parent: trace, also: [] })
  }
}))
