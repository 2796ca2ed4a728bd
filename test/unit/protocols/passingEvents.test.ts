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
      subjects: [{ subject, type: "upsert", decode: (bytes) => ({ correlationId: "c", size: bytes.length }) }],
      queue: null,
      keyOf: ({ size }) => String(size),
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

  it.effect(
    "about one thing are carried out in the order of arrival, whatever their subjects, and hold up no others",
    () =>
      Effect.gen(function* () {
        const bus = paperBus()
        const begun: Array<string> = []
        const early: Array<string> = []
        const holds = new Map<string, Deferred.Deferred<void>>()
        const of = (type: string) => ({
          subject: `kaa.v1.events.tekton.service.configuration.${type}`,
          type,
          decode: (bytes: Uint8Array) => ({ correlationId: "c", name: new TextDecoder().decode(bytes), type })
        })
        const layer = Layer.effectDiscard(
          hear({
            protocol: "scmp",
            subjects: [of("upsert"), of("delete")],
            queue: null,
            keyOf: ({ name }) => name,
            act: ({ name, type }) =>
              Effect.suspend(() => {
                begun.push(`${name} ${type}`)
                const hold = holds.get(`${name} ${type}`)
                return hold === undefined ? Effect.void : Deferred.await(hold)
              })
          })
        ).pipe(Layer.provide([bus.layer, Readiness.layer, Layer.succeed(ProtocolsConfig, someConfig)]))
        const tell = (type: string, name: string) => bus.publish(of(type).subject, new TextEncoder().encode(name))
        const settle = Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Layer.build(layer)
            const hold = Deferred.makeUnsafe<void>()
            holds.set("a delete", hold)
            for (let pair = 0; pair < 20; pair++) {
              tell("delete", "a")
              tell("upsert", "a")
            }
            tell("upsert", "b")
            yield* settle
            early.push(...begun)
            yield* Deferred.succeed(hold, undefined)
            for (let turn = 0; turn < 10_000 && begun.length < 41; turn++) yield* Effect.yieldNow
          })
        )
        assert.deepStrictEqual(early, ["a delete", "b upsert"])
        const ofA = Array.from({ length: 20 }).flatMap(() => ["a delete", "a upsert"])
        assert.deepStrictEqual(begun, ["a delete", "b upsert", ...ofA.slice(1)])
      })
  )
})
