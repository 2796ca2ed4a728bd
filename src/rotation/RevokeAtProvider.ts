/**
 * Asks a provider to revoke a token (RFC 7009, section 2): one request, and what its answer means.
 *
 * 200 is a yes, also for a token that the provider does not know (section 2.2); `invalid_token`, which some
 * answer instead, says that it is dead too.
 */
import { Effect } from "effect"
import type { ProviderInForce } from "../actors/credentials/Providers.ts"
import type { RevocationSettling } from "../actors/credentials/RevocationCommands.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import type { Provider } from "../domain/Provider.ts"
import { detailOf, readAnswer } from "../domain/ProviderAnswer.ts"
import { at } from "../domain/ProviderBody.ts"
import type { Rotation } from "../domain/Refresh.ts"
import type { GuardOptions } from "../platform/GuardedHttp.ts"
import type { TurnResult } from "../store/RefreshStore.ts"
import { reasonOfFailure, revokeToken } from "./Exchange.ts"

const jsonOf = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** Null: cut before the client's next secret was tried. It says nothing of the token. */
export const revokeAt = Effect.fnUntraced(function* (
  asking: {
    readonly known: ProviderInForce
    readonly provider: Provider
    readonly rotation: Rotation
    readonly secret: Secret
    readonly guard: GuardOptions
    readonly again: Effect.Effect<boolean>
    readonly now: Effect.Effect<number>
  },
  revokeUrl: string
): Effect.fn.Return<{ readonly failure: RevocationSettling["failure"]; readonly result: TurnResult } | null> {
  const revoked = yield* revokeToken(asking, revokeUrl)
  if (revoked === null) return null
  const { outcome, sent } = revoked
  if (outcome._tag === "Failure") {
    const reason = reasonOfFailure(outcome.reason)
    const result: TurnResult = {
      _tag: reason === "blocked_url" ? "none" : reason === "invalid_client" ? "client" : "provider"
    }
    return { failure: { reason, detail: "", httpStatus: null }, result }
  }
  const { raw } = outcome
  const body = jsonOf(raw.body)
  const isDone = (raw.status >= 200 && raw.status < 300) || at(body, "/error") === "invalid_token"
  if (isDone) return { failure: null, result: { _tag: "ok" } }
  const read = readAnswer({ provider: asking.provider, raw, sent, defaultLifeMs: null })
  const reason = read.kind === "granted" ? "unknown" : read.reason
  const failure = { reason, detail: detailOf(body, raw, sent), httpStatus: raw.status }
  return { failure, result: { _tag: read.kind === "client" ? "client" : raw.status >= 500 ? "provider" : "ok" } }
})
