// Verifies R-REV-6, R-BUS-36.
/** Answers of several stored messages, of which some do not come. */
import { assert, describe, it } from "@effect/vitest"
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import * as DirectGet from "../../../src/nats/DirectGet.ts"

const sequences = [3, 4, 7]
type Frame = readonly [code: number, named: Readonly<Record<string, string>>]

/** As a server answers: each message names the one before it, and so does the end. */
const whole: ReadonlyArray<Frame> = [
  ...sequences.map((sequence, at): Frame => {
    const before = String(sequences[at - 1] ?? 0)
    return [0, { "Nats-Subject": "a", "Nats-Sequence": String(sequence), "Nats-Last-Sequence": before }]
  }),
  [204, { "Nats-Num-Pending": "0", "Nats-Last-Sequence": "7" }]
]

const answerOf = (frames: ReadonlyArray<Frame>) =>
  Effect.gen(function* () {
    let callback: (error: Error | null, message: Msg) => void = () => {}
    const connection = {
      subscribe: (_: string, options: { readonly callback: typeof callback }) => {
        callback = options.callback
        return { unsubscribe: () => {} }
      },
      publish: (_subject: string, _request: string, { reply }: { readonly reply: string }) => {
        for (const [code, named] of frames) {
          const lines = headers(code, code === 0 ? "" : "a status")
          // What it was stored with stands before what the server says.
          if (code === 0) lines.append("Nats-Last-Sequence", "99")
          for (const [name, value] of Object.entries(named)) lines.append(name, value)
          callback(null, { subject: reply, data: new Uint8Array(), headers: lines } as unknown as Msg)
        }
      }
    } as unknown as NatsConnection
    const { from } = yield* DirectGet.make(connection, "_INBOX.direct")
    const { complete, messages } = yield* from("stream", 1, 10, Duration.seconds(3))
    return [complete, messages.map(({ sequence }) => sequence)]
  })

describe("an answer of several messages", () => {
  it.effect("is whole where each came", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answerOf(whole), [true, sequences])
    })
  )
  for (const [lost] of sequences.entries()) {
    it.effect(`ends before the one that did not come: number ${lost}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* answerOf(whole.toSpliced(lost, 1)), [false, sequences.slice(0, lost)])
      })
    )
  }
  it.effect("ends where the server cannot read one that is there, and holds nothing where there is none", () =>
    Effect.gen(function* () {
      const none: Frame = [404, {}]
      assert.deepStrictEqual(yield* answerOf([...whole.slice(0, 2), none]), [false, [3, 4]])
      assert.deepStrictEqual(yield* answerOf([none]), [true, []])
    })
  )
})
