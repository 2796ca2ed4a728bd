/** What a rotator is asked, and what it answers. Nothing here is logged; `detail` is for the audit alone. */
import { type Effect, Metric } from "effect"
import type { Secret } from "../domain/CredentialShape.ts"
import type { RefreshReason } from "../domain/Provider.ts"
import type { RotatorStep } from "../domain/Rotating.ts"
import type { KnownRotator, RotatorUse } from "../domain/Rotator.ts"

export interface StepQuestion {
  readonly rotator: KnownRotator
  readonly use: RotatorUse
  readonly tenantId: string
  readonly credentialId: string
  /** The credential's type. */
  readonly type: string
  readonly generation: number
  readonly step: RotatorStep
  /** What is handed out now. */
  readonly current: Secret
  /** The new one, for `set` and `test`; the one to take away, for `retire` and `undo`; null for `prepare`. */
  readonly secret: Secret | null
  /** Users of secrets that are handed out or about to be. */
  readonly inUse: ReadonlySet<string>
  /**
   * Asked at the last moment before the system is touched: how many milliseconds the claim still lasts; null when it
   * does not, or when the stop of the service was begun.
   */
  readonly mayBegin: Effect.Effect<number | null>
}

export type StepAnswer =
  /** `secret`: what `prepare` made. */
  | { readonly _tag: "Done"; readonly secret: Secret | null }
  | {
      readonly _tag: "Failed"
      readonly permanent: boolean
      readonly reason: RefreshReason
      readonly detail: string
    }
  /** The claim was over, or the stop begun, before anything was touched. */
  | { readonly _tag: "Late" }

export const done = (secret: Secret | null = null): StepAnswer => ({ _tag: "Done", secret })
export const failed = (reason: RefreshReason, permanent: boolean, detail = ""): StepAnswer => ({
  _tag: "Failed",
  permanent,
  reason,
  detail
})

export const steps = Metric.counter("credential_rotator_steps_total", {
  description: "Steps that rotators were asked for, by kind of rotator, step and what came of it",
  incremental: true
})
