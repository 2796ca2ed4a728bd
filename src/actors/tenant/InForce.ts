/**
 * When is in force what a tenant had taken away?
 *
 * Whoever waits is woken when a replica, this or another, has told the store so; a look every
 * `lookAgain` is for a word that got lost. For each tenant one question at a time is asked of the store,
 * for all who wait. Its answer counts only for those who waited when it was asked: a question from
 * before somebody's commit knows nothing of it.
 */
import { Context, Effect, Exit, FiberSet, Layer, Queue } from "effect"
import { Coherence } from "../../coherence/Coherence.ts"
import { NotYetInForce } from "../../domain/errors.ts"
import { Outbox } from "../../store/Outbox.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"

/** Nobody waits longer. */
export const inForceLimit = "10 seconds"
const lookAgain = "250 millis"

type Failure = StoreUnavailable | NotYetInForce

interface Waiter {
  /** Null: all that is pending when it is first asked. */
  seq: number | null
  readonly resume: (effect: Effect.Effect<void, Failure>) => void
}

interface Line {
  readonly waiting: Set<Waiter>
  /** Somebody came, or something is in force. */
  readonly news: Queue.Queue<void>
}

export class InForce extends Context.Service<
  InForce,
  {
    /** Everything of the tenant up to and including `seq`. */
    readonly upTo: (tenantId: string, seq: number) => Effect.Effect<void, Failure>
    /** Everything of the tenant that was committed before the call. */
    readonly all: (tenantId: string) => Effect.Effect<void, Failure>
  }
>()("cm/actors/InForce") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const outbox = yield* Outbox
  const coherence = yield* Coherence
  const context = yield* Effect.context<never>()
  const fork = yield* FiberSet.makeRuntime()
  const makeNews = () => Effect.runSyncWith(context)(Queue.sliding<void>(1))
  const lines = new Map<string, Line>()

  /** One question. Answers whether nobody waits any more; then the line is gone. */
  const look = Effect.fnUntraced(function* (tenantId: string, line: Line) {
    const asked = Array.from(line.waiting)
    const exit = asked.length === 0 ? Exit.succeed(null) : yield* Effect.exit(outbox.pendingOf(tenantId))
    for (const waiter of asked) {
      if (Exit.isSuccess(exit)) {
        waiter.seq ??= exit.value?.newest ?? 0
        if (exit.value !== null && exit.value.oldest <= waiter.seq) continue
      }
      line.waiting.delete(waiter)
      waiter.resume(Effect.asVoid(exit))
    }
    if (line.waiting.size > 0) return false
    lines.delete(tenantId)
    return true
  })

  const serve = (tenantId: string, line: Line) =>
    Queue.take(line.news).pipe(
      Effect.timeoutOption(lookAgain),
      Effect.andThen(look(tenantId, line)),
      Effect.repeat({ until: (isOver) => isOver }),
      Effect.ensuring(
        Effect.sync(() => {
          if (lines.get(tenantId) === line) lines.delete(tenantId)
        })
      )
    )

  const join = (tenantId: string, waiter: Waiter): Line => {
    const present = lines.get(tenantId)
    const line = present ?? { waiting: new Set(), news: makeNews() }
    line.waiting.add(waiter)
    coherence.tellNowUnsafe()
    Queue.offerUnsafe(line.news, undefined)
    if (present === undefined) {
      lines.set(tenantId, line)
      fork(serve(tenantId, line))
    }
    return line
  }

  coherence.onInForceUnsafe((tenantId) => {
    const line = lines.get(tenantId)
    if (line !== undefined) Queue.offerUnsafe(line.news, undefined)
  })

  const wait = (tenantId: string, seq: number | null): Effect.Effect<void, Failure> =>
    Effect.callback<void, Failure>((resume) => {
      const waiter: Waiter = { seq, resume }
      const line = join(tenantId, waiter)
      return Effect.sync(() => line.waiting.delete(waiter))
    }).pipe(Effect.timeoutOrElse({ duration: inForceLimit, orElse: () => Effect.fail(new NotYetInForce()) }))

  return InForce.of({ upTo: wait, all: (tenantId) => wait(tenantId, null) })
})
