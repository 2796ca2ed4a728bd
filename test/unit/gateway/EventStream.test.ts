// Verifies R-GWY-6.
/** A reader of events who does not read: let go before it costs more than its share, and told nothing that it would miss. */
import { EventEmitter } from "node:events"
import type { ServerResponse } from "node:http"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Layer } from "effect"
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

/** `reads`: whether what is written leaves. */
class PaperResponse extends EventEmitter {
  readonly reads: boolean
  writableLength = 0
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
    if (!this.reads) this.writableLength += text.length
    if (this.written > 20_000_000) this.destroy()
    return true
  }
  end(): this {
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
