/**
 * What is to be read again, each thing once for all who asked for it: whoever asks does not wait.
 *
 * One reading at a time. One that fails because something is away goes behind the others and comes again,
 * with growing pauses; any other failure is left to the next reading of everything. Asked for again while
 * it is being read, it is read once more. What waits is bounded: more than that becomes everything.
 */
import { Effect, Queue, type Schedule } from "effect"
import * as Loop from "../../observability/Loop.ts"
import type { ReadingError } from "./TenantReading.ts"

const wantedMax = 1_000

/** Whether the same question may be answered in a moment. */
export const mayComeBack = (error: ReadingError): boolean =>
  error._tag === "PlatformError"
    ? error.isRetryable
    : error._tag === "StoreUnavailable" || error._tag === "Unavailable" || error._tag === "TooManyRequests"

export const make = Effect.fnUntraced(function* <A>(
  name: string,
  options: {
    readonly keyOf: (thing: A) => string
    readonly everything: A
    readonly read: (thing: A) => Effect.Effect<void, ReadingError>
    readonly pauses: Schedule.Schedule<unknown>
  }
) {
  const { everything, keyOf, pauses, read } = options
  const wanted = new Map<string, A>()
  const news = yield* Queue.sliding<void>(1)

  const want = (thing: A): void => {
    const isTooMuch = wanted.size >= wantedMax && !wanted.has(keyOf(thing))
    const isAll = isTooMuch || keyOf(thing) === keyOf(everything)
    // Everything comprises the rest.
    if (isAll) wanted.clear()
    if (!wanted.has(keyOf(everything))) wanted.set(keyOf(isAll ? everything : thing), isAll ? everything : thing)
    Queue.offerUnsafe(news, undefined)
  }
  const next = (): A | null => {
    const [first] = wanted
    if (first === undefined) return null
    wanted.delete(first[0])
    return first[1]
  }
  const pass = Effect.suspend(() => {
    const thing = next()
    if (thing === null) return Effect.asVoid(Queue.take(news))
    return read(thing).pipe(
      Effect.catch((error) => {
        if (!mayComeBack(error)) return Effect.void
        want(thing)
        return Effect.fail(error)
      })
    )
  })
  /** The pauses begin anew with each reading that succeeds. */
  const step = Effect.ignore(Effect.retry(pass, pauses))
  yield* Effect.forkScoped(Loop.forever(name, step))
  return { want: (thing: A) => Effect.sync(() => want(thing)) }
})
