/** A credential as callers see it: everything but its secret, as of one moment. */
import { shownState } from "../../domain/Credential.ts"
import { type Refresh, shownRefreshState } from "../../domain/Refresh.ts"
import { nextLook, type Rotating, shownRotatingState } from "../../domain/Rotating.ts"
import type { CredentialView } from "../../store/CredentialStore.ts"
import type { CredentialMetadata, RefreshShown, RetirePending } from "./Credentials.ts"

export const metadataOf = ({ credential, serviceActive }: CredentialView, now: number): CredentialMetadata => {
  const { mac: _0, noticedMs: _1, rotation: _2, secretVersion: _3, state: _4, refreshDueAt: _5, ...others } = credential
  const { rotating, ...rest } = others
  const isPaused = !serviceActive || credential.state === "revoked"
  const state = shownState(credential, now)
  return {
    ...rest,
    state,
    reason: state === "expired" ? "expired" : credential.reason,
    serviceActive,
    refresh:
      rotating === undefined ? refreshShown(credential.refresh, now, isPaused) : rotatingShown(rotating, now, isPaused),
    retirePending: rotating === undefined ? null : retirePending(rotating)
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

const rotatingShown = (rotating: Rotating, now: number, isPaused: boolean): RefreshShown => ({
  state: shownRotatingState(rotating, now, isPaused),
  lastRefreshedAt: rotating.lastRotatedAt,
  nextRefreshAt: rotating.underWay === null ? rotating.nextRotationAt : (rotating.nextAttemptAt ?? nextLook(rotating)),
  grantExpiresAt: null,
  attempts: rotating.attempts,
  lastError: rotating.lastError
})

/** What is promised to its readers still is not among them. */
const retirePending = ({ cleanups }: Rotating): ReadonlyArray<RetirePending> =>
  cleanups
    .filter(({ attempts }) => attempts > 0)
    .map(({ attempts, dueAt, generation, reason, since }) => ({
      generation,
      since,
      attempts,
      reason,
      nextAttemptAt: dueAt
    }))
