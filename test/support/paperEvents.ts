/** The stream of events on paper: it is there, and empty. */
import { Effect, Layer } from "effect"
import { EventPages } from "../../src/nats/EventPages.ts"

export const layer = Layer.succeed(EventPages, {
  read: () => Effect.succeed({ messages: [], last: "0-0", more: false })
})
