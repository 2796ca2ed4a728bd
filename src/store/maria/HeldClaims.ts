/**
 * The claims of all sweeps as one replica knows them, for loops that look all the time.
 *
 * Promises:
 * - what a process has claimed is its own for half of that time without a statement;
 * - what others have is looked at by one read for all sweeps, at most once in `lookEvery`, and asked for only once it is free
 *   or over: who has nothing to do writes nothing;
 * - a claim is asked for at the first look after its end, whatever a read said by then. That it was given up before, or changed by
 *   hand, is seen within `lookEvery`.
 */
import { Clock, Duration, Effect, Exit } from "effect"
import type { StoreUnavailable } from "../StoreError.ts"
import { claimMsMax, type Sweeps } from "../Sweeps.ts"
import * as Columns from "./Columns.ts"
import type { Row, Session } from "./MariadbConnection.ts"

const lookEvery = Duration.seconds(1)

/** Those that are somebody's, and for how long still. */
const inForceSql = (marks: string): string => `SELECT sweep, replica_id, expires_at - ${Columns.nowSql}
  FROM sweep_claims
  WHERE sweep IN (${marks}) AND expires_at > ${Columns.nowSql} AND expires_at <= ${Columns.nowSql} + ${claimMsMax}`

interface Claim {
  readonly process: string
  readonly untilMs: number
}
type Reading = (
  body: (session: Session) => Promise<ReadonlyArray<Row>>
) => Effect.Effect<ReadonlyArray<Row>, StoreUnavailable>

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** @param ask makes a claim, or makes it longer, where it may */
export const make = Effect.fnUntraced(function* (ask: Sweeps["Service"]["claim"], reading: Reading) {
  const held = new Map<string, Claim>()
  /** Whatever was asked for once: a handful, named in the code. */
  const names = new Set<string>()

  const read = Effect.gen(function* () {
    // Before the read: no claim counts for longer than it is.
    const from = yield* nowMs
    const rows = yield* reading((session) => Columns.rowsIn(session, inForceSql, Array.from(names)))
    return new Map<string, Claim>(
      rows.map((row) => [
        Columns.text(row, 0),
        { process: Columns.text(row, 1), untilMs: from + Columns.whole(row, 2) }
      ])
    )
  })
  const [inForce, forgetRead] = yield* Effect.cachedInvalidateWithTTL(read, (exit) =>
    Exit.isSuccess(exit) ? lookEvery : Duration.zero
  )

  const isAnothers = Effect.fnUntraced(function* (sweep: string, process: string) {
    const claim = (yield* inForce).get(sweep)
    return claim !== undefined && claim.process !== process && (yield* nowMs) < claim.untilMs
  })

  return {
    hold: Effect.fnUntraced(function* (sweep: string, process: string, ttlMs: number) {
      const from = yield* nowMs
      const mine = held.get(sweep)?.process === process ? held.get(sweep) : undefined
      if (mine !== undefined && from < mine.untilMs) return true
      const isKnown = names.has(sweep)
      names.add(sweep)
      if (mine === undefined && isKnown && (yield* isAnothers(sweep, process))) return false
      const asked = yield* nowMs
      const isMine = yield* ask(sweep, process, ttlMs)
      if (isMine) held.set(sweep, { process, untilMs: asked + ttlMs / 2 })
      else {
        // It is somebody else's since the read.
        held.delete(sweep)
        yield* forgetRead
      }
      return isMine
    }),
    forget: (process: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        for (const [sweep, claim] of held) if (claim.process === process) held.delete(sweep)
        return forgetRead
      })
  }
})
