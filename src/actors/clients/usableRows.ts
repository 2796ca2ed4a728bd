/**
 * Whether a row is as the service wrote it, and whether it may be answered 200: good as well. One that was changed by others
 * is told, a line a second at most, and counted.
 */
import { Effect, Metric } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import { type FoundClient, isGood } from "../../domain/ClientCredential.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { rowsChanged } from "../tenant/RowTagging.ts"

export const usableRows = Effect.gen(function* () {
  const keyring = yield* Keyring
  const context = yield* Effect.context<never>()
  const lines = yield* Seldom.make
  const changed = Metric.withAttributes(rowsChanged, { kind: "client" })
  const holds = ({ credential }: FoundClient): boolean => {
    if (keyring.rowHolds(credential.mac, RowTags.ofClient(credential))) return true
    const { credentialId, tenantId } = credential
    changed.updateUnsafe(1, context)
    lines.tellUnsafe(
      Effect.logError("the row of a client credential was changed outside of the service, and is not used", {
        tenantId,
        credentialId
      })
    )
    return false
  }
  return { holds, isUsable: (found: FoundClient): boolean => isGood(found.credential) && holds(found) }
})
