/**
 * How far the moving of rows is, kept by the one who moves.
 *
 * A run begins with a rotation, or when the mover finds rows to move and the run before is over; it
 * ends when none is left. Its total is counted once, after it began, in statements that read so many
 * rows and no more: no request waits for it, and no table is too large for it. What is moved is added
 * by each move in its own transaction, so a kill loses no part of the number.
 */
import { Effect } from "effect"
import { countKeysMax, type KeyRotationStore } from "../store/KeyRotationStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"

/** Rows that one statement counts at most: some milliseconds along an index. */
const sliceRows = 20_000

/** `claim` tells, and renews, that this replica is still the one who moves. */
export const make = (
  store: Pick<
    KeyRotationStore["Service"],
    "mark" | "beginMark" | "setLeft" | "endMark" | "movableKeys" | "countMovableUnder" | "countMovableSlice"
  >,
  claim: Effect.Effect<boolean, StoreUnavailable>,
  sliceMax = sliceRows
) => {
  const countInSlices = Effect.fnUntraced(function* (keyId: string) {
    let rows = 0
    for (let after: string | null = null; ; ) {
      const slice: { readonly rows: number; readonly next: string | null } = yield* store.countMovableSlice(
        keyId,
        after,
        sliceMax
      )
      rows += slice.rows
      if (slice.next === null || !(yield* claim)) return rows
      after = slice.next
    }
  })

  /** Many keys with few rows in one statement; where it reaches its limit, the halves. */
  const countUnder = (keyIds: ReadonlyArray<string>): Effect.Effect<number, StoreUnavailable> =>
    Effect.flatMap(store.countMovableUnder(keyIds, sliceMax), (rows) => {
      const [only] = keyIds
      if (rows < sliceMax || only === undefined) return Effect.succeed(rows)
      if (keyIds.length === 1) return countInSlices(only)
      const half = Math.ceil(keyIds.length / 2)
      return Effect.zipWith(countUnder(keyIds.slice(0, half)), countUnder(keyIds.slice(half)), (a, b) => a + b)
    })

  /** Null: another replica has taken over. */
  const countAll = Effect.gen(function* () {
    let rows = 0
    for (let after: string | null = null; ; ) {
      const keys: ReadonlyArray<{ readonly keyId: string }> = yield* store.movableKeys({ limit: countKeysMax, after })
      rows += yield* countUnder(keys.map(({ keyId }) => keyId))
      if (!(yield* claim)) return null
      const last = keys.at(-1)
      if (keys.length < countKeysMax || last === undefined) return rows
      after = last.keyId
    }
  })

  /** Begins, counts or ends a run, whatever is due. Before anything is moved. */
  const keep = Effect.gen(function* () {
    const mark = yield* store.mark
    const [first] = yield* store.movableKeys({ limit: 1, after: null })
    if (first === undefined) {
      if (mark !== undefined && !mark.isOver) yield* store.endMark(mark.startedAt)
      return
    }
    if (mark === undefined || mark.isOver) yield* store.beginMark
    const run = yield* store.mark
    if (run === undefined || run.total !== null) return
    const left = yield* countAll
    if (left !== null) yield* store.setLeft(run.startedAt, left)
  })

  return { keep }
}
