/**
 * Rows that have no tag (`crypto/RowTags.ts`): those of before rows were tagged.
 *
 * Read in pages by their key, and given a tag only as they were read: one that has a tag, or has
 * changed since, is left alone. Nothing else is changed by it, and no tenant is locked.
 *
 * Its layers: `MemoryUntaggedRows.ts`, `MariaUntaggedRows.ts`. Both pass `test/suites/untaggedRowsSuite.ts`.
 */
import { Context, type Effect } from "effect"
import type { Credential } from "../domain/Credential.ts"
import type { Tenant } from "../domain/Tenant.ts"
import type { Token } from "../domain/Token.ts"
import type { TaggedTenant } from "./CredentialStore.ts"
import type { StoreUnavailable } from "./StoreError.ts"

/** `next` is where to go on; null: it was the last page. A page may hold none. */
export interface UntaggedPage<A> {
  readonly rows: ReadonlyArray<A>
  readonly next: string | null
}
export interface Tagged<A> {
  readonly row: A
  readonly mac: Uint8Array
}

export interface UntaggedKind<A> {
  readonly page: (after: string | null, limit: number) => Effect.Effect<UntaggedPage<A>, StoreUnavailable>
  /** Answers how many got their tag. */
  readonly tag: (rows: ReadonlyArray<Tagged<A>>) => Effect.Effect<number, StoreUnavailable>
}

export class UntaggedRows extends Context.Service<
  UntaggedRows,
  {
    readonly tokens: UntaggedKind<Token>
    readonly credentials: UntaggedKind<Credential>
    readonly tenants: UntaggedKind<TaggedTenant>
    /** What is configured for tenants: a tag of its own. */
    readonly settings: UntaggedKind<Tenant>
  }
>()("cm/store/UntaggedRows") {}
