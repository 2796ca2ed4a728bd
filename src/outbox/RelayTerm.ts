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
 *
 * A row that is no event of this service, and one that the server has refused three times, is set aside and
 * told of: what stands behind it goes on. While the audit's keys cannot be read, checkpoints alone wait.
 * What was not answered, or not in time, is no refusal.
 */
import { Clock, Effect, Metric } from "effect"
import { Replica } from "../observability/Replica.ts"
import { Tracing } from "../observability/Tracing.ts"
import { Outbox, type OutboxRow } from "../store/Outbox.ts"
import { OwnCheckpoints } from "../store/OwnCheckpoints.ts"
import { isCheckpoint } from "./AnnouncedCheckpoint.ts"
import { blockedEvent, isTold } from "./BlockedEvent.ts"
import { conclude, entityOf, type Refused, sendable, wavesOf } from "./Chain.ts"
import { EventLog, type StreamKind, streamKinds } from "./EventLog.ts"
import { foreignness, forgery } from "./OwnEvent.ts"
import * as PublishSpans from "./PublishSpans.ts"

/** Rows looked at when the first ones must all wait. */
const windowMax = 16_384
/** How long a row, and what follows it of its entity, rests after the stream refused it. */
const restMs = 1_000
/** Refusals by the server after which a row is set aside. */
export const refusalsMax = 3
/** Rows set aside in one transaction. */
const asidePieceMax = 100
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
const asideTotal = Metric.counter("cm_outbox_set_aside_total", {
  description: "Rows that were set aside, by reason: refused, or not an event of this service",
  incremental: true
})

export interface Round {
  /** Rows that have left the outbox, one way or the other. */
  readonly sent: number
  /** There may be more to send at once. */
  readonly hasMore: boolean
  readonly trouble: string | null
}

const refusedBy = (
  rows: ReadonlyArray<OutboxRow>,
  reasonOf: (row: OutboxRow) => string | null
): ReadonlyArray<Refused> =>
  rows.flatMap((row) => {
    const reason = reasonOf(row)
    return reason === null ? [] : [{ row, reason }]
  })

const without = (rows: ReadonlyArray<OutboxRow>, refused: ReadonlyArray<Refused>): ReadonlyArray<OutboxRow> => {
  if (refused.length === 0) return rows
  const ids = new Set(refused.map(({ row }) => row.id))
  return rows.filter(({ id }) => !ids.has(id))
}

export const make = Effect.fnUntraced(function* (term: number, batchMax: number) {
  const outbox = yield* Outbox
  const log = yield* EventLog
  const checkpoints = yield* OwnCheckpoints
  const clock = yield* Clock.Clock

  /** In a stream, but its row may still be in the outbox. Bounded by what is after the saved positions. */
  const inStream = new Set<string>()
  /** Up to here each stream is known. */
  const ends = new Map<StreamKind, number>()
  const unread = new Set<StreamKind>(streamKinds)
  const saved = new Map<StreamKind, number>()
  /** Rows that were refused and are tried again. Bounded by what is in the window; forgotten when they leave. */
  const refusals = new Map<number, { count: number; restsUntil: number }>()
  const { instance } = yield* Replica
  const publishing = PublishSpans.make(yield* Tracing)
  let window = batchMax
  let savedAt = 0

  const read = Effect.fnUntraced(function* (kind: StreamKind) {
    const known = ends.get(kind) ?? (yield* outbox.position(kind)) ?? 0
    const tail = yield* log.readAfter(kind, known)
    for (const eventId of tail.eventIds) inStream.add(eventId)
    ends.set(kind, tail.last)
    unread.delete(kind)
  })

  const appendOnce = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>) {
    // Until the outcome is known, it is not.
    unread.add(kind)
    const last = ends.get(kind)!
    const told = publishing(rows)
    const outcomes = yield* log.append(kind, last, rows)
    told?.(outcomes)
    const concluded = conclude(rows, outcomes, last)
    ends.set(kind, concluded.last)
    if (concluded.isKnown) unread.delete(kind)
    for (const { eventId } of concluded.sent) inStream.add(eventId)
    const written = concluded.sent.length - concluded.duplicates
    yield* Metric.update(Metric.withAttributes(published, { stream: kind }), written)
    yield* Metric.update(retried, rows.length - concluded.sent.length - concluded.left.length)
    yield* Metric.update(recovered, concluded.duplicates)
    return concluded
  })

  /** Wave by wave, without what is refused on the way, up to the first that did not go as it should. */
  const append = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>) {
    const sent: Array<OutboxRow> = []
    const refused: Array<Refused> = []
    const stopped = new Set<string>()
    for (const wave of wavesOf(rows)) {
      let open = wave.filter((row) => !stopped.has(entityOf(row)))
      while (open.length > 0) {
        const concluded = yield* appendOnce(kind, open)
        sent.push(...concluded.sent)
        if (concluded.refused !== null) {
          refused.push(concluded.refused)
          stopped.add(entityOf(concluded.refused.row))
        }
        if (!concluded.isKnown) return { sent, refused, trouble: concluded.trouble }
        open = concluded.left.slice()
      }
    }
    return { sent, refused, trouble: null }
  })

  /** Counts a refusal; answers whether it was the last that is waited for. */
  const isRefusedForGood = ({ row }: Refused, now: number): boolean => {
    const count = (refusals.get(row.id)?.count ?? 0) + 1
    refusals.set(row.id, { count, restsUntil: now + restMs })
    return count >= refusalsMax
  }

  const setAside = Effect.fnUntraced(function* (refused: ReadonlyArray<Refused>, now: number) {
    for (let start = 0; start < refused.length; start += asidePieceMax) {
      const piece = refused.slice(start, start + asidePieceMax)
      yield* outbox.setAside(
        term,
        piece.map(({ reason, row }) => ({ id: row.id, reason })),
        piece.filter(({ row }) => isTold(row)).map(({ reason, row }) => blockedEvent(instance, row, reason, now))
      )
      for (const { reason, row } of piece) {
        refusals.delete(row.id)
        yield* Metric.update(Metric.withAttributes(asideTotal, { reason }), 1)
        yield* Effect.logError("an event cannot be published and was set aside").pipe(
          Effect.annotateLogs({ tenantId: row.tenantId, eventId: row.eventId, id: row.id, reason })
        )
      }
    }
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
    const seen = yield* outbox.unsent(window)
    const sawAll = seen.length < window
    // A stranger's row says nothing of this service, held or not: it holds nobody back.
    const foreign = refusedBy(seen, (row) => foreignness(instance, row))
    yield* setAside(foreign, now)
    const rows = without(seen, foreign)
    const found = rows.filter(({ eventId }) => inStream.has(eventId))
    const rest = found.length === 0 ? rows : rows.filter(({ eventId }) => !inStream.has(eventId))
    const judges = !rest.some(isCheckpoint) || (yield* Effect.isSuccess(checkpoints.ready))
    const waits = (row: OutboxRow) => (refusals.get(row.id)?.restsUntil ?? 0) > now || (!judges && isCheckpoint(row))
    const candidates = sendable(rest, waits, batchMax)
    // Only of what would leave now: a signature takes as long to check as many rows take to look at.
    const forged = refusedBy(candidates, (row) => forgery(checkpoints.isOwn, row))
    yield* setAside(forged, now)
    const chosen = without(candidates, forged)
    const concluded = yield* Effect.forEach(
      streamKinds,
      (kind) =>
        append(
          kind,
          chosen.filter(({ stream }) => stream === kind)
        ),
      { concurrency: "unbounded" }
    )
    const sent = concluded.flatMap((one) => one.sent)
    yield* Metric.update(recovered, found.length)
    yield* mark([...found, ...sent], sawAll)
    if (refusals.size > 0) for (const { id } of sent) refusals.delete(id)
    const refused = concluded.flatMap((one) => one.refused)
    yield* Metric.update(refusedTotal, refused.length)
    const aside = refused.filter((one) => isRefusedForGood(one, now))
    yield* setAside(aside, now)
    yield* savePositions(now)
    const strange = foreign.length + forged.length
    const progress = found.length + sent.length + strange + aside.length > 0
    window = progress || sawAll ? batchMax : Math.min(window * 2, windowMax)
    const result: Round = {
      sent: sent.length + strange + aside.length,
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
