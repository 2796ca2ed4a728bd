import { assert, describe, it } from "@effect/vitest"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Duration, Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as StreamPuts from "../../../src/nats/StreamPuts.ts"

const linePattern = /^PUB (\S+) (\S+) (\d+)\r\n/u

/** A connection that keeps what is put, and answers when the test says so. */
const paper = () => {
  const sent: Array<{ readonly subject: string; readonly reply: string; readonly payload: string }> = []
  let onMessage: (error: Error | null, msg: Msg) => void = () => assert.fail("nobody listens")
  const connection = {
    protocol: {
      outMsgs: 0,
      outBytes: 0,
      isClosed: () => bus.isClosed,
      sendCommand: (bytes: Uint8Array) => {
        for (let rest = Buffer.from(bytes).toString("latin1"); rest !== ""; ) {
          const [line, subject = "", reply = "", length] = linePattern.exec(rest) ?? assert.fail("no line of a message")
          const end = line!.length + Number(length)
          sent.push({ subject, reply, payload: rest.slice(line!.length, end) })
          assert.strictEqual(rest.slice(end, end + 2), "\r\n")
          rest = rest.slice(end + 2)
        }
      }
    },
    subscribe: (_: string, { callback }: { readonly callback: typeof onMessage }) => {
      if (bus.isClosed) throw new Error("closed")
      onMessage = callback
      bus.subscriptions++
      return { unsubscribe: () => undefined }
    }
  } as unknown as NatsConnection
  const answer = (at: number, body: unknown) =>
    onMessage(null, {
      subject: sent[at]!.reply,
      data: Buffer.from(body === null ? "" : JSON.stringify(body))
    } as unknown as Msg)
  const end = () => onMessage(new Error("permissions violation"), undefined as unknown as Msg)
  const bus = { connection, sent, answer, end, subscriptions: 0, isClosed: false, stored: 0, lost: 0 }
  return bus
}

const limit = Duration.seconds(2)
const putsOn = (bus: ReturnType<typeof paper>, inFlightMax = 8) =>
  StreamPuts.make(bus.connection, "_INBOX.test", {
    inFlightMax,
    limit,
    stored: () => void bus.stored++,
    lost: () => void bus.lost++
  })
const ack = { stream: "KV_X", seq: 7 }
const payload = Buffer.from("value")

describe("puts into a stream", () => {
  it.effect("are sent as they are with the flush, and each is counted once by what is said of it", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { flushUnsafe, putUnsafe } = yield* putsOn(bus)
      for (const n of [0, 1, 2, 3]) assert.isTrue(putUnsafe(`$KV.x.${n}`, payload))
      assert.lengthOf(bus.sent, 0)
      flushUnsafe()
      assert.deepStrictEqual(
        bus.sent.map(({ payload, subject }) => [subject, payload]),
        [0, 1, 2, 3].map((n) => [`$KV.x.${n}`, "value"])
      )
      assert.strictEqual(new Set(bus.sent.map(({ reply }) => reply)).size, 4)
      bus.answer(1, ack)
      bus.answer(1, ack)
      bus.answer(0, { error: { code: 503, err_code: 10077, description: "full" }, stream: "KV_X", seq: 0 })
      bus.answer(2, null)
      assert.deepStrictEqual([bus.stored, bus.lost], [1, 2])
      bus.answer(3, ack)
      yield* TestClock.adjust(Duration.times(limit, 2))
      assert.deepStrictEqual([bus.stored, bus.lost], [2, 2])
    })
  )

  it.effect("are no more on their way than may be, and count as lost when the limit is over", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { flushUnsafe, putUnsafe } = yield* putsOn(bus, 3)
      const put = (count: number) => {
        const taken = Array.from({ length: count }, () => putUnsafe("a", payload)).filter((isTaken) => isTaken).length
        flushUnsafe()
        return taken
      }
      assert.strictEqual(put(5), 3)
      bus.answer(0, ack)
      yield* TestClock.adjust(Duration.millis(1_500))
      assert.strictEqual(put(5), 1)
      yield* TestClock.adjust(Duration.millis(1_500))
      assert.deepStrictEqual([bus.stored, bus.lost], [1, 2])
      bus.answer(1, ack)
      assert.deepStrictEqual([bus.stored, bus.lost], [1, 2])
      assert.strictEqual(put(5), 2)
      bus.answer(3, ack)
      assert.deepStrictEqual([bus.stored, bus.lost], [2, 2])
    })
  )

  it.effect("ask for acknowledgements that the bus refuses once a second, and say so as often", () => {
    const logged: Array<unknown> = []
    const collect = Logger.make(({ message }) => void logged.push((message as ReadonlyArray<unknown>)[0]))
    return Effect.gen(function* () {
      const bus = paper()
      const { flushUnsafe, putUnsafe } = yield* putsOn(bus, 1_000)
      const refused = (count: number) => {
        for (let n = 0; n < count; n++) {
          const { subscriptions } = bus
          putUnsafe("a", payload)
          if (bus.subscriptions > subscriptions) bus.end()
        }
        flushUnsafe()
      }
      bus.end()
      refused(100)
      // The first, and one anew.
      assert.strictEqual(bus.subscriptions, 2)
      yield* TestClock.adjust("999 millis")
      refused(100)
      assert.strictEqual(bus.subscriptions, 2)
      yield* TestClock.adjust("1 millis")
      refused(100)
      assert.strictEqual(bus.subscriptions, 3)
      yield* TestClock.adjust("1 second")
      assert.isTrue(putUnsafe("a", payload))
      flushUnsafe()
      assert.strictEqual(bus.subscriptions, 4)
      bus.answer(bus.sent.length - 1, ack)
      assert.strictEqual(bus.stored, 1)
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      assert.deepStrictEqual(
        logged,
        Array.from({ length: 2 }, () => "the bus ended the subscription for acknowledgements")
      )
    }).pipe(Effect.provide(Logger.layer([collect])))
  })

  it.effect("are lost at once while the connection is closed, and harm nobody", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { flushUnsafe, putUnsafe } = yield* putsOn(bus, 2)
      bus.end()
      bus.isClosed = true
      for (let n = 0; n < 5; n++) assert.isTrue(putUnsafe("a", payload))
      flushUnsafe()
      assert.deepStrictEqual([bus.sent.length, bus.lost], [0, 5])
      bus.isClosed = false
      assert.isTrue(putUnsafe("a", payload))
      flushUnsafe()
      assert.strictEqual(bus.subscriptions, 2)
      bus.answer(0, ack)
      assert.deepStrictEqual([bus.stored, bus.lost], [1, 5])
    })
  )
})
