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
  /** From this moment on the token answers 410, whatever its status says. */
  readonly expiresAt: number | null
  /** What `expiresAt` means when it comes. */
  readonly endReason: EndReason
  /** Why the token is Suspended or Revoked, in the caller's words, `expired` or `rotated`; else null. */
  readonly reason: string | null
  readonly description: string | null
  readonly createdBy: string
  readonly updatedBy: string
  /** HMAC-SHA-256 over the application name and the value, 32 bytes. */
  readonly hash: Uint8Array
  /** The key that `hash` was made with. */
  readonly hashKeyId: string
}

export const tokenHintOf = (value: string): string | null => {
  const characters = Array.from(value)
  if (characters.length >= 12) return characters.slice(-4).join("")
  if (characters.length >= 8) return characters.slice(-2).join("")
  return null
}

/** Whether the token's own end has come. The boundary itself is past: at `expiresAt` it answers 410. */
export const hasEnded = (token: Pick<Token, "expiresAt">, now: number): boolean =>
  token.expiresAt !== null && now >= token.expiresAt

/** The status a caller is shown: an ended token is Revoked, whether or not the sweep has been there. */
export const shownStatus = (token: Pick<Token, "status" | "expiresAt">, now: number): TokenStatus =>
  hasEnded(token, now) ? "Revoked" : token.status
