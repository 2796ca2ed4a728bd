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
 *
 * Longer than 300 lines because what is known of a stream, what is published and what is marked are one state.
 */
import { Clock, Effect, Fiber, Metric } from "effect"
import * as Pieces from "../observability/Pieces.ts"
import { Replica } from "../observability/Replica.ts"
import { Tracing } from "../observability/Tracing.ts"
import { Outbox, type OutboxRow, type TermLost } from "../store/Outbox.ts"
import { OwnCheckpoints } from "../store/OwnCheckpoints.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { isCheckpoint } from "./AnnouncedCheckpoint.ts"
import { blockedEvent, isTold } from "./BlockedEvent.ts"
import { conclude, entityOf, type Refused, sendable, wavesOf } from "./Chain.ts"
import { EventLog, type StreamKind, streamKinds } from "./EventLog.ts"
import { foreignness, forgery } from "./OwnEvent.ts"
import type { Pace } from "./Pace.ts"
import * as PublishSpans from "./PublishSpans.ts"

/** Rows looked at when the first ones must all wait. */
const windowMax = 16_384
/** Rows that are published and marked together, and rows of a look, in windows of what is on its way at a time. */
const [windowsOfPiece, windowsOfPage] = [4, 16]
/** Of a look: fewer rows, if they are large. */
const pageBytesMax = 8_388_608
/** A look after that is a new round: the term is renewed in between. */
const roundMs = 500
/**
 * Of a piece nothing is sent after that, nor after a fifth of the term's time: a stream that is slow and answers would keep
 * it going beyond the term, and what is marked then is marked in vain.
 */
const [pieceMs, pieceOfTerm] = [1_000, 0.2]
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

type Marking = Fiber.Fiber<void, StoreUnavailable | TermLost> | null
type Reading = Fiber.Fiber<ReadonlyArray<OutboxRow>, StoreUnavailable | TermLost> | null

/** How far it has come. */
interface Published {
  readonly marking: Marking
  /** The next page. */
  readonly reading: Reading
  /** Ids of what is being marked while that is read. */
  readonly onTheWay: ReadonlySet<number>
  readonly sent: number
  readonly refused: ReadonlyArray<Refused>
  readonly trouble: string | null
  /** All that was published stands in its place. */
  readonly isPlain: boolean
  readonly isLeft: boolean
  /** Not all was published, and for want of time alone. */
  readonly isLate: boolean
}

interface Appended {
  readonly sent: ReadonlyArray<OutboxRow>
  readonly refused: ReadonlyArray<Refused>
  readonly trouble: string | null
  /** The time was over before all were sent. */
  readonly isCut: boolean
}

const nothingPublished: Published = {
  ...{ marking: null, reading: null, onTheWay: new Set<number>(), sent: 0 },
  ...{ refused: [], trouble: null, isPlain: true, isLeft: false, isLate: false }
}

const awaited = (marking: Marking) => (marking === null ? Effect.void : Fiber.join(marking))

const refusedBy = (
  rows: ReadonlyArray<OutboxRow>,
  reasonOf: (row: OutboxRow, at: number) => string | null
): ReadonlyArray<Refused> => {
  const refused: Array<Refused> = []
  for (const [at, row] of rows.entries()) {
    const reason = reasonOf(row, at)
    if (reason !== null) refused.push({ row, reason })
  }
  return refused
}

const without = (rows: ReadonlyArray<OutboxRow>, refused: ReadonlyArray<Refused>): ReadonlyArray<OutboxRow> => {
  if (refused.length === 0) return rows
  const ids = new Set(refused.map(({ row }) => row.id))
  return rows.filter(({ id }) => !ids.has(id))
}

/** `ttlMs` is the term's time. */
export const make = Effect.fnUntraced(function* (term: number, batchMax: number, pace: Pace, ttlMs: number) {
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
  const pieceMaxMs = Math.min(pieceMs, ttlMs * pieceOfTerm)
  const monotonicMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const publishing = PublishSpans.make(yield* Tracing)
  const [pieceMax, pageMax] = [windowsOfPiece * batchMax, Math.min(windowsOfPage * batchMax, windowMax)]
  // Rows may be large: how large they are is not known before the first look.
  let page = batchMax
  let window = page
  /** What is read and not published in time is read again: fewer rows then, and more again when all of them were. */
  let pageOfTime = pageMax
  let savedAt = 0

  const read = Effect.fnUntraced(function* (kind: StreamKind) {
    const known = ends.get(kind) ?? (yield* outbox.position(kind)) ?? 0
    const tail = yield* log.readAfter(kind, known)
    for (const eventId of tail.eventIds) inStream.add(eventId)
    ends.set(kind, tail.last)
    unread.delete(kind)
  })

  const appendOnce = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>, until: number) {
    // Until the outcome is known, it is not.
    unread.add(kind)
    const last = ends.get(kind)!
    const told = publishing(rows)
    const outcomes = yield* log.append(kind, last, rows, until)
    told?.(outcomes)
    const concluded = conclude(rows, outcomes, last)
    ends.set(kind, concluded.last)
    if (concluded.isKnown) unread.delete(kind)
    for (const { eventId } of concluded.sent) inStream.add(eventId)
    const written = concluded.sent.length - concluded.duplicates
    yield* Metric.update(Metric.withAttributes(published, { stream: kind }), written)
    yield* Metric.update(retried, rows.length - concluded.sent.length - concluded.left.length - concluded.unsent)
    yield* Metric.update(recovered, concluded.duplicates)
    return concluded
  })

  /** Wave by wave, without what is refused on the way, up to the first that did not go as it should, or to the time's end. */
  const append = Effect.fnUntraced(function* (kind: StreamKind, rows: ReadonlyArray<OutboxRow>, until: number) {
    const sent: Array<OutboxRow> = []
    const refused: Array<Refused> = []
    const stopped = new Set<string>()
    const appended = (trouble: string | null, isCut: boolean): Appended => ({ sent, refused, trouble, isCut })
    for (const wave of wavesOf(rows)) {
      let open = wave.filter((row) => !stopped.has(entityOf(row)))
      while (open.length > 0) {
        if (sent.length + refused.length > 0 && monotonicMs() >= until) return appended(null, true)
        const concluded = yield* appendOnce(kind, open, until)
        sent.push(...concluded.sent)
        if (concluded.refused !== null) {
          refused.push(concluded.refused)
          stopped.add(entityOf(concluded.refused.row))
        }
        if (!concluded.isKnown || concluded.unsent > 0) return appended(concluded.trouble, concluded.unsent > 0)
        open = concluded.left.slice()
      }
    }
    return appended(null, false)
  })

  /** Those that were refused before are tried behind the others, each with what follows it of its entity. */
  const refusedLast = (rows: ReadonlyArray<OutboxRow>): ReadonlyArray<OutboxRow> => {
    if (refusals.size === 0) return rows
    const entities = new Set(rows.filter(({ id }) => refusals.has(id)).map(entityOf))
    const isLast = (row: OutboxRow) => entities.has(entityOf(row))
    return entities.size === 0 ? rows : [...rows.filter((row) => !isLast(row)), ...rows.filter(isLast)]
  }

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

  /** Rows of the next look, by how large those of this one were. */
  const pageAfter = (seen: ReadonlyArray<OutboxRow>): number => {
    if (seen.length === 0) return pieceMax
    const bytes = seen.reduce((sum, { payload }) => sum + payload.length, 0)
    return Math.max(batchMax, Math.min(pageOfTime, Math.floor((pageBytesMax * seen.length) / Math.max(1, bytes))))
  }

  const mark = Effect.fnUntraced(function* (rows: ReadonlyArray<OutboxRow>) {
    if (rows.length === 0) return
    yield* outbox.markSent(
      term,
      rows.map(({ id }) => id)
    )
    for (const { eventId } of rows) inStream.delete(eventId)
    if (refusals.size > 0) for (const { id } of rows) refusals.delete(id)
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

  /** What of the rows that were seen leaves now; what no stream shall have is set aside. */
  const choose = Effect.fnUntraced(function* (seen: ReadonlyArray<OutboxRow>, now: number) {
    // A stranger's row says nothing of this service, held or not: it holds nobody back.
    const reasons = yield* Pieces.runEvents(
      seen.length,
      Pieces.map(seen, (row) => foreignness(instance, row)),
      Pieces.lightPieceMax
    )
    const foreign = refusedBy(seen, (_, at) => reasons[at]!)
    yield* setAside(foreign, now)
    const rows = without(seen, foreign)
    const found = inStream.size === 0 ? [] : rows.filter(({ eventId }) => inStream.has(eventId))
    const rest = found.length === 0 ? rows : rows.filter(({ eventId }) => !inStream.has(eventId))
    const judges = !rest.some(isCheckpoint) || (yield* Effect.isSuccess(checkpoints.ready))
    const waits = (row: OutboxRow) => (refusals.get(row.id)?.restsUntil ?? 0) > now || (!judges && isCheckpoint(row))
    const candidates = sendable(rest, waits, pageMax)
    // Only of what would leave now: a signature takes as long to check as many rows take to look at.
    const forged = refusedBy(candidates, (row) => forgery(checkpoints.isOwn, row))
    yield* setAside(forged, now)
    const chosen = refusedLast(without(candidates, forged))
    return { found, chosen, strange: foreign.length + forged.length, isLeft: rest.length > chosen.length }
  })

  const appendAll = Effect.fnUntraced(function* (chosen: ReadonlyArray<OutboxRow>) {
    const until = monotonicMs() + pieceMaxMs
    const concluded = yield* Effect.forEach(
      streamKinds,
      (kind) =>
        append(
          kind,
          chosen.filter(({ stream }) => stream === kind),
          until
        ),
      { concurrency: "unbounded" }
    )
    return {
      sent: concluded.flatMap((one) => one.sent),
      refused: concluded.flatMap((one) => one.refused),
      trouble: concluded.reduce<string | null>((first, one) => first ?? one.trouble, null),
      isCut: concluded.some(({ isCut }) => isCut)
    } satisfies Appended
  })

  /**
   * In pieces: while one is published, the one before is marked; while the last is, the next page is read, of so many rows
   * as `nextLimit` says. Nothing is begun once something did not go as it should, or the time is over. What was found is
   * marked first: it must not be lost with a term that ends meanwhile.
   */
  const publishPage = Effect.fnUntraced(function* (
    { chosen, found }: { readonly chosen: ReadonlyArray<OutboxRow>; readonly found: ReadonlyArray<OutboxRow> },
    before: Marking,
    nextLimit: number | null,
    until: number
  ) {
    let marking = before
    if (found.length > 0) {
      yield* awaited(marking)
      marking = null
      yield* mark(found)
      yield* Metric.update(recovered, found.length)
    }
    let reading: Reading = null
    for (let [done, sent] = [0, 0]; ; ) {
      const piece = chosen.slice(done, done + pieceMax)
      done += piece.length
      const isInTime = clock.currentTimeMillisUnsafe() < until
      if (isInTime && nextLimit !== null && piece.length > 0 && done === chosen.length) {
        const reads = Effect.andThen(awaited(marking), outbox.unsent(nextLimit))
        reading = yield* Effect.forkChild(reads, { startImmediately: true })
      }
      const appended = yield* appendAll(piece)
      yield* awaited(marking)
      marking = yield* Effect.forkChild(mark(appended.sent), { startImmediately: true })
      sent += appended.sent.length
      yield* pace(appended.sent.length, piece[0]?.createdAt ?? null)
      const isPlain = appended.sent.length === piece.length && unread.size === 0
      if (isPlain && isInTime && done < chosen.length) continue
      const { isCut, refused, trouble } = appended
      const onTheWay: ReadonlySet<number> = new Set(appended.sent.map(({ id }) => id))
      const isLeft = isCut || done < chosen.length
      const isLate = isCut || (isPlain && !isInTime && done < chosen.length)
      return { marking, reading, onTheWay, sent, refused, trouble, isPlain, isLeft, isLate }
    }
  })

  /**
   * A page is read from the beginning, by one statement: a row that is committed late stands before what its tenant
   * committed after it, and a look that began behind the last page would see those and not it. So what is marked while
   * it is read is seen again, and left out.
   */
  const round = Effect.gen(function* () {
    yield* Effect.forEach(Array.from(unread), read, { discard: true })
    const began = clock.currentTimeMillisUnsafe()
    let limit = window
    let seen = yield* outbox.unsent(limit)
    let published: Published = nothingPublished
    let [gone, progress] = [0, false]
    for (;;) {
      const now = clock.currentTimeMillisUnsafe()
      const sawAll = seen.length < limit
      page = pageAfter(seen)
      const { onTheWay } = published
      const choice = yield* choose(onTheWay.size === 0 ? seen : seen.filter(({ id }) => !onTheWay.has(id)), now)
      // Those that were refused stay in front.
      limit = page + pieceMax + refusals.size
      published = yield* publishPage(choice, published.marking, sawAll ? null : limit, began + roundMs)
      if (published.trouble === null) {
        pageOfTime = published.isLate ? Math.max(pieceMax, pageOfTime / 2) : Math.min(pageMax, pageOfTime * 2)
        page = Math.min(page, pageOfTime)
      }
      gone += choice.strange + published.sent
      progress ||= gone > 0 || choice.found.length > 0
      // A page that was read is published, unless the piece before it took far too long.
      const isInTime = clock.currentTimeMillisUnsafe() - began < 2 * roundMs
      if (published.reading !== null && published.isPlain && isInTime) {
        seen = yield* Fiber.join(published.reading)
        continue
      }
      const { marking, refused, trouble } = published
      yield* awaited(marking)
      yield* Metric.update(refusedTotal, refused.length)
      const aside = refused.filter((one) => isRefusedForGood(one, now))
      yield* setAside(aside, now)
      // Whatever else is known to be in a stream has no row any more, when all rows were seen.
      if (sawAll) inStream.clear()
      yield* savePositions(now)
      // Where the time was over behind some that were refused, the others have not been tried.
      progress ||= aside.length > 0 || (published.isLate && refused.length > 0)
      window = Math.min(progress || sawAll ? page + refusals.size : window * 2, windowMax)
      const isLeft = !sawAll || choice.isLeft || published.isLeft
      const result: Round = {
        sent: gone + aside.length,
        hasMore: (progress && isLeft) || (!progress && !sawAll && window < windowMax),
        trouble
      }
      return result
    }
  })

  return {
    term,
    /**
     * A look at the outbox, and what stands behind it. Not interruptible between appending and marking; bounded by the
     * time-outs of its parts, by `roundMs` and by `pieceMs`.
     */
    round: Effect.uninterruptible(round),
    /** For an orderly end: the next term need not read what is known. */
    end: Effect.suspend(() => savePositions(savedAt + savePositionEveryMs))
  }
})

export type RelayTerm = Effect.Success<ReturnType<typeof make>>
