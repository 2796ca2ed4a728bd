/**
 * Why another system of the platform could not be asked, or not be believed.
 *
 * Never holds what was answered: an answer may hold anything, secrets included.
 */
import { Schema } from "effect"

/**
 * `Unreachable`: no connection, or it broke. `TimedOut`: no whole answer in time. `Denied`: our token is
 * refused, or we get none. `Refused`: another status. `TooLong`: more bytes than are read. `Malformed`: not
 * what the interface says.
 */
export const PlatformReason = Schema.Literals(["Unreachable", "TimedOut", "Denied", "Refused", "TooLong", "Malformed"])
export type PlatformReason = typeof PlatformReason.Type

export class PlatformError extends Schema.TaggedError<PlatformError>()("PlatformError", {
  /** `tekton`, `tenant-manager`. */
  system: Schema.String,
  reason: PlatformReason,
  /** Which request, and the status or the place in the answer; no part of the answer itself. */
  detail: Schema.String,
  /** Asking again in a moment may help. */
  isRetryable: Schema.Boolean
}) {
  override get message(): string {
    return `${this.system}: ${this.reason}, ${this.detail}`
  }
}
