/**
 * Records first uses: what a check found Inactive becomes Active, in batches, through its tenant's actor. Of
 * tokens and of client credentials alike.
 *
 * Durable within a second while MariaDB answers, and once however many replicas saw the first use: the
 * command moves only what is still Inactive. What could not be recorded is kept and tried again. What is
 * not kept (beyond `pendingMax`, or after a bug) is `forgotten`, so that its next use is told again.
 *
 * However many tenants come alive at once, a few of them are asked at a time, piece by piece in turns: a thousand
 * transactions that wait for their connection would take it from whoever revokes, and end before they had it. So then
 * it takes longer than a second. A tenant that is slow has its place for half a second only, as long as few are.
 */
import { Data, Effect, Fiber, FiberSet, type Result, Schedule } from "effect"
import * as Loop from "../../observability/Loop.ts"
import * as Background from "./Background.ts"
import type { Command } from "./Command.ts"
import { TenantActors } from "./TenantActors.ts"
import type { Caller } from "./Tenants.ts"

/** First uses of a kind that wait to be recorded, over all tenants. */
export const pendingMax = 100_000
/** Moved in one command. */
export const pieceMax = 250
/** Tenants that are asked at a time, of those that the loop takes: others find connections free. In an orderly stop, more. */
export const [piecesAtOnce, piecesAtEnd] = [3, 10]
/** After that a tenant's piece is slow, and waits without a place, as long as fewer than so many do. */
const slowAfter = "500 millis"
export const slowMax = 3
const every = "100 millis"
/** How long an orderly stop waits for what is not recorded yet. */
const stopLimit = "5 seconds"

export interface UseRecorder {
  /** Must not wait; told twice it is recorded once. */
  readonly tellUnsafe: (tenantId: string, id: string) => void
  /**
   * Puts all that is not recorded yet of a tenant into its actor's mailbox, at once, so that a change asked
   * afterwards on this replica finds it Active. Does not wait.
   */
  readonly recordNowUnsafe: (tenantId: string) => void
}

export interface UseRecorderOptions {
  /** Of the loop, in logs and metrics. */
  readonly name: string
  readonly command: (ids: ReadonlyArray<string>, caller: Caller) => Command<unknown>
  /** Its next use is to be told again. Must not throw. */
  readonly forgotten: (id: string) => void
}

/** Records for as long as the scope lives. */
export const make = Effect.fnUntraced(function* ({ command, forgotten, name }: UseRecorderOptions) {
  const actors = yield* TenantActors
  const pending = new Map<string, Set<string>>()
  let count = 0
  let wakeUnsafe = () => {}

  const tellUnsafe = (tenantId: string, id: string): void => {
    const ids = pending.get(tenantId) ?? new Set()
    if (ids.has(id)) return
    if (count >= pendingMax) {
      forgotten(id)
      return
    }
    pending.set(tenantId, ids.add(id))
    count++
    wakeUnsafe()
  }

  const take = (tenantId: string): ReadonlyArray<string> => {
    const ids = pending.get(tenantId)
    if (ids === undefined) return []
    const piece = Array.from(ids).slice(0, pieceMax)
    for (const id of piece) ids.delete(id)
    if (ids.size === 0) pending.delete(tenantId)
    count -= piece.length
    return piece
  }

  /** Of all that were told and are neither recorded nor forgotten, those that a tenant was asked for. */
  let asked = 0
  /** Whether the rest of the tenant's may be asked for at once. */
  const recordPiece = (tenantId: string, piece: ReadonlyArray<string>): Effect.Effect<boolean> => {
    asked += piece.length
    return Effect.flatMap(Background.caller("sweep"), (caller) => actors.ask(tenantId, command(piece, caller))).pipe(
      Effect.as(true),
      Effect.catch((error) =>
        Effect.sync(() => {
          // A tenant that is gone has no first uses; everything else is tried again.
          if (error._tag !== "TenantNotFound") for (const id of piece) tellUnsafe(tenantId, id)
          return false
        })
      ),
      // A bug: logged by the actor.
      Effect.catchDefect(() =>
        Effect.sync(() => {
          piece.forEach(forgotten)
          return false
        })
      ),
      Effect.ensuring(
        Effect.sync(() => {
          asked -= piece.length
        })
      )
    )
  }

  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  /** Tenants in the order in which they are asked, and those that are being asked. */
  const line = new Set<string>()
  const busy = new Set<string>()
  let [places, taken, slow] = [piecesAtOnce, 0, 0]

  /** A piece of a tenant's; what it has besides is asked for behind all others. */
  const recordOne = Effect.fnUntraced(function* (tenantId: string) {
    const piece = take(tenantId)
    // What waited for its turn may have been taken meanwhile, by who wanted it at once.
    if (piece.length === 0) return
    const hasMore = pending.has(tenantId)
    busy.add(tenantId)
    const recording = yield* FiberSet.run(
      fibers,
      recordPiece(tenantId, piece).pipe(
        Effect.tap((goesOn) => Effect.sync(() => void (goesOn && hasMore && line.add(tenantId)))),
        Effect.ensuring(Effect.sync(() => busy.delete(tenantId))),
        Effect.asVoid
      )
    )
    const isDone = yield* Effect.timeoutOption(Fiber.await(recording), slowAfter)
    if (isDone._tag === "Some") return
    if (slow >= slowMax) return yield* Effect.asVoid(Fiber.await(recording))
    slow++
    recording.addObserver(() => {
      slow--
    })
  })
  const next = Effect.suspend(() => {
    const [tenantId] = line
    if (tenantId === undefined) return Effect.succeed(false)
    line.delete(tenantId)
    return Effect.as(recordOne(tenantId), true)
  })
  const works = Effect.ensuring(
    Effect.repeat(next, { while: (wasOne) => wasOne }),
    Effect.sync(() => {
      taken--
    })
  ).pipe(Effect.asVoid)
  const recordAll = Effect.suspend(() => {
    for (const tenantId of pending.keys()) if (!busy.has(tenantId)) line.add(tenantId)
    const begun = Math.max(0, Math.min(places - taken, line.size))
    taken += begun
    return Effect.replicateEffect(FiberSet.run(fibers, works), begun, { discard: true })
  })

  // Those of a tenant that was busy come when it is not: so twice.
  const recordLast = Effect.andThen(recordAll, FiberSet.awaitEmpty(fibers))
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      places = piecesAtEnd
      return Effect.timeoutOption(Effect.andThen(recordLast, recordLast), stopLimit)
    }).pipe(
      Effect.andThen(
        Effect.suspend(() =>
          count + asked === 0
            ? Effect.void
            : Effect.logWarning("first uses were left unrecorded", { of: name, count: count + asked })
        )
      )
    )
  )
  wakeUnsafe = yield* Loop.whileSome(
    name,
    every,
    Effect.map(recordAll, () => count > 0)
  )

  return {
    tellUnsafe,
    recordNowUnsafe: (tenantId) => {
      // All are taken before one is begun: a mailbox that is full refuses at once, and the piece is there to be taken again.
      const pieces = []
      for (let piece = take(tenantId); piece.length > 0; piece = take(tenantId)) pieces.push(piece)
      for (const piece of pieces) fork(Effect.asVoid(recordPiece(tenantId, piece)))
    }
  } satisfies UseRecorder
})

// ---- who asks for a change on the heels of a first use

/**
 * A first use is durable within a second, and may have been seen by another replica: a refusal that
 * says "not used yet" is looked at again for so long before it is given.
 */
const grace = Schedule.min([Schedule.exponential("40 millis"), Schedule.spaced("200 millis")]).pipe(
  Schedule.upTo({ duration: "800 millis" })
)

class UnusedStill extends Data.TaggedError("UnusedStill") {}

/** `refusesUnused` says whether an outcome is a refusal because it was never used; the last asking is final. */
export const asUsed = <A, E, R>(
  ask: (isFinal: boolean) => Effect.Effect<A, E, R>,
  refusesUnused: (outcome: Result.Result<A, E>) => boolean
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.result(ask(false))).pipe(
    Effect.filterOrFail(
      (outcome) => !refusesUnused(outcome),
      () => new UnusedStill()
    ),
    Effect.retry(grace),
    Effect.catchTag("UnusedStill", () => Effect.result(ask(true))),
    Effect.flatMap(Effect.fromResult)
  )
