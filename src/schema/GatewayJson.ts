/** `gateway.v1.resolve` and `events`: what travels. What `resolve` asks is of `TenantJson`. */
import { Schema } from "effect"
import { pageLimitMax } from "../domain/Names.ts"
import * as Field from "./Field.ts"

/** `<when the stream was made>-<sequence>`; another text is the id of nothing. */
export const eventIdPattern = /^[0-9a-z]{1,16}-(?:0|[1-9][0-9]{0,15})$/u
const eventIdLengthMax = 64
/** A page has at most so many, and says whether there are more: not all that may be asked for fit into one answer. */
export const eventsAtOnceMax = 256
const eventsAtOnceDefault = 100

/** Whose an issuer is: a tenant's, or the platform's own, whose tokens are for any tenant that they name. */
export const OwnerAnswer = Schema.Union([
  Schema.Struct({ tenantId: Schema.String }),
  Schema.Struct({ platform: Schema.Literal(true) })
])

export const ReadEvents = Schema.Struct({
  tenantId: Field.TenantId,
  after: Schema.optionalKey(
    Schema.String.check(Field.atMost(eventIdLengthMax)).annotate({
      description: "the id to go on from; without it the answer is where the stream ends now"
    })
  ),
  limit: Field.limitOf(eventsAtOnceDefault, pageLimitMax)
})

export const EventAnswer = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  data: Schema.Record(Schema.String, Schema.Unknown)
})
export const EventsAnswer = Schema.Struct({
  content: Schema.Array(EventAnswer),
  /** Where to go on: behind everything that was looked at, shown or not. */
  last: Schema.String,
  /** There is more behind it already. */
  more: Schema.Boolean
})
export type EventsAnswer = typeof EventsAnswer.Type
