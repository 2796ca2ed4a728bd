// Verifies R-GWY-6.
/** A tenant's events page by page: what a place means, and what is said while the stream is not there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { inject } from "vitest"
import { EventPages, layer as pagesLayer } from "../../../src/nats/EventPages.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { busLayer, freshInstance } from "../../support/bus.ts"

const natsUrl = inject("natsUrl")

const world = () => {
  const instance = freshInstance()
  const layer = pagesLayer.pipe(
    Layer.provideMerge(busLayer({ natsUrl, instance })),
    Layer.provide(Layer.succeed(Replica, replicaOf(instance, "one")))
  )
  const parts = Effect.gen(function* () {
    const { jetstream, jetstreamManager } = yield* Nats
    const { events: stream } = yield* Streams
    const pages = yield* EventPages
    return {
      stream,
      manager: jetstreamManager.streams,
      read: pages.read,
      tell: (tenantId: string, text: string) =>
        Effect.promise(() => jetstream.publish(`${instance}.events.v1.${tenantId}.token.provisioned`, text))
    }
  })
  return { layer, parts }
}
const textsOf = ({ messages }: { readonly messages: ReadonlyArray<{ readonly data: Uint8Array }> }) =>
  messages.map(({ data }) => Buffer.from(data).toString("utf8"))

describe("pages of a tenant's events", () => {
  it.live("follow each other, each event once, and pass those of others", () => {
    const { layer, parts } = world()
    return Effect.gen(function* () {
      const { read, tell } = yield* parts
      const begun = yield* read("one", null, 2)
      assert.deepStrictEqual([textsOf(begun), begun.more], [[], false])
      for (const text of ["a", "b", "c"]) {
        yield* tell("one", text)
        yield* tell("other", `not ${text}`)
      }
      const first = yield* read("one", begun.last, 2)
      assert.deepStrictEqual([textsOf(first), first.more], [["a", "b"], true])
      assert.deepStrictEqual(first.messages.map(({ place }) => place).at(-1), first.last)
      const second = yield* read("one", first.last, 2)
      assert.deepStrictEqual([textsOf(second), second.more], [["c"], false])
      // Nothing of this tenant is behind it, and so its place goes on over what is others'.
      const third = yield* read("one", second.last, 2)
      assert.deepStrictEqual([textsOf(third), third.more, third.last], [[], false, (yield* read("one", null, 2)).last])
      assert.deepStrictEqual(yield* read("one", third.last, 2), third)
    }).pipe(Effect.provide(layer))
  })

  it.live("are not to be had while the stream is away, and their places are gone with it", () => {
    const { layer, parts } = world()
    return Effect.gen(function* () {
      const { manager, read, stream, tell } = yield* parts
      const begun = yield* read("one", null, 2)
      yield* tell("one", "a")
      const { last } = yield* read("one", begun.last, 2)
      const { config } = yield* Effect.promise(() => manager.info(stream))
      yield* Effect.promise(() => manager.delete(stream))
      for (const after of [null, begun.last, last, "none"]) {
        assert.strictEqual((yield* Effect.flip(read("one", after, 2)))._tag, "EventsUnavailable", String(after))
      }
      yield* Effect.promise(() => manager.add(config))
      for (const after of [begun.last, last, "none"]) {
        assert.strictEqual((yield* Effect.flip(read("one", after, 2)))._tag, "PlaceGone", after)
      }
      const anew = yield* read("one", null, 2)
      yield* tell("one", "b")
      assert.deepStrictEqual(textsOf(yield* read("one", anew.last, 2)), ["b"])
    }).pipe(Effect.provide(layer))
  })

  it.live("are not to be had while no copy of the stream answers, and nobody is told to ask again at once", () => {
    const { layer, parts } = world()
    return Effect.gen(function* () {
      const { manager, read, stream, tell } = yield* parts
      const begun = yield* read("one", null, 2)
      yield* tell("one", "a")
      yield* Effect.promise(() => manager.update(stream, { allow_direct: false }))
      assert.strictEqual((yield* Effect.flip(read("one", begun.last, 2)))._tag, "EventsUnavailable")
      yield* Effect.promise(() => manager.update(stream, { allow_direct: true }))
      assert.deepStrictEqual(textsOf(yield* read("one", begun.last, 2)), ["a"])
    }).pipe(Effect.provide(layer))
  })

  it.live("are gone where something behind their place has left the stream, and where it is not there yet", () => {
    const { layer, parts } = world()
    return Effect.gen(function* () {
      const { manager, read, stream, tell } = yield* parts
      const begun = yield* read("one", null, 9)
      for (const text of ["a", "b", "c", "d"]) yield* tell("one", text)
      const { last, messages } = yield* read("one", begun.last, 9)
      // No room any more but for the fourth.
      yield* Effect.promise(() => manager.update(stream, { max_msgs: 1 }))
      for (const after of [begun.last, messages[0]!.place, messages[1]!.place]) {
        assert.strictEqual((yield* Effect.flip(read("one", after, 9)))._tag, "PlaceGone", after)
      }
      // What is behind the third is still there as a whole.
      assert.deepStrictEqual(textsOf(yield* read("one", messages[2]!.place, 9)), ["d"])
      const ahead = last.replace(/-4$/u, "-5")
      assert.strictEqual((yield* Effect.flip(read("one", ahead, 9)))._tag, "PlaceGone")
      assert.deepStrictEqual(textsOf(yield* read("one", last, 9)), [])
    }).pipe(Effect.provide(layer))
  })
})
