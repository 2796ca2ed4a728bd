/**
 * The service's keys as an operator handles them. Contract section 3.6.
 *
 * Rotating and retiring are audited and announced (`keys.rotated`, `keys.retired`) under the tenant
 * `global`, to which what is nobody's belongs, in the transaction of the change. A repetition by an
 * idempotency key gives the first answer and changes nothing. Nothing here shows a key, only ids.
 */
import { Context, type Effect } from "effect"
import type { Wanted } from "../../crypto/RotationPlan.ts"
import type { Page } from "../../domain/Page.ts"
import type { Caller, ChangeError, ReadError } from "../tenant/Tenants.ts"

export { lookedUpMax as keysInUseMax } from "../../crypto/RotationPlan.ts"

export interface KeyRecord {
  readonly keyId: string
  readonly purpose: string
  readonly tenantId: string | null
  readonly state: "active" | "retiring" | "retired"
  readonly createdAt: number
  /** Rows that need it. */
  readonly rows: number
}

export interface KeyProgress {
  readonly state: "idle" | "running"
  readonly total: number
  readonly done: number
  readonly etaSeconds: number | null
}

export interface RotatedKeys {
  /** The service's new keys; empty when they were rotated a moment ago. */
  readonly keyIds: ReadonlyArray<string>
  /** Tenants whose data key is followed by a new one. */
  readonly tenants: number
  /** Keys that stay: rows are under too many before them still (`crowded`), or they are new and nobody forced it (`young`). */
  readonly notRotated: ReadonlyArray<{
    readonly keyId: string
    readonly purpose: string
    readonly why: "crowded" | "young"
  }>
}

export class Keys extends Context.Service<
  Keys,
  {
    readonly listKeys: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<KeyRecord>, ReadError>
    /** Answers at once; rows follow. */
    readonly rotateKeys: (caller: Caller, wanted?: Wanted) => Effect.Effect<RotatedKeys, ChangeError>
    readonly keysStatus: () => Effect.Effect<KeyProgress, ReadError>
    /** Also of a key that is retired already: nothing happens. */
    readonly retireKey: (keyId: string, caller: Caller) => Effect.Effect<void, ChangeError>
  }
>()("cm/actors/Keys") {}
