/**
 * Logs: Effect's logger in front of pino.
 *
 * One JSON object a line on standard output, or coloured text when that is a terminal. Annotations
 * (`correlationId`, `tenantId`, …) become fields. Levels below `LOG_LEVEL` cost next to nothing.
 *
 * No part of the service hands a secret to a log. Should one ever do so under a well-known field
 * name, `redacted` hides it; that is the second net, not the first.
 */
import { Cause, Config, Context, Effect, Layer, Logger, type LogLevel, References } from "effect"
import pino from "pino"
import { Replica } from "./Replica.ts"
import * as Setting from "./Setting.ts"

const levels = { fatal: "Fatal", error: "Error", warn: "Warn", info: "Info", debug: "Debug", trace: "Trace" } as const

const config = Config.all({
  level: Setting.text({
    name: "LOG_LEVEL",
    pattern: /^(?:fatal|error|warn|info|debug|trace)$/u,
    byDefault: "info",
    about: "The least important level that is logged: fatal, error, warn, info, debug or trace."
  })
})

export class LogConfig extends Context.Service<LogConfig, { readonly level: string }>()("cm/observability/LogConfig") {
  static readonly layer = Layer.effect(LogConfig, config)
}

const secretFields = [
  "token",
  "tokens",
  "password",
  "secret",
  "authorization",
  "credentials",
  "api_key",
  "access_token",
  "refresh_token",
  "client_secret"
]
/** Field paths whose values never reach the output, at the first two levels. */
export const redacted: ReadonlyArray<string> = secretFields.flatMap((field) => [
  field,
  `*.${field}`,
  `data[*].${field}`
])

const pinoLevels: Readonly<Record<LogLevel.Severity, keyof typeof levels>> = {
  Fatal: "fatal",
  Error: "error",
  Warn: "warn",
  Info: "info",
  Debug: "debug",
  Trace: "trace"
}

/** An Effect logger that writes to `log`. */
export const makeLogger = (log: pino.Logger): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, fiber, logLevel, message }) => {
    const [first, ...rest] = Array.isArray(message) ? message : [message]
    const span = fiber.cache.span
    log[pinoLevels[logLevel as LogLevel.Severity]](
      {
        ...fiber.getRef(References.CurrentLogAnnotations),
        ...(cause.reasons.length > 0 ? { err: Cause.squash(cause) } : {}),
        ...(rest.length > 0 ? { data: rest } : {}),
        ...(span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId })
      },
      typeof first === "string" ? first : JSON.stringify(first)
    )
  })

/** A pino logger that hides what `redacted` names. Its own level stays open: Effect filters first. */
export const makePino = (stream: pino.DestinationStream, base: Readonly<Record<string, string>>): pino.Logger =>
  pino(
    {
      level: "trace",
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...redacted], censor: "[hidden]" }
    },
    stream
  )

/** Loaded for who looks: thirty modules. */
const coloured = Effect.promise(() => import("pino-pretty").then(({ default: pretty }) => pretty({ sync: true })))

/** Replaces Effect's default logger for everything built on top of it. Flushes when released. */
export const layer: Layer.Layer<never, never, LogConfig | Replica> = Layer.unwrap(
  Effect.gen(function* () {
    const { level } = yield* LogConfig
    const { instance, replicaId } = yield* Replica
    const stream = process.stdout.isTTY === true ? yield* coloured : pino.destination({ dest: 1, sync: true })
    const log = yield* Effect.acquireRelease(
      Effect.sync(() => makePino(stream, { instance, replica: replicaId })),
      (opened) => Effect.sync(() => opened.flush())
    )
    return Layer.merge(
      Logger.layer([makeLogger(log)]),
      Layer.succeed(References.MinimumLogLevel, levels[level as keyof typeof levels])
    )
  })
)
