/**
 * One term of the relay: takes rows from the outbox, appends them to the streams, marks them.
 *
 * How an event gets into its stream exactly once, whatever dies in between:
 * - Before the first append of a term, and after every append whose outcome is not plain, the stream
 *   is read from where everything is known. What is found there is marked, never appended again.
 * - An append names the sequence it expects before it. So what a slower or deposed relay sends
 *   meanwhile is refused, or makes this one's append be refused, and then the stream is read again.
 * - The position up to which all messages are known to be marked is saved only while no message is
 *   known whose row may still be in the outbox.
 * - The server's own recognition of repeated ids covers two relays that write in the same moment. It is
 *   asked to remember for longer than a connection of a stopped process can stand.
 *
 * Order: of one entity one event is on its way at a time, and a late one is refused by its sequence; so
 * of one entity nothing overtakes, also not across terms.
 */
import { Clock, Effect, Metric } from "effect"
import { Outbox, type OutboxRow } from "../store/Outbox.ts"
import { type Conclusion, conclude, sendable, wavesOf } from "./Chain.ts"
import { EventLog, type StreamKind, streamKinds } from "./EventLog.ts"

/** Rows looked at when the first ones must all wait. */
const windowMax = 16_384
/** How long a tenant is left alone after the stream refused one of its rows. */
const setAsideMs = 30_000
const savePositionEveryMs = 1_000

// ---- metrics ------------------------------------------------------------------
const published = Metric.counter("cm_outbox_published_total", {
  description: "Events written to their stream",
  incremental: true
})
const retried = Metric.counter("cm_outbox_retried_total", {
  description: "Rows that were appended without success and stay in the outbox",
  incremental: true
})
const recovered = Metric.counter("cm_outbox_recovered_duplicates_total", {
  description: "Events found in their stream and not written again",
  incremental: true
})
const refusedTotal = Metric.counter("cm_outbox_refused_total", {
  description: "Rows that the stream will not take as they are",
  incremental: true
})

export interface Round {
  readonly sent: number
  /** There may be more to send at once. */
  readonly hasMore: boolean
  readonly trouble: string | null
}

export const make = Effect.fnUntraced(function* (term: number, batchMax: number) {
  const outbox = yield* Outbox
  const log = yield* EventLog
  const clock = yield* Clock.Clock

  /** In a stream, but its row may still be in the outbox. Bounded by what is after the saved positions. */
  const inStream = new Set<string>()
  /** Up to here each stream is known. */
  const ends = new Map<StreamKind, number>()
  const unread = new Set<StreamKind>(streamKinds)
  const saved = new Map<StreamKind, number>()
  const setAsideUntil = new Map<string, number>()
  let window = batchMax
  let savedAt = 0

  const read = Effect.fnUntraced(function* (kind: StreamKind) {
    const known = ends.get(kind) ?? (yield* outbox.position(kind)) ?? 0
    const tail = yield* log.readAfter(kind, known)
    for (const eventId of tail.eventIds) inStream.add(eventId)
    ends.set(kind, tail.last)
    unread.delete(kind)
  })

  const appendWave = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>) {
    // Until the outcome is known, it is not.
    unread.add(kind)
    const last = ends.get(kind)!
    const concluded = conclude(rows, yield* log.append(kind, last, rows), last)
    ends.set(kind, concluded.last)
    if (concluded.isKnown) unread.delete(kind)
    for (const { eventId } of concluded.sent) inStream.add(eventId)
    const written = concluded.sent.length - concluded.duplicates
    yield* Metric.update(Metric.withAttributes(published, { stream: kind }), written)
    yield* Metric.update(retried, rows.length - concluded.sent.length)
    yield* Metric.update(recovered, concluded.duplicates)
    return concluded
  })

  const setAside = Effect.fnUntraced(function* ({ reason, row }: NonNullable<Conclusion["refused"]>, now: number) {
    setAsideUntil.set(row.tenantId, now + setAsideMs)
    yield* Metric.update(refusedTotal, 1)
    yield* Effect.logError("an event cannot be published; its tenant's later events wait").pipe(
      Effect.annotateLogs({ tenantId: row.tenantId, eventId: row.eventId, subject: row.subject, reason })
    )
  })

  /** Wave by wave, up to the first that did not go as it should. */
  const append = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>, now: number) {
    const sent: Array<OutboxRow> = []
    for (const wave of wavesOf(rows)) {
      const concluded = yield* appendWave(kind, wave)
      sent.push(...concluded.sent)
      if (concluded.refused !== null) yield* setAside(concluded.refused, now)
      if (!concluded.isKnown) return { sent, trouble: concluded.trouble }
    }
    return { sent, trouble: null }
  })

  const mark = Effect.fnUntraced(function* (rows: ReadonlyArray<OutboxRow>, sawAll: boolean) {
    if (rows.length > 0) {
      yield* outbox.markSent(
        term,
        rows.map(({ id }) => id)
      )
    }
    // Whatever else is known to be in a stream has no row any more, when all rows were seen.
    if (sawAll) inStream.clear()
    else for (const { eventId } of rows) inStream.delete(eventId)
  })

  /** Says in the store how far everything is known to be marked; `now` decides whether it is time to. */
  const savePositions = Effect.fnUntraced(function* (now: number) {
    if (inStream.size > 0 || now - savedAt < savePositionEveryMs) return
    for (const [kind, end] of ends) {
      if (unread.has(kind) || saved.get(kind) === end) continue
      yield* outbox.savePosition(term, kind, end)
      saved.set(kind, end)
    }
    savedAt = now
  })

  const round = Effect.gen(function* () {
    yield* Effect.forEach(Array.from(unread), read, { discard: true })
    const now = clock.currentTimeMillisUnsafe()
    const rows = yield* outbox.unsent(window)
    const sawAll = rows.length < window
    const found = rows.filter(({ eventId }) => inStream.has(eventId))
    const rest = found.length === 0 ? rows : rows.filter(({ eventId }) => !inStream.has(eventId))
    const chosen = sendable(rest, (tenantId) => (setAsideUntil.get(tenantId) ?? 0) > now, batchMax)
    const concluded = yield* Effect.forEach(
      streamKinds,
      (kind) =>
        append(
          kind,
          chosen.filter(({ stream }) => stream === kind),
          now
        ),
      { concurrency: "unbounded" }
    )
    const sent = concluded.flatMap((one) => one.sent)
    yield* Metric.update(recovered, found.length)
    yield* mark([...found, ...sent], sawAll)
    yield* savePositions(now)
    const progress = found.length + sent.length > 0
    window = progress || sawAll ? batchMax : Math.min(window * 2, windowMax)
    const result: Round = {
      sent: sent.length,
      hasMore: (progress && (!sawAll || rest.length > chosen.length)) || (!progress && !sawAll && window < windowMax),
      trouble: concluded.reduce<string | null>((first, one) => first ?? one.trouble, null)
    }
    return result
  })

  return {
    term,
    /** One look at the outbox. Not interruptible between appending and marking; bounded by the time-outs of its parts. */
    round: Effect.uninterruptible(round),
    /** For an orderly end: the next term need not read what is known. */
    end: Effect.suspend(() => savePositions(savedAt + savePositionEveryMs))
  }
})

export type RelayTerm = Effect.Success<ReturnType<typeof make>>
