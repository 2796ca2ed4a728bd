/**
 * The service's keys as they stand in the database, without those that are nobody's: such a one is as if it was not there, and
 * does not even say which one to write with. It is told once.
 *
 * What was opened before is not asked of the master key again. The bytes that nobody took are overwritten with the scope.
 */
import { Effect } from "effect"
import { type AgedKey, KeyRotationStore } from "../store/KeyRotationStore.ts"
import * as ServiceKeys from "./ServiceKeys.ts"

export interface Known {
  /** Where those stood that opened: what somebody moved since is another one. */
  readonly openedPlaces: ReadonlySet<string>
  readonly nobodysIds: ReadonlySet<string>
}

export const tellNobodys = ({ keyId, purpose }: Pick<AgedKey, "keyId" | "purpose">) =>
  Effect.logError(
    purpose === "fingerprint"
      ? "a key does not open and is left out: somebody else wrote its row, or changed that of a key that was followed; what was remembered under such a one is carried out again when it is repeated"
      : "a key does not open and no row needs it: somebody else wrote its row, and it is left out"
  ).pipe(Effect.annotateLogs({ keyId, purpose }))

export const read = Effect.fnUntraced(function* (isUsed: (key: AgedKey) => boolean, before: Known | null) {
  const store = yield* KeyRotationStore
  const keys: Array<AgedKey> = []
  const [openedPlaces, nobodysIds] = [new Set<string>(), new Set<string>()]
  const materials = new Map<string, Uint8Array>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const material of materials.values()) material.fill(0)
    })
  )
  for (const key of (yield* store.serviceKeys).filter(isUsed)) {
    const place = ServiceKeys.placeOf(key)
    if (before?.openedPlaces.has(place) !== true) {
      const material = yield* ServiceKeys.openUnlessNobodys(key)
      if (material === null) {
        nobodysIds.add(key.keyId)
        if (before?.nobodysIds.has(key.keyId) !== true) yield* tellNobodys(key)
        continue
      }
      materials.set(key.keyId, material)
    }
    openedPlaces.add(place)
    keys.push(key)
  }
  return {
    keys,
    known: { openedPlaces, nobodysIds } satisfies Known,
    /** The bytes of one, which the caller overwrites. */
    materialOf: (key: AgedKey) => {
      const material = materials.get(key.keyId)
      materials.delete(key.keyId)
      return material === undefined
        ? Effect.map(ServiceKeys.open(key), (opened) => opened.material)
        : Effect.succeed(material)
    }
  }
})
