/**
 * `GET /api/v1/events`: a tenant's events as Server-Sent Events, for as long as the reader stays.
 *
 * Everything comes from the stream, page by page and with the reader's own bearer token, so that the service decides each
 * time what it may see; a live event only says that there is something to read. So nothing is skipped, nothing shown
 * twice but after a reconnect, and a token that has ended ends the reading. A reader with more than `unreadBytesMax`
 * unread is disconnected; it goes on by its last id. Every id that was passed without being shown is told, too.
 *
 * The service or the bus being away ends no reading: it goes on when they are back.
 */
import { Deferred, Effect, Latch, Metric } from "effect"
import { Bus, problemOf } from "./Bus.ts"
import { type Exchange, everyAnswer } from "./Exchange.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { internal, type Problem, problem, problemBody, refusalOf } from "./Problem.ts"
import type { Bearer } from "./RequestHeaders.ts"
import { objectOf } from "./usual.ts"

const unreadBytesMax = 1_048_576
const eventsAtOnce = 100
/** A proxy in front that buffers would keep events for itself. */
const streamHeaders = { "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no" }

const readers = Metric.gauge("cm_gateway_event_readers", { description: "Readers of events that are connected" })
const slow = Metric.counter("cm_gateway_slow_readers_total", {
  description: "Readers of events that were disconnected because they did not read",
  incremental: true
})

export interface Reading {
  readonly tenantId: string
  readonly bearer: Bearer
  /** `Last-Event-ID`. */
  readonly after: string | null
}

interface Page {
  readonly content: ReadonlyArray<{ readonly id: string; readonly type: string; readonly data: unknown }>
  readonly last: string
  readonly more: boolean
}

const linePattern = /^[A-Za-z0-9._-]{1,128}$/u

const pageOf = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Page, Problem> {
  const { content, last, more } = yield* objectOf(text)
  if (!Array.isArray(content) || typeof last !== "string" || !linePattern.test(last))
    return yield* Effect.fail(internal())
  for (const { id, type } of content as Page["content"]) {
    if (!linePattern.test(id) || !linePattern.test(type)) return yield* Effect.fail(internal())
  }
  return { content: content as Page["content"], last, more: more === true }
})

const passes = ({ status }: Problem): boolean => status === 503 || status === 429 || status === 500

export const make = Effect.fnUntraced(function* (stopping: Deferred.Deferred<void>) {
  const bus = yield* Bus
  const { heartbeat, readersMax } = yield* GatewayConfig
  const perTenant = new Map<string, number>()
  let connected = 0

  const read = Effect.fnUntraced(function* (reading: Reading, after: string | null, correlationId: string) {
    const { bearer, tenantId } = reading
    const request = { tenantId, limit: eventsAtOnce, ...(after === null ? {} : { after }) }
    const { data, status } = yield* bus
      .ask(`${bus.instance}.gateway.v1.events`, JSON.stringify(request), {
        Authorization: bearer.header,
        "Correlation-ID": correlationId
      })
      .pipe(Effect.mapError(problemOf))
    const text = Buffer.from(data).toString("utf8")
    if (status === 200) return yield* pageOf(text)
    const refused = refusalOf(yield* objectOf(text)) ?? internal()
    // An id that can be none is one that is unknown.
    return yield* Effect.fail(
      refused.code === "INVALID_REQUEST" && refused.details.path === "after" ? unknownId() : refused
    )
  })

  const enter = (tenantId: string): Effect.Effect<void, Problem> =>
    Effect.suspend(() => {
      const count = perTenant.get(tenantId) ?? 0
      if (count >= readersMax) {
        return Effect.fail(
          problem("TOO_MANY_REQUESTS", "Too many readers of events, try again later", {
            details: { limit: "readers" }
          })
        )
      }
      perTenant.set(tenantId, count + 1)
      connected += 1
      return Metric.update(readers, connected)
    })
  const leave = (tenantId: string) =>
    Effect.suspend(() => {
      const count = (perTenant.get(tenantId) ?? 1) - 1
      if (count === 0) perTenant.delete(tenantId)
      else perTenant.set(tenantId, count)
      connected -= 1
      return Metric.update(readers, connected)
    })

  const follow = Effect.fnUntraced(function* (exchange: Exchange, reading: Reading, first: Page, news: Latch.Latch) {
    const { response } = exchange
    const write = (text: string) => void response.write(text)
    response.writeHead(200, { ...everyAnswer(exchange.correlationId), ...streamHeaders })
    let page: Page | Problem = first
    let last = ""
    for (;;) {
      if ("content" in page) {
        for (const { data, id, type } of page.content) {
          write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
          last = id
          if (response.writableLength > unreadBytesMax) {
            response.destroy()
            return yield* Metric.update(slow, 1)
          }
        }
        if (page.last !== last) write(`id: ${page.last}\n\n`)
        last = page.last
      } else if (!passes(page)) {
        return void response.end(`event: problem\ndata: ${problemBody(page, exchange.correlationId)}\n\n`)
      }
      if (!("content" in page && page.more)) {
        const heard = yield* Effect.timeoutOption(news.await, heartbeat)
        if (heard._tag === "None") {
          write(": \n\n")
          if (response.writableLength > unreadBytesMax) {
            response.destroy()
            return yield* Metric.update(slow, 1)
          }
        }
      }
      Latch.closeUnsafe(news)
      page = yield* Effect.catch(read(reading, last, exchange.correlationId), (why) => Effect.succeed(why))
    }
  })

  const gone = ({ response }: Exchange) =>
    Effect.callback<void>((resume) => {
      if (response.destroyed || response.closed) return resume(Effect.void)
      const closed = () => resume(Effect.void)
      response.once("close", closed)
      return Effect.sync(() => void response.off("close", closed))
    })

  return {
    /** Fails before the first byte, or never. */
    serve: (exchange: Exchange, reading: Reading): Effect.Effect<void, Problem> =>
      Effect.gen(function* () {
        const news = Latch.makeUnsafe()
        yield* Effect.acquireRelease(enter(reading.tenantId), () => leave(reading.tenantId))
        yield* Effect.acquireRelease(
          Effect.sync(() => bus.hear(reading.tenantId, () => Latch.openUnsafe(news))),
          (unhear) => Effect.sync(unhear)
        )
        const first = yield* read(reading, reading.after, exchange.correlationId)
        yield* follow(exchange, reading, first, news).pipe(
          Effect.raceFirst(gone(exchange)),
          Effect.raceFirst(Deferred.await(stopping))
        )
        if (!exchange.response.writableEnded) exchange.response.end()
      }).pipe(Effect.scoped)
  }
})
export type EventStream = Effect.Success<ReturnType<typeof make>>

const unknownId = (): Problem =>
  refusalOf({ error: { code: "EVENT_GONE", statusCode: 410, reasonPhrase: "The stream has nothing of this id" } })!
