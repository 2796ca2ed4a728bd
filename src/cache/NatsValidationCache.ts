/**
 * The shared validation cache in a JetStream KV bucket.
 *
 * A look is one request for up to 256 keys. It may be answered by any copy of the bucket, so what it
 * finds may be from the past; the entry says at which revocation sequence it was read, and `actors`
 * decides whether that is new enough. Entries are only ever overwritten.
 *
 * When the bucket does not answer `silentLooksMax` times in a row, it is left alone for `pause`: a
 * validation goes to the database at once then, instead of after the time-out.
 */
import { Clock, Duration, Effect, Layer, Metric } from "effect"
import type { HotToken } from "../domain/HotToken.ts"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import * as StreamPuts from "../nats/StreamPuts.ts"
import { Streams } from "../nats/Streams.ts"
import { CacheConfig } from "./CacheConfig.ts"
import * as HotTokenValue from "./HotTokenValue.ts"
import { type CacheKey, ValidationCache } from "./ValidationCache.ts"

const silentLooksMax = 3
const pauseMs = 1_000
/** How long a put waits for its acknowledgement before it is counted as lost. */
const putLimit = Duration.seconds(2)

// ---- metrics ------------------------------------------------------------------
const looks = Metric.counter("cm_cache_lookups_total", {
  description: "Keys looked up in the shared cache, by outcome",
  incremental: true
})
const puts = Metric.counter("cm_cache_puts_total", {
  description: "Entries for the shared cache, by outcome",
  incremental: true
})

const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  items.length <= size
    ? [items]
    : Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
        items.slice(index * size, (index + 1) * size)
      )

const make = Effect.gen(function* () {
  const { control, inboxPrefix } = yield* Nats
  const { tokensBucket } = yield* Streams
  const { getTimeout, putsInFlightMax } = yield* CacheConfig
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const runPromise = Effect.runPromiseWith(context)

  const counted = (metric: typeof looks, outcome: string) => {
    const series = Metric.withAttributes(metric, { outcome })
    return (count: number) => series.updateUnsafe(count, context)
  }
  const hit = counted(looks, "hit")
  const miss = counted(looks, "miss")
  const corrupt = counted(looks, "corrupt")
  const skipped = counted(looks, "skipped")
  const stored = counted(puts, "stored")
  const lost = counted(puts, "lost")
  const dropped = counted(puts, "dropped")

  const stream = `KV_${tokensBucket}`
  const subjectOf = ({ tenantId, cacheKey }: CacheKey) => `$KV.${tokensBucket}.${tenantId}.${cacheKey}`

  let silentLooks = 0
  let pausedUntilMs = 0

  const lookUp = Effect.fnUntraced(function* (keys: ReadonlyArray<CacheKey>) {
    const bySubject = new Map(keys.map((key) => [subjectOf(key), key]))
    const answer = yield* directGet.lastOf(stream, Array.from(bySubject.keys()), getTimeout)
    const found: Array<HotToken> = []
    for (const message of answer.messages) {
      const key = bySubject.get(message.subject)
      if (key === undefined) continue
      const token = HotTokenValue.decode(message.data, key)
      if (token === null) corrupt(1)
      else found.push(token)
    }
    hit(found.length)
    miss(bySubject.size - found.length)
    return { found, complete: answer.complete }
  })

  const lookUpAll = Effect.fnUntraced(function* (keys: ReadonlyArray<CacheKey>) {
    const answers = yield* Effect.forEach(chunksOf(keys, DirectGet.subjectsMax), lookUp, { concurrency: "unbounded" })
    silentLooks = answers.some(({ complete }) => complete) ? 0 : silentLooks + 1
    if (silentLooks >= silentLooksMax) {
      silentLooks = 0
      pausedUntilMs = clock.currentTimeMillisUnsafe() + pauseMs
    }
    return answers.flatMap(({ found }) => found)
  })

  const streamPuts = yield* StreamPuts.make(control, inboxPrefix, {
    inFlightMax: putsInFlightMax,
    limit: putLimit,
    stored: () => stored(1),
    lost: () => lost(1)
  })

  return ValidationCache.of({
    getMany: (keys) => {
      if (keys.length === 0) return Promise.resolve([])
      if (clock.currentTimeMillisUnsafe() < pausedUntilMs) {
        skipped(keys.length)
        return Promise.resolve([])
      }
      return runPromise(lookUpAll(keys))
    },
    putUnsafe: (tokens) => {
      for (const token of tokens) {
        if (!streamPuts.putUnsafe(subjectOf(token), HotTokenValue.encode(token))) dropped(1)
      }
      streamPuts.flushUnsafe()
    }
  })
})

/** Needs `Nats`, `Streams`, `CacheConfig`. */
export const layer = Layer.effect(ValidationCache, make)
