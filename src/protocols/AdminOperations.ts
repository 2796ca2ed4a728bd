/**
 * `{instance}.admin.v1.*` about the replica that happens to answer.
 *
 * `health` always answers 200 while the process lives and says what does not work; `ready` answers
 * 503 with the reasons when this replica should get no requests. `drain` asks for an orderly stop:
 * the answer comes first, then the replica takes no more requests, answers what it has and ends.
 */
import { Config, Effect, Option } from "effect"
import { Audit } from "../actors/audit/Audit.ts"
import { Platform } from "../actors/tenant/Platform.ts"
import { type Caller, Tenants } from "../actors/tenant/Tenants.ts"
import { type Checks, Readiness } from "../observability/Health.ts"
import { prometheusText } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import { type Declared, declared } from "../observability/Setting.ts"
import { Shutdown } from "../observability/Shutdown.ts"
import { ConfigAnswer, DrainAnswer, HealthAnswer, ReadyAnswer } from "../schema/AdminJson.ts"
import { Nothing } from "../schema/Field.ts"
import { Micro, serviceVersion } from "./Micro.ts"
import { operation } from "./Operation.ts"
import { encodePlatform } from "./PlatformAnswers.ts"
import { NotReady } from "./ProtocolError.ts"

const works = (checks: Checks): boolean => Object.values(checks).every((reason) => reason === null)

const checksNow = Effect.gen(function* () {
  const readiness = yield* Readiness
  const shutdown = yield* Shutdown
  const stopping = yield* shutdown.isRequested
  return { stopping, checks: { ...(yield* readiness.report), ...(stopping ? { replica: "is being stopped" } : {}) } }
})

const secretShown = "***"
/** The password of a URL, wherever one is written into a setting that is not declared secret. */
const urlPassword = /(\/\/[^/@\s:]*:)[^@/\s]*@/gu

/** A setting as it may be seen: what it was set to, or null. */
const shown = Effect.fnUntraced(function* ({ about, byDefault, name, range, secret, unit }: Declared) {
  const given = yield* Config.String(name).pipe(
    Config.option,
    Effect.catch(() => Effect.succeed(Option.none<string>()))
  )
  const value = Option.match(given, {
    onNone: () => null,
    onSome: (text) => (secret ? secretShown : text.replaceAll(urlPassword, `$1${secretShown}@`))
  })
  return { name, value, byDefault, unit, range, about }
})

/** A row in the audit of `global`, before it is done; it is done without one when the database is away. */
const tell = Effect.fnUntraced(function* (action: "config.shown" | "replica.drained", caller: Caller) {
  const audit = yield* Audit
  const { replicaId } = yield* Replica
  yield* audit.tell({ action, entityType: "replica", entityId: replicaId, diff: null }, caller)
})

export const adminOperations = [
  operation({
    family: "admin",
    name: "health",
    about: "Whether this replica lives, and which of its parts do not work.",
    request: Nothing,
    answer: HealthAnswer,
    always: true,
    handle: Effect.fnUntraced(function* () {
      const { instance, replicaId } = yield* Replica
      const tenants = yield* Tenants
      const { checks, stopping } = yield* checksNow
      const status = stopping ? "stopping" : works(checks) ? "up" : "degraded"
      return { status, instance, replicaId, version: serviceVersion, checks, ...(yield* tenants.census) } as const
    })
  }),
  operation({
    family: "admin",
    name: "ready",
    about: "200 when this replica should get requests, else 503 with the reasons.",
    request: Nothing,
    answer: ReadyAnswer,
    always: true,
    handle: Effect.fnUntraced(function* () {
      const { replicaId } = yield* Replica
      const { checks } = yield* checksNow
      if (!works(checks)) return yield* new NotReady({ checks })
      return { ready: true, replicaId, checks }
    })
  }),
  operation({
    family: "admin",
    name: "metrics",
    about: "The metrics of this replica in Prometheus' text format.",
    request: Nothing,
    answer: "text",
    always: true,
    handle: Effect.fnUntraced(function* () {
      const micro = yield* Micro
      yield* micro.flush
      return yield* prometheusText
    })
  }),
  operation({
    family: "admin",
    name: "config.show",
    about:
      "Every setting with its meaning and what it was set to, secrets masked; what the platform configured, since when, and what was refused.",
    request: Nothing,
    answer: ConfigAnswer,
    handle: Effect.fnUntraced(function* (_, { caller }) {
      yield* tell("config.shown", caller)
      const { report } = yield* Platform
      return { settings: yield* Effect.forEach(declared(), shown), platform: encodePlatform(yield* report) }
    })
  }),
  operation({
    family: "admin",
    name: "drain",
    about: "Stops the replica that answers, in good order.",
    request: Nothing,
    answer: DrainAnswer,
    always: true,
    handle: Effect.fnUntraced(function* (_, { caller }) {
      const { replicaId } = yield* Replica
      const shutdown = yield* Shutdown
      yield* tell("replica.drained", caller)
      yield* shutdown.request
      return { replicaId, draining: true }
    })
  })
]
