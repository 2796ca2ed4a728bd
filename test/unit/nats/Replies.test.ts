// Verifies R-BUS-3, R-TOK-2.
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import { assert, describe, it } from "vitest"
import { Replies, replySubjectOf, withoutPayload } from "../../../src/nats/Replies.ts"
import { seededRandom } from "../../support/seededRandom.ts"

const encoder = new TextEncoder()

/** A connection as the library makes it, as far as answers go. */
const paper = () => {
  const commands: Array<Uint8Array> = []
  const protocol = {
    sendCommand: (command: Uint8Array) => void commands.push(command),
    isClosed: () => paperBus.closed,
    flushPending: () => void paperBus.written.push(commands.length),
    outMsgs: 0,
    outBytes: 0
  }
  const paperBus = {
    closed: false,
    written: [] as Array<number>,
    commands,
    protocol,
    connection: { protocol } as unknown as NatsConnection
  }
  return paperBus
}
const messageTo = (reply: string): Msg => ({ _msg: { reply: encoder.encode(reply) } }) as unknown as Msg
const turn = () => new Promise<void>((done) => setImmediate(done))
const line = (subject: string, payload: Uint8Array) =>
  Buffer.concat([Buffer.from(`PUB ${subject} ${payload.length}\r\n`), payload, Buffer.from("\r\n")])

describe("answers of a turn", () => {
  it("are one command that says, byte for byte, what the library would have said", async () => {
    const { random, seed } = seededRandom("answers")
    const { commands, connection, protocol } = paper()
    const replies = new Replies(connection)
    let [messages, bytes] = [0, 0]
    for (let round = 0; round < 60; round++) {
      const before = commands.length
      const expected: Array<Uint8Array> = []
      for (let n = Math.floor(random() * 40); n >= 0; n--) {
        const subject = `_INBOX.${"x".repeat(1 + Math.floor(random() * 80))}`
        const payload = new Uint8Array([0, 9, 10, 99, 100, 999, 1_000, 4_096][Math.floor(random() * 8)]!)
        payload.fill(Math.floor(random() * 256))
        assert.isTrue(replies.send(messageTo(subject), payload))
        expected.push(line(subject, payload))
        messages++
        bytes += payload.length
      }
      await turn()
      const given = Buffer.concat(commands.slice(before))
      assert.isTrue(given.equals(Buffer.concat(expected)), `SEED=${seed} round ${round}`)
    }
    assert.isAtMost(commands.length, 60 + Math.ceil(bytes / 0x2_0000))
    assert.deepStrictEqual([protocol.outMsgs, protocol.outBytes], [messages, bytes])
  })

  it("stay as they were when they are handed over, however many come after", async () => {
    const { commands, connection } = paper()
    const replies = new Replies(connection)
    const kept: Array<string> = []
    for (let n = 0; n < 400; n++) {
      replies.send(messageTo(`_INBOX.a.${n}`), new Uint8Array(1_500).fill(n % 256))
      replies.flush()
      kept.push(Buffer.from(commands[n]!).toString("latin1"))
    }
    await turn()
    assert.deepStrictEqual(
      commands.map((command) => Buffer.from(command).toString("latin1")),
      kept
    )
  })

  it("are handed over at once when that is asked for, and once", async () => {
    const { commands, connection } = paper()
    const replies = new Replies(connection)
    replies.send(messageTo("_INBOX.a"), encoder.encode("now"))
    assert.lengthOf(commands, 0)
    replies.flush()
    assert.lengthOf(commands, 1)
    await turn()
    assert.lengthOf(commands, 1)
  })

  it("leave at once, those before them with them, when there is much more to send in the turn", async () => {
    const { commands, connection, written } = paper()
    const replies = new Replies(connection)
    replies.send(messageTo("_INBOX.a"), encoder.encode("one"))
    replies.send(messageTo("_INBOX.b"), encoder.encode("two"))
    assert.deepStrictEqual(written, [])
    replies.passOn()
    assert.deepStrictEqual(written, [1])
    assert.strictEqual(
      Buffer.from(commands[0]!).toString("latin1"),
      `${line("_INBOX.a", encoder.encode("one"))}${line("_INBOX.b", encoder.encode("two"))}`
    )
    await turn()
    assert.lengthOf(commands, 1)
    new Replies({} as NatsConnection).passOn()
  })

  it("that come later keep their subject, and nothing of the message or of what was read with it", async () => {
    const { commands, connection } = paper()
    const published: Array<string> = []
    const publishing = {
      ...connection,
      publish: (subject: string, payload: Uint8Array) => void published.push(`${subject} ${payload.length}`)
    } as unknown as NatsConnection
    const read = Buffer.from("MSG a 1 _INBOX.a 3\r\nabc\r\n")
    const message = { _msg: { reply: read.subarray(8, 16) }, data: read.subarray(20, 23) } as unknown as Msg
    const later = withoutPayload(publishing, message)
    read.fill(0)
    assert.isFalse("data" in later)
    assert.strictEqual(replySubjectOf(later)?.buffer.byteLength, "_INBOX.a".length)
    const replies = new Replies(publishing)
    assert.isTrue(replies.send(later, encoder.encode("yes")))
    assert.isTrue(replies.send(later, new Uint8Array(5_000)))
    assert.isTrue(replies.send(withoutPayload(publishing, { reply: "_INBOX.b" } as unknown as Msg), new Uint8Array(2)))
    await turn()
    assert.deepStrictEqual(
      commands.map((command) => Buffer.from(command).toString("latin1")),
      [line("_INBOX.a", encoder.encode("yes")).toString("latin1")]
    )
    assert.deepStrictEqual(published, ["_INBOX.a 5000", "_INBOX.b 2"])
  })

  it("that cannot be sent are told: of a closed connection, and where the library refuses", () => {
    const { commands, connection } = paper()
    const bus = paper()
    bus.closed = true
    assert.isFalse(new Replies(bus.connection).send(messageTo("_INBOX.a"), encoder.encode("late")))
    const throwing = {
      _msg: {},
      respond: () => {
        throw new Error("refused")
      }
    } as unknown as Msg
    assert.isFalse(new Replies(connection).send(throwing, encoder.encode("x")))
    assert.lengthOf(commands, 0)
  })

  it("go by the library where they are long, where it keeps the subject elsewhere, and where it is another one", () => {
    const answered: Array<number> = []
    const respond = (payload: Uint8Array) => answered.push(payload.length) > 0
    const { commands, connection } = paper()
    const known = { _msg: { reply: encoder.encode("_INBOX.a") }, respond } as unknown as Msg
    const unknown = { _msg: { reply: "_INBOX.a" }, respond } as unknown as Msg
    const other = { protocol: { sendCommand: () => assert.fail("not known") } } as unknown as NatsConnection
    assert.isTrue(new Replies(connection).send(known, new Uint8Array(4_097)))
    assert.isTrue(new Replies(connection).send(unknown, new Uint8Array(1)))
    assert.isTrue(new Replies(other).send(known, new Uint8Array(2)))
    assert.deepStrictEqual(answered, [4_097, 1, 2])
    assert.isFalse(new Replies(other).isShort)
    assert.isNull(replySubjectOf(unknown))
    assert.lengthOf(commands, 0)
  })
})
