/**
 * The bus as the gateway sees it: ask and be answered, and hear that a tenant has news.
 *
 * A request is sent once. It fails in one of five ways, which differ in what they say about the request: `away`,
 * `nobody` and `tooLarge`: it was not carried out; `slow` and `lost`: it may have been. Nothing here tries again.
 */
import {
  type Msg,
  headers as makeHeaders,
  NoRespondersError,
  RequestError,
  type Subscription,
  TimeoutError
} from "@nats-io/transport-node"
import { Context, Data, Duration, Effect, Layer } from "effect"
import * as Door from "../nats/Door.ts"
import { Nats } from "../nats/Nats.ts"
import { Replica } from "../observability/Replica.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { type Problem, problem } from "./Problem.ts"

export class BusFailure extends Data.TaggedError("BusFailure")<{
  readonly reason: "away" | "nobody" | "slow" | "lost" | "tooLarge"
}> {}

export interface BusAnswer {
  /** `Cm-Status`. */
  readonly status: number
  readonly correlationId: string
  readonly data: Uint8Array
}

export class Bus extends Context.Service<
  Bus,
  {
    readonly instance: string
    readonly ask: (
      subject: string,
      payload: string,
      headers: Readonly<Record<string, string | null>>,
      /** `CM_GATEWAY_BUS_TIMEOUT` unless given. */
      timeout?: Duration.Duration
    ) => Effect.Effect<BusAnswer, BusFailure>
    readonly isUp: () => boolean
    /** Calls back for each event of the tenant, until the function given back is called. Only a hint: it may miss some. */
    readonly hear: (tenantId: string, heard: () => void) => () => void
  }
>()("cm/gateway/Bus") {}

/** In words, and what it says about the request. */
export const problemOf = ({ reason }: BusFailure): Problem => {
  const mayBeDone = { part: "bus", committed: null }
  switch (reason) {
    case "away":
      return problem("UNAVAILABLE", "The bus is away; nothing was done", { details: { part: "bus", committed: false } })
    case "nobody":
      return problem("UNAVAILABLE", "No replica of the service answers; nothing was done", {
        details: { part: "service", committed: false }
      })
    case "slow":
      return problem("UNAVAILABLE", "The service did not answer in time; the request may still be carried out", {
        details: { part: "service", committed: null }
      })
    case "lost":
      return problem("UNAVAILABLE", "The bus was lost while the request was under way; it may have been carried out", {
        details: mayBeDone
      })
    case "tooLarge":
      return problem("PAYLOAD_TOO_LARGE", "The request does not fit into a message of the bus")
  }
}

const failureOf = (cause: unknown): BusFailure => {
  const why = cause instanceof RequestError && cause.cause !== undefined ? cause.cause : cause
  if (why instanceof NoRespondersError || (cause instanceof RequestError && cause.isNoResponders())) {
    return new BusFailure({ reason: "nobody" })
  }
  if (why instanceof TimeoutError) return new BusFailure({ reason: "slow" })
  return new BusFailure({ reason: "lost" })
}

const make = Effect.gen(function* () {
  const nats = yield* Nats
  const { instance } = yield* Replica
  const { busTimeout } = yield* GatewayConfig
  const open = yield* Door.make
  const { control, requests } = nats
  let up = true
  /** What is under way when the connection is lost: its answers are lost with it. */
  const lost = new Set<() => void>()
  const follow = async () => {
    for await (const status of requests.status()) {
      if (status.type === "disconnect" || status.type === "close") {
        up = false
        for (const tell of lost) tell()
      } else if (status.type === "reconnect") up = true
    }
  }
  follow().catch(() => {})

  const headersOf = (given: Readonly<Record<string, string | null>>) => {
    const sent = makeHeaders()
    for (const [name, value] of Object.entries(given)) if (value !== null) sent.set(name, value)
    return sent
  }
  const answerOf = (message: Msg): BusAnswer => ({
    status: Number(message.headers?.get("Cm-Status") ?? 0),
    correlationId: message.headers?.get("Correlation-ID") ?? "",
    data: message.data
  })
  const ask = (
    subject: string,
    payload: string,
    given: Readonly<Record<string, string | null>>,
    timeout: Duration.Duration = busTimeout
  ) =>
    Effect.callback<BusAnswer, BusFailure>((resume) => {
      if (!up) return resume(Effect.fail(new BusFailure({ reason: "away" })))
      if (Buffer.byteLength(payload) > (requests.info?.max_payload ?? 0)) {
        return resume(Effect.fail(new BusFailure({ reason: "tooLarge" })))
      }
      const end = () => void lost.delete(tell)
      const tell = () => {
        end()
        resume(Effect.fail(new BusFailure({ reason: "lost" })))
      }
      lost.add(tell)
      requests.request(subject, payload, { timeout: Duration.toMillis(timeout), headers: headersOf(given) }).then(
        (message) => {
          end()
          resume(Effect.succeed(answerOf(message)))
        },
        (cause: unknown) => {
          end()
          resume(Effect.fail(failureOf(cause)))
        }
      )
    })

  // ---- news
  const listeners = new Map<string, { readonly heard: Set<() => void>; readonly subscription: Subscription }>()
  const hear = (tenantId: string, whenHeard: () => void) => {
    let entry = listeners.get(tenantId)
    if (entry === undefined) {
      const heard = new Set<() => void>()
      const take = () => {
        for (const one of heard) one()
      }
      const subscription = open(control, `${instance}.events.v1.${tenantId}.>`, { take, unreadable: take })
      entry = { heard, subscription }
      listeners.set(tenantId, entry)
    }
    const { heard, subscription } = entry
    heard.add(whenHeard)
    return () => {
      heard.delete(whenHeard)
      if (heard.size > 0 || listeners.get(tenantId)?.heard !== heard) return
      listeners.delete(tenantId)
      subscription.unsubscribe()
    }
  }
  return Bus.of({ instance, ask, isUp: () => up, hear })
})

/** Needs `Nats`, `Replica`, `GatewayConfig`. */
export const layer: Layer.Layer<Bus, never, Nats | Replica | GatewayConfig> = Layer.effect(Bus, make)
