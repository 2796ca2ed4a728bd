// Verifies R-BUS-30.
/**
 * Nothing that happens in a callback reaches the client library: ours throw, reject and meet unreadable headers,
 * and so do the library's own, on a real connection that must not notice.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node"
import { Effect, References } from "effect"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import * as Door from "../../../src/nats/Door.ts"
import { freshInstance } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"
import { type RawClient, rawClient } from "../../support/rawClient.ts"

const unreadable = "NATS/1.0\r\na b: x\r\nGood: yes\r\nA: x\ny\r\n\r\n"
const name = freshInstance()
const types: Array<string> = []
let nc: NatsConnection
let raw: RawClient
let listen: Door.Listen

beforeAll(async () => {
  nc = await connect({ servers: inject("natsUrl"), noAsyncTraces: true })
  raw = await rawClient({ port: Number(new URL(inject("natsUrl")).port) })
  // Never fails: it ends with the connection.
  void (async () => {
    for await (const { type } of nc.status()) types.push(type)
  })()
  const quiet = Effect.provideService(References.MinimumLogLevel, "None")
  await Effect.runPromise(Door.harden(nc).pipe(quiet))
  listen = await Effect.runPromise(Door.make.pipe(quiet))
})
afterAll(async () => {
  raw?.close()
  await nc?.close()
})
const nothingHappened = async () => {
  await nc.flush()
  assert.notInclude(types, "disconnect")
}

it("what a taker throws or rejects ends with it, and the next message is taken", async () => {
  const taken: Array<string> = []
  const failed: Array<string> = []
  const ways: Record<string, () => unknown> = {
    throws: () => {
      throw new Error("on purpose")
    },
    rejects: () => Promise.reject(new Error("on purpose")),
    works: () => undefined
  }
  listen(nc, `${name}.ours`, {
    take: (message: Msg) => {
      taken.push(message.string())
      return ways[message.string()]!() as undefined
    },
    unreadable: () => {
      throw new Error("on purpose")
    },
    failed: (message) => {
      failed.push(message.string())
      throw new Error("on purpose")
    }
  })
  await nc.flush()
  raw.publish({ subject: `${name}.ours`, payload: "throws" })
  raw.publish({ subject: `${name}.ours`, payload: "unreadable", headers: unreadable })
  raw.publish({ subject: `${name}.ours`, payload: "rejects" })
  raw.publish({ subject: `${name}.ours`, payload: "works" })
  await eventually(
    () => taken.length,
    (count) => count === 3
  )
  assert.deepStrictEqual(taken, ["throws", "rejects", "works"])
  assert.deepStrictEqual(failed, ["throws"])
  await nothingHappened()
})

it("of headers that break the rules, what can be read is there", async () => {
  const found: Array<string | undefined> = []
  listen(nc, `${name}.partly`, { take: () => {}, unreadable: ({ headers }) => void found.push(headers?.get("Good")) })
  await nc.flush()
  raw.publish({ subject: `${name}.partly`, headers: unreadable })
  await eventually(
    () => found,
    ({ length }) => length === 1
  )
  assert.deepStrictEqual(found, ["yes"])
})

it("an answer to the library's own request does no harm, whatever its headers are", async () => {
  const helper = await connect({ servers: inject("natsUrl") })
  helper.subscribe(`${name}.asked`, {
    callback: (_, message) => raw.publish({ subject: message.reply!, headers: unreadable })
  })
  await helper.flush()
  // The library looks into the headers of an empty answer, to see whether nobody was there.
  // May fail: the answer cannot be read, which is what is tried; what counts is that nothing happened.
  await nc.request(`${name}.asked`, "", { timeout: 500 }).catch(() => undefined)
  await nc.request(`${name}.asked`, "", { timeout: 500, noMux: true }).catch(() => undefined)
  await nothingHappened()
  await helper.close()
})

it("a stored message with such headers does not stop a consumer", async () => {
  const stream = `${name}_STREAM`
  const manager = await jetstreamManager(nc, { timeout: 60_000 })
  await manager.streams.add({ name: stream, subjects: [`${name}.stored`], storage: "memory" })
  await manager.consumers.add(stream, { durable_name: "d", ack_policy: "explicit" })
  raw.publish({ subject: `${name}.stored`, headers: unreadable, payload: "first" })
  raw.publish({ subject: `${name}.stored`, payload: "second" })
  await raw.flush()
  const consumer = await jetstream(nc, { timeout: 60_000 }).consumers.get(stream, "d")
  const heard: Array<string> = []
  const messages = await consumer.consume({
    callback: (message) => {
      heard.push(`${message.string()} ${message.headers?.get("Good") ?? ""}`)
      message.ack()
    }
  })
  await eventually(
    () => heard,
    ({ length }) => length === 2
  )
  assert.deepStrictEqual(heard, ["first yes", "second "])
  await messages.close()
  await manager.streams.delete(stream)
  await nothingHappened()
})

it("a carriage return in a subject or a reply subject is a part of it, and the next message is taken", async () => {
  const taken: Array<string> = []
  const heard = listen(nc, `${name}.odd.>`, {
    take: (message) => {
      const { headers: found, reply, sid, subject } = message
      taken.push(
        JSON.stringify([sid, subject.slice(name.length), reply || null, found?.get("Good") ?? null, message.string()])
      )
    },
    unreadable: () => assert.fail("these headers can be read")
  })
  // Whose number the second line of a subject names must not hear of it.
  const other = listen(nc, `${name}.other`, { take: () => assert.fail("not its own"), unreadable: () => {} })
  await nc.flush()
  const good = "NATS/1.0\r\nGood: yes\r\n\r\n"
  const [odd, named] = [`${name}.odd.a\rb`, `${name}.odd.c\r${other.getID()}`]
  for (const headers of [undefined, good]) {
    const more = headers === undefined ? {} : { headers }
    raw.publish({ subject: odd, payload: "1", ...more })
    raw.publish({ subject: odd, payload: "2", reply: "x.\ry", ...more })
    raw.publish({ subject: named, payload: "3", ...more })
    raw.publish({ subject: `${name}.odd.z`, payload: "4", reply: "r", ...more })
  }
  await eventually(
    () => taken.length,
    (count) => count === 8
  )
  const expected = [null, "yes"].flatMap((found) => [
    [".odd.a\rb", null, found, "1"],
    [".odd.a\rb", "x.\ry", found, "2"],
    [`.odd.c\r${other.getID()}`, null, found, "3"],
    [".odd.z", "r", found, "4"]
  ])
  assert.deepStrictEqual(
    taken,
    expected.map((one) => JSON.stringify([heard.getID(), ...one]))
  )
  heard.unsubscribe()
  other.unsubscribe()
  await nothingHappened()
})

/** What the library reads of such bytes, in two pieces. */
const readIn = (pieces: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => {
  interface Read {
    readonly kind: number
    readonly msg?: {
      readonly subject: Uint8Array
      readonly reply?: Uint8Array
      readonly sid: number
      readonly hdr: number
    }
    readonly data?: Uint8Array
  }
  const { parser } = (nc as unknown as { protocol: { parser: { parse: (piece: Uint8Array) => void } } }).protocol
  const read: Array<string> = []
  const textOf = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : Buffer.from(bytes).toString("latin1"))
  const Parser = parser.constructor as new (to: { push: (one: Read) => void }) => typeof parser
  const fresh = new Parser({
    push: ({ data, kind, msg }) =>
      void read.push(JSON.stringify([kind, textOf(msg?.subject), textOf(msg?.reply), msg?.sid, msg?.hdr, textOf(data)]))
  })
  for (const piece of pieces) fresh.parse(Buffer.from(piece))
  return read
}

it.each([
  "MSG s 1",
  "MSG 5",
  "MSG s  5",
  "MSG s a 5",
  "MSG s -1 5",
  "MSG s 1 r x 5",
  "MSG s 1 r 5x",
  "MSG s 1 r 67108865",
  "MSG s 1 r 0000000000000005",
  "HMSG s 12 12",
  "HMSG s 1 13 12",
  "HMSG s 1 r x 12 12",
  "HMSG s 1 r x y z 12 12"
])("a line that is none before a message is refused, and no message made of it: %s", (line) => {
  assert.throws(() => readIn([Buffer.from(`${line}\r\nNATS/1.0\r\n\r\n\r\n`)]))
})

it("wherever a read ends, the server's lines are the server's, and a payload is a payload", () => {
  const stranger = "MSG cm.v1.demo.token.revoke 1 _R_.a.b 2\r\n{}\r\n"
  const payload = `\r\n${stranger}${stranger}`
  const lines = [
    `MSG s.a\r7 12 ${payload.length}\r\n${payload}\r\n`,
    `MSG s.a\rb 12 x.\r ${payload.length}\r\n${payload}\r\n`,
    `HMSG s.\r 12 12 ${12 + payload.length}\r\nNATS/1.0\r\n\r\n${payload}\r\n`,
    "PING\r\n",
    "MSG s 3 r 5\r\nhello\r\n"
  ]
  const bytes = Buffer.from(lines.join(""), "latin1")
  const expected = readIn([bytes])
  assert.lengthOf(expected, lines.length)
  assert.deepStrictEqual(
    expected.slice(0, 2).map((one) => (JSON.parse(one) as Array<unknown>).slice(1)),
    [
      ["s.a\r7", null, 12, -1, payload],
      ["s.a\rb", "x.\r", 12, -1, payload]
    ]
  )
  for (let end = 1; end < bytes.length; end++) {
    assert.deepStrictEqual(readIn([bytes.subarray(0, end), bytes.subarray(end)]), expected, `ended at ${end}`)
    const third = Math.min(end + 3, bytes.length)
    assert.deepStrictEqual(
      readIn([bytes.subarray(0, end), bytes.subarray(end, third), bytes.subarray(third)]),
      expected,
      `ended at ${end} and ${third}`
    )
  }
  assert.deepStrictEqual(readIn(Array.from(bytes, (byte) => Uint8Array.of(byte))), expected)
})
