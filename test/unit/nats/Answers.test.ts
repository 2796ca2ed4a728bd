// Verifies R-BUS-1, R-BUS-3.
import { headers, type NatsConnection } from "@nats-io/transport-node"
import { assert, describe, it } from "vitest"
import { Answers } from "../../../src/nats/Answers.ts"
import { seededRandom } from "../../support/seededRandom.ts"

const encoder = new TextEncoder()

/** A connection as the library makes it, as far as answers go. */
const paper = () => {
  const commands: Array<string> = []
  const state = { isClosed: false }
  const protocol = {
    sendCommand: (command: Uint8Array) => void commands.push(Buffer.from(command).toString("latin1")),
    isClosed: () => state.isClosed,
    outMsgs: 0,
    outBytes: 0
  }
  const connection = { protocol, info: { max_payload: 10_000 } } as unknown as NatsConnection
  return { commands, connection, protocol, state }
}
const turn = () => new Promise<void>((done) => setImmediate(done))

/** What the library's `publish` writes. */
const written = (subject: string, payload: Uint8Array, named: Readonly<Record<string, string>>): string => {
  const sent = headers()
  for (const [name, value] of Object.entries(named)) sent.set(name, value)
  const block = (sent as unknown as { readonly encode: () => Uint8Array }).encode()
  const line = `HPUB ${subject} ${block.length} ${block.length + payload.length}\r\n`
  return Buffer.concat([encoder.encode(line), block, payload, encoder.encode("\r\n")]).toString("latin1")
}

describe("answers with headers", () => {
  it("of a turn are one command that says, byte for byte, what the library would have said", async () => {
    const { random, seed } = seededRandom("answers with headers")
    const { commands, connection, protocol } = paper()
    const answers = new Answers(connection)
    const texts = ["a", "ü 漢 😀", "x".repeat(300), "", "\ud800 alone"]
    let messages = 0
    for (let round = 0; round < 40; round++) {
      const before = commands.length
      let expected = ""
      for (let n = Math.floor(random() * 40); n >= 0; n--) {
        const subject = `_INBOX.${"x".repeat(1 + Math.floor(random() * 80))}`
        const payload = new Uint8Array(Math.floor(random() * 3_000)).fill(Math.floor(random() * 256))
        const named = { "Correlation-ID": texts[Math.floor(random() * texts.length)]!, "Cm-Status": String(round) }
        assert.isTrue(answers.send(subject, payload, named))
        expected += written(subject, payload, named)
        messages++
      }
      await turn()
      assert.strictEqual(commands.slice(before).join(""), expected, `SEED=${seed} round ${round}`)
    }
    assert.strictEqual(protocol.outMsgs, messages)
    assert.isAtMost(commands.length, 40 + messages / 2)
  })

  it("are handed over at once when that is asked for, and once", async () => {
    const { commands, connection } = paper()
    const answers = new Answers(connection)
    assert.isTrue(answers.send("_INBOX.a", encoder.encode("now"), { "Cm-Status": "200" }))
    assert.lengthOf(commands, 0)
    answers.flush()
    assert.lengthOf(commands, 1)
    await turn()
    assert.lengthOf(commands, 1)
  })

  it("are kept by nobody once they were handed over: the memory of a turn is no other's", async () => {
    const memory: Array<unknown> = []
    const { connection, protocol } = paper()
    protocol.sendCommand = ({ buffer }) => void memory.push(buffer)
    const answers = new Answers(connection)
    for (let n = 0; n < 3; n++) {
      answers.send("_INBOX.a", encoder.encode("a secret"), { "Cm-Status": "200" })
      await turn()
    }
    assert.strictEqual(new Set(memory).size, 3)
  })

  it("take little more memory than they are long, while a slow server lets them wait", async () => {
    const waiting: Array<Uint8Array> = []
    const { connection, protocol } = paper()
    protocol.sendCommand = (command) => void waiting.push(command)
    const answers = new Answers(connection)
    for (const length of [0, 150, 3_000, 9_000]) {
      for (let n = 0; n < 3; n++) answers.send("_INBOX.a", new Uint8Array(length), { "Cm-Status": "200" })
      await turn()
      answers.send("_INBOX.a", new Uint8Array(length), { "Cm-Status": "200" })
      await turn()
    }
    const sum = (lengths: ReadonlyArray<number>) => lengths.reduce((all, one) => all + one, 0)
    const held = sum(Array.from(new Set(waiting.map(({ buffer }) => buffer)), ({ byteLength }) => byteLength))
    assert.isAtMost(held, 2 * sum(waiting.map(({ length }) => length)))
  })

  it("leave nothing behind in the memory that the next turn writes to", async () => {
    const { connection } = paper()
    const answers = new Answers(connection)
    const { lines } = answers as unknown as { readonly lines: { readonly slab: Buffer; readonly used: number } }
    for (const length of [10, 3_000, 9_000]) {
      answers.send("_INBOX.a", Buffer.alloc(length, "secret"), { "Cm-Status": "200" })
      // Behind it lies whatever was in that memory before.
      const { used } = lines
      assert.isTrue(lines.slab.subarray(0, used).includes("secret"))
      await turn()
      assert.isFalse(lines.slab.subarray(0, used).includes("secret"))
    }
  })

  it("that cannot be sent are told: too large, of two lines, of a closed connection", async () => {
    const { commands, connection, state } = paper()
    const answers = new Answers(connection)
    assert.isFalse(answers.send("_INBOX.a", new Uint8Array(10_000), { "Cm-Status": "200" }))
    assert.isFalse(answers.send("_INBOX.a", new Uint8Array(1), { "Correlation-ID": "a\r\nCm-Status: 200" }))
    assert.isFalse(answers.send("_INBOX.a b", new Uint8Array(1), {}))
    state.isClosed = true
    assert.isFalse(answers.send("_INBOX.a", new Uint8Array(1), {}))
    await turn()
    assert.deepStrictEqual(commands, [])
  })

  it("go by the library where the connection is another one, and what that throws is told", () => {
    const sent: Array<string> = []
    const other = {
      publish: (subject: string, payload: Uint8Array, { headers: named }: { headers: ReturnType<typeof headers> }) => {
        if (payload.length > 2) throw new Error("max_payload exceeded")
        sent.push(`${subject} ${payload.length} ${named.get("Cm-Status")}`)
      }
    } as unknown as NatsConnection
    const answers = new Answers(other)
    assert.isTrue(answers.send("_INBOX.a", new Uint8Array(2), { "Cm-Status": "201" }))
    assert.isFalse(answers.send("_INBOX.a", new Uint8Array(3), { "Cm-Status": "201" }))
    answers.flush()
    assert.deepStrictEqual(sent, ["_INBOX.a 2 201"])
  })
})
