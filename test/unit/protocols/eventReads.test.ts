// Verifies R-GWY-6.
/** Reads of a tenant's events, as the gateway asks for them: how many at once. */
import { Effect, Layer, Result } from "effect"
import { assert, it } from "vitest"
import { KnownTenants } from "../../../src/actors/validation/KnownTenants.ts"
import { EventPages, EventsUnavailable, PlaceGone } from "../../../src/nats/EventPages.ts"
import type { Asked } from "../../../src/protocols/Operation.ts"
import { everyOperation } from "../../../src/protocols/OperationTable.ts"

const events = everyOperation.find(({ family, name }) => family === "gateway" && name === "events")!
const request = (limit: number | undefined) =>
  events.prepare(Buffer.from(JSON.stringify({ tenantId: "acme", after: "x-1", ...(limit && { limit }) })))

it("a page may be asked for with 1,000 events like any other list, and has at most 256 of them", async () => {
  const counts: Array<number> = []
  const pages = Layer.succeed(EventPages, {
    read: (_tenantId, _after, count) =>
      Effect.sync(() => {
        counts.push(count)
        return { messages: [], last: "x-1", more: false }
      })
  })
  const tenants = Layer.succeed(KnownTenants, { find: () => Effect.undefined, require: () => Effect.void })
  const asked = { among: null } as unknown as Asked
  for (const limit of [undefined, 1, 256, 257, 1_000]) {
    const { handle } = Result.getOrThrow(request(limit))
    const work = handle(asked).pipe(Effect.provide(Layer.merge(pages, tenants)))
    await Effect.runPromise(work as Effect.Effect<unknown>)
  }
  assert.deepStrictEqual(counts, [100, 1, 256, 256, 256])
  for (const limit of [1_001, -1, 1.5]) assert.isTrue(Result.isFailure(request(limit)), String(limit))
})

it("a stream that is away is another time's, and a place that is gone is gone", async () => {
  const { handle } = Result.getOrThrow(request(1))
  const tenants = Layer.succeed(KnownTenants, { find: () => Effect.undefined, require: () => Effect.void })
  for (const [error, told] of [
    [new EventsUnavailable(), { _tag: "Unavailable", part: "events", committed: null }],
    [new PlaceGone(), { _tag: "EventGone" }]
  ] as const) {
    const pages = Layer.succeed(EventPages, { read: () => Effect.fail(error) })
    const work = handle({ among: null } as unknown as Asked).pipe(
      Effect.flip,
      Effect.provide(Layer.merge(pages, tenants))
    )
    assert.deepInclude(await Effect.runPromise(work as Effect.Effect<object>), told)
  }
})
