/** `PublishedEnds` over the stream of events, by direct gets. The promises are those of the contract. */
import { Duration, Effect, Layer } from "effect"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import { Streams } from "../nats/Streams.ts"
import { ClientCredentialsRevokedEvent } from "../schema/Cap.ts"
import { type Announced, PublishedEnds, PublishedEndsUnavailable } from "../store/RestoreMark.ts"

const batchMax = 500
const readLimit = Duration.seconds(5)
const unavailable = () => new PublishedEndsUnavailable()

/** `{instance}.events.v1.{tenant}.{type}` */
const announced = ({ header, subject }: DirectGet.StoredMessage) => {
  const [, , , tenantId = "", ...type] = subject.split(".")
  const at = Date.parse(header("ce-time") ?? "")
  // One without a time of its own may be of any.
  return { type: type.join("."), tenantId, subject: header("ce-subject") ?? "", at: Number.isNaN(at) ? Infinity : at }
}

/** Of a client credential; what says nothing that can be read is nobody's. */
const clientRevoked = ({ data, subject }: DirectGet.StoredMessage): ReadonlyArray<Announced> => {
  if (!/\.client-credentials\.[a-z]+\.revoked$/u.test(subject)) return []
  const event = ClientCredentialsRevokedEvent.decode(data)
  if (event === null) return []
  const { credentialsId, tenantId, timestamp } = event
  return [{ type: "client-credential.revoked", tenantId, subject: credentialsId, at: Number(timestamp) }]
}
const readers = {
  events: (message: DirectGet.StoredMessage): ReadonlyArray<Announced> => [announced(message)],
  revocations: clientRevoked
}

const make = Effect.gen(function* () {
  const { control, inboxPrefix, jetstreamManager } = yield* Nats
  const names = yield* Streams
  const { metadataBucket, tokensBucket } = names
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const info = (name: string) =>
    Effect.tryPromise({ try: () => jetstreamManager.streams.info(name), catch: unavailable })

  return PublishedEnds.of({
    after: Effect.fnUntraced(function* (stream, place) {
      const { state } = yield* info(names[stream])
      const first = state.messages === 0 ? null : state.first_seq
      if (first === null || place >= state.last_seq) return { events: [], next: null, first }
      const from = Math.max(place + 1, first)
      const { complete, messages } = yield* directGet.from(names[stream], from, batchMax, readLimit)
      const last = messages.at(-1)
      // A copy that is behind has nothing: asked again, not taken for the end.
      if (!complete || last === undefined) return yield* unavailable()
      const isEnd = last.sequence >= state.last_seq
      return { events: messages.flatMap(readers[stream]), next: isEnd ? null : last.sequence, first }
    }),
    forgetCaches: Effect.tryPromise({
      try: async () => {
        for (const bucket of [tokensBucket, metadataBucket]) await jetstreamManager.streams.purge(`KV_${bucket}`)
      },
      catch: unavailable
    })
  })
})

/** Needs `Nats`, `Streams`. */
export const layer = Layer.effect(PublishedEnds, make)
