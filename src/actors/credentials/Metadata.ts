/** A credential as callers see it: everything but its secret, as of one moment. */
import { shownState } from "../../domain/Credential.ts"
import { type Refresh, shownRefreshState } from "../../domain/Refresh.ts"
import type { CredentialView } from "../../store/CredentialStore.ts"
import type { CredentialMetadata, RefreshShown } from "./Credentials.ts"

export const metadataOf = ({ credential, serviceActive }: CredentialView, now: number): CredentialMetadata => {
  const { mac: _0, noticedMs: _1, rotation: _2, secretVersion: _3, state: _4, refreshDueAt: _5, ...rest } = credential
  const state = shownState(credential, now)
  return {
    ...rest,
    state,
    reason: state === "expired" ? "expired" : credential.reason,
    serviceActive,
    refresh: refreshShown(credential.refresh, now, !serviceActive || credential.state === "revoked")
  }
}

const refreshShown = (refresh: Refresh | undefined, now: number, isPaused: boolean): RefreshShown | null =>
  refresh === undefined
    ? null
    : {
        state: shownRefreshState(refresh, now, isPaused),
        lastRefreshedAt: refresh.lastRefreshedAt,
        nextRefreshAt: refresh.grant.nextAttemptAt ?? refresh.nextRefreshAt,
        grantExpiresAt: refresh.grantExpiresAt,
        attempts: Math.max(refresh.grant.attempts, refresh.health?.failures ?? 0),
        lastError: refresh.lastError
      }
