/**
 * Work on many things that leaves the thread to others meanwhile.
 *
 * It is written once, as a generator that yields where it may be left: `atOnce` walks through it, `run` leaves it
 * after each piece of so many such places. The order of the things and what comes of each are the same.
 *
 * - What is no more than a piece is done at once.
 * - Of all that is done in pieces, one piece is done in a turn of the event loop, first come, first served: however
 *   many lists are under way, the thread has a piece of one of them in hand. Where a turn is long by what others do in it,
 *   it has more than one, for an eighth of what the turn before took of the processor: pieces would come to nothing
 *   between long turns.
 * - What holds rows of the database meanwhile (`runLocked`) has turns of its own: it waits for others of its kind, and
 *   not for whatever else a flood asks, while a tenant's changes wait for it and the time of its transaction runs.
 * - So has the relay of events (`runEvents`): all tenants' events wait for it.
 */
import { threadCpuUsage } from "node:process"
import { Clock, Effect, Semaphore } from "effect"

/** Things of one piece: some 5 us each. */
export const pieceMax = 64
/** Of things that take a microsecond. */
export const lightPieceMax = 256

export type Pieces<A> = Generator<void, A, void>

/** `items.map(of)`; after each item it may be left. */
export function* map<A, B>(items: ReadonlyArray<A>, of: (item: A, index: number) => B): Pieces<ReadonlyArray<B>> {
  const results: Array<B> = []
  for (const [index, item] of items.entries()) {
    results.push(of(item, index))
    yield
  }
  return results
}

export const atOnce = <A>(pieces: Pieces<A>): A => {
  for (;;) {
    const { done, value } = pieces.next()
    if (done === true) return value
  }
}

/** Of a turn of the event loop that others made long, so much goes to each kind of work in pieces. */
const [longTurnMs, partOfTurn] = [4, 1 / 8]
/** Who goes on at once does so within that. */
const freshMs = 1

/**
 * Milliseconds for pieces in a turn, by the turn before it: how long it was, what the thread worked in it, and what of that
 * were pieces, of whichever kind. What other programs take of a turn makes it no longer. The thread's clock moves in steps of some
 * milliseconds, so `workedMs` is right on the average.
 */
export const roomMs = (turn: { readonly ms: number; readonly workedMs: number; readonly piecesMs: number }): number => {
  const othersMs = Math.min(turn.ms, turn.workedMs) - turn.piecesMs
  return othersMs < longTurnMs ? 0 : othersMs * partOfTurn
}

/** Processor time of this thread, in milliseconds. */
const threadMs = (): number => {
  const { system, user } = threadCpuUsage()
  return (user + system) / 1_000
}

/** What all lanes of a thread have spent in pieces. */
interface Thread {
  piecesMs: number
}

/** The thread is one, and so is the turn of what is done in pieces of a kind. */
export class Lane {
  readonly turn = Semaphore.makeUnsafe(1)
  private readonly thread: Thread
  private readonly workedMs: () => number
  /** When its last piece ended, and what all had worked then. */
  private ended = { ms: 0, workedMs: 0, piecesMs: 0 }
  /** When the turn of the loop came that it waited for, and the room in it. */
  private resumedAt = Number.NEGATIVE_INFINITY
  private room = 0

  constructor(thread: Thread, workedMs = threadMs) {
    this.thread = thread
    this.workedMs = workedMs
  }

  /** One piece of the turn, or as many as fit into its room. `nowMs` goes forward only. */
  work<A>(pieces: Pieces<A>, size: number, nowMs: () => number): Done<A> | null {
    const began = nowMs()
    const since = began - this.resumedAt
    // A turn that lies behind says nothing of this one.
    const room = since >= 0 && since < freshMs ? this.room : 0
    let done = piece(pieces, size)
    while (done === null && nowMs() - began < room) done = piece(pieces, size)
    const ms = nowMs()
    this.thread.piecesMs += ms - began
    this.ended = { ms, workedMs: this.workedMs(), piecesMs: this.thread.piecesMs }
    return done
  }

  /** The next turn has come. */
  resume(nowMs: () => number): void {
    this.resumedAt = nowMs()
    this.room = roomMs({
      ms: this.resumedAt - this.ended.ms,
      workedMs: this.workedMs() - this.ended.workedMs,
      piecesMs: this.thread.piecesMs - this.ended.piecesMs
    })
  }
}

const thread: Thread = { piecesMs: 0 }
const [all, locked, events] = [new Lane(thread), new Lane(thread), new Lane(thread)]

interface Done<A> {
  readonly value: A
}

const piece = <A>(pieces: Pieces<A>, size: number): Done<A> | null => {
  for (let left = size; left > 0; left--) {
    const { done, value } = pieces.next()
    if (done === true) return { value }
  }
  return null
}

const inTurns = <A>(lane: Lane, count: number, pieces: Pieces<A>, size = pieceMax): Effect.Effect<A> => {
  if (count <= size) return Effect.sync(() => atOnce(pieces))
  const next: Effect.Effect<Done<A> | null> = lane.turn.withPermit(
    Effect.flatMap(Clock.Clock, (clock) => {
      const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      const done = lane.work(pieces, size, nowMs)
      return Effect.map(Effect.yieldNow, () => {
        lane.resume(nowMs)
        return done
      })
    })
  )
  const rest: Effect.Effect<A> = Effect.flatMap(next, (done) => (done === null ? rest : Effect.succeed(done.value)))
  return rest
}

/** `count`: how many things there are. */
export const run = <A>(count: number, pieces: Pieces<A>, size = pieceMax): Effect.Effect<A> =>
  inTurns(all, count, pieces, size)

/** The same inside a transaction. */
export const runLocked = <A>(count: number, pieces: Pieces<A>): Effect.Effect<A> => inTurns(locked, count, pieces)

/** The same for the rows of the outbox. */
export const runEvents = <A>(count: number, pieces: Pieces<A>, size = pieceMax): Effect.Effect<A> =>
  inTurns(events, count, pieces, size)
