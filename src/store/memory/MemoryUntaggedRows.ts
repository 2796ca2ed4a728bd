/** `UntaggedRows` in memory. */

import { Effect, Layer } from "effect"
import { hexOf } from "../../domain/Bytes.ts"
import type { Tenant } from "../../domain/Tenant.ts"
import { type Tagged, type UntaggedKind, UntaggedRows } from "../UntaggedRows.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"
import { taggedTenant } from "./MemoryTenantStore.ts"

const kindOf = <A extends { readonly mac?: Uint8Array | undefined }>(
  all: () => ReadonlyArray<A>,
  key: (row: A) => string,
  put: (row: A, mac: Uint8Array) => void
): UntaggedKind<A> => {
  const rest = (after: string | null) =>
    all()
      .filter((row) => after === null || key(row) > after)
      .toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
  const same = (a: A, b: A) => JSON.stringify(a) === JSON.stringify(b)
  return {
    page: (after, limit) =>
      Effect.sync(() => {
        const rows = rest(after)
          .filter(({ mac }) => mac === undefined)
          .slice(0, limit)
        const last = rows.at(-1)
        return { rows, next: rows.length < limit || last === undefined ? null : key(last) }
      }),
    tag: (given: ReadonlyArray<Tagged<A>>) =>
      Effect.sync(() => {
        const untouched = given.filter(({ row }) => all().some((now) => now.mac === undefined && same(now, row)))
        for (const { mac, row } of untouched) put(row, mac)
        return untouched.length
      })
  }
}

const make = Effect.map(MemoryDatabase, (tables) =>
  UntaggedRows.of({
    tokens: kindOf(
      () => Array.from(tables.tokens.values()),
      ({ hash }) => hexOf(hash),
      (token, mac) => void tables.tokens.set(token.tokenId, { ...token, mac })
    ),
    credentials: kindOf(
      () => tables.credentials.all(),
      ({ credentialId }) => credentialId,
      (credential, mac) =>
        tables.credentials.apply({
          inserted: [],
          updated: [{ ...credential, mac }],
          deleted: [],
          versions: [],
          services: []
        })
    ),
    tenants: kindOf(
      () => Array.from(tables.tenants.keys(), (tenantId) => taggedTenant(tables, tenantId)!),
      ({ tenantId }) => tenantId,
      ({ tenantId }, mac) => void tables.tenantMacs.set(tenantId, mac)
    ),
    settings: kindOf<Tenant & { readonly mac?: Uint8Array | undefined }>(
      () => Array.from(tables.tenants.values(), (tenant) => ({ ...tenant, mac: tenant.settingsMac })),
      ({ tenantId }) => tenantId,
      ({ mac: _, ...tenant }, settingsMac) => void tables.tenants.set(tenant.tenantId, { ...tenant, settingsMac })
    )
  })
)

export const layer: Layer.Layer<UntaggedRows, never, MemoryDatabase> = Layer.effect(UntaggedRows, make)
