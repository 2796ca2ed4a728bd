/** Looks regularly whether the inbox is kept up with, so that events that were lost are noticed and told. */
import { Duration, Effect, Layer } from "effect"
import { Platform } from "../actors/tenant/Platform.ts"
import { Inbox } from "../nats/Inbox.ts"
import { NatsConfig } from "../nats/NatsConfig.ts"
import * as Loop from "../observability/Loop.ts"

const lookEvery = Duration.seconds(5)

/** Needs `Inbox`, `NatsConfig`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const inbox = yield* Inbox
    const platform = yield* Platform
    const { streams } = yield* NatsConfig
    const ageMs = Duration.toMillis(streams.inboxAge)
    const look = Effect.flatMap(inbox.state, (stand) => platform.inboxStands(stand, ageMs))
    yield* Effect.forkScoped(Loop.forever("inbox watch", Effect.andThen(Effect.ignore(look), Effect.sleep(lookEvery))))
  })
)
