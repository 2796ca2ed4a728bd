/**
 * Everything the service listens to, as one layer.
 *
 * `Micro` is built first and released last, so that `$SRV` answers until the end. The rest take no
 * more messages, answer what they have, and are gone when the layer is released.
 */
import { Effect, Layer } from "effect"
import * as ClientAuthentication from "./ClientAuthentication.ts"
import * as Ecap from "./Ecap.ts"
import * as Elce from "./Elce.ts"
import { serve } from "./EventInbox.ts"
import * as Management from "./Management.ts"
import * as Micro from "./Micro.ts"
import { everyOperation } from "./OperationTable.ts"
import * as Scmp from "./Scmp.ts"
import * as Tle from "./Tle.ts"

const InboxEvents = Layer.effectDiscard(
  Effect.flatMap(Effect.all([Elce.kinds, Tle.kinds]), (kinds) => serve(kinds.flat()))
)

export const layer = Layer.mergeAll(
  Ecap.layer,
  ClientAuthentication.layer,
  Management.layer(everyOperation),
  InboxEvents,
  Scmp.layer
).pipe(Layer.provide(Micro.layer))
