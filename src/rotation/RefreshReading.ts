/** What is read before anything is done: how a credential stands, who its provider is, and by which rules it is asked. */
import { Effect, Random, Result } from "effect"
import { Providers } from "../actors/credentials/Providers.ts"
import { tellChanged } from "../actors/tenant/RowTagging.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { TenantKeys } from "../crypto/TenantKeys.ts"
import type { Credential, CredentialVersion } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"
import { providerFor } from "../domain/Refresh.ts"
import { parseRotation } from "../domain/RotationShape.ts"
import type * as Seldom from "../observability/Seldom.ts"
import { RefreshStore } from "../store/RefreshStore.ts"
import { databaseFailed } from "./Ended.ts"
import * as OpenVersion from "./OpenVersion.ts"
import type { Asking } from "./RefreshJob.ts"
import type { Known } from "./StoredAnswers.ts"

export const make = Effect.fnUntraced(function* (changedRows: Seldom.Seldom) {
  const store = yield* RefreshStore
  const providers = yield* Providers
  const openText = OpenVersion.make(yield* TenantKeys)

  /** What is held. Nobody else tells where it cannot be opened. */
  const openHeld = (tenantId: string, version: CredentialVersion): Effect.Effect<string, ChangeError> =>
    Effect.tapErrorTag(openText(tenantId, version), "RowChanged", (error) => tellChanged(tenantId, error, changedRows))

  const standingOf = ({ credentialId, tenantId }: Asking) =>
    Effect.mapError(store.standing(tenantId, credentialId), databaseFailed)

  const knownOf = Effect.fnUntraced(function* (
    { credentialId, tenantId }: Asking,
    credential: Credential
  ): Effect.fn.Return<Known, ChangeError> {
    const { refresh } = credential
    const parsed = parseRotation(credential.type, credential.rotation)
    if (refresh === undefined || Result.isFailure(parsed) || parsed.success === null) {
      return yield* new errors.RefreshNotConfigured({ credentialId })
    }
    const known = yield* providers.find(tenantId, refresh.provider, refresh.own)
    if (known === undefined) return yield* new errors.ProviderFailed({ reason: "unknown", retryAfterMs: null })
    const provider = providerFor(known.provider, parsed.success)
    const route = providers.routeOf(known, refresh.lane, parsed.success.params)
    const { lane, queue } = route
    const setup = { provider, rotation: parsed.success, lane, queue, chance: yield* Random.next }
    return { known, provider, rotation: parsed.success, setup, route }
  })

  return { openText, openHeld, standingOf, knownOf }
})

export type RefreshReading = Effect.Success<ReturnType<typeof make>>
