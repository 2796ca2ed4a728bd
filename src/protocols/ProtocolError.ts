/** What can be wrong with a message before any tenant is asked, or with its answer afterwards. */
import { Schema } from "effect"
import { tagged } from "../domain/errors.ts"

export class InvalidTenant extends tagged<InvalidTenant>()("InvalidTenant", {}) {}
export class OperationNotFound extends tagged<OperationNotFound>()("OperationNotFound", {}) {}
export class PayloadTooLarge extends tagged<PayloadTooLarge>()("PayloadTooLarge", {
  part: Schema.Literals(["request", "answer"]),
  bytesMax: Schema.Int
}) {}
/** `checks`: each part's reason, null for the ones that work. */
export class NotReady extends tagged<NotReady>()("NotReady", {
  checks: Schema.Record(Schema.String, Schema.NullOr(Schema.String))
}) {}

/** The place in the stream of events is gone, or never was. */
export class EventGone extends tagged<EventGone>()("EventGone", {}) {}

export type ProtocolError = InvalidTenant | OperationNotFound | PayloadTooLarge | NotReady | EventGone
