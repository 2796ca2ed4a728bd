/**
 * What a credential says of its refresh, and when it is refreshed next: pure.
 *
 * The row of a credential holds a `Refresh` while its `rotation` names a provider. `GrantLife` decides
 * over the part that no grant may be lost of; here is the rest: times, what was told, the state that is shown.
 *
 * All times are UNIX milliseconds.
 */
import type { GrantRules, GrantState, HeldGrant, Holding } from "./Grant.ts"
import { newestTerm, newGrant } from "./GrantLife.ts"
import { durationMs } from "./IsoDuration.ts"
import type { Provider, RefreshReason } from "./Provider.ts"

export const refreshStates = [
  "fresh",
  "due",
  "refreshing",
  "in_doubt",
  "failing",
  "reconnect_needed",
  "paused"
] as const
export type RefreshState = (typeof refreshStates)[number]

export interface RefreshFailure {
  readonly reason: RefreshReason
  readonly at: number
  readonly httpStatus: number | null
}

/** What the tenant was told of the present series of failures. */
export interface Told {
  readonly failedAt: number | null
  readonly inDoubt: boolean
  readonly reconnect: boolean
}
export const toldNothing: Told = { failedAt: null, inDoubt: false, reconnect: false }

export interface Refresh {
  readonly provider: string
  /** True: the tenant's own entry of that name, and no other's; a row that is gone must not mean another one. */
  readonly own?: boolean | undefined
  /** Fingerprint of the provider and the client id: what shares a rate. */
  readonly lane: string
  /** The same at one address of the provider: what is picked together. As the lane where it is not there. */
  readonly queue?: string | undefined
  /** While a grant may have been spent: until when the provider still takes it, where that ends. */
  readonly graceUntil?: number | null | undefined
  readonly grant: GrantState
  readonly holding: Holding
  readonly lastRefreshedAt: number | null
  readonly nextRefreshAt: number | null
  /** After it only a person can reconnect. */
  readonly grantExpiresAt: number | null
  readonly lastError: RefreshFailure | null
  readonly told: Told
  /** Of a token that never expires, where its provider says how to see whether it is alive. */
  readonly health?: HealthWatch | null | undefined
  /** The threshold of the last notice that was given before the grant's end. */
  readonly grantNoticedMs?: number | null | undefined
  /** Versions of stored answers that could not be opened: nothing is asked of the provider until a person has acted. */
  readonly unread?: ReadonlyArray<number> | undefined
  /** Of a revoked one whose provider was asked to revoke it too. */
  readonly atProvider?: AtProvider | undefined
}

export interface HealthWatch {
  readonly nextAt: number
  /** In a row. */
  readonly failures: number
  /** When the tenant was told of the present series. */
  readonly toldAt: number | null
}

export const atProviderStates = ["pending", "revoked", "given_up"] as const
export type AtProvider = (typeof atProviderStates)[number]
/** A provider that does not answer is asked to revoke for so long. */
export const revokeForMs = 7 * 86_400_000

/** `rotation` of a credential, read. */
export interface Rotation {
  readonly provider: string
  readonly grant?: "client_credentials"
  readonly params: Readonly<Record<string, string>>
  readonly refresh_before?: string
  readonly keep_alive?: string
}

/** At most so many that were stored by hand, one after the other, are kept beside the one in force. */
const sparesMax = 16
const shortestMs = 5_000
const marginShare = 0.1

export const rulesOf = (provider: Provider): GrantRules => ({
  refreshTokens: provider.grant === "client_credentials" ? "keep" : provider.refresh_tokens,
  graceMs: durationMs(provider.grace) ?? 0,
  reuse: provider.reuse
})

/** As the credential wants it: `client_credentials` may be asked of a provider that knows refresh tokens, too. */
export const providerFor = (provider: Provider, rotation: Rotation): Provider =>
  rotation.grant === undefined ? provider : { ...provider, grant: rotation.grant }

/** When to refresh what was obtained at `from`; `chance` in [0, 1) spreads those that were obtained together. */
export const nextRefreshAt = (options: {
  readonly provider: Provider
  readonly rotation: Rotation
  readonly from: number
  readonly expiresAt: number | null
  readonly chance: number
}): number | null => {
  const { chance, expiresAt, from, provider, rotation } = options
  const ends: Array<number> = []
  if (expiresAt !== null) {
    const life = Math.max(0, expiresAt - from)
    const margin = durationMs(rotation.refresh_before ?? provider.refresh_before) ?? 600_000
    if (provider.refresh_at !== null && rotation.refresh_before === undefined) {
      ends.push(from + life * provider.refresh_at * (1 - chance * marginShare))
    } else if (life <= margin) ends.push(from + life / 2)
    else ends.push(Math.max(from + life / 2, expiresAt - margin * (1 + chance * marginShare)))
  }
  const keepAlive = rotation.keep_alive === undefined ? null : durationMs(rotation.keep_alive)
  if (keepAlive !== null) ends.push(from + keepAlive * (1 - chance * marginShare))
  const idle = provider.grant_idle_lifetime === null ? null : durationMs(provider.grant_idle_lifetime)
  if (idle !== null) ends.push(from + idle * (0.8 - chance * marginShare))
  return ends.length === 0 ? null : Math.floor(Math.max(from + shortestMs, Math.min(...ends)))
}

/**
 * The grant's own end. One that lives by being used ends anew with each use; one with a fixed life does not;
 * one that is the access token itself ends with it.
 */
export const grantEnd = (
  provider: Provider,
  from: number,
  before: number | null,
  expiresAt: number | null
): number | null => {
  const idle = provider.grant_idle_lifetime === null ? null : durationMs(provider.grant_idle_lifetime)
  const fixed = provider.grant_lifetime === null ? null : durationMs(provider.grant_lifetime)
  // Where each refresh gives another token, the life is that token's.
  const ends = [
    provider.grant === "exchange_live" ? expiresAt : null,
    idle === null ? null : from + idle,
    fixed === null ? null : provider.refresh_tokens === "keep" ? (before ?? from + fixed) : from + fixed
  ].filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}

/** A grace that ends sooner than a circuit may stay open: what is in it waits for no circuit. */
const shortGraceMs = 10 * 60_000
/** The queue of those that no circuit holds back. */
export const hurriedQueue = "00".repeat(16)

/** Until when a grant that may have been spent is still taken, where that is soon; null: nothing is in a hurry. */
export const graceUntil = (grant: GrantState, rules: GrantRules): number | null => {
  const since = grant.doubtSince ?? grant.claim?.at ?? null
  return since !== null && rules.refreshTokens === "rotate_with_grace" && rules.graceMs <= shortGraceMs
    ? since + rules.graceMs
    : null
}

/** What it is picked with. */
export const queueOf = (refresh: Refresh): string =>
  typeof refresh.graceUntil === "number" ? hurriedQueue : (refresh.queue ?? refresh.lane)

/** After this moment waiting costs the grant. */
export const urgencyOf = ({ grantExpiresAt, graceUntil: grace }: Refresh): number =>
  Math.min(grantExpiresAt ?? Number.MAX_SAFE_INTEGER, grace ?? Number.MAX_SAFE_INTEGER)

/** The first look at whether a token that never expires is alive; null: there is nothing to look at. */
export const healthFrom = (
  provider: Provider,
  expiresAt: number | null,
  from: number,
  chance: number
): HealthWatch | null => {
  const every = provider.health === null || expiresAt !== null ? null : durationMs(provider.health.every)
  return every === null ? null : { nextAt: from + healthPause(every, chance), failures: 0, toldAt: null }
}

export const healthPause = (everyMs: number, chance: number): number =>
  Math.floor(Math.max(1_000, everyMs * (1 - chance * marginShare)))

/**
 * When the next exchange is wanted. Of a doubt that no claim is after, and after a failure that named no time (another
 * grant is left to be used), it has been since then: nobody else comes back to it, and the usual time may be far off.
 */
const wantedAt = ({ grant, lastError, nextRefreshAt }: Refresh): number | null => {
  if (grant.nextAttemptAt !== null) return grant.nextAttemptAt
  if (grant.doubtSince !== null) return grant.doubtSince
  return grant.attempts > 0 ? (lastError?.at ?? 0) : nextRefreshAt
}

/** Whether its secret has to be changed now, or what was begun be ended. */
export const refreshIsDue = (refresh: Refresh, now: number): boolean => {
  const at = wantedAt(refresh)
  return refresh.grant.claim !== null || (!refresh.grant.isFinal && at !== null && at <= now)
}

/** When somebody has to look at it again; null: never by itself. */
export const dueAt = (refresh: Refresh): number | null => {
  const { claim, isFinal } = refresh.grant
  if (claim !== null || isFinal) return claim?.until ?? null
  const times = [wantedAt(refresh), refresh.health?.nextAt ?? null].filter((at) => at !== null)
  return times.length === 0 ? null : Math.min(...times)
}

/**
 * What is remembered of notices when the grant's end has moved: an end that is as near as before is no news, so
 * that a grant which is renewed every hour for some days is told of once.
 */
export const noticedBefore = (noticedMs: number | null | undefined, end: number | null, now: number): number | null =>
  typeof noticedMs === "number" && end !== null && end - now <= noticedMs ? noticedMs : null

/** Refreshed by itself, and well: the end of its present secret is nobody's concern. */
export const caresForItself = (refresh: Refresh | undefined): boolean =>
  refresh !== undefined &&
  refresh.nextRefreshAt !== null &&
  refresh.grant.attempts === 0 &&
  refresh.grant.doubtSince === null &&
  !refresh.grant.isFinal

/** What was received last came without anything that could be handed out. */
export const broughtNothing = ({ grant, holding }: Refresh): boolean =>
  grant.attempts > 0 && holding.current.term === newestTerm(grant)

/** 5 s, doubling to 15 min, less a part by chance. */
export const backOffMs = (attempts: number, chance: number): number =>
  Math.floor(Math.min(5_000 * 2 ** Math.min(attempts, 12), 900_000) * (1 - 0.2 * chance))

export const shownRefreshState = (refresh: Refresh, now: number, isPaused: boolean): RefreshState => {
  const { grant } = refresh
  if (isPaused) return "paused"
  if (grant.isFinal) return "reconnect_needed"
  if (grant.doubtSince !== null) return "in_doubt"
  // One that ran out as well: until somebody has settled it, or taken it over, nothing is known of what is held.
  if (grant.claim !== null) return "refreshing"
  if (grant.attempts > 0 || (refresh.health?.failures ?? 0) > 0) return "failing"
  return refresh.nextRefreshAt !== null && now >= refresh.nextRefreshAt ? "due" : "fresh"
}

/** Of a credential that was stored just now. */
export const newRefresh = (options: {
  readonly provider: string
  readonly own?: boolean | undefined
  readonly lane: string
  readonly queue?: string
  readonly version: number
  readonly grant: string
  readonly nextRefreshAt: number | null
  readonly grantExpiresAt: number | null
  readonly health?: HealthWatch | null
}): Refresh => ({
  provider: options.provider,
  ...(options.own === true ? { own: true } : {}),
  lane: options.lane,
  ...(options.queue === undefined ? {} : { queue: options.queue }),
  grant: newGrant,
  holding: {
    current: { version: options.version, term: 0, byHand: true, grant: options.grant, spent: false, refused: false },
    spares: []
  },
  lastRefreshedAt: null,
  nextRefreshAt: options.nextRefreshAt,
  grantExpiresAt: options.grantExpiresAt,
  lastError: null,
  told: toldNothing,
  health: options.health ?? null
})

/**
 * Bounded. First copies go of a grant that is held more than once, so that the same one, stored by hand again and again,
 * pushes nothing else out; then the oldest. What an exchange may still bring about is never among those that go.
 */
export const bounded = ({ current, spares }: Holding): Holding => {
  if (spares.length <= sparesMax) return { current, spares }
  const grants = new Set([current.grant])
  const each = spares.filter(({ grant }) => !grants.has(grant) && grants.add(grant))
  return { current, spares: each.slice(0, sparesMax) }
}

export const heldVersions = ({ current, spares }: Holding): ReadonlySet<number> =>
  new Set([current, ...spares].map(({ version }: HeldGrant) => version))

/** In words, for people; the provider's own words are in the audit alone. */
export const reasonWords: { readonly [Reason in RefreshReason]: string } = {
  invalid_grant: "the provider takes the grant no more",
  invalid_client: "the provider does not know the client, or its secret is wrong",
  invalid_scope: "the provider does not give these scopes",
  unauthorized_client: "the provider does not let this client refresh",
  consent_revoked: "the consent was taken back",
  app_in_testing: "the provider's application is in testing, where grants end early",
  rate_limited: "the provider was asked too often",
  provider_down: "the provider could not be reached or was not well",
  timeout: "the provider did not answer in time",
  malformed_answer: "the provider's answer was not understood",
  blocked_url: "the provider's address may not be asked",
  unknown: "the provider answered with an error that is not known"
}
