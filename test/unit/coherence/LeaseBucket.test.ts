// Verifies R-REV-1, R-BUS-31, R-BUS-36.
/** What the bucket of leases is made as, and what is believed of what a server on paper answers. */
import { assert, describe, it } from "@effect/vitest"
import { headers, type Msg } from "@nats-io/transport-node"
import { Duration, Effect, Exit, Fiber, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { CoherenceConfig } from "../../../src/coherence/CoherenceConfig.ts"
import * as LeaseBucket from "../../../src/coherence/LeaseBucket.ts"
import { encodeEntry } from "../../../src/coherence/LeaseEntry.ts"
import { LeaseSeal } from "../../../src/coherence/LeaseSeal.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import { NatsConfig } from "../../../src/nats/NatsConfig.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"

const timing = { leaseMs: 3_000, marginMs: 300 }
const [bucket, one, two] = ["CM_LEASES", "lease.one.x.0", "lease.two.x.0"]

/** A server that has these entries, and answers as `answers` says. */
const setup = Effect.gen(function* () {
  const plain = yield* LeaseSeal
  const proofs: Array<string> = []
  const seal = {
    tagOf: plain.tagOf,
    matches: (text: string, tag: string) => {
      proofs.push(text)
      return plain.matches(text, tag)
    }
  }
  const entries = new Map<string, { bytes: Uint8Array; revision: number }>()
  /** Listed as they were written: the newest last. */
  const write = (key: string, state: "held" | "released", heldMs: number, as = key) => {
    entries.delete(as)
    entries.set(as, { bytes: encodeEntry(plain, { bucket, key }, state, heldMs, timing), revision: ++world.last })
  }
  const world = {
    last: 5,
    upTo: (last: number) => last,
    isSilent: false,
    /** Whether it does not come, as its number says, of those of one answer. */
    isLost: (_at: number, _of: number): boolean => false,
    /** What comes from elsewhere before the answer. */
    before: (_subject: string, _reply: string): void => {}
  }
  const subscribed: Array<string> = []
  const asked: Array<{ subject: string; reply: string }> = []
  let callback: (error: Error | null, message: Msg) => void = () => {}
  const say = (subject: string, data: Uint8Array, named: Record<string, string> | null, code = 0, reply = "") => {
    const lines = named === null ? undefined : headers(code, code === 0 ? "" : "EOB")
    for (const [name, value] of Object.entries(named ?? {})) lines?.set(name, value)
    callback(null, { subject, data, reply, headers: lines } as unknown as Msg)
  }
  const answer = (subject: string, reply: string) => {
    if (world.isSilent) return
    world.before(subject, reply)
    if (subject.startsWith("$KV.")) {
      write(subject.slice(`$KV.${bucket}.`.length), "released", 0)
      return say(reply, Buffer.from(JSON.stringify({ stream: `KV_${bucket}`, seq: world.last })), null)
    }
    let [at, before] = [0, 0]
    for (const [key, { bytes, revision }] of entries) {
      const place = { "Nats-Subject": `$KV.${bucket}.${key}`, "Nats-Sequence": String(revision) }
      if (!world.isLost(at++, entries.size)) say(reply, bytes, { ...place, "Nats-Last-Sequence": String(before) })
      before = revision
    }
    const upTo = String(world.upTo(world.last))
    const end = { "Nats-Num-Pending": "0", "Nats-Last-Sequence": String(before), "Nats-UpTo-Sequence": upTo }
    say(reply, new Uint8Array(), end, 204)
  }
  const control = {
    info: { max_payload: 1_048_576 },
    subscribe: (subject: string, options: { callback: typeof callback }) => {
      subscribed.push(subject)
      callback = options.callback
      return { unsubscribe: () => {} }
    },
    protocol: {
      outMsgs: 0,
      outBytes: 0,
      isClosed: () => false,
      sendCommand: (command: Uint8Array) => {
        const [, subject = "", reply = ""] = Buffer.from(command).toString("latin1").split(" ")
        asked.push({ subject, reply })
        queueMicrotask(() => answer(subject, reply))
      }
    }
  }
  const parts = Layer.mergeAll(
    Layer.succeed(Nats, { control, inboxPrefix: "_INBOX.cm" } as unknown as Nats["Service"]),
    Layer.succeed(NatsConfig, { streams: { replicas: 1 } } as unknown as NatsConfig["Service"]),
    Layer.succeed(Replica, replicaOf("cm", "one")),
    Layer.succeed(LeaseSeal, seal),
    Layer.succeed(CoherenceConfig, {
      lease: Duration.millis(timing.leaseMs),
      marginPercent: 10,
      barrierTimeout: Duration.seconds(10),
      bucketAge: Duration.hours(1)
    }),
    Layer.succeed(References.MinimumLogLevel, "None")
  )
  const made = yield* LeaseBucket.make.pipe(Effect.provide(parts))
  return { asked, list: made.list, proofs, say, seen: made.seen, subscribed, world, write }
}).pipe(Effect.provide(LeaseSeal.layerWith("of these replicas")))

describe("a listing", () => {
  it.effect("has one subscription with all others, and proves an entry once for as long as it says the same", () =>
    Effect.gen(function* () {
      const { list, proofs, subscribed, write } = yield* setup
      write(one, "held", 0)
      write(two, "held", 10)
      for (let time = 0; time < 3; time++) {
        const { entries } = yield* list
        assert.deepStrictEqual(
          entries.map(({ key, state }) => [key, state]),
          [
            [one, "held"],
            [two, "held"]
          ]
        )
      }
      assert.lengthOf(subscribed, 1)
      assert.lengthOf(proofs, 2)
      write(two, "released", 20)
      const { entries } = yield* list
      assert.deepStrictEqual(
        entries.map(({ heldMs, state }) => [heldMs, state]),
        [
          [0, "held"],
          [20, "released"]
        ]
      )
      assert.lengthOf(proofs, 3)
    })
  )

  it.effect("is answered where nobody expects it who has seen another inbox of this process", () =>
    Effect.gen(function* () {
      const [own, other] = [(yield* setup).subscribed[0]!, (yield* setup).subscribed[0]!]
      assert.match(own, /^_INBOX\.cm\.[0-9a-f]{32}\.\*$/u)
      assert.notStrictEqual(own.slice(0, 20), other.slice(0, 20))
    })
  )

  it.effect("is answered where nobody knows before it is asked", () =>
    Effect.gen(function* () {
      const { asked, list } = yield* setup
      for (let time = 0; time < 10; time++) yield* list
      const numbers = asked.map(({ reply }) => Number(reply.split(".").at(-1)))
      assert.lengthOf(numbers, 20)
      assert.isTrue(numbers.every((number, at) => at === 0 || Math.abs(number - numbers[at - 1]!) > 1_000))
    })
  )

  it.effect("is not over where another stream's answer ends", () =>
    Effect.gen(function* () {
      const { list, say, world, write } = yield* setup
      write(two, "held", 10)
      const foreign = { "Nats-Num-Pending": "0", "Nats-Last-Sequence": "0", "Nats-UpTo-Sequence": "900000" }
      const place = { "Nats-Subject": `$KV.${bucket}.barrier.one`, "Nats-Last-Sequence": "0" }
      const old = { ...place, "Nats-Sequence": "5" }
      let ends = 0
      world.before = (subject, reply) => {
        if (subject.startsWith("$KV.") || ends++ > 1) return
        // A barrier of long ago, too, on the second time.
        if (ends === 2) say(reply, new Uint8Array(), old)
        say(reply, new Uint8Array(), { ...foreign, "Nats-Last-Sequence": ends === 2 ? "5" : "0" }, 204)
      }
      const { entries } = yield* list
      assert.strictEqual(ends, 3)
      assert.deepStrictEqual(
        entries.map(({ key, state }) => [key, state]),
        [[two, "held"]]
      )
    })
  )

  it.effect("is asked for again where one of its entries was lost on its way, whichever that is", () =>
    Effect.gen(function* () {
      const { asked, list, world, write } = yield* setup
      for (const key of [one, two, "lease.three.x.0"]) write(key, "held", 10)
      // Renewed behind the barrier, so that one is lost there, too.
      world.before = (subject) => (subject.startsWith("$KV.") ? undefined : write(two, "held", 20))
      for (const lost of [0, 1, 3]) {
        let answers = 0
        world.isLost = (at) => {
          if (at === 0) answers++
          return answers === 1 && at === lost
        }
        const before = asked.length
        const { entries } = yield* list
        assert.lengthOf(entries, 3)
        assert.lengthOf(asked, before + 3, "a barrier, and two questions")
      }
      world.isLost = (at) => at === 0
      assert.strictEqual((yield* Effect.flip(list)).reason, "unavailable")
    })
  )

  it.effect("follows no barrier that another stream has acknowledged, nor a stored message that says so", () =>
    Effect.gen(function* () {
      const { asked, list, say, seen, world } = yield* setup
      const said = (stream: string) => Buffer.from(JSON.stringify({ stream, seq: 900_000 }))
      const forgeries: ReadonlyArray<(reply: string) => void> = [
        (reply) => say(reply, said("KV_CM_TOKENS"), null),
        (reply) => say(reply, said(`KV_${bucket}`), { "Nats-Subject": "anything", "Nats-Sequence": "1" }),
        (reply) => say(reply, said(`KV_${bucket}`), null, 0, "$JS.ACK.STREAM.consumer.1.1.1.1.0")
      ]
      for (const forge of forgeries) {
        world.before = (_subject, reply) => forge(reply)
        assert.strictEqual((yield* Effect.flip(list)).reason, "unavailable")
      }
      assert.lengthOf(asked, forgeries.length, "no listing was asked for")
      assert.strictEqual(seen().highest, 0)
      world.before = () => {}
      assert.strictEqual((yield* list).barrier, world.last)
    })
  )

  it.effect("shows the revision of a renewal that says the same", () =>
    Effect.gen(function* () {
      const { list, write } = yield* setup
      write(two, "held", 10)
      const [before] = (yield* list).entries
      write(two, "held", 10)
      const [after] = (yield* list).entries
      assert.isAbove(after!.revision, before!.revision)
    })
  )

  it.effect("believes no copy of an entry that it has just proven", () =>
    Effect.gen(function* () {
      const { list, write } = yield* setup
      write(one, "released", 10)
      yield* list
      write(one, "released", 10, two)
      for (let time = 0; time < 2; time++) {
        const { entries } = yield* list
        assert.deepStrictEqual(
          entries.map(({ key, state }) => [key, state]),
          [
            [one, "released"],
            [two, "held"]
          ]
        )
      }
    })
  )

  it.effect("is asked for again while it is older than its barrier, and is none in the end", () =>
    Effect.gen(function* () {
      const { asked, list, seen, world } = yield* setup
      world.upTo = (last) => last - 1
      const failed = yield* Effect.flip(list)
      assert.strictEqual(failed.reason, "unavailable")
      assert.strictEqual(new Set(asked.map(({ reply }) => reply)).size, 4, "a barrier, and a subject for each question")
      assert.strictEqual(seen().highest, world.last)
    })
  )

  it.effect("has its own time behind its barrier's, and none of two at once has the other's answer", () =>
    Effect.gen(function* () {
      const { asked, list, say, world, write } = yield* setup
      write(two, "held", 10)
      const [first, second] = yield* Effect.all([list, list], { concurrency: 2 })
      assert.deepStrictEqual([first.barrier, second.barrier], [world.last - 1, world.last])
      assert.deepStrictEqual(first.entries, second.entries)
      world.isSilent = true
      const before = asked.length
      const listing = yield* Effect.forkChild(Effect.exit(list), { startImmediately: true })
      yield* TestClock.adjust("900 millis")
      const stored = Buffer.from(JSON.stringify({ stream: `KV_${bucket}`, seq: 900 }))
      say(asked[before]!.reply, stored, null)
      yield* TestClock.adjust("900 millis")
      assert.isUndefined(listing.pollUnsafe(), "the listing has a second, too")
      const { reply } = asked[before + 1]!
      yield* TestClock.adjust("100 millis")
      const ended = yield* Fiber.join(listing)
      assert.isTrue(Exit.isFailure(ended), "and no more")
      say(reply, new Uint8Array(), { "Nats-Num-Pending": "0", "Nats-UpTo-Sequence": "900" }, 204)
      assert.lengthOf(asked, before + 2)
    })
  )

  it.effect("is none, and waits for nothing, where nobody is there to be asked", () =>
    Effect.gen(function* () {
      const { list, say, world } = yield* setup
      // As a server says it: with the subject that was asked.
      world.before = (subject, reply) => {
        if (!subject.startsWith("$KV.")) say(reply, new Uint8Array(), { "Nats-Subject": subject }, 503)
      }
      assert.strictEqual((yield* Effect.flip(list)).reason, "unavailable")
    })
  )

  it.effect("hears nothing that comes late for another one", () =>
    Effect.gen(function* () {
      const { asked, list, say, world } = yield* setup
      world.isSilent = true
      const listing = yield* Effect.forkChild(Effect.flip(list), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const failed = yield* Fiber.join(listing)
      assert.strictEqual(failed.reason, "unavailable", "no answer in time")
      const { reply } = asked[0]!
      say(reply, Buffer.from(JSON.stringify({ stream: `KV_${bucket}`, seq: 7 })), null)
      assert.lengthOf(asked, 1)
      world.isSilent = false
      assert.strictEqual((yield* list).barrier, world.last)
    })
  )
})

it("an entry of a lease is neither purged nor deleted, gives way to no other, and lies on disk", () => {
  const plan = LeaseBucket.planOf("CM_LEASES", 3, { bucketAge: Duration.minutes(10) } as CoherenceConfig["Service"])
  assert.deepInclude(plan, {
    name: "KV_CM_LEASES",
    num_replicas: 3,
    deny_purge: true,
    deny_delete: true,
    max_bytes: -1,
    max_msgs_per_subject: 1,
    storage: "file"
  })
})
