/**
 * The inbox in memory: what is published under the names of its events waits until it is done with, and
 * comes again when its holder asks for that. Real streams are tested with a real server.
 */
import { Duration, Effect, Layer } from "effect"
import { Inbox, type InboxMessage, InboxUnavailable } from "../../src/nats/Inbox.ts"

const names = ["endpoint.lifecycle.unregistered", "tenant.lifecycle.updated", "tenant.lifecycle.unregistered"]
const isEvent = (subject: string): boolean =>
  subject.startsWith("kaa.v1.events.") && names.includes(subject.split(".").slice(4).join("."))

interface Waiting {
  readonly subject: string
  readonly data: Uint8Array
  readonly id: string
  deliveries: number
}

export const paperInbox = (options: { readonly firstAt?: number } = {}) => {
  const waiting: Array<Waiting> = []
  const done: Array<string> = []
  /** So many of the next words that a message is done are not confirmed. */
  const confirmations = { missing: 0 }
  const takers: Array<() => void> = []
  let count = 0
  const wake = () => {
    for (const taker of takers.splice(0)) taker()
  }
  const put = (one: Waiting) => {
    waiting.push(one)
    wake()
  }
  /** True when it is an event of the inbox. */
  const publish = (subject: string, data: Uint8Array): boolean => {
    if (!isEvent(subject)) return false
    put({ subject, data, id: `paper.${count++}`, deliveries: 0 })
    return true
  }
  const messageOf = (one: Waiting): InboxMessage => ({
    subject: one.subject,
    isUnreadable: false,
    data: one.data,
    at: (options.firstAt ?? 1_000) + Number(one.id.slice("paper.".length)),
    id: one.id,
    deliveries: ++one.deliveries,
    done: Effect.sync(() => {
      done.push(one.id)
      return confirmations.missing-- <= 0
    }),
    working: Effect.void,
    later: (pause) => Effect.sync(() => void setTimeout(() => put(one), Math.min(Duration.toMillis(pause), 20)).unref())
  })
  const take: Effect.Effect<InboxMessage | null> = Effect.callback((resume) => {
    const next = waiting.shift()
    if (next !== undefined) return resume(Effect.succeed(messageOf(next)))
    takers.push(() => resume(Effect.succeed(null)))
  })
  const layer = Layer.succeed(Inbox, {
    take,
    state: Effect.fail(new InboxUnavailable({ reason: "on paper" }))
  })
  return { layer, publish, done, confirmations, waiting: () => waiting.length }
}
