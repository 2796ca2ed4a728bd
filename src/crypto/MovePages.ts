/**
 * Rows under one key, moved page after page, no faster than a rate.
 *
 * Each page begins after the rows of the one before: those that were moved stay in the index for a while, and would
 * be read again at every page. While one is written, the next one is made and the one behind that is read, so that neither
 * the thread nor the database waits for the other. A walk begins anew, for what came behind its place, until one does
 * nothing or another replica has taken over.
 */
import { Clock, Duration, Effect, Metric } from "effect"
import type { StoreUnavailable } from "../store/StoreError.ts"
import * as RotationPlan from "./RotationPlan.ts"

/** A page of rows as they were read. */
export interface Rows<Row> {
  readonly rows: ReadonlyArray<Row>
  /** The next page begins after it. Null: there is none. */
  readonly last: Row | null
}

/** One that is not full is the last. */
export const pageOf = <Row>(rows: ReadonlyArray<Row>, isFull: boolean): Rows<Row> => ({
  rows,
  last: isFull ? (rows.at(-1) ?? null) : null
})

/** What is to be done with a page. */
export interface Page<Move> {
  readonly moves: ReadonlyArray<Move>
  /** Rows that cannot be moved, met for the first time. */
  readonly givenUp: number
  /** What is behind it cannot be moved now. */
  readonly isEnd: boolean
}

/** Rows of one kind under one key. */
export interface Moving<Row, Move, E> {
  readonly read: (after: Row | null) => Effect.Effect<Rows<Row>, E>
  readonly make: (rows: ReadonlyArray<Row>) => Effect.Effect<Page<Move>, E>
  /** Answers how many were moved. */
  readonly write: (moves: ReadonlyArray<Move>) => Effect.Effect<number, E>
}

const nothing = Effect.succeed(null)

/** A claim that is older than this part of its time is renewed before the next page. */
const renewAfter = 1 / 3

const moved = Metric.counter("cm_key_rows_moved_total", {
  description: "Rows moved to a new key by this replica",
  incremental: true
})
/** `claim` tells, and renews for `claimMs`, that this replica is still the one who moves. */
export const make = (claim: Effect.Effect<boolean, StoreUnavailable>, claimMs: number, rowsPerSecond: number) => {
  /** When the claim was last had. Nobody else can have it before it has run out, so it is not asked for at each page. */
  let claimedAtMs = Number.NEGATIVE_INFINITY
  const claimNow = Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const isOurs = yield* claim
    claimedAtMs = isOurs ? before : Number.NEGATIVE_INFINITY
    return isOurs
  })
  const claimed = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now - claimedAtMs < claimMs * renewAfter && now >= claimedAtMs ? Effect.succeed(true) : claimNow
  )

  return Effect.fnUntraced(function* <Row, Move, E>({ make, read, write }: Moving<Row, Move, E>) {
    const readBehind = (rows: Rows<Row> | null): Effect.Effect<Rows<Row> | null, E> =>
      rows === null || rows.last === null ? nothing : read(rows.last)
    const first = Effect.suspend(() => read(null)).pipe(
      Effect.flatMap((rows) => Effect.all([make(rows.rows), readBehind(rows)], { concurrency: 2 }))
    )
    let [page, ahead] = yield* first
    let isIdle = true
    for (;;) {
      if (!(yield* claimed)) return
      const before = yield* Clock.currentTimeMillis
      const { givenUp, moves } = page
      const upcoming = page.isEnd ? null : ahead
      const [movedRows, next, behind] = yield* Effect.all(
        [write(moves), upcoming === null ? nothing : make(upcoming.rows), readBehind(upcoming)],
        { concurrency: 3 }
      )
      const rows = movedRows + givenUp
      if (rows > 0) isIdle = false
      yield* Metric.update(moved, movedRows)
      if (next === null && isIdle) return
      const tookMs = (yield* Clock.currentTimeMillis) - before
      const pauseMs = RotationPlan.pauseMs(rows, tookMs, rowsPerSecond)
      if (pauseMs > 0) yield* Effect.sleep(Duration.millis(pauseMs))
      if (next === null) isIdle = true
      ;[page, ahead] = next === null ? yield* first : [next, behind]
    }
  })
}
