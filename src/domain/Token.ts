/**
 * An endpoint token as everything inside the service sees it.
 *
 * The value of a token is not here: it exists only in the answer that hands it out. What identifies
 * it afterwards is `hash`, a keyed hash over the application name and the value.
 *
 * All times are UNIX milliseconds. `null` means "never" or "none".
 */

export const tokenStatuses = ["Inactive", "Active", "Suspended", "Revoked"] as const
export type TokenStatus = (typeof tokenStatuses)[number]

/** Why a token ends, or will end, by itself: its own expiry, or the end of the overlap after a rotation. */
export type EndReason = "expired" | "rotated"
/** The same, or somebody's request. */
export type Ending = EndReason | "revoked"

export interface Token {
  /** UUIDv7, lower case, with dashes. */
  readonly tokenId: string
  readonly tenantId: string
  readonly appName: string
  readonly endpointId: string
  readonly status: TokenStatus
  /** Starts at 1 and grows by 1 with every change. Last use is not a change. */
  readonly version: number
  /** Last 4 characters of a value of 12 or more, last 2 of one of 8 or more, else null. */
  readonly tokenHint: string | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly activatedAt: number | null
  readonly lastUsedAt: number | null
  /** Its own end, as it was asked for; a successor inherits it. */
  readonly expiresAt: number | null
  /** The end of the overlap after a rotation; null for a token that has no successor. */
  readonly overlapEndsAt: number | null
  /** Of a Revoked one: what ended it by itself; null when somebody's request did. Never a caller's words. */
  readonly endedBy: EndReason | null
  /** Why the token is Suspended or Revoked, in words that nothing decides by; else null. */
  readonly reason: string | null
  readonly description: string | null
  readonly createdBy: string
  readonly updatedBy: string
  /** HMAC-SHA-256 over the application name and the value, 32 bytes. */
  readonly hash: Uint8Array
  /** The key that `hash` was made with. */
  readonly hashKeyId: string
  /** The row's tag (`crypto/RowTags.ts`), as it was read. What is decided on has none: it gets one when it is written. */
  readonly mac?: Uint8Array | undefined
}

export const tokenHintOf = (value: string): string | null => {
  const characters = Array.from(value)
  if (characters.length >= 12) return characters.slice(-4).join("")
  if (characters.length >= 8) return characters.slice(-2).join("")
  return null
}

type Ends = Pick<Token, "expiresAt" | "overlapEndsAt">

/** The nearer of its two ends: from this moment on the token answers 410, whatever its status says. */
export const endOf = ({ expiresAt, overlapEndsAt }: Ends): number | null => {
  if (expiresAt === null || overlapEndsAt === null) return expiresAt ?? overlapEndsAt
  return Math.min(expiresAt, overlapEndsAt)
}

/** What ended it, or what its end will mean when it comes. */
export const endingOf = (token: Ends & Pick<Token, "status" | "endedBy">): Ending => {
  if (token.status === "Revoked") return token.endedBy ?? "revoked"
  return token.overlapEndsAt !== null && token.overlapEndsAt === endOf(token) && token.overlapEndsAt !== token.expiresAt
    ? "rotated"
    : "expired"
}

/** Whether a moment has come. The boundary itself is past: at its end a token answers 410. */
export const isPast = (end: number | null, now: number): boolean => end !== null && now >= end

export const hasEnded = (token: Ends, now: number): boolean => isPast(endOf(token), now)

/** The status a caller is shown: an ended token is Revoked, whether or not the sweep has been there. */
export const shownStatus = (token: Ends & Pick<Token, "status">, now: number): TokenStatus =>
  hasEnded(token, now) ? "Revoked" : token.status
