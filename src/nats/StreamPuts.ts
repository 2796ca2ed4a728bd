/**
 * Messages for a stream of which nobody waits for one: each is acknowledged or lost, and that is counted.
 *
 * The library's own call makes a timer, an error with its stack and three promises for each. Here one subscription and
 * one look at the time serve all.
 *
 * Never more than so many are on their way. One that is not acknowledged within the limit counts as lost, at most half
 * of the limit later; it may be stored all the same.
 */
import type { NatsConnection } from "@nats-io/transport-node"
import { Clock, Duration, Effect } from "effect"
import * as Loop from "../observability/Loop.ts"
import * as AckInbox from "./AckInbox.ts"
import { PublishLines } from "./PublishLines.ts"

export interface StreamPutsOptions {
  readonly inFlightMax: number
  readonly limit: Duration.Duration
  /** Called once for each message that was taken, one or the other. Must not throw. */
  readonly stored: () => void
  readonly lost: () => void
}

export interface StreamPuts {
  /** False: as many as may be are on their way, and it was not taken. It leaves with the next flush. */
  readonly putUnsafe: (subject: string, payload: Uint8Array) => boolean
  readonly flushUnsafe: () => void
}

/** The subscription lives as long as the scope. `inboxPrefix` is the connection's own. */
export const make = Effect.fnUntraced(function* (
  connection: NatsConnection,
  inboxPrefix: string,
  { inFlightMax, limit, lost, stored }: StreamPutsOptions
) {
  const lines = new PublishLines(connection)
  const clock = yield* Clock.Clock
  /** When each was sent, by the number of its reply subject: the oldest first. */
  const onTheWay = new Map<number, number>()
  let count = 0
  const inbox = yield* AckInbox.make(connection, inboxPrefix, (number, message) => {
    if (!onTheWay.delete(number)) return
    if (AckInbox.ackOf(message).kind === "stored") stored()
    else lost()
  })

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const limitMs = Duration.toMillis(limit)
  const forget = Effect.sync(() => {
    const sentBefore = now() - limitMs
    for (const [number, sentAt] of onTheWay) {
      if (sentAt > sentBefore) return
      onTheWay.delete(number)
      lost()
    }
  })
  yield* Effect.forkScoped(
    Loop.forever("acknowledgements of puts", Effect.andThen(forget, Effect.sleep(Duration.millis(limitMs / 2))))
  )

  let turnAt = Number.NaN
  const putUnsafe: StreamPuts["putUnsafe"] = (subject, payload) => {
    if (onTheWay.size >= inFlightMax) return false
    if (Number.isNaN(turnAt)) turnAt = now()
    const number = count++
    let isSent = false
    try {
      inbox.listen()
      isSent = lines.putPlain(subject, `${inbox.prefix}${number}`, payload) === null
    } catch {
      // The connection is closed.
    }
    if (isSent) onTheWay.set(number, turnAt)
    else lost()
    return true
  }
  const flushUnsafe = (): void => {
    turnAt = Number.NaN
    lines.flush()
  }

  return { putUnsafe, flushUnsafe } satisfies StreamPuts
})
