/** The spans of events being published, each in the trace in which it came about. */
import { parseTraceparent } from "../observability/Trace.ts"
import type { Tracing } from "../observability/Tracing.ts"
import type { OutboxRow } from "../store/Outbox.ts"
import type { Outcome } from "./EventLog.ts"

type Published = Pick<OutboxRow, "headers" | "stream">

/** Rows have been looked at (`OwnEvent`): a type is a word of this service. */
const nameOf = ({ headers, stream }: Published): string => `publish ${headers["ce-type"] ?? stream}`

/**
 * Begins a span for each row that is in a trace; what it answers ends them, by the rows' outcomes. Null: there are none.
 */
export const make =
  ({ begin }: typeof Tracing.Service) =>
  (rows: ReadonlyArray<Published>): ((outcomes: ReadonlyArray<Outcome>) => void) | null => {
    if (begin === null) return null
    const spans = rows.map((row) => {
      const parent = parseTraceparent(row.headers.traceparent ?? null)
      const attributes = { "messaging.system": "nats", "messaging.operation.name": "publish" }
      return parent?.sampled === true ? begin({ name: nameOf(row), kind: "producer", parent, attributes }) : null
    })
    return (outcomes) => {
      for (const [at, span] of spans.entries()) {
        const outcome = outcomes[at]?._tag ?? "Uncertain"
        const isFine = outcome === "Stored" || outcome === "Duplicate" || outcome === "Unsent"
        span?.end(isFine ? null : outcome, { "cm.outcome": outcome })
      }
    }
  }
