/** `outbox.*`: what travels. */
import { Schema } from "effect"
import { AnsweredDate, Count, Cursor, Limit, page } from "./Field.ts"

const Id = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
const Action = Schema.Literals(["retry", "drop"])

export const ListOutbox = Schema.Struct({ limit: Limit, cursor: Cursor })
export const ReleaseOutbox = Schema.Struct({ id: Id, action: Action })

export const BlockedEventAnswer = Schema.Struct({
  id: Id,
  tenantId: Schema.String,
  eventId: Schema.String,
  stream: Schema.Literals(["events", "revocations"]),
  subject: Schema.String.annotate({ description: "as it stands in the row" }),
  bytes: Count.annotate({ description: "of its payload" }),
  reason: Schema.String.annotate({
    description:
      "why it was set aside: `foreign subject`, `foreign header`, `unreadable`, `forged checkpoint`, or what refused it"
  }),
  createdDate: AnsweredDate,
  asideDate: AnsweredDate
})
export const OutboxPage = page(BlockedEventAnswer)
export const ReleaseAnswer = Schema.Struct({ id: Id, action: Action })
