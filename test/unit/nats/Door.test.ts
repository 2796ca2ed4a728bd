// Verifies R-BUS-30.
/** What the client library sees of a message that is taken: nothing, whatever the taker does and whatever its headers are. */
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node"
import { Effect, References } from "effect"
import { assert, describe, it } from "vitest"
import { headerBytesMax, linesMax, make, type Taker } from "../../../src/nats/Door.ts"

type Callback = (error: Error | null, message: Msg) => void

/** What the library calls for messages of a subject that is listened to by `taker`. */
const callbackOf = async (taker: Taker): Promise<Callback> => {
  let callback: Callback = () => {}
  const connection = {
    subscribe: (_: string, options: { readonly callback: Callback }) => {
      callback = options.callback
      return {}
    }
  } as unknown as NatsConnection
  const listen = await Effect.runPromise(make.pipe(Effect.provideService(References.MinimumLogLevel, "None")))
  listen(connection, "a", taker)
  return callback
}
/** A message as the library keeps it, with a block of headers. */
const messageWith = (lines: ReadonlyArray<string>): Msg => {
  const block = Buffer.from(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`)
  return { subject: "a", headers: headers(), _rdata: block, _msg: { hdr: block.length } } as unknown as Msg
}

describe("the door", () => {
  it("lets nothing out that a taker throws or rejects, nor what is thrown where that is told", async () => {
    const unhandled: Array<unknown> = []
    const hear = (reason: unknown) => void unhandled.push(reason)
    process.on("unhandledRejection", hear)
    const bug = () => {
      throw new Error("on purpose")
    }
    const thrown = await callbackOf({ take: bug, unreadable: bug, failed: bug, ended: bug })
    assert.doesNotThrow(() => thrown(null, messageWith([])))
    assert.doesNotThrow(() => thrown(null, messageWith(["a: b".repeat(headerBytesMax)])))
    assert.doesNotThrow(() => thrown(new Error("refused"), messageWith([])))
    const rejects = (() => Promise.reject(new Error("on purpose"))) as unknown as () => void
    const rejected = await callbackOf({ take: rejects, unreadable: rejects })
    rejected(null, messageWith([]))
    for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done))
    process.off("unhandledRejection", hear)
    assert.isEmpty(unhandled)
  })

  it("refuses headers of too many lines or bytes before they are decoded", async () => {
    const told: Array<string> = []
    const callback = await callbackOf({
      take: () => void told.push("taken"),
      unreadable: () => void told.push("refused")
    })
    const lines = (count: number) => Array.from({ length: count }, (_, n) => `h${n}: x`)
    callback(null, messageWith(lines(linesMax)))
    callback(null, messageWith(lines(linesMax + 1)))
    const filled = "x".repeat(headerBytesMax - "NATS/1.0\r\nh: \r\n\r\n".length)
    callback(null, messageWith([`h: ${filled}`]))
    callback(null, messageWith([`h: ${filled}x`]))
    assert.deepStrictEqual(told, ["taken", "refused", "taken", "refused"])
  })
})
