// Verifies R-EVT-1.
import { assert, describe, it } from "@effect/vitest"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as StreamPublish from "../../../src/nats/StreamPublish.ts"

interface Sent {
  readonly subject: string
  readonly reply: string
  readonly id: string
}

/** A connection that keeps what is published, and answers when the test says so. */
const paper = () => {
  const sent: Array<Sent> = []
  let onMessage: (error: Error | null, msg: Msg) => void = () => assert.fail("nobody listens")
  const connection = {
    subscribe: (_: string, { callback }: { readonly callback: typeof onMessage }) => {
      onMessage = callback
      bus.subscriptions++
      return { unsubscribe: () => undefined }
    },
    publish: (subject: string, _: Uint8Array, { headers, reply }: { headers: Map<string, unknown>; reply: string }) => {
      if (subject === "closed") throw new ClosedConnectionError()
      sent.push({ subject, reply, id: String(headers.get("Id")) })
    }
  } as unknown as NatsConnection
  const answer = (reply: string, body: unknown) =>
    onMessage(null, {
      subject: reply,
      data: Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
    } as unknown as Msg)
  const end = () => onMessage(new Error("permissions violation"), undefined as unknown as Msg)
  const bus = { connection, sent, answer, end, subscriptions: 0 }
  return bus
}
class ClosedConnectionError extends Error {
  override name = "ClosedConnectionError"
}

const messages = (...subjects: ReadonlyArray<string>): ReadonlyArray<StreamPublish.StreamMessage> =>
  subjects.map((subject, n) => ({ subject, payload: new Uint8Array(1), headers: { Id: `m${n}` } }))
const limit = Duration.seconds(5)

/** Sends, lets the test answer, and gives what came of it. */
const acksOf = Effect.fnUntraced(function* (
  bus: ReturnType<typeof paper>,
  sending: ReadonlyArray<StreamPublish.StreamMessage>,
  act: (sent: ReadonlyArray<Sent>) => Effect.Effect<void>
) {
  const { publishAll } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
  const fiber = yield* Effect.forkChild(publishAll(sending, limit), { startImmediately: true })
  yield* act(bus.sent)
  return yield* Fiber.join(fiber)
})
const kindsOf = (acks: ReadonlyArray<StreamPublish.Ack>) => acks.map(({ kind }) => kind)

describe("messages for a stream", () => {
  it.effect("are sent in their order, and each has its own acknowledgement, whichever comes first", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(bus, messages("a", "b", "c"), (sent) =>
        Effect.sync(() => {
          assert.deepStrictEqual(
            sent.map(({ id, subject }) => [subject, id]),
            [
              ["a", "m0"],
              ["b", "m1"],
              ["c", "m2"]
            ]
          )
          bus.answer(sent[2]!.reply, { stream: "S", seq: 9 })
          bus.answer(sent[0]!.reply, { stream: "S", seq: 7, duplicate: true })
          bus.answer(sent[1]!.reply, { error: { code: 400, err_code: 10071, description: "wrong last sequence: 9" } })
        })
      )
      assert.deepStrictEqual(acks, [
        { kind: "stored", sequence: 7, duplicate: true },
        { kind: "error", code: 10071 },
        { kind: "stored", sequence: 9, duplicate: false }
      ])
    })
  )

  it.effect("that are not acknowledged in time may be stored; an acknowledgement twice counts once", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(bus, messages("a", "b"), (sent) =>
        Effect.gen(function* () {
          bus.answer(sent[0]!.reply, { stream: "S", seq: 1 })
          bus.answer(sent[0]!.reply, { stream: "S", seq: 2 })
          yield* TestClock.adjust(limit)
          bus.answer(sent[1]!.reply, { stream: "S", seq: 3 })
        })
      )
      assert.deepStrictEqual(acks, [
        { kind: "stored", sequence: 1, duplicate: false },
        { kind: "unknown", reason: "no answer in time" }
      ])
    })
  )

  it.effect("are unknown where an answer says nothing of a stream", () =>
    Effect.gen(function* () {
      const bus = paper()
      const odd = ["", "{", "[]", "null", { stream: "", seq: 1 }, { stream: "S" }, { stream: "S", seq: -1 }, { seq: 1 }]
      const acks = yield* acksOf(bus, messages(...odd.map((_, n) => `s${n}`)), (sent) =>
        Effect.sync(() => {
          for (const [n, body] of odd.entries()) bus.answer(sent[n]!.reply, body)
        })
      )
      assert.deepStrictEqual(
        kindsOf(acks),
        odd.map(() => "unknown")
      )
    })
  )

  it.effect("that the client does not take are not sent, and the others are", () =>
    Effect.gen(function* () {
      const bus = paper()
      const bad: StreamPublish.StreamMessage = { ...messages("c")[0]!, headers: { "a\r\nb": "c" } }
      const acks = yield* acksOf(bus, [...messages("closed", "b"), bad], (sent) =>
        Effect.sync(() => {
          assert.lengthOf(sent, 1)
          bus.answer(sent[0]!.reply, { stream: "S", seq: 1 })
        })
      )
      assert.deepStrictEqual(kindsOf(acks), ["unsent", "stored", "unsent"])
      assert.deepInclude(acks[0], { reason: "ClosedConnectionError" })
    })
  )

  it.effect("are acknowledged again after the bus has ended the subscription", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { publishAll } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
      assert.strictEqual(bus.subscriptions, 1)
      bus.end()
      const fiber = yield* Effect.forkChild(publishAll(messages("a", "b"), limit), { startImmediately: true })
      assert.strictEqual(bus.subscriptions, 2)
      for (const { reply } of bus.sent) bus.answer(reply, { stream: "S", seq: 1 })
      assert.deepStrictEqual(kindsOf(yield* Fiber.join(fiber)), ["stored", "stored"])
    })
  )

  it.effect("of none is nothing", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(bus, [], () => Effect.void)
      assert.deepStrictEqual(acks, [])
    })
  )
})
