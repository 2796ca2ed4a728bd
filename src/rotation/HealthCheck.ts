/**
 * A look at whether a token that never expires is alive: one request with it, where its provider says.
 *
 * Decides nothing: what was seen goes to `actors/credentials/HealthCommands.ts`, and what it says of the
 * provider itself to the circuits.
 */
import { Clock, Effect, Result } from "effect"
import type { HealthOutcome } from "../actors/credentials/HealthCommands.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import { fillUrl, type Provider } from "../domain/Provider.ts"
import { readAnswer } from "../domain/ProviderAnswer.ts"
import { buildHealthCheck } from "../domain/ProviderRequest.ts"
import type { Rotation } from "../domain/Refresh.ts"
import { type GuardOptions, send } from "../platform/GuardedHttp.ts"
import type { TurnResult } from "../store/RefreshStore.ts"
import { reasonOfFailure } from "./Exchange.ts"

export interface Look {
  readonly outcome: HealthOutcome
  readonly result: TurnResult
}

const sick = (over: Partial<Extract<HealthOutcome, { readonly _tag: "Sick" }>>): HealthOutcome => ({
  _tag: "Sick",
  reason: "unknown",
  detail: "",
  httpStatus: null,
  kind: "transient",
  ...over
})

export const look = Effect.fnUntraced(function* (options: {
  readonly provider: Provider
  readonly rotation: Rotation
  readonly secret: Secret
  readonly guard: GuardOptions
}): Effect.fn.Return<Look> {
  const { guard, provider, rotation, secret } = options
  const health = provider.health
  const filled = health === null ? undefined : fillUrl(health.url, provider, rotation.params)
  if (health === null || filled?._tag !== "Url") {
    return { outcome: sick({ reason: "blocked_url" }), result: { _tag: "none" } }
  }
  const built = buildHealthCheck(health.method, filled.url, secret)
  const answered = yield* Effect.result(send(built, guard))
  if (Result.isFailure(answered)) {
    const reason = reasonOfFailure(answered.failure.reason)
    return { outcome: sick({ reason }), result: { _tag: reason === "blocked_url" ? "none" : "provider" } }
  }
  const raw = { ...answered.success, receivedAt: yield* Clock.currentTimeMillis }
  const { status } = raw
  if ((health.ok.length === 0 ? [200] : health.ok).includes(status)) {
    return { outcome: { _tag: "Well" }, result: { _tag: "ok" } }
  }
  const read = readAnswer({ provider, raw, sent: built.secrets, defaultLifeMs: null })
  const isDown = status >= 500 || status === 429
  const result: TurnResult =
    status === 429 ? { _tag: "limited", retryAfterMs: 5_000 } : { _tag: isDown ? "provider" : "ok" }
  if (read.kind === "granted") return { outcome: sick({ httpStatus: status, kind: "refused" }), result }
  const kind = read.kind === "refused" ? "permanent" : isDown ? "transient" : "refused"
  // Who is answered with 401 or 403 and no word more is not let in with it any more.
  const isBarred = (status === 401 || status === 403) && read.kind !== "refused"
  const reason = isBarred ? "invalid_grant" : read.reason
  return { outcome: sick({ reason, detail: read.detail, httpStatus: status, kind }), result }
})
