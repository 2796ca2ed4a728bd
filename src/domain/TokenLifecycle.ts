/**
 * The life of an endpoint token, as pure functions.
 *
 * `decide` says what a requested status change means: nothing, a change, or a change that takes a
 * right away (and therefore needs the barrier before it is answered). `verdict` says what a
 * validation answers. Neither does I/O nor reads a clock, so a test walks every path.
 *
 * Source: 16/ECAP, "Endpoint token status transition request", "Endpoint token revocation event".
 */
import { Data } from "effect"
import { type Ending, isPast, type TokenStatus } from "./Token.ts"

/** Where a token may go from each status, on request. A revoked token goes nowhere. */
const successors: Readonly<Record<TokenStatus, ReadonlyArray<TokenStatus>>> = {
  Inactive: ["Active", "Revoked"],
  Active: ["Suspended", "Revoked"],
  Suspended: ["Active", "Revoked"],
  Revoked: []
}

export type Decision = Data.TaggedEnum<{
  Unchanged: {}
  /** `takesRightAway`: a usable token becomes unusable, so live sessions end. */
  Changed: { readonly to: TokenStatus; readonly takesRightAway: boolean }
  Forbidden: { readonly from: TokenStatus; readonly to: TokenStatus }
}>
export const Decision = Data.taggedEnum<Decision>()

/** Whether a token identifies an endpoint. Inactive means valid but not used yet, so it does. */
export const isUsable = (status: TokenStatus): boolean => status === "Inactive" || status === "Active"

export const decide = (from: TokenStatus, to: TokenStatus): Decision => {
  if (from === to) return Decision.Unchanged()
  if (!successors[from].includes(to)) return Decision.Forbidden({ from, to })
  return Decision.Changed({ to, takesRightAway: isUsable(from) && !isUsable(to) })
}

export type Verdict =
  | { readonly statusCode: 200; readonly reasonPhrase: null }
  | { readonly statusCode: 403 | 410; readonly reasonPhrase: string }

const ok: Verdict = { statusCode: 200, reasonPhrase: null }
const suspended: Verdict = { statusCode: 403, reasonPhrase: "Token is suspended" }
const revoked: Verdict = { statusCode: 410, reasonPhrase: "Token is revoked" }
const expired: Verdict = { statusCode: 410, reasonPhrase: "Token is expired" }
const rotated: Verdict = { statusCode: 410, reasonPhrase: "Token was rotated" }

export interface VerdictInput {
  readonly status: TokenStatus
  /** The nearer of its ends. */
  readonly endsAt: number | null
  /** Of a Revoked one, what ended it; else what `endsAt` means when it comes. Nothing that a caller wrote. */
  readonly ending: Ending
}

const phrases = { revoked, expired, rotated }

/** What a validation of a known token answers at `now`. An ended token is 410, Suspended or not. */
export const verdict = (token: VerdictInput, now: number): Verdict => {
  if (token.status === "Revoked" || isPast(token.endsAt, now)) return phrases[token.ending]
  return token.status === "Suspended" ? suspended : ok
}
