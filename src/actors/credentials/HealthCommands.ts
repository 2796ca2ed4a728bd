/**
 * What a look at a token that never expires has shown, written down: a decision over a workspace. Contract 10.2.
 *
 * Nothing else tells of the end of such a token. A provider that could not be asked, or has no time, is told
 * of when that happens twice in a row; a refusal at once. For one series the first is told, then once a day.
 */
import { Result } from "effect"
import type { Refusal } from "../../domain/errors.ts"
import { durationMs } from "../../domain/IsoDuration.ts"
import type { Provider, RefreshReason } from "../../domain/Provider.ts"
import { backOffMs, type HealthWatch, healthPause, type Refresh } from "../../domain/Refresh.ts"
import { noCredentials } from "../../store/CredentialStore.ts"
import type { Command } from "../tenant/Command.ts"
import { credentialChanged } from "../tenant/RowTagging.ts"
import type { Caller } from "../tenant/Tenants.ts"
import { type Events, findOwn, record } from "./Change.ts"
import { dayMs, tell, withRefresh } from "./RefreshCommands.ts"

export type HealthOutcome =
  | { readonly _tag: "Well" }
  /** Nobody looked: its service is off. */
  | { readonly _tag: "Paused" }
  | {
      readonly _tag: "Sick"
      readonly reason: RefreshReason
      readonly detail: string
      readonly httpStatus: number | null
      /** The provider said that the token is gone, not only that it cannot answer. */
      readonly kind: "permanent" | "refused" | "transient"
    }

export interface HealthSettling {
  readonly credentialId: string
  /** The secret that was looked at; of a newer one nothing is known. */
  readonly secretVersion: number
  readonly provider: Provider
  readonly chance: number
  readonly outcome: HealthOutcome
}

const toldTransientAt = 2

export const settleHealth = (request: HealthSettling, events: Events, caller: Caller): Command<boolean> => ({
  name: "credential.settle-health",
  caller: { ...caller, idempotency: null },
  load: { credentials: { ...noCredentials, ids: [request.credentialId] } },
  decide: (workspace): Result.Result<boolean, Refusal> => {
    const found = findOwn(workspace, request.credentialId, null)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const credential = found.success
    const { credentialId, refresh } = credential
    if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))
    if (refresh === undefined || credential.state === "revoked") return Result.succeed(false)
    if (credential.secretVersion !== request.secretVersion || !refresh.health) return Result.succeed(false)
    const { chance, outcome, provider } = request
    const { now } = workspace
    const put = (next: Refresh): Result.Result<boolean, Refusal> => {
      workspace.credentials.update(withRefresh(credential, next))
      return Result.succeed(true)
    }
    if (provider.health === null) {
      // Its entry was put anew without: there is nothing to look at any more, and nothing to tell.
      return put({ ...refresh, health: null, lastError: refresh.grant.attempts === 0 ? null : refresh.lastError })
    }
    const every = durationMs(provider.health.every) ?? dayMs
    if (outcome._tag === "Paused") {
      return put({ ...refresh, health: { ...refresh.health, nextAt: now + healthPause(every, chance) } })
    }
    if (outcome._tag === "Well") {
      const health: HealthWatch = { nextAt: now + healthPause(every, chance), failures: 0, toldAt: null }
      if (refresh.health.toldAt !== null) {
        events.announce(workspace, "recovered", credential, { version: credential.version })
      }
      return put({ ...refresh, health, lastError: refresh.grant.attempts === 0 ? null : refresh.lastError })
    }
    const { detail, httpStatus, kind, reason } = outcome
    const failures = refresh.health.failures + 1
    const { toldAt } = refresh.health
    const isNews = kind !== "transient" || failures >= toldTransientAt
    const tells = isNews && (toldAt === null || now >= toldAt + dayMs || kind === "permanent")
    record(workspace, "credential.health-failed", credentialId, caller, {
      reason,
      ...(httpStatus === null ? {} : { http_status: httpStatus }),
      ...(detail === "" ? {} : { detail }),
      attempts: failures
    })
    if (tells) {
      events.announce(workspace, "health_failed", credential, {
        reason,
        ...(httpStatus === null ? {} : { http_status: httpStatus }),
        attempts: failures,
        version: credential.version
      })
    }
    const health: HealthWatch = {
      nextAt: now + Math.min(healthPause(every, chance), backOffMs(failures - 1, chance)),
      failures,
      toldAt: tells ? now : toldAt
    }
    const next: Refresh = {
      ...refresh,
      health,
      grant: kind === "permanent" ? { ...refresh.grant, isFinal: true } : refresh.grant,
      lastError: { reason, at: now, httpStatus }
    }
    return put(tell(workspace, credential, next, false, events))
  }
})
