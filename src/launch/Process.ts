/**
 * The process: runs until it is told to stop, and says in one line why it could not start.
 *
 * SIGTERM and Ctrl-C stop it in order, exit code 0. A start that cannot succeed, and a bug, end it with
 * exit code 1: one line for what an operator can put right, everything there is for a bug.
 */
import { Cause, Config, Effect, Exit, Fiber } from "effect"
import * as Setting from "../observability/Setting.ts"

const whyItEnded = (cause: Cause.Cause<unknown>): string =>
  cause.reasons
    .map((reason) => {
      const error = Cause.isFailReason(reason) ? reason.error : undefined
      if (error instanceof Config.ConfigError) return Setting.explain(error)
      return error instanceof Error && error.message !== ""
        ? `${error.name}: ${error.message}`
        : Cause.pretty(Cause.fromReasons([reason]))
    })
    .join("\n")

export const run = (program: Effect.Effect<unknown, unknown>): void => {
  const running = Effect.runFork(program)
  const stop = () => {
    Effect.runFork(Fiber.interrupt(running))
  }
  process.once("SIGTERM", stop)
  process.once("SIGINT", stop)

  running.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) process.exit(0)
    process.stderr.write(`${whyItEnded(exit.cause)}\n`)
    process.exit(1)
  })
}
