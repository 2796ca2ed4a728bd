/**
 * Whether this replica works, and why not.
 *
 * Parts register a check under a name; a check answers null when the part works, else the reason in
 * words, without anything secret. A check that takes longer than `checkTimeout` has failed. A
 * replica is ready when all checks answer null and nobody has asked it to stop.
 */
import { Context, Duration, Effect, Layer, type Scope } from "effect"

const checkTimeout = "2 seconds"
const checksAtOnceMax = 16
const lookEvery = Duration.millis(50)
/** Parts that are a moment late say nothing. */
const looksInSilence = 40

export type Checks = Readonly<Record<string, string | null>>

export class Readiness extends Context.Service<
  Readiness,
  {
    /** Registered until the scope closes. A name belongs to one part. */
    readonly register: (name: string, check: Effect.Effect<string | null>) => Effect.Effect<void, never, Scope.Scope>
    /** Every check, run at once. */
    readonly report: Effect.Effect<Checks>
  }
>()("cm/observability/Readiness") {
  static readonly layer = Layer.sync(Readiness, () => {
    const checks = new Map<string, Effect.Effect<string | null>>()
    return {
      register: (name, check) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            if (checks.has(name)) throw new Error(`readiness check ${name} is registered twice`)
            checks.set(name, check)
          }),
          () => Effect.sync(() => checks.delete(name))
        ),
      report: Effect.suspend(() =>
        Effect.forEach(
          Array.from(checks),
          ([name, check]) =>
            check.pipe(
              Effect.timeoutOrElse({ duration: checkTimeout, orElse: () => Effect.succeed("no answer in time") }),
              Effect.catchDefect(() => Effect.succeed("the check itself failed")),
              Effect.map((reason) => [name, reason] as const)
            ),
          { concurrency: checksAtOnceMax }
        ).pipe(Effect.map((entries) => Object.fromEntries(entries)))
      )
    }
  })
}

const missing = (checks: Checks): ReadonlyArray<string> =>
  Object.entries(checks).flatMap(([name, reason]) => (reason === null ? [] : [`${name}: ${reason}`]))

/** Returns when every check answers null, however long that takes; says in the log what is waited for. */
export const untilReady = Effect.gen(function* () {
  const readiness = yield* Readiness
  let said = ""
  for (let looks = 1; ; looks++) {
    const reasons = missing(yield* readiness.report).join("; ")
    if (reasons === "") return
    if (looks >= looksInSilence && reasons !== said) {
      yield* Effect.logWarning(`not ready yet: ${reasons}`)
      said = reasons
    }
    yield* Effect.sleep(lookEvery)
  }
})
