/**
 * What came of one refresh, and what who asked is answered by it. Pure.
 */
import { Cause, Option } from "effect"
import type * as commands from "../actors/credentials/RefreshCommands.ts"
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import type { Credential } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"
import { broughtNothing, type Refresh } from "../domain/Refresh.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { perhapsDone } from "./perhapsDone.ts"

export type Ended =
  | { readonly _tag: "Refreshed"; readonly version: number }
  | { readonly _tag: "Failed"; readonly error: ChangeError }
  /** A bug: whoever waits dies of it. */
  | { readonly _tag: "Died"; readonly defect: unknown }
  /** Nothing was to be done, or not now. */
  | { readonly _tag: "Idle" }

export const failed = (error: ChangeError): Ended => ({ _tag: "Failed", error })
export const idle: Ended = { _tag: "Idle" }

export const databaseFailed = (_: StoreUnavailable) => new errors.Unavailable({ part: "database", committed: false })
/** While an exchange is under way, here or elsewhere, that may still bring a new version. */
export const databaseFailedMeanwhile = (_: StoreUnavailable) =>
  new errors.Unavailable({ part: "database", committed: null })

/**
 * What fails behind an answer that is kept is no failure of the refresh: what was brought is settled yet, and perhaps handed
 * out. What says so by itself, and what nobody but a person can help with, stays what it is.
 */
export const failedBehind = (error: ChangeError): ChangeError =>
  error._tag === "RefreshInDoubt" || error._tag === "RowChanged" ? error : perhapsDone(error, "refresh")

/** Not what comes of waiting, and of what is away for a moment. */
export const isFirstAnswer = (error: ChangeError): error is errors.Refusal =>
  !["RefreshPending", "RefreshInDoubt", "RowChanged", "Unavailable", "TooManyRequests", "NotYetInForce"].includes(
    error._tag
  )

const errorOf = (cause: Cause.Cause<ChangeError>) => Option.getOrUndefined(Cause.findErrorOption(cause))
/** It is done, or may be, now or later. */
export const isPerhapsDone = (cause: Cause.Cause<ChangeError>): boolean => {
  const error = errorOf(cause)
  return error?._tag === "Unavailable" && error.committed !== false
}
export const isAway = (cause: Cause.Cause<ChangeError>): boolean =>
  ["Unavailable", "TooManyRequests"].includes(errorOf(cause)?._tag ?? "")

export const whyNot = ({ credentialId }: Credential, refresh: Refresh, now: number): ChangeError => {
  if (refresh.grant.isFinal) return new errors.ReconnectNeeded({ credentialId })
  if (refresh.grant.doubtSince !== null) return new errors.RefreshInDoubt({ credentialId })
  const { nextAttemptAt } = refresh.grant
  return new errors.ProviderFailed({
    reason: refresh.lastError?.reason ?? "unknown",
    retryAfterMs: nextAttemptAt === null ? null : Math.max(0, nextAttemptAt - now)
  })
}

/** A secret that was stored by hand meanwhile wins: it is what there is to hand out, and it is new. */
export const endedBy = (settled: Extract<commands.Settled, { readonly _tag: "Settled" }>, now: number): Ended =>
  settled.placement !== "none" && !broughtNothing(settled.refresh)
    ? { _tag: "Refreshed", version: settled.credential.secretVersion }
    : failed(whyNot(settled.credential, settled.refresh, now))

/** What that term brought, or something newer, is handed out. */
export const has = (refresh: Refresh, term: number): boolean =>
  refresh.holding.current.term >= term && !broughtNothing(refresh)
