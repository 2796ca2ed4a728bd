/**
 * What the validation path counts, brought into the metrics once in a while: the path itself only
 * raises plain numbers. `docs/operations` says what to do about each.
 */
import { Effect, Metric } from "effect"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const hits = counter("cm_validation_hot_hits_total", "Validations answered from the hot table")
const statements = counter("cm_validation_statements_total", "Statements that read tokens for validations")
const cacheHits = counter("cm_validation_cache_hits_total", "Validations answered from the KV bucket")
const disbelieved = counter(
  "cm_validation_cache_disbelieved_total",
  "Entries of the KV bucket that were too old to use"
)
const usesDropped = counter("cm_last_uses_dropped_total", "Last uses of tokens that were not recorded for want of room")
const hotTokens = Metric.gauge("cm_hot_tokens", { description: "Tokens in the hot table" })
const waiting = Metric.gauge("cm_validations_waiting", { description: "Validations that wait for MariaDB or the KV" })

export interface Counts {
  readonly hits: number
  readonly waiting: number
  readonly hotTokens: number
  readonly statements: number
  readonly cacheHits: number
  readonly cacheDisbelieved: number
  readonly usesDropped: number
}

/** An effect that brings what `counts` says now into the metrics. */
export const makePublish = (counts: () => Counts): Effect.Effect<void> => {
  let before: Counts = { ...counts(), hits: 0, statements: 0, cacheHits: 0, cacheDisbelieved: 0, usesDropped: 0 }
  return Effect.suspend(() => {
    const now = counts()
    const raised = [
      Metric.update(hits, now.hits - before.hits),
      Metric.update(statements, now.statements - before.statements),
      Metric.update(cacheHits, now.cacheHits - before.cacheHits),
      Metric.update(disbelieved, now.cacheDisbelieved - before.cacheDisbelieved),
      Metric.update(usesDropped, now.usesDropped - before.usesDropped),
      Metric.update(hotTokens, now.hotTokens),
      Metric.update(waiting, now.waiting)
    ]
    before = now
    return Effect.all(raised, { discard: true })
  })
}
