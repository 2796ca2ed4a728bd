/** What waits of events that may be lost: so many, so many bytes, and no more; and the log is not flooded either. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger } from "effect"
import { Readiness } from "../../../src/observability/Health.ts"
import { hear, waitingBytesMax } from "../../../src/protocols/PassingEvents.ts"
import { ProtocolsConfig } from "../../../src/protocols/ProtocolsConfig.ts"
import { paperBus } from "../../support/paperBus.ts"
import { someConfig } from "../../support/protocolWorld.ts"

const subject = "kaa.v1.events.tekton.service.configuration.upsert"
const mebibyte = 1_048_576

/** Events that are all held until `release`; how many were carried out then. */
const world = (eventsWaitingMax: number) => {
  const bus = paperBus()
  const logged: Array<string> = []
  const release = Deferred.makeUnsafe<void>()
  let done = 0
  const layer = Layer.effectDiscard(
    hear({
      protocol: "scmp",
      type: "upsert",
      subjects: [subject],
      queue: null,
      decode: (bytes) => ({ correlationId: "c", size: bytes.length }),
      act: () =>
        Effect.andThen(
          Deferred.await(release),
          Effect.sync(() => void done++)
        )
    })
  ).pipe(
    Layer.provide([
      bus.layer,
      Readiness.layer,
      Layer.succeed(ProtocolsConfig, { ...someConfig, eventsWaitingMax }),
      Logger.layer([Logger.make(({ message }) => void logged.push(JSON.stringify(message)))])
    ])
  )
  return { bus, layer, logged, release: Deferred.succeed(release, undefined), done: () => done }
}

describe("events that may be lost", () => {
  const carriedOut = (count: number, bytes: number, eventsWaitingMax: number) =>
    Effect.gen(function* () {
      const { bus, done, layer, logged, release } = world(eventsWaitingMax)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(layer)
          const large = new Uint8Array(bytes)
          for (let index = 0; index < count; index++) bus.publish(subject, large)
          yield* release
        })
      )
      return { done: done(), drops: logged.filter((line) => line.includes("too many wait")).length }
    })

  it.effect("wait up to so many bytes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* carriedOut(100, mebibyte, 1_000), { done: waitingBytesMax / mebibyte, drops: 1 })
    })
  )

  it.effect("have room again when what waited is done", () =>
    Effect.gen(function* () {
      const { bus, done, layer, logged, release } = world(1_000)
      const large = new Uint8Array(waitingBytesMax / 4)
      yield* release
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(layer)
          for (let index = 0; index < 12; index++) {
            bus.publish(subject, large)
            for (let turn = 0; turn < 1_000 && done() <= index; turn++) yield* Effect.yieldNow
          }
        })
      )
      assert.deepStrictEqual([done(), logged], [12, []])
    })
  )

  it.effect("are none that ask for an answer: nothing is carried out of them", () =>
    Effect.gen(function* () {
      const { bus, done, layer, release } = world(1_000)
      yield* release
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(layer)
          for (let n = 0; n < 3; n++) bus.publish(subject, new Uint8Array(1), { reply: "_INBOX.a.b" })
          bus.publish(subject, new Uint8Array(1), { reply: "" })
          bus.publish(subject, new Uint8Array(1))
        })
      )
      assert.strictEqual(done(), 2)
    })
  )

  it.effect("wait up to so many", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* carriedOut(100, 10, 30), { done: 30, drops: 1 })
      assert.deepStrictEqual(yield* carriedOut(30, 10, 30), { done: 30, drops: 0 })
    })
  )
})
