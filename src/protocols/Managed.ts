/** What another system of the platform owns is changed there and nowhere else. Contract sections 8.3, 8.4. */
import { Effect } from "effect"
import { Platform, type PlatformShape } from "../actors/tenant/Platform.ts"
import { ManagedElsewhere } from "../domain/errors.ts"

export const notManagedElsewhere = (what: keyof PlatformShape["owner"]): Effect.Effect<void, ManagedElsewhere> =>
  Effect.flatMap(Platform, ({ owner }) => {
    const by = owner[what]
    return by === null ? Effect.void : Effect.fail(new ManagedElsewhere({ by }))
  })
