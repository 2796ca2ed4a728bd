/**
 * The `Nats` layer: four connections to the bus, checked once, kept for ever.
 *
 * Promises:
 * - the start waits for a server at most `connectLimit`, saying every few seconds that it does, and
 *   refuses a server that cannot carry the service with one line that says what to do;
 * - afterwards all of them reconnect for ever, whatever the server answers meanwhile;
 * - a dead server is left within about 2.5 s: pings every 700 ms, two may be missing. But not while messages
 *   come in: the answer to a ping stands behind whatever waits for this client, and under a flood that is much;
 * - what happens to a connection is logged and counted, without addresses of callers or secrets;
 * - releasing the layer drains them, `control` last, and gives up after `drainLimit`.
 *
 * It does not retry what was published while disconnected: that is lost in silence, so whoever
 * needs an answer asks for an acknowledgement.
 */
import { readFileSync } from "node:fs"
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import {
  AuthorizationError,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  nuid,
  type Status
} from "@nats-io/transport-node"
import { Duration, Effect, Layer, Metric, Redacted, Schedule } from "effect"
import { Replica } from "../observability/Replica.ts"
import * as Seldom from "../observability/Seldom.ts"
import { isLoopback, warnOf } from "../observability/Transport.ts"
import * as Door from "./Door.ts"
import { Nats } from "./Nats.ts"
import { NatsConfig, serversOf } from "./NatsConfig.ts"
import { NatsStartError } from "./NatsError.ts"
import { refusalOf, warningOf } from "./ServerCheck.ts"
import * as Tls from "./Tls.ts"

const dialAgain = Duration.millis(250)
const progressEvery = Duration.seconds(5)
const drainLimit = Duration.seconds(3)
/** The client's own limit for acknowledgements of JetStream; publishers give their own. */
const jetstreamTimeoutMs = 5_000

const pingEveryMs = 700
/** Answers to pings that may be missing while nothing else comes. */
const pingsMissingMax = 2
/** And whatever comes: the library leaves the server by itself. */
const pingsOutMax = 20

type Purpose = "validation" | "requests" | "events" | "control"
type Config = NatsConfig["Service"]["connection"]

// ---- metrics ------------------------------------------------------------------
const connected = Metric.gauge("cm_nats_connected", { description: "1 while the connection to the bus stands" })
const disconnects = Metric.counter("cm_nats_disconnects_total", {
  description: "Connections to the bus that were lost",
  incremental: true
})
const errors = Metric.counter("cm_nats_errors_total", {
  description: "Errors that the bus reported, permissions included",
  incremental: true
})

// ---- connecting ---------------------------------------------------------------

/** A file with the seed of a user's nkey and nothing else. */
const seedPattern = /^\s*(SU[A-Z2-7]{56})\s*$/u

const credentialsOf = Effect.fnUntraced(function* (config: Config) {
  if (config.credentialsFile !== "") {
    const path = config.credentialsFile
    const creds = yield* Effect.try({
      try: () => readFileSync(path),
      catch: () => new NatsStartError({ reason: "refused", problem: "NATS_CREDS names a file that cannot be read" })
    })
    const seed = seedPattern.exec(creds.toString("utf8"))?.[1]
    return {
      authenticator: seed === undefined ? credsAuthenticator(creds) : nkeyAuthenticator(Buffer.from(seed, "utf8"))
    }
  }
  if (config.user === "") return {}
  return config.password._tag === "Some"
    ? { user: config.user, pass: Redacted.value(config.password.value) }
    : { user: config.user }
})

const dial = Effect.fnUntraced(function* (options: ConnectionOptions, limit: Duration.Duration) {
  const attempt = Effect.tryPromise({
    try: async (signal) => {
      const connection = await connect(options)
      // Nobody waits for it any more.
      if (signal.aborted) await connection.close()
      return connection
    },
    catch: (cause) => {
      // One that was not asked in time, because it or we were busy, has refused nobody.
      if (cause instanceof AuthorizationError && !/timeout/iu.test(cause.message)) {
        return new NatsStartError({
          reason: "refused",
          problem: "NATS server refused the user: check NATS_USER with NATS_PASSWORD, or NATS_CREDS"
        })
      }
      const problem = Tls.problemOf(cause)
      return problem === null
        ? new NatsStartError({ reason: "unreachable", problem: "no NATS server answers", cause })
        : new NatsStartError({ reason: "refused", problem })
    }
  })
  const progress = Effect.logInfo("waiting for a NATS server").pipe(Effect.delay(progressEvery), Effect.forever)
  const connecting = attempt.pipe(
    Effect.retry({ while: (error) => error.reason === "unreachable", schedule: Schedule.spaced(dialAgain) }),
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () =>
        Effect.fail(
          new NatsStartError({
            reason: "unreachable",
            problem: `no NATS server answered within ${Duration.format(limit)}: check NATS_URL`
          })
        )
    })
  )
  return yield* Effect.raceFirst(connecting, progress)
})

// ---- watching -----------------------------------------------------------------

const describe = (status: Status): { readonly level: "Info" | "Warn"; readonly text: string } | null => {
  switch (status.type) {
    case "disconnect":
      return { level: "Warn", text: "bus connection lost" }
    case "reconnect":
      return { level: "Info", text: "bus connection is back" }
    case "staleConnection":
      return { level: "Warn", text: "bus server does not answer pings" }
    case "ldm":
      return { level: "Info", text: "bus server is about to stop" }
    case "error":
      return { level: "Warn", text: `bus error: ${status.error.message}` }
    case "slowConsumer":
      return { level: "Warn", text: "a subscription is slow" }
    default:
      return null
  }
}

/** Ends by itself when the connection is closed. */
const watch = Effect.fnUntraced(function* (connection: NatsConnection, purpose: Purpose) {
  const context = yield* Effect.context<never>()
  // A caller makes the service meet one with each message whose reply subject the server refuses.
  const refusals = yield* Seldom.make
  const attributes = { connection: purpose }
  const up = Metric.withAttributes(connected, attributes)
  const lost = Metric.withAttributes(disconnects, attributes)
  const failed = Metric.withAttributes(errors, attributes)
  const run = Effect.runForkWith(context)
  up.updateUnsafe(1, context)
  let heard = 0
  let silent = 0
  const isSilent = (missing: number): boolean => {
    const { inMsgs } = connection.stats()
    silent = inMsgs === heard ? silent + 1 : 0
    heard = inMsgs
    return missing > pingsMissingMax && silent > pingsMissingMax
  }
  const leave = () => {
    run(Effect.logWarning("bus server does not answer pings").pipe(Effect.annotateLogs(attributes)))
    connection.reconnect().catch(() => {})
  }
  const follow = async () => {
    for await (const status of connection.status()) {
      if (status.type === "ping" && isSilent(status.pendingPings)) leave()
      if (status.type === "disconnect") lost.updateUnsafe(1, context)
      if (status.type === "disconnect" || status.type === "close") up.updateUnsafe(0, context)
      if (status.type === "reconnect") up.updateUnsafe(1, context)
      if (status.type === "error") failed.updateUnsafe(1, context)
      const said = describe(status)
      if (said === null) continue
      const line = Effect.annotateLogs(Effect.logWithLevel(said.level)(said.text), attributes)
      if (status.type === "error") refusals.tellUnsafe(line)
      else run(line)
    }
  }
  follow().catch(() => {})
})

/** Lets what was published leave; a server that is away does not hold up the stop. */
const drain = (connection: NatsConnection) =>
  Effect.promise(() => (connection.isClosed() ? Promise.resolve() : connection.drain().catch(() => {}))).pipe(
    Effect.timeoutOrElse({
      duration: drainLimit,
      orElse: () => Effect.promise(() => connection.close().catch(() => {}))
    })
  )

const make = Effect.gen(function* () {
  const { connection: config } = yield* NatsConfig
  const { instance, replicaId } = yield* Replica
  const unreadable = Tls.unreadable(config)
  if (unreadable !== null) return yield* unreadable
  const isFar = serversOf(config.servers)?.some(({ host }) => !isLoopback(host)) ?? false
  if (isFar && !Tls.usesTls(config)) yield* warnOf("the bus")
  const inboxPrefix = config.user === "" ? `_INBOX.${nuid.next()}` : `_INBOX.${config.user}`
  const options: ConnectionOptions = {
    servers: config.servers.split(","),
    inboxPrefix,
    noAsyncTraces: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    pingInterval: pingEveryMs,
    maxPingOut: pingsOutMax,
    timeout: Duration.toMillis(config.dialTimeout),
    ignoreAuthErrorAbort: true,
    ...(Tls.usesTls(config) ? { tls: Tls.tlsOptions(config) } : {}),
    ...(yield* credentialsOf(config))
  }

  const open = (purpose: Purpose) =>
    Effect.acquireRelease(
      dial({ ...options, name: `${instance} ${replicaId} ${purpose}` }, config.connectLimit),
      drain,
      // A start that is told to stop does not wait for a server.
      { interruptible: true }
    ).pipe(
      Effect.tap(Door.harden),
      Effect.tap((connection) => watch(connection, purpose))
    )

  const control = yield* open("control")
  const events = yield* open("events")
  const requests = yield* open("requests")
  const validation = yield* open("validation")

  const info = control.info!
  const refusal = refusalOf(info)
  if (refusal !== null) return yield* refusal
  const warning = warningOf(info)
  if (warning !== null) yield* Effect.logWarning(warning)
  yield* Effect.logInfo("connected to the bus").pipe(
    Effect.annotateLogs({ server: info.version, apiLevel: info.api_lvl ?? 0 })
  )

  return Nats.of({
    validation,
    requests,
    events,
    control,
    jetstream: jetstream(control, { timeout: jetstreamTimeoutMs }),
    jetstreamManager: yield* Effect.promise(() =>
      jetstreamManager(control, { timeout: jetstreamTimeoutMs, checkAPI: false })
    ),
    inboxPrefix
  })
})

/** Needs `NatsConfig` and `Replica`. That JetStream answers is seen by `Streams`, which comes next. */
export const layer = Layer.effect(Nats, make)
