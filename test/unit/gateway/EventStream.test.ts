// Verifies R-GWY-6.
/** A reader of events who does not read: let go before it costs more than its share, and told nothing that it would miss. */
import { EventEmitter } from "node:events"
import type { ServerResponse } from "node:http"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Bus } from "../../../src/gateway/Bus.ts"
import * as EventStream from "../../../src/gateway/EventStream.ts"
import type { Exchange } from "../../../src/gateway/Exchange.ts"
import { GatewayConfig } from "../../../src/gateway/GatewayConfig.ts"

/** A stream without an end: each page has one event of 100 KiB, and there is always more. */
const endless = Layer.sync(Bus, () => {
  let sequence = 0
  return Bus.of({
    instance: "cm",
    isUp: () => true,
    hear: () => () => {},
    ask: () =>
      Effect.sync(() => {
        const id = `a-${++sequence}`
        const content = [{ id, type: "token.provisioned", data: { text: "x".repeat(102_400) } }]
        return { status: 200, correlationId: "", data: Buffer.from(JSON.stringify({ content, last: id, more: true })) }
      })
  })
})

const textMax = 10_000

/** `reads`: whether what is written leaves. */
class PaperResponse extends EventEmitter {
  readonly reads: boolean
  writableLength = 0
  text = ""
  written = 0
  destroyed = false
  closed = false
  writableEnded = false
  constructor(reads: boolean) {
    super()
    this.reads = reads
  }
  writeHead(): this {
    return this
  }
  write(text: string): boolean {
    this.written += text.length
    if (this.text.length < textMax) this.text += text
    if (!this.reads) this.writableLength += text.length
    if (this.written > 20_000_000) this.destroy()
    return true
  }
  end(text = ""): this {
    this.text += text
    this.writableEnded = true
    return this
  }
  destroy(): this {
    this.destroyed = true
    this.emit("close")
    return this
  }
}

const run = (response: PaperResponse) =>
  Effect.gen(function* () {
    const events = yield* EventStream.make(Deferred.makeUnsafe<void>())
    const exchange = { response: response as unknown as ServerResponse, correlationId: "c", broken: null } as Exchange
    const bearer = { header: "Bearer x", issuer: "https://a.example" }
    return yield* Effect.exit(events.serve(exchange, { tenantId: "acme", bearer, after: "a-0" }))
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        endless,
        GatewayConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({}))))
      )
    )
  )

it.effect("with more than 1 MiB unread it is let go, and within the next event", () =>
  Effect.gen(function* () {
    const response = new PaperResponse(false)
    assert.isTrue(Exit.isSuccess(yield* run(response)))
    assert.isTrue(response.destroyed)
    assert.isAbove(response.written, 1_048_576)
    assert.isBelow(response.written, 1_048_576 + 2 * 102_600)
  })
)

it.effect("who reads gets far more than that", () =>
  Effect.gen(function* () {
    const response = new PaperResponse(true)
    yield* run(response)
    assert.isAbove(response.written, 20_000_000)
  })
)

/** A stream of the given pages, one after the other, and then of nothing new; where each was asked for is kept. */
const ofPages = (pages: ReadonlyArray<ReadonlyArray<{ readonly id: string; readonly type: string }>>) => {
  const asked: Array<string | undefined> = []
  const layer = Layer.succeed(
    Bus,
    Bus.of({
      instance: "cm",
      isUp: () => true,
      hear: () => () => {},
      ask: (_subject, body) =>
        Effect.sync(() => {
          const { after } = JSON.parse(String(body)) as { readonly after?: string }
          asked.push(after)
          const content = (pages[asked.length - 1] ?? []).map((one) => ({ ...one, data: {} }))
          const last = content.at(-1)?.id ?? after ?? "a-0"
          const more = asked.length < pages.length
          return { status: 200, correlationId: "", data: Buffer.from(JSON.stringify({ content, last, more })) }
        })
    })
  )
  return { asked, layer }
}
const config = (variables: Record<string, string>) =>
  GatewayConfig.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(variables))))
/** Readers of one gateway: each answers with the code of its refusal, or runs until it goes away. */
const readers = Effect.gen(function* () {
  const events = yield* EventStream.make(Deferred.makeUnsafe<void>())
  return Effect.fnUntraced(function* (tenantId: string) {
    const response = new PaperResponse(true)
    const exchange = { response: response as unknown as ServerResponse, correlationId: "c", broken: null } as Exchange
    const bearer = { header: "Bearer x", issuer: "https://a.example" }
    const serving = yield* Effect.forkChild(
      Effect.match(events.serve(exchange, { tenantId, bearer, after: "a-0" }), {
        onFailure: ({ code }) => code,
        onSuccess: () => "served"
      }),
      { startImmediately: true }
    )
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    const ended = serving.pollUnsafe()
    const goes = Effect.suspend(() => {
      response.destroy()
      return Fiber.join(serving)
    })
    return {
      ended: Fiber.join(serving),
      goes,
      text: () => response.text,
      refused: ended !== undefined && Exit.isSuccess(ended) ? ended.value : null
    }
  })
})

it.effect("goes on behind what was shown last, page by page", () => {
  const { asked, layer } = ofPages([[{ id: "a-1", type: "t" }], [{ id: "a-2", type: "t" }], [{ id: "a-3", type: "t" }]])
  return Effect.gen(function* () {
    const read = yield* readers
    const one = yield* read("acme")
    assert.deepStrictEqual(asked, ["a-0", "a-1", "a-2"])
    assert.strictEqual(yield* one.goes, "served")
  }).pipe(Effect.provide(Layer.merge(layer, config({}))))
})

/** Answers of a service, one after the other, the last one for ever; a status without a page is a refusal. */
const ofAnswers = (answers: ReadonlyArray<number | { readonly code: string; readonly status: number }>) => {
  const asked: Array<string | undefined> = []
  const heard = new Set<() => void>()
  const layer = Layer.succeed(
    Bus,
    Bus.of({
      instance: "cm",
      isUp: () => true,
      hear: (_tenantId, tell) => {
        heard.add(tell)
        return () => void heard.delete(tell)
      },
      ask: (_subject, body) =>
        Effect.sync(() => {
          const { after } = JSON.parse(String(body)) as { readonly after?: string }
          const given = answers[Math.min(asked.length, answers.length - 1)]!
          asked.push(after)
          const isPage = typeof given === "number"
          const content = isPage ? [{ id: `a-${given}`, type: "t", data: {} }] : []
          const answer = isPage
            ? { content, last: `a-${given}`, more: false }
            : { error: { code: given.code, statusCode: given.status, reasonPhrase: "why" } }
          return {
            status: isPage ? 200 : given.status,
            correlationId: "",
            data: Buffer.from(JSON.stringify(answer))
          }
        })
    })
  )
  const news = Effect.gen(function* () {
    for (const tell of heard) tell()
    for (let turn = 0; turn < 40; turn++) yield* Effect.yieldNow
  })
  return { asked, heard, layer, news }
}
const away = { code: "UNAVAILABLE", status: 503 }

it.effect(
  "a stream that is away ends no reading that has begun: it goes on where it was, at the next news or heartbeat",
  () => {
    const { asked, heard, layer, news } = ofAnswers([1, away, { code: "TOO_MANY_REQUESTS", status: 429 }, away, 2])
    return Effect.gen(function* () {
      const read = yield* readers
      const one = yield* read("acme")
      assert.deepStrictEqual(asked, ["a-0"])
      for (let time = 0; time < 2; time++) yield* news
      assert.deepStrictEqual(asked, ["a-0", "a-1", "a-1"])
      // Nobody tells; and it is not asked again and again meanwhile.
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(asked.length, 3)
      yield* TestClock.adjust("1 second")
      yield* news
      assert.deepStrictEqual(asked.slice(3), ["a-1", "a-1"])
      yield* news
      assert.strictEqual(asked.at(-1), "a-2")
      assert.isNull(one.refused)
      assert.strictEqual(one.text().match(/^id: /gmu)?.length, 2 + asked.filter((after) => after === "a-2").length)
      assert.strictEqual(yield* one.goes, "served")
      assert.strictEqual(heard.size, 0)
    }).pipe(Effect.provide(Layer.merge(layer, config({ CM_GATEWAY_HEARTBEAT: "15 seconds" }))))
  }
)

it.effect("while the stream is away no reading begins, and its place is free again", () =>
  Effect.gen(function* () {
    const read = yield* readers
    for (let time = 0; time < 3; time++) assert.strictEqual((yield* read("acme")).refused, "UNAVAILABLE")
  }).pipe(Effect.provide(Layer.merge(ofAnswers([away]).layer, config({ CM_GATEWAY_READERS_MAX: "1" }))))
)

it.effect("what is no passing refusal ends a reading, in words", () => {
  const { layer, news } = ofAnswers([1, { code: "FORBIDDEN", status: 403 }])
  return Effect.gen(function* () {
    const read = yield* readers
    const one = yield* read("acme")
    yield* news
    assert.match(one.text(), /^event: problem\ndata: \{.*FORBIDDEN/mu)
    assert.strictEqual(yield* one.ended, "served")
  }).pipe(Effect.provide(Layer.merge(layer, config({}))))
})

it.effect("of one tenant there are so many at once; one more comes in when one has gone", () =>
  Effect.gen(function* () {
    const read = yield* readers
    const present = [yield* read("acme"), yield* read("acme")]
    assert.deepStrictEqual(
      present.map(({ refused }) => refused),
      [null, null]
    )
    assert.strictEqual((yield* read("acme")).refused, "TOO_MANY_REQUESTS")
    const other = yield* read("other")
    assert.isNull(other.refused)
    for (let time = 0; time < 3; time++) {
      yield* present.shift()!.goes
      const next = yield* read("acme")
      assert.isNull(next.refused, `time ${time}`)
      present.push(next)
      assert.strictEqual((yield* read("acme")).refused, "TOO_MANY_REQUESTS")
    }
    for (const one of [...present, other]) yield* one.goes
  }).pipe(Effect.provide(Layer.merge(ofPages([]).layer, config({ CM_GATEWAY_READERS_MAX: "2" }))))
)

it.effect.each([
  { id: "a-1\ndata: mine", type: "token.provisioned" },
  { id: "a-1", type: "token.provisioned\ndata: mine" },
  { id: "a-1", type: "" }
])("shows nothing of an answer in which an id or a type would be more than a word: %j", (event) =>
  Effect.gen(function* () {
    const read = yield* readers
    assert.strictEqual((yield* read("acme")).refused, "INTERNAL")
  }).pipe(Effect.provide(Layer.merge(ofPages([[event]]).layer, config({}))))
)
