/**
 * Work on many things that leaves the thread to others meanwhile.
 *
 * It is written once, as a generator that yields where it may be left: `atOnce` walks through it, `run` leaves it
 * after each piece of so many such places. The order of the things and what comes of each are the same.
 *
 * - What is no more than a piece is done at once.
 * - Of all that is done in pieces, one piece is done in a turn of the event loop, first come, first served: however
 *   many lists are under way, the thread has a piece of one of them in hand.
 * - What holds rows of the database meanwhile (`runLocked`) has turns of its own: it waits for others of its kind, and
 *   not for whatever else a flood asks, while a tenant's changes wait for it and the time of its transaction runs.
 */
import { Effect, Semaphore } from "effect"

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

/** The thread is one, and so is the turn of what is done in pieces. */
const oneAtATime = () => Semaphore.makeUnsafe(1)
const [turnOfAll, turnOfLocked] = [oneAtATime(), oneAtATime()]

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

const inTurns = <A>(turn: Semaphore.Semaphore, count: number, pieces: Pieces<A>, size = pieceMax): Effect.Effect<A> => {
  if (count <= size) return Effect.sync(() => atOnce(pieces))
  const next: Effect.Effect<Done<A> | null> = turn.withPermit(
    Effect.flatMap(
      Effect.sync(() => piece(pieces, size)),
      (done) => Effect.as(Effect.yieldNow, done)
    )
  )
  const rest: Effect.Effect<A> = Effect.flatMap(next, (done) => (done === null ? rest : Effect.succeed(done.value)))
  return rest
}

/** `count`: how many things there are. */
export const run = <A>(count: number, pieces: Pieces<A>, size = pieceMax): Effect.Effect<A> =>
  inTurns(turnOfAll, count, pieces, size)

/** The same inside a transaction. */
export const runLocked = <A>(count: number, pieces: Pieces<A>): Effect.Effect<A> => inTurns(turnOfLocked, count, pieces)
