/** `MetadataCache` in the bucket `{INSTANCE}_METADATA`. Entries are only ever overwritten; the bucket's age ends them. */
import { Effect, Layer } from "effect"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import { Streams } from "../nats/Streams.ts"
import { CacheConfig } from "./CacheConfig.ts"
import { MetadataCache } from "./MetadataCache.ts"

/** A change waits this long for its mark in the bucket; then the age of the entries has to do. */
const putTimeoutMs = 500

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const make = Effect.gen(function* () {
  const { control, inboxPrefix, jetstream } = yield* Nats
  const { metadataBucket } = yield* Streams
  const { getTimeout } = yield* CacheConfig
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const stream = `KV_${metadataBucket}`
  const prefix = `$KV.${metadataBucket}.`
  return MetadataCache.of({
    getMany: (keys) =>
      Effect.map(
        directGet.lastOf(
          stream,
          keys.map((key) => prefix + key),
          getTimeout
        ),
        ({ messages }) =>
          new Map(messages.map(({ data, subject }) => [subject.slice(prefix.length), decoder.decode(data)]))
      ),
    put: (key, value) =>
      Effect.promise(() =>
        jetstream.publish(prefix + key, encoder.encode(value), { timeout: putTimeoutMs }).then(
          () => true,
          () => false
        )
      )
  })
})

/** Needs `Nats`, `Streams`, `CacheConfig`. */
export const layer = Layer.effect(MetadataCache, make)
