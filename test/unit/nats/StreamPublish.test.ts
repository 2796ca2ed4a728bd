// Verifies R-EVT-1.
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { Clock, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Ack } from "../../../src/nats/AckInbox.ts"
import * as StreamPublish from "../../../src/nats/StreamPublish.ts"
import { seededRandom } from "../../support/seededRandom.ts"

interface Sent {
  readonly subject: string
  readonly reply: string
  readonly headers: string
  readonly payload: string
  readonly id: string
  /** What it expects before it. */
  readonly last: number
}

const linePattern = /^HPUB (\S+) (\S+) (\d+) (\d+)\r\n/u

/** What a server reads from the bytes of the client. */
const read = (bytes: Buffer): ReadonlyArray<Sent> => {
  const sent: Array<Sent> = []
  for (let rest = bytes; rest.length > 0; ) {
    const [line, subject = "", reply = "", head, all] =
      linePattern.exec(rest.toString("latin1")) ?? assert.fail("no line of a message")
    const body = rest.subarray(line!.length)
    const headers = body.subarray(0, Number(head)).toString("utf8")
    assert.isTrue(headers.startsWith("NATS/1.0\r\n") && headers.endsWith("\r\n\r\n"), headers)
    assert.strictEqual(body.subarray(Number(all), Number(all) + 2).toString(), "\r\n")
    sent.push({
      ...{ subject, reply, headers, payload: body.subarray(Number(head), Number(all)).toString("utf8") },
      id: /^Nats-Msg-Id: (.*)\r$/mu.exec(headers)?.[1] ?? "",
      last: Number(/^Nats-Expected-Last-Sequence: (.*)\r$/mu.exec(headers)?.[1])
    })
    rest = body.subarray(Number(all) + 2)
  }
  return sent
}

/** A connection that keeps what is published, and answers when the test says so. */
const paper = () => {
  const sent: Array<Sent> = []
  let onMessage: (error: Error | null, msg: Msg) => void = () => assert.fail("nobody listens")
  const protocol = {
    outMsgs: 0,
    outBytes: 0,
    noMorePublishing: false,
    isClosed: () => bus.isClosed,
    sendCommand: (bytes: Uint8Array) => void sent.push(...read(Buffer.from(bytes)))
  }
  const connection = {
    protocol,
    info: { max_payload: 4_096 } as { readonly max_payload: number } | undefined,
    subscribe: (_: string, { callback }: { readonly callback: typeof onMessage }) => {
      onMessage = callback
      bus.subscriptions++
      return { unsubscribe: () => undefined }
    }
  }
  const answer = (reply: string, body: unknown) =>
    onMessage(null, {
      subject: reply,
      data: Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
    } as unknown as Msg)
  const end = () => onMessage(new Error("permissions violation"), undefined as unknown as Msg)
  /** As while the library connects anew: it knows nothing of a server. */
  const forget = () => {
    connection.info = undefined
  }
  const bus = {
    connection: connection as unknown as NatsConnection,
    ...{ protocol, sent, answer, end, forget, subscriptions: 0, isClosed: false }
  }
  return bus
}
type Paper = ReturnType<typeof paper>

const messages = (count: number): ReadonlyArray<StreamPublish.StreamMessage> =>
  Array.from({ length: count }, (_, n) => ({
    id: `m${n}`,
    subject: `s.${n}`,
    payload: Buffer.from(`p${n}`),
    headers: { "ce-id": `m${n}` }
  }))
const limit = Duration.seconds(5)
const place = (last: number, windowMax = 256, until = Number.POSITIVE_INFINITY): StreamPublish.Place => ({
  ...{ stream: "S", last, windowMax, limit, until }
})
/** Of the clock that limits go by. */
const monotonicMs = Clock.clockWith((clock) => Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6))
const turn = Effect.promise(() => new Promise<void>((done) => setImmediate(done)))
const store = (bus: Paper, { last, reply }: Sent) => bus.answer(reply, { stream: "S", seq: last + 1 })
/** Answers whatever is sent, until nothing more is. */
const storeAll = (bus: Paper) =>
  Effect.gen(function* () {
    for (let at = 0; at < bus.sent.length; ) {
      while (at < bus.sent.length) store(bus, bus.sent[at++]!)
      yield* turn
    }
  })

/** Sends, lets the test answer, and gives what came of it. */
const acksOf = Effect.fnUntraced(function* (
  bus: Paper,
  sending: ReadonlyArray<StreamPublish.StreamMessage>,
  act: Effect.Effect<void>,
  where = place(6)
) {
  const { publishChain } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
  const fiber = yield* Effect.forkChild(publishChain(sending, where), { startImmediately: true })
  yield* act
  return yield* Fiber.join(fiber)
})
const kindsOf = (acks: ReadonlyArray<Ack>) => acks.map(({ kind }) => kind)

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

describe("messages for a stream", () => {
  it.effect("are kept no longer than they are published, answered or not", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { publishChain } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
      /** Nothing here holds on to what was published. */
      const published = Effect.fnUntraced(function* (isAnswered: boolean) {
        const sending = messages(1)
        const payload = new WeakRef(sending[0]!.payload)
        const fiber = yield* Effect.forkChild(publishChain(sending, place(6)), { startImmediately: true })
        if (isAnswered) store(bus, bus.sent.at(-1)!)
        else yield* TestClock.adjust(limit)
        assert.deepStrictEqual(kindsOf(yield* Fiber.join(fiber)), [isAnswered ? "stored" : "unknown"])
        return payload
      })
      const all = [yield* published(true), yield* published(false)]
      yield* published(true)
      yield* turn
      collectGarbage()
      assert.deepStrictEqual(
        all.map((payload) => payload.deref()),
        [undefined, undefined]
      )
    })
  )

  it.effect(
    "go in their order, the first alone and each behind the one before, and each has its own acknowledgement",
    () =>
      Effect.gen(function* () {
        const bus = paper()
        const acks = yield* acksOf(
          bus,
          messages(4),
          Effect.gen(function* () {
            assert.deepStrictEqual(
              bus.sent.map(({ id }) => id),
              ["m0"]
            )
            store(bus, bus.sent[0]!)
            yield* turn
            assert.deepStrictEqual(
              bus.sent.map(({ id, last, payload, subject }) => [subject, id, last, payload]),
              [0, 1, 2, 3].map((n) => [`s.${n}`, `m${n}`, 6 + n, `p${n}`])
            )
            assert.strictEqual(
              bus.sent[1]!.headers,
              "NATS/1.0\r\nce-id: m1\r\nNats-Msg-Id: m1\r\nNats-Expected-Stream: S\r\nNats-Expected-Last-Sequence: 7\r\n\r\n"
            )
            for (const n of [3, 1, 2]) store(bus, bus.sent[n]!)
          })
        )
        assert.deepStrictEqual(
          acks,
          [7, 8, 9, 10].map((sequence) => ({ kind: "stored", sequence, duplicate: false }))
        )
        assert.deepStrictEqual([bus.protocol.outMsgs, bus.protocol.outBytes > 0], [4, true])
      })
  )

  it.effect("of two at once have each their own acknowledgements, also where one begins behind the other's last", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { publishChain } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
      const [one, other] = [
        yield* Effect.forkChild(publishChain(messages(3), place(6)), { startImmediately: true }),
        yield* Effect.forkChild(publishChain(messages(2), place(50)), { startImmediately: true })
      ]
      // All of the first are sent, and none but its first is acknowledged when the other's are.
      store(bus, bus.sent[0]!)
      yield* turn
      const [, second, ...rest] = bus.sent
      store(bus, second!)
      yield* turn
      for (const sent of [...rest, bus.sent.at(-1)!].toReversed()) store(bus, sent)
      yield* turn
      for (const chain of [one, other]) assert.isDefined(chain.pollUnsafe())
      const sequences = (acks: ReadonlyArray<Ack>) => acks.map((ack) => ack.kind === "stored" && ack.sequence)
      assert.deepStrictEqual(sequences(yield* Fiber.join(other)), [51, 52])
      assert.deepStrictEqual(sequences(yield* Fiber.join(one)), [7, 8, 9])
    }).pipe(Effect.scoped)
  )

  it.effect("are no more on their way than the window says, and the next go as soon as some are acknowledged", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(
        bus,
        messages(40),
        Effect.gen(function* () {
          store(bus, bus.sent[0]!)
          yield* turn
          assert.lengthOf(bus.sent, 9)
          for (const n of [1, 2, 3]) store(bus, bus.sent[n]!)
          yield* turn
          assert.lengthOf(bus.sent, 12)
          for (let at = 4; at < bus.sent.length; at++) {
            store(bus, bus.sent[at]!)
            yield* turn
            assert.isAtMost(bus.sent.length - at - 1, 8)
          }
        }),
        place(6, 8)
      )
      assert.deepStrictEqual(
        acks.map((ack) => ack.kind === "stored" && ack.sequence),
        Array.from({ length: 40 }, (_, n) => 7 + n)
      )
    })
  )

  const oddities: ReadonlyArray<readonly [string, unknown]> = [
    ["refused", { error: { code: 400, err_code: 10071, description: "wrong last sequence: 9" } }],
    ["known to the server already", { stream: "S", seq: 3, duplicate: true }],
    ["stored elsewhere", { stream: "S", seq: 12 }],
    ["answered with nothing", ""]
  ]
  for (const [what, answer] of oddities) {
    it.effect(`stop behind one that was ${what}: nothing more is sent, and the acknowledgements end there`, () =>
      Effect.gen(function* () {
        const bus = paper()
        const alone = yield* acksOf(
          bus,
          messages(3),
          Effect.sync(() => bus.answer(bus.sent[0]!.reply, answer))
        )
        assert.lengthOf(alone, 1)
        assert.lengthOf(bus.sent, 1)
        const later = paper()
        const acks = yield* acksOf(
          later,
          messages(20),
          Effect.gen(function* () {
            store(later, later.sent[0]!)
            yield* turn
            later.answer(later.sent[1]!.reply, answer)
            yield* turn
            for (const n of [2, 3, 4]) store(later, later.sent[n]!)
            yield* turn
          }),
          place(6, 4)
        )
        assert.lengthOf(later.sent, 5)
        assert.lengthOf(acks, 5)
        assert.strictEqual(kindsOf(acks)[0], "stored")
      })
    )
  }

  it.effect(
    "that are not acknowledged in time may be stored; an acknowledgement twice counts once, and a late one not",
    () =>
      Effect.gen(function* () {
        const bus = paper()
        const acks = yield* acksOf(
          bus,
          messages(3),
          Effect.gen(function* () {
            store(bus, bus.sent[0]!)
            yield* turn
            store(bus, bus.sent[1]!)
            bus.answer(bus.sent[1]!.reply, { stream: "S", seq: 2 })
            yield* turn
            yield* TestClock.adjust(limit)
            store(bus, bus.sent[2]!)
          })
        )
        assert.deepStrictEqual(acks, [
          { kind: "stored", sequence: 7, duplicate: false },
          { kind: "stored", sequence: 8, duplicate: false },
          { kind: "unknown", reason: "no answer in time" }
        ])
      })
  )

  it.effect("are waited for as long as some are acknowledged, and no longer than the limit once none is", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(
        bus,
        messages(6),
        Effect.gen(function* () {
          for (let n = 0; n < 4; n++) {
            store(bus, bus.sent[n]!)
            yield* turn
            yield* TestClock.adjust(Duration.seconds(4))
          }
          yield* TestClock.adjust(Duration.seconds(1))
        }),
        place(6, 2)
      )
      assert.deepStrictEqual(kindsOf(acks), ["stored", "stored", "stored", "stored", "unknown", "unknown"])
      yield* turn
      assert.lengthOf(bus.sent, 6)
    })
  )

  it.effect("are sent no more once the time is over, and what was sent is still waited for", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(
        bus,
        messages(9),
        Effect.gen(function* () {
          store(bus, bus.sent[0]!)
          yield* turn
          assert.lengthOf(bus.sent, 4)
          yield* TestClock.adjust(Duration.seconds(2))
          for (const n of [1, 2, 3]) {
            store(bus, bus.sent[n]!)
            yield* turn
          }
        }),
        place(6, 3, (yield* monotonicMs) + 1_500)
      )
      assert.lengthOf(bus.sent, 4)
      assert.deepStrictEqual(kindsOf(acks), ["stored", "stored", "stored", "stored"])
    })
  )

  it.effect("are not waited for longer than the limit behind that time, though some are acknowledged", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(
        bus,
        messages(9),
        Effect.gen(function* () {
          store(bus, bus.sent[0]!)
          yield* turn
          for (const n of [1, 2]) {
            yield* TestClock.adjust(Duration.seconds(3))
            store(bus, bus.sent[n]!)
            yield* turn
          }
          yield* TestClock.adjust(Duration.seconds(1))
        }),
        place(6, 4, (yield* monotonicMs) + 1_500)
      )
      assert.deepStrictEqual(kindsOf(acks), ["stored", "stored", "stored", "unknown", "unknown"])
    })
  )

  it.effect("begin with the first, also when the time is over before", () =>
    Effect.gen(function* () {
      const bus = paper()
      const acks = yield* acksOf(bus, messages(3), storeAll(bus), place(6, 4, (yield* monotonicMs) - 1))
      assert.deepStrictEqual(kindsOf(acks), ["stored"])
    })
  )

  it.effect("are unknown where an answer says nothing of a stream", () =>
    Effect.gen(function* () {
      for (const odd of [
        "",
        "{",
        "[]",
        "null",
        { stream: "", seq: 1 },
        { stream: "another", seq: 1 },
        { stream: "S" },
        { stream: "S", seq: -1 },
        { seq: 1 }
      ]) {
        const bus = paper()
        const acks = yield* acksOf(
          bus,
          messages(1),
          Effect.sync(() => bus.answer(bus.sent[0]!.reply, odd))
        )
        assert.deepStrictEqual(kindsOf(acks), ["unknown"])
      }
    })
  )

  const unfit: ReadonlyArray<readonly [string, Partial<StreamPublish.StreamMessage>]> = [
    ["InvalidSubjectError", { subject: "" }],
    ["InvalidSubjectError", { subject: "a b" }],
    ["InvalidSubjectError", { subject: "a\r\nPUB b 0" }],
    ["InvalidArgumentError", { headers: { "a\r\nb": "c" } }],
    ["InvalidArgumentError", { headers: { "a:b": "c" } }],
    ["InvalidArgumentError", { headers: { "": "c" } }],
    ["InvalidArgumentError", { headers: { "ce-id": "c\nNats-Rollup: all" } }],
    ["InvalidArgumentError", { headers: { "ce-id": "c\r" } }],
    ["InvalidArgumentError", { id: "x\r\nNats-Rollup: all" }],
    ["InvalidArgumentError", { payload: new Uint8Array(4_096) }]
  ]
  it.effect("that break the rules are not sent, and what stands behind them neither", () =>
    Effect.gen(function* () {
      for (const [reason, changes] of unfit) {
        const bus = paper()
        const [first, second, third] = messages(3)
        const acks = yield* acksOf(bus, [first!, { ...second!, ...changes }, third!], storeAll(bus))
        assert.deepStrictEqual(acks.slice(1), [{ kind: "unsent", reason }], JSON.stringify(changes).slice(0, 80))
        assert.lengthOf(bus.sent, 1)
      }
    })
  )

  it.effect("are not refused for their size while no server has said what it takes", () =>
    Effect.gen(function* () {
      const bus = paper()
      bus.forget()
      const [first, second] = messages(2)
      const large = { ...second!, payload: Buffer.alloc(2_000_000, "x") }
      const acks = yield* acksOf(bus, [first!, large], storeAll(bus))
      assert.deepStrictEqual(kindsOf(acks), ["stored", "stored"])
      assert.strictEqual(bus.sent[1]!.payload.length, 2_000_000)
    })
  )

  it.effect("are not sent over a connection that is closed or drained", () =>
    Effect.gen(function* () {
      const bus = paper()
      bus.isClosed = true
      const ofClosed = yield* acksOf(bus, messages(2), Effect.void)
      bus.isClosed = false
      bus.protocol.noMorePublishing = true
      const ofDrained = yield* acksOf(bus, messages(2), Effect.void)
      assert.deepStrictEqual(
        [...ofClosed, ...ofDrained],
        [
          { kind: "unsent", reason: "ClosedConnectionError" },
          { kind: "unsent", reason: "DrainingConnectionError" }
        ]
      )
      assert.lengthOf(bus.sent, 0)
    })
  )

  it.effect("say byte for byte what they were given, whatever they hold and however many there are", () =>
    Effect.gen(function* () {
      const { random, seed } = seededRandom("messages for a stream")
      const text = (max: number) =>
        Array.from(
          { length: Math.floor(random() * max) },
          () => ["a", "ü", "\u{1f511}", "€", "~"][Math.floor(random() * 5)]
        ).join("")
      const sending = Array.from({ length: 600 }, (_, n) => ({
        id: `m${n}`,
        subject: `s.${"x".repeat(Math.floor(random() * 60))}ü`,
        payload: Buffer.from(text(700)),
        headers: { "ce-id": `i${text(40)}`, "ce-subject": `v${text(80)}` }
      }))
      const bus = paper()
      const acks = yield* acksOf(bus, sending, storeAll(bus), place(0, 100))
      assert.lengthOf(acks, 600)
      for (const [at, { headers, id, payload, subject }] of sending.entries()) {
        const sent = bus.sent[at]!
        assert.deepStrictEqual(
          [Buffer.from(sent.subject, "latin1").toString("utf8"), sent.id, sent.payload],
          [subject, id, payload.toString("utf8")],
          `SEED=${seed} ${at}`
        )
        for (const [name, value] of Object.entries(headers)) assert.include(sent.headers, `\r\n${name}: ${value}\r\n`)
      }
    })
  )

  it.effect("are acknowledged again after the bus has ended the subscription", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { publishChain } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
      assert.strictEqual(bus.subscriptions, 1)
      bus.end()
      const fiber = yield* Effect.forkChild(publishChain(messages(2), place(6)), { startImmediately: true })
      assert.strictEqual(bus.subscriptions, 2)
      yield* storeAll(bus)
      assert.deepStrictEqual(kindsOf(yield* Fiber.join(fiber)), ["stored", "stored"])
    })
  )

  it.effect("of two streams at once do not mix their acknowledgements", () =>
    Effect.gen(function* () {
      const bus = paper()
      const { publishChain } = yield* StreamPublish.make(bus.connection, "_INBOX.test")
      const one = yield* Effect.forkChild(publishChain(messages(3), place(6)), { startImmediately: true })
      const two = yield* Effect.forkChild(publishChain(messages(3), place(96)), { startImmediately: true })
      yield* storeAll(bus)
      const sequences = (acks: ReadonlyArray<Ack>) => acks.map((ack) => ack.kind === "stored" && ack.sequence)
      assert.deepStrictEqual(sequences(yield* Fiber.join(one)), [7, 8, 9])
      assert.deepStrictEqual(sequences(yield* Fiber.join(two)), [97, 98, 99])
    })
  )

  it.effect("of none is nothing", () =>
    Effect.gen(function* () {
      const acks = yield* acksOf(paper(), [], Effect.void)
      assert.deepStrictEqual(acks, [])
    })
  )
})
