/**
 * How a store fails. A store that answers at all answers rightly; everything else is one of these.
 *
 * `outcome` says what became of a change: `none` it did not happen, `unknown` it may have been
 * committed (the connection died between COMMIT and its answer). A read is always `none`. `isPassing`: another
 * attempt may succeed though nobody puts anything right; absent where that is not known.
 */
import { Schema } from "effect"

export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  operation: Schema.String,
  outcome: Schema.Literals(["none", "unknown"]),
  isPassing: Schema.optionalKey(Schema.Boolean),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const why = this.cause instanceof Error ? `: ${this.cause.message}` : ""
    return `${this.operation} failed, outcome ${this.outcome}${why}`
  }
}
