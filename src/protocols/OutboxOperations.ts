/** `{instance}.admin.v1.outbox.*`: events that no stream took. */
import { Effect } from "effect"
import { BlockedEvents } from "../actors/tenant/BlockedEvents.ts"
import { ListOutbox, OutboxPage, ReleaseAnswer, ReleaseOutbox } from "../schema/OutboxJson.ts"
import { formatDate } from "../schema/Timestamp.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

const place = /^[1-9][0-9]{0,14}$/u

export const outboxOperations = [
  operation({
    family: "admin",
    name: "outbox.list",
    about: "Events that cannot be published and were set aside, without what they say.",
    request: ListOutbox,
    answer: OutboxPage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* ({ cursor, limit }, { answerBytesMax }) {
      const blocked = yield* BlockedEvents
      return yield* answerPage({
        list: "outbox.list",
        of: [],
        place,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) => blocked.listBlocked({ limit, after }),
        encode: ({ asideAt, createdAt, entityKey: _, subject, ...row }) => ({
          ...row,
          subject: subject.toWellFormed(),
          createdDate: formatDate(createdAt),
          asideDate: formatDate(asideAt)
        })
      })
    })
  }),
  operation({
    family: "admin",
    name: "outbox.release",
    about: "Decides about an event that was set aside: to the end of the outbox once more, or dropped for good.",
    request: ReleaseOutbox,
    answer: ReleaseAnswer,
    errors: ["EVENT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ action, id }, { caller }) {
      const blocked = yield* BlockedEvents
      return yield* blocked.releaseBlocked(id, action, caller)
    })
  })
]
