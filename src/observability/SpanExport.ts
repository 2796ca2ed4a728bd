/**
 * Spans that are made and sent: what `Tracing.ts` loads where a collector is named.
 *
 * Bounded: spans a second, and how long the collector may take. What is too much is dropped and counted; a collector
 * that fails is left alone for a minute. It is never waited for by what is traced, only at the end of the process.
 */
import { Clock, Context, Duration, Effect, Exit, Layer, Metric, Option, Tracer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { OtlpExporter, OtlpSerialization, OtlpTracer } from "effect/observability"
import { Replica } from "./Replica.ts"
import type { Trace } from "./Trace.ts"
import { type Begin, type Span, Tracing } from "./Tracing.ts"
import type { TracingConfig } from "./TracingConfig.ts"

const dropped = Metric.counter("cm_trace_spans_dropped_total", {
  description: "Spans that were not made because there were too many in one second",
  incremental: true
})

/** What a span that failed says of it: a word, without a stack. */
class SpanFailed extends Error {
  constructor(word: string) {
    super(word)
    this.name = "failed"
    this.stack = word
  }
}

const hex = (length: number): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(length / 2))
  return Buffer.from(bytes).toString("hex")
}

const ofTrace = (trace: Trace): Tracer.ExternalSpan => Tracer.externalSpan(trace)

const makeBegin = Effect.fnUntraced(function* (tracer: Tracer.Tracer, percent: number, spansMax: number) {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const none = Context.empty()
  let second = 0
  let inSecond = 0
  const isRoom = (): boolean => {
    const now = Math.floor(clock.currentTimeMillisUnsafe() / 1_000)
    if (now !== second) {
      second = now
      inSecond = 0
    }
    inSecond += 1
    if (inSecond <= spansMax) return true
    dropped.updateUnsafe(1, context)
    return false
  }
  const isChosen = (): boolean => crypto.getRandomValues(new Uint32Array(1))[0]! < (percent / 100) * 2 ** 32
  const unseen = (trace: Trace): Span => ({ trace, end: () => {} })

  const begin: Begin = ({ also = [], attributes = {}, kind, name, parent }) => {
    if (parent === null ? !isChosen() : !parent.sampled) {
      return unseen(parent ?? { traceId: hex(32), spanId: hex(16), sampled: false })
    }
    // Its children hang below what it hangs below.
    if (!isRoom()) return unseen(parent ?? { traceId: hex(32), spanId: hex(16), sampled: false })
    const made = tracer.span({
      name,
      kind,
      parent: Option.map(Option.fromNullishOr(parent), ofTrace),
      annotations: none,
      links: also.map((other) => ({ span: ofTrace(other), attributes: {} })),
      startTime: clock.currentTimeNanosUnsafe(),
      root: parent === null,
      sampled: true
    })
    for (const [key, value] of Object.entries(attributes)) made.attribute(key, value)
    return {
      trace: { traceId: made.traceId, spanId: made.spanId, sampled: true },
      end: (error, more = {}) => {
        for (const [key, value] of Object.entries(more)) made.attribute(key, value)
        if (error !== null) made.attribute("error.type", error)
        made.end(clock.currentTimeNanosUnsafe(), error === null ? Exit.void : Exit.fail(new SpanFailed(error)))
      }
    }
  }
  return begin
})

/** The collector is given this long, and its answer is thrown away. */
const exportTimeout = "5 seconds"
const collector = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transformResponse(client, (answer) =>
      Effect.timeoutOrElse(answer, { duration: exportTimeout, orElse: () => Effect.die("the collector is too slow") })
    )
  )
).pipe(
  Layer.provide(FetchHttpClient.layer),
  // A redirect would lead elsewhere than the operator said.
  Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "error" }))
)

/** Sends to the collector in `given` what is begun until the scope ends. Needs `Replica`. */
export const on = (given: TracingConfig["Service"], serviceName: string) =>
  Layer.effect(
    Tracing,
    Effect.gen(function* () {
      const { replicaId } = yield* Replica
      const tracer = yield* OtlpTracer.make({
        url: `${given.url.replace(/\/+$/u, "")}/v1/traces`,
        resource: { serviceName, attributes: { "service.instance.id": replicaId } },
        exportInterval: Duration.seconds(1),
        maxBatchSize: 512,
        shutdownTimeout: Duration.seconds(3)
      })
      return { begin: yield* makeBegin(tracer, given.percent, given.spansMax) }
    })
  ).pipe(Layer.provide([OtlpExporter.layerFlusher, OtlpSerialization.layerJson, collector]))
