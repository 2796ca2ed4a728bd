// Verifies R-BUS-3, R-TOK-2.
/** The short way of answers, with the real library and a real server: a library that has changed inside fails here. */
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterEach, assert, beforeEach, describe, inject, it } from "vitest"
import { Replies } from "../../../src/nats/Replies.ts"

let service: NatsConnection
let caller: NatsConnection

beforeEach(async () => {
  service = await connect({ servers: inject("natsUrl") })
  caller = await connect({ servers: inject("natsUrl") })
})
afterEach(async () => {
  await caller.close()
  await service.close()
})

const subjectOf = (name: string) => `replies.${crypto.randomUUID()}.${name}`

describe("answers by the short way", () => {
  it("reach whoever asked, each its own, of whatever length, now and later", async () => {
    const replies = new Replies(service)
    assert.isTrue(
      replies.isShort,
      "the NATS library keeps things elsewhere than it did: src/nats/Replies.ts has to follow"
    )
    const subject = subjectOf("echo")
    let count = 0
    service.subscribe(subject, {
      callback: (_, message) => {
        if (count++ % 3 === 0) setImmediate(() => replies.send(message, message.data))
        else replies.send(message, message.data)
      }
    })
    await service.flush()
    const asked = Array.from({ length: 1_000 }, (_, n) => `${n}:${"x".repeat((n * 7) % 5_000)}`)
    const answered = await Promise.all(asked.map((text) => caller.request(subject, text, { timeout: 60_000 })))
    assert.deepStrictEqual(
      answered.map((message) => message.string()),
      asked
    )
    assert.isAtLeast(service.stats().outMsgs, 1_000)
  })

  it("that were sent before a drain are there after it, and a closed connection says so", async () => {
    const replies = new Replies(service)
    const subject = subjectOf("last")
    let sent: boolean | undefined
    let drained: Promise<void> | undefined
    const asked = new Promise<() => boolean>((resolve) => {
      service.subscribe(subject, {
        callback: (_, message) => {
          sent = replies.send(message, message.data)
          resolve(() => replies.send(message, message.data))
          drained = service.drain()
        }
      })
    })
    await service.flush()
    const answer = await caller.request(subject, "the last one", { timeout: 60_000 })
    assert.strictEqual(answer.string(), "the last one")
    assert.isTrue(sent)
    await drained
    assert.isFalse((await asked)())
  })
})
