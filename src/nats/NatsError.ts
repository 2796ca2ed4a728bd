/**
 * How the bus fails at start. Later failures are answered where they happen: the connections
 * reconnect for ever.
 *
 * `message` is one line for the person who starts the service: what is wrong and what to do.
 */
import { Schema } from "effect"

export class NatsStartError extends Schema.TaggedError<NatsStartError>()("NatsStartError", {
  /** `unreachable` and `refused` come from connecting, the others from looking at the server. */
  reason: Schema.Literals(["unreachable", "refused", "too-old", "payload-too-small", "no-jetstream", "stream"]),
  problem: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return this.problem
  }
}
