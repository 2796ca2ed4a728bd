/**
 * The service as `nats micro` sees it (ADR-32): ping, info and statistics.
 *
 * Endpoints are counted when their answer is sent, so late answers count rightly. Nine plain
 * subscriptions answer `$SRV.{PING,INFO,STATS}` for all, for this name and for this replica. They
 * are the last to stop: layers that answer requests are built on this one.
 *
 * Shapes matter beyond this service: one bad answer breaks `nats micro ls` for everybody. So names
 * are checked when an endpoint is added, times are whole nanoseconds, and metadata are strings.
 */
import type { Msg } from "@nats-io/transport-node"
import { Clock, Context, DateTime, Effect, Layer, Random } from "effect"
import * as Door from "../nats/Door.ts"
import { Nats } from "../nats/Nats.ts"
import { makeCounters } from "../observability/Metrics.ts"
import { Replica } from "../observability/Replica.ts"
import { replyRule, send } from "./Responder.ts"

export const serviceName = "credential-management"
export const serviceVersion = "0.1.0"
const description = "Endpoint tokens and third-party credentials"
const namePattern = /^[A-Za-z0-9_-]+$/u
const drainTimeout = "5 seconds"

export interface EndpointOptions {
  /** `ecap`, `management` and so on: how metrics group it. */
  readonly protocol: string
  /** `token-provision`: letters, digits, `-` and `_`. */
  readonly name: string
  readonly subject: string
  /** Not in the list that is answered, but counted for metrics. */
  readonly unlisted?: boolean
  readonly metadata?: Readonly<Record<string, string>>
}

/** What happened at one endpoint. Synchronous and cheap: the hot path counts here. */
export interface Endpoint {
  /** An answer has been sent. `error` is set for what counts as an error: `CODE: reason`. */
  readonly record: (status: number, nanoseconds: number, error?: string) => void
}

interface Counted extends EndpointOptions {
  requests: number
  errors: number
  lastError: string
  nanoseconds: number
  readonly byStatus: Map<number, number>
  readonly flushed: { readonly byStatus: Map<number, number>; nanoseconds: number }
}

export class Micro extends Context.Service<
  Micro,
  {
    /** Dies on a name that ADR-32 does not allow or that is taken. */
    readonly endpoint: (options: EndpointOptions) => Endpoint
    /** The identifier of this replica in `$SRV` subjects. */
    readonly id: string
    /** Brings the counts of all endpoints into the metrics. */
    readonly flush: Effect.Effect<void>
  }
>()("cm/protocols/Micro") {}

const identifier = (random: { readonly nextIntUnsafe: () => number }): string =>
  Array.from({ length: 22 }, () => Math.abs(random.nextIntUnsafe() % 36).toString(36)).join("")

const makeRegistry = Effect.gen(function* () {
  const counters = yield* makeCounters
  const endpoints = new Map<string, Counted>()
  const endpoint = (options: EndpointOptions): Endpoint => {
    if (!namePattern.test(options.name) || endpoints.has(options.name)) {
      throw new Error(`micro endpoint ${options.name} is not a name or is there twice`)
    }
    const counted: Counted = {
      ...options,
      requests: 0,
      errors: 0,
      lastError: "",
      nanoseconds: 0,
      byStatus: new Map(),
      flushed: { byStatus: new Map(), nanoseconds: 0 }
    }
    endpoints.set(options.name, counted)
    return {
      record: (status, nanoseconds, error) => {
        counted.requests += 1
        counted.nanoseconds += nanoseconds
        counted.byStatus.set(status, (counted.byStatus.get(status) ?? 0) + 1)
        if (error === undefined) return
        counted.errors += 1
        counted.lastError = error
      }
    }
  }
  const flush = Effect.sync(() => {
    for (const { byStatus, flushed, name, nanoseconds, protocol } of endpoints.values()) {
      for (const [status, count] of byStatus) {
        counters.answered(protocol, name, status, count - (flushed.byStatus.get(status) ?? 0))
        flushed.byStatus.set(status, count)
      }
      counters.processed(protocol, name, (nanoseconds - flushed.nanoseconds) / 1e9)
      flushed.nanoseconds = nanoseconds
    }
  })
  const listed = () => Array.from(endpoints.values()).filter((counted) => counted.unlisted !== true)
  return { endpoint, flush, listed }
})

const answers = (
  identity: Readonly<Record<string, unknown>>,
  queueGroup: string,
  started: string,
  listed: () => ReadonlyArray<Counted>
): Readonly<Record<string, () => unknown>> => ({
  PING: () => ({ type: "io.nats.micro.v1.ping_response", ...identity }),
  INFO: () => ({
    type: "io.nats.micro.v1.info_response",
    ...identity,
    description,
    endpoints: listed().map(({ metadata, name, subject }) => ({
      name,
      subject,
      queue_group: queueGroup,
      metadata: metadata ?? {}
    }))
  }),
  STATS: () => ({
    type: "io.nats.micro.v1.stats_response",
    ...identity,
    started,
    endpoints: listed().map(({ errors, lastError, name, nanoseconds, requests, subject }) => ({
      name,
      subject,
      queue_group: queueGroup,
      num_requests: requests,
      num_errors: errors,
      last_error: lastError,
      processing_time: Math.round(nanoseconds),
      average_processing_time: requests === 0 ? 0 : Math.round(nanoseconds / requests)
    }))
  })
})

/** A question whose headers cannot be read is answered, too: nothing of them is needed. */
const subscribe = (nats: Nats["Service"], open: Door.Listen, subject: string, answer: (message: Msg) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => open(nats.requests, subject, { take: answer, unreadable: answer })),
    (subscription) =>
      Effect.promise(() => subscription.drain().catch(() => undefined)).pipe(
        Effect.timeoutOrElse({ duration: drainTimeout, orElse: () => Effect.void })
      )
  )

export const layer: Layer.Layer<Micro, never, Nats | Replica> = Layer.effect(
  Micro,
  Effect.gen(function* () {
    const nats = yield* Nats
    const replica = yield* Replica
    const clock = yield* Clock.Clock
    const random = yield* Random.Random
    const { endpoint, flush, listed } = yield* makeRegistry
    const id = identifier(random)
    const started = DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe()))
    const metadata = { instance: replica.instance, replica: replica.replicaId }
    const identity = { name: serviceName, id, version: serviceVersion, metadata }
    const rule = replyRule(nats.inboxPrefix)
    const open = yield* Door.make
    for (const [verb, body] of Object.entries(answers(identity, replica.instance, started, listed))) {
      const answer = (message: Msg) => {
        if (rule(message.reply) === "allowed") send(message, JSON.stringify(body()))
      }
      for (const tail of ["", `.${serviceName}`, `.${serviceName}.${id}`]) {
        yield* subscribe(nats, open, `$SRV.${verb}${tail}`, answer)
      }
    }
    return Micro.of({ endpoint, id, flush })
  })
)
