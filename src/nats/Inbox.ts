/**
 * What waits in the inbox stream: events of other services, each until it has been carried out.
 *
 * A replica takes one message with each call, and has it to itself until it says `done`, or says
 * nothing for `ackWait`; then another replica gets it. So every message is delivered at least once, and
 * what it leads to must not be done twice. The stream is a work queue with one durable consumer, which is
 * made again when it is missing.
 *
 * Each taking is a request of its own that ends by itself: a consumer whose server was lost is blind
 * for one such request and no longer.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  JetStreamApiError,
  type JsMsg,
  jetstream
} from "@nats-io/jetstream"
import { nanos } from "@nats-io/transport-node"
import { Context, Data, DateTime, Duration, Effect, Layer, Semaphore } from "effect"
import * as Door from "./Door.ts"
import { Nats } from "./Nats.ts"
import { Streams } from "./Streams.ts"

export const consumerName = "inbox"
/** A message of which its holder says nothing for so long is given to another. */
export const ackWait = Duration.seconds(10)
const ackPendingMax = 1_024
const takeWait = Duration.seconds(5)
const takeLimit = Duration.seconds(8)
const pauseAfterFailure = Duration.millis(500)
const ackLimit = Duration.seconds(2)

export interface InboxMessage {
  readonly subject: string
  readonly data: Uint8Array
  /** Its headers break the rules for headers. */
  readonly isUnreadable: boolean
  /** When the stream took it, UNIX milliseconds: the order of events. */
  readonly at: number
  /** The same for each delivery of one message, another for every other. */
  readonly id: string
  /** 1 for the first time. */
  readonly deliveries: number
  /** It is carried out and goes. False: that was not confirmed, and it may come again. */
  readonly done: Effect.Effect<boolean>
  /** Still at it. */
  readonly working: Effect.Effect<void>
  /** Another time, after so long. */
  readonly later: (pause: Duration.Duration) => Effect.Effect<void>
}

/** Where the stream and its consumer stand. */
export interface InboxState {
  /** When the stream was made, UNIX milliseconds. */
  readonly madeAt: number
  /** The first sequence that is still there; one behind the last when it is empty. */
  readonly firstSeq: number
  /** The last sequence that was handed out. */
  readonly deliveredSeq: number
  readonly waiting: number
}

export class InboxUnavailable extends Data.TaggedError("InboxUnavailable")<{ readonly reason: string }> {}

export class Inbox extends Context.Service<
  Inbox,
  {
    /** The next message, or null when none came for a while. Never fails. */
    readonly take: Effect.Effect<InboxMessage | null>
    readonly state: Effect.Effect<InboxState, InboxUnavailable>
  }
>()("cm/nats/Inbox") {}

const wanted: ConsumerConfig = {
  durable_name: consumerName,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(Duration.toMillis(ackWait)),
  max_ack_pending: ackPendingMax,
  max_deliver: -1
} as ConsumerConfig

const millisOf = (iso: string): number =>
  DateTime.make(iso).pipe((found) => (found._tag === "Some" ? DateTime.toEpochMillis(found.value) : 0))

const reasonOf = (cause: unknown): InboxUnavailable =>
  new InboxUnavailable({ reason: cause instanceof Error ? `${cause.name}: ${cause.message}` : "unknown" })

const make = Effect.gen(function* () {
  const { events, jetstreamManager } = yield* Nats
  const client = jetstream(events)
  const { inbox: stream } = yield* Streams
  const one = yield* Semaphore.make(1)
  const ask = <A>(request: () => Promise<A>) => Effect.tryPromise({ try: request, catch: reasonOf })

  const ensure = ask(async () => {
    try {
      const { config } = await jetstreamManager.consumers.info(stream, consumerName)
      if (config.ack_wait === wanted.ack_wait && config.max_ack_pending === wanted.max_ack_pending) return
      await jetstreamManager.consumers.update(stream, consumerName, {
        ack_wait: wanted.ack_wait!,
        max_ack_pending: ackPendingMax
      })
    } catch (cause) {
      if (!(cause instanceof JetStreamApiError)) throw cause
      await jetstreamManager.consumers.add(stream, wanted)
    }
  })
  let consumer: Awaited<ReturnType<typeof client.consumers.get>> | null = null
  const present = one.withPermits(1)(
    Effect.suspend(() =>
      consumer !== null
        ? Effect.succeed(consumer)
        : Effect.andThen(
            ensure,
            Effect.map(
              ask(() => client.consumers.get(stream, consumerName)),
              (got) => {
                consumer = got
                return got
              }
            )
          )
    )
  )

  const messageOf = (message: JsMsg): InboxMessage => ({
    subject: message.subject,
    data: message.data,
    isUnreadable: Door.breakRules(message.headers),
    at: Math.floor(message.info.timestampNanos / 1e6),
    id: `${stream}.${message.info.timestampNanos}.${message.seq}`,
    deliveries: message.info.deliveryCount,
    done: ask(() => message.ackAck({ timeout: Duration.toMillis(ackLimit) })).pipe(Effect.orElseSucceed(() => false)),
    working: Effect.sync(() => message.working()),
    later: (pause) => Effect.sync(() => message.nak(Duration.toMillis(pause)))
  })

  const take = present.pipe(
    Effect.flatMap((got) => ask(() => got.next({ expires: Duration.toMillis(takeWait) }))),
    Effect.map((message) => (message === null ? null : messageOf(message))),
    Effect.timeoutOrElse({
      duration: takeLimit,
      orElse: () => Effect.fail(new InboxUnavailable({ reason: "no answer in time" }))
    }),
    Effect.catch(({ reason }) => {
      consumer = null
      return Effect.logDebug("the inbox could not be read").pipe(
        Effect.annotateLogs({ reason }),
        Effect.andThen(Effect.sleep(pauseAfterFailure)),
        Effect.as(null)
      )
    })
  )

  const state = ask(async (): Promise<InboxState> => {
    // The stream first: what is handed out only grows.
    const { created, state } = await jetstreamManager.streams.info(stream)
    const { delivered } = await jetstreamManager.consumers.info(stream, consumerName)
    return {
      madeAt: millisOf(String(created)),
      firstSeq: state.first_seq,
      deliveredSeq: delivered.stream_seq,
      waiting: state.messages
    }
  })
  return Inbox.of({ take, state })
})

/** Needs `Nats`, `Streams`. */
export const layer = Layer.effect(Inbox, make)
