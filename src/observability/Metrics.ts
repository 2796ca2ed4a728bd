/**
 * The names of what protocols count, and handles made once.
 *
 * A handle is made at the first use of its attributes and kept; counting is then one call outside
 * of Effect. Attribute values come from tables of this code base (operations, statuses, reasons),
 * never from a request, so the number of series is bounded.
 */
import { type Context, Effect, Metric } from "effect"

const requests = Metric.counter("cm_requests_total", {
  description: "Requests answered, by protocol, operation and status",
  incremental: true
})
const processing = Metric.counter("cm_request_processing_seconds_total", {
  description: "Time from a request to its answer, summed, by protocol and operation",
  incremental: true
})
const dropped = Metric.counter("cm_messages_dropped_total", {
  description: "Messages that could not be answered or were not acted on, by protocol and reason",
  incremental: true
})
const events = Metric.counter("cm_events_heard_total", {
  description: "Events of other services, by protocol, type and outcome",
  incremental: true
})
const waiting = Metric.gauge("cm_in_flight", { description: "Requests and events being worked on, by protocol" })

export type DropReason =
  | "no_reply_subject"
  | "reply_subject_refused"
  | "has_reply_subject"
  | "undecodable"
  | "headers_unreadable"
  | "bug"
  | "overflow"
  | "bus_error"
  | "answer_not_sent"

export interface Counters {
  readonly answered: (protocol: string, operation: string, status: number, count: number) => void
  readonly processed: (protocol: string, operation: string, seconds: number) => void
  readonly dropped: (protocol: string, reason: DropReason) => void
  readonly heard: (protocol: string, type: string, outcome: string) => void
  readonly inFlight: (protocol: string, count: number) => void
}

/** Counting functions that count into the metric registry of the context they were made in. */
export const makeCounters: Effect.Effect<Counters> = Effect.map(
  Effect.context<never>(),
  (context: Context.Context<never>) => {
    const handles = new Map<string, Metric.Metric<number, unknown>>()
    const count = (
      metric: Metric.Metric<number, unknown>,
      attributes: Readonly<Record<string, string>>,
      by: number
    ) => {
      const key = `${metric.id} ${Object.values(attributes).join(" ")}`
      let handle = handles.get(key)
      if (handle === undefined) {
        handle = Metric.withAttributes(metric, attributes)
        handles.set(key, handle)
      }
      handle.updateUnsafe(by, context)
    }
    return {
      answered: (protocol, operation, status, by) =>
        count(requests, { protocol, operation, status: String(status) }, by),
      processed: (protocol, operation, seconds) => count(processing, { protocol, operation }, seconds),
      dropped: (protocol, reason) => count(dropped, { protocol, reason }, 1),
      heard: (protocol, type, outcome) => count(events, { protocol, type, outcome }, 1),
      inFlight: (protocol, by) => count(waiting, { protocol }, by)
    }
  }
)

/** All metrics of this process in Prometheus' text format, whose module knows how to serve them over HTTP, too: read when they are asked for. */
export const prometheusText: Effect.Effect<string> = Effect.flatMap(
  Effect.promise(() => import("effect/observability/PrometheusMetrics")),
  ({ format }) => format()
)
