/**
 * The service's keys as an operator handles them. Contract section 3.6.
 *
 * Rotating and retiring are audited and announced (`keys.rotated`, `keys.retired`) under the tenant
 * `global`, to which what is nobody's belongs. Nothing here shows a key, only ids.
 */
import { Context, type Effect } from "effect"
import type { KeyInUse, KeyNotFound } from "../domain/errors.ts"
import type { Page } from "../domain/Page.ts"
import type { Caller, ChangeError, ReadError } from "./Tenants.ts"

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

export class Keys extends Context.Service<
  Keys,
  {
    readonly listKeys: (options: {
      readonly limit: number
      readonly after: string | null
    }) => Effect.Effect<Page<KeyRecord>, ReadError>
    /** Answers at once, with the service's new keys and how many tenants get one; rows follow. */
    readonly rotateKeys: (
      caller: Caller
    ) => Effect.Effect<{ readonly keyIds: ReadonlyArray<string>; readonly tenants: number }, ChangeError>
    readonly keysStatus: () => Effect.Effect<KeyProgress, ReadError>
    readonly retireKey: (keyId: string, caller: Caller) => Effect.Effect<void, ChangeError | KeyNotFound | KeyInUse>
  }
>()("cm/actors/Keys") {}
