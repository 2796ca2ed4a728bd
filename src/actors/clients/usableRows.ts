/** Whether a row may be answered 200: good, and as the service wrote it. One that was changed by others is told and counted. */
import { Effect, Metric } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import { type FoundClient, isGood } from "../../domain/ClientCredential.ts"
import { rowsChanged } from "../tenant/RowTagging.ts"

export const usableRows = Effect.gen(function* () {
  const keyring = yield* Keyring
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const changed = Metric.withAttributes(rowsChanged, { kind: "client" })
  return ({ credential }: FoundClient): boolean => {
    if (!isGood(credential)) return false
    if (keyring.rowHolds(credential.mac, RowTags.ofClient(credential))) return true
    const { credentialId, tenantId } = credential
    run(
      Effect.andThen(
        Metric.update(changed, 1),
        Effect.logError("the row of a client credential was changed outside of the service, and is not used", {
          tenantId,
          credentialId
        })
      )
    )
    return false
  }
})
