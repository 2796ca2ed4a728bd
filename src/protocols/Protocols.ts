/**
 * Everything the service listens to, as one layer.
 *
 * `Micro` is built first and released last, so that `$SRV` answers until the end. The rest take no
 * more messages, answer what they have, and are gone when the layer is released.
 */
import { Layer } from "effect"
import * as Ecap from "./Ecap.ts"
import * as Elce from "./Elce.ts"
import * as Management from "./Management.ts"
import * as Micro from "./Micro.ts"
import { operations } from "./OperationTable.ts"
import * as Tle from "./Tle.ts"

export const layer = Layer.mergeAll(Ecap.layer, Management.layer(operations), Elce.layer, Tle.layer).pipe(
  Layer.provide(Micro.layer)
)
