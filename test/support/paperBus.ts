/**
 * A bus on paper: one connection without a server, for tests of what handlers do with a message.
 *
 * A message goes to every subscription without a queue and to one of each queue group. What is
 * sent back is kept. Routing, permissions and reconnection are the real server's and are tested
 * with it.
 */
import { headers, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node"
import { Layer } from "effect"
import { Nats } from "../../src/nats/Nats.ts"

export interface Sent {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: MsgHdrs | undefined
}

interface Subscribed {
  readonly subject: string
  /** Its tokens, cut once: a service has a hundred subscriptions, and a test publishes thousands of messages. */
  readonly wanted: ReadonlyArray<string>
  readonly queue: string | undefined
  readonly callback: (error: Error | null, message: Msg) => void
}

const matches = (wanted: ReadonlyArray<string>, given: ReadonlyArray<string>): boolean => {
  const open = wanted.at(-1) === ">"
  return (
    (open ? given.length >= wanted.length : given.length === wanted.length) &&
    wanted.every((token, index) => token === ">" || token === "*" || token === given[index])
  )
}

export const paperBus = (options: { readonly maxPayload?: number } = {}) => {
  const subscriptions = new Set<Subscribed>()
  const sent: Array<Sent> = []
  const encoder = new TextEncoder()
  const maxPayload = options.maxPayload ?? 8_388_608

  const answered = (subject: string, payload: Uint8Array | string, given: MsgHdrs | undefined) => {
    const data = typeof payload === "string" ? encoder.encode(payload) : payload
    if (data.length > maxPayload) throw new Error("max_payload exceeded")
    sent.push({ subject, data, headers: given })
  }

  const connection = {
    info: { max_payload: maxPayload },
    subscribe: (subject: string, given: { queue?: string; callback: Subscribed["callback"] }) => {
      const subscribed = { subject, wanted: subject.split("."), queue: given.queue, callback: given.callback }
      subscriptions.add(subscribed)
      return { drain: () => Promise.resolve(void subscriptions.delete(subscribed)) }
    },
    publish: (subject: string, payload: Uint8Array | string, answer?: { headers?: MsgHdrs }): void => {
      answered(subject, payload, answer?.headers)
    },
    flush: () => Promise.resolve()
  } as unknown as NatsConnection

  /** Hands a message to whom it concerns; answers how many took it. Throws what a callback throws. */
  const publish = (
    subject: string,
    data: Uint8Array | string,
    given: {
      readonly reply?: string
      readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>>
      /** Its headers are none that the library reads. */
      readonly isUnreadable?: boolean
    } = {}
  ): number => {
    const bytes = typeof data === "string" ? encoder.encode(data) : data
    const received = headers()
    for (const [name, value] of Object.entries(given.headers ?? {})) {
      for (const one of [value].flat()) received.append(name, one)
    }
    const message = {
      subject,
      data: bytes,
      ...(given.reply === undefined ? {} : { reply: given.reply }),
      ...(given.headers === undefined ? {} : { headers: received }),
      respond: (payload: Uint8Array | string, answer: { headers?: MsgHdrs } = {}) => {
        if (given.reply === undefined) return false
        answered(given.reply, payload, answer.headers)
        return true
      }
    } as unknown as Msg
    if (given.isUnreadable === true) {
      const get = () => {
        throw new Error("headers that break the rules")
      }
      Object.defineProperty(message, "headers", { configurable: true, get })
    }
    const groups = new Set<string>()
    const tokens = subject.split(".")
    const takers = Array.from(subscriptions).filter(({ queue, wanted }) => {
      if (!matches(wanted, tokens)) return false
      if (queue === undefined) return true
      const first = !groups.has(queue)
      groups.add(queue)
      return first
    })
    for (const { callback } of takers) callback(null, message)
    return takers.length
  }

  const layer = Layer.succeed(Nats, {
    validation: connection,
    requests: connection,
    events: connection,
    control: connection,
    inboxPrefix: "_INBOX.service"
  } as Nats["Service"])
  return { layer, publish, sent, subjects: () => Array.from(subscriptions, ({ subject }) => subject) }
}
export type PaperBus = ReturnType<typeof paperBus>
