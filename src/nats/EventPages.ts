/**
 * One tenant's events, page by page, for whoever goes on where it stopped.
 *
 * A place is `<when the stream was made>-<sequence>`, so that a place of a stream that was made anew is known for
 * what it is. A place whose successors may have left the stream is gone, and so is one that never was:
 * nothing is skipped in silence. Pages come from any copy of the stream, which may be behind; an empty page
 * moves the place on only when the stream's leader has nothing for the tenant either.
 */
import { jetstreamManager, type MsgRequest } from "@nats-io/jetstream"
import { Context, Data, DateTime, Duration, Effect, Layer } from "effect"
import { Replica } from "../observability/Replica.ts"
import * as DirectGet from "./DirectGet.ts"
import { Nats } from "./Nats.ts"
import { Streams } from "./Streams.ts"

const readLimit = Duration.seconds(3)

export class EventsUnavailable extends Data.TaggedError("EventsUnavailable")<{}> {}
export class PlaceGone extends Data.TaggedError("PlaceGone")<{}> {}

export interface EventPage {
  readonly messages: ReadonlyArray<DirectGet.StoredMessage & { readonly place: string }>
  /** Where to go on. */
  readonly last: string
  readonly more: boolean
}

export class EventPages extends Context.Service<
  EventPages,
  {
    /** What follows `after`, at most `count`; without a place nothing, and where the stream ends now. */
    readonly read: (
      tenantId: string,
      after: string | null,
      count: number
    ) => Effect.Effect<EventPage, EventsUnavailable | PlaceGone>
  }
>()("cm/nats/EventPages") {}

const placePattern = /^([0-9a-z]{1,16})-(0|[1-9][0-9]{0,15})$/u

/** The time as the server writes it, to the millisecond. */
const bornOf = (created: string): string =>
  DateTime.make(created).pipe((found) =>
    found._tag === "Some" ? DateTime.toEpochMillis(found.value).toString(36) : "0"
  )

const make = Effect.gen(function* () {
  // Readers' pages must not stand before a lease: never `control`.
  const { events: connection, inboxPrefix } = yield* Nats
  const manager = yield* Effect.promise(() =>
    jetstreamManager(connection, { timeout: Duration.toMillis(readLimit), checkAPI: false })
  )
  const { events: stream } = yield* Streams
  const { instance } = yield* Replica
  const directGet = yield* DirectGet.make(connection, inboxPrefix)
  const ask = <A>(request: () => Promise<A>) =>
    Effect.tryPromise({ try: request, catch: () => new EventsUnavailable() }).pipe(
      Effect.timeoutOrElse({ duration: readLimit, orElse: () => Effect.fail(new EventsUnavailable()) })
    )

  /** By the word of the stream's leader. */
  const leaderHasMore = (subject: string, sequence: number) =>
    ask(async () => {
      // The library sends the request as it is; its types know the second field for direct gets only.
      const request = { seq: sequence, next_by_subj: subject } as MsgRequest
      return (await manager.streams.getMessage(stream, request)) !== null
    })

  const read = Effect.fnUntraced(function* (tenantId: string, after: string | null, count: number) {
    const { created, state } = yield* ask(() => manager.streams.info(stream))
    const born = bornOf(String(created))
    const end = `${born}-${state.last_seq}`
    if (after === null) return { messages: [], last: end, more: false }
    const [, bornThen, text] = placePattern.exec(after) ?? []
    const sequence = Number(text)
    if (bornThen !== born || sequence > state.last_seq || sequence + 1 < state.first_seq) return yield* new PlaceGone()
    if (sequence === state.last_seq) return { messages: [], last: end, more: false }
    const subject = `${instance}.events.v1.${tenantId}.>`
    const { complete, messages } = yield* directGet.ofSubject(stream, subject, sequence + 1, count, readLimit)
    if (!complete && messages.length === 0) return yield* new EventsUnavailable()
    const placed = messages.map((message) => ({ ...message, place: `${born}-${message.sequence}` }))
    const last = placed.at(-1)?.place
    if (last !== undefined) return { messages: placed, last, more: messages.length >= count }
    const isBehind = yield* leaderHasMore(subject, sequence + 1)
    return { messages: [], last: isBehind ? after : end, more: isBehind }
  })
  return EventPages.of({ read })
})

/** Needs `Nats`, `Streams`, `Replica`. */
export const layer: Layer.Layer<EventPages, never, Nats | Streams | Replica> = Layer.effect(EventPages, make)
