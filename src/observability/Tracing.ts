/**
 * Spans of what is done for a request, sent to an OpenTelemetry collector (OTLP over HTTP, JSON). Off by default.
 *
 * Off, `begin` is null and whoever would make a span does what it does without one: no object, no header, no look into the
 * fiber. Trace contexts of callers are passed on all the same (`Trace.ts`).
 *
 * Span names and attributes are words of this code base (rows, operations, statements without values, codes): never
 * a text of a caller, an id, a name of a principal, nor an error's own message. The validation's hot path makes no spans.
 *
 * What makes and sends them (`SpanExport.ts`) is loaded where they are on: it is an HTTP client in some sixty modules.
 */
import { Context, Effect, Exit, Layer, type Tracer } from "effect"
import type { Replica } from "./Replica.ts"
import type { Trace } from "./Trace.ts"
import { TracingConfig } from "./TracingConfig.ts"

export type Attributes = Readonly<Record<string, string | number>>

export interface SpanOptions {
  /** Of this code base's words. */
  readonly name: string
  readonly kind: Tracer.SpanKind
  /** Null: a trace begins here, and whether it is sent is decided here. */
  readonly parent: Trace | null
  /** Others that it is for, too. */
  readonly also?: ReadonlyArray<Trace>
  readonly attributes?: Attributes
}

export interface Span {
  /** What comes next in it is a child of this one. */
  readonly trace: Trace
  /** `error`: a code or a tag, null when it went well. Only the first call counts. */
  readonly end: (error: string | null, attributes?: Attributes) => void
}

export type Begin = (options: SpanOptions) => Span

/** Null: off. */
export const Tracing = Context.Reference<{ readonly begin: Begin | null }>("cm/observability/Tracing", {
  defaultValue: () => ({ begin: null })
})

/** For whom the current fiber works: what it asks of the database is below that. */
export const CurrentTrace = Context.Reference<{
  readonly parent: Trace
  readonly also: ReadonlyArray<Trace>
} | null>("cm/observability/CurrentTrace", { defaultValue: () => null })

/** A tag or a code of what went wrong, never its text. */
export const errorOf = (exit: Exit.Exit<unknown, unknown>): string | null => {
  if (Exit.isSuccess(exit)) return null
  const [reason] = exit.cause.reasons
  if (reason?._tag !== "Fail") return reason?._tag === "Die" ? "bug" : "interrupted"
  const { error } = reason
  return typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : "error"
}

/** Needs `TracingConfig`, `Replica`. Off when it says so. */
export const layer = (serviceName: string): Layer.Layer<never, never, TracingConfig | Replica> =>
  Layer.unwrap(
    Effect.flatMap(TracingConfig, (given) =>
      given.url === ""
        ? Effect.succeed(Layer.empty)
        : Effect.map(
            Effect.promise(() => import("./SpanExport.ts")),
            ({ on }) => on(given, serviceName)
          )
    )
  )
