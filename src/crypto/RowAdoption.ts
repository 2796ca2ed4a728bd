/**
 * Gives rows of before a tag, as they stand: once, when an operator says so (`CM_ROWS_ADOPT`).
 *
 * Nothing in the database says whether that is still allowed, since whoever can change rows could change
 * that too: the word is in the environment. It runs before anything is served, beside no replica of the
 * release before, and says loudly that it did. Afterwards a row without a tag is one that was changed.
 */
import { Effect, Layer } from "effect"
import { atStart } from "../store/StartWait.ts"
import { type UntaggedKind, type UntaggedPage, UntaggedRows } from "../store/UntaggedRows.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { Keyring } from "./Keyring.ts"
import * as RowTags from "./RowTags.ts"

export const pageRows = 500

const asked = atStart("rows without a tag")

const adoptKind = Effect.fnUntraced(function* <A>(kind: UntaggedKind<A>, macOf: (row: A) => Uint8Array) {
  let adopted = 0
  for (let after: string | null = null; ; ) {
    const { next, rows }: UntaggedPage<A> = yield* kind.page(after, pageRows).pipe(asked)
    if (rows.length > 0) adopted += yield* kind.tag(rows.map((row) => ({ row, mac: macOf(row) }))).pipe(asked)
    if (next === null) return adopted
    after = next
  }
})

/** How many rows got their tag. */
export const adopt = Effect.gen(function* () {
  const store = yield* UntaggedRows
  const { rowTag } = yield* Keyring
  return {
    tenants: yield* adoptKind(store.tenants, (tenant) => rowTag(RowTags.ofTenant(tenant, tenant.servicesOff))),
    settings: yield* adoptKind(store.settings, (tenant) => rowTag(RowTags.ofTenantSettings(tenant))),
    credentials: yield* adoptKind(store.credentials, (credential) => rowTag(RowTags.ofCredential(credential))),
    tokens: yield* adoptKind(store.tokens, (token) => rowTag(RowTags.ofToken(token)))
  }
})

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    if (!(yield* CryptoConfig).rowsAdopt) return
    yield* Effect.logWarning("rows without a tag are believed as they stand: unset CM_ROWS_ADOPT after this start")
    yield* Effect.logWarning("rows were tagged as they stood", yield* adopt)
  })
)
