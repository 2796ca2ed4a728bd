/** `PublishedCheckpoints` over the stream of events, by direct gets. The promises are those of the contract. */
import { Duration, Effect, Layer } from "effect"
import * as DirectGet from "../nats/DirectGet.ts"
import { Nats } from "../nats/Nats.ts"
import { Streams } from "../nats/Streams.ts"
import { Replica } from "../observability/Replica.ts"
import { PublishedCheckpoints, PublishedUnavailable } from "../store/PublishedCheckpoints.ts"
import { checkpointType, pointOf } from "./AnnouncedCheckpoint.ts"

/** Messages of one answer; half a kilobyte each. */
const batchMax = 500
const readLimit = Duration.seconds(3)

const make = Effect.gen(function* () {
  const { control, inboxPrefix } = yield* Nats
  const { events } = yield* Streams
  const { instance } = yield* Replica
  const directGet = yield* DirectGet.make(control, inboxPrefix)
  const subjectOf = (tenantId: string) => `${instance}.events.v1.${tenantId}.${checkpointType}`

  const whole = (answer: DirectGet.DirectAnswer) =>
    answer.complete ? Effect.succeed(answer.messages) : Effect.fail(new PublishedUnavailable())

  return PublishedCheckpoints.of({
    after: Effect.fnUntraced(function* (tenantId, place) {
      const subject = subjectOf(tenantId)
      const [newest] = yield* Effect.flatMap(directGet.lastOf(events, [subject], readLimit), whole)
      if (newest === undefined) return { points: [], place: 0, more: false }
      const from = newest.sequence < place ? 0 : place
      if (from === newest.sequence) return { points: [], place, more: false }
      const asked = directGet.ofSubject(events, subject, from + 1, batchMax, readLimit)
      const messages = yield* Effect.flatMap(asked, whole)
      const last = messages.at(-1)
      // A copy of the stream that is behind has less than is known to be there.
      if (last === undefined) return yield* new PublishedUnavailable()
      const points = messages.map(({ data }) => pointOf(tenantId, data))
      return { points, place: last.sequence, more: last.sequence < newest.sequence }
    })
  })
})

/** Needs `Nats`, `Streams`, `Replica`. */
export const layer = Layer.effect(PublishedCheckpoints, make)
