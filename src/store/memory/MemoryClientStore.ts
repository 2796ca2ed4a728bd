/** `ClientStore` in memory, and what the memory `TenantStore` loads and writes of client credentials. */
import { Effect, Layer } from "effect"
import { type ClientCredential, nameKey } from "../../domain/ClientCredential.ts"
import {
  type ClientChanges,
  type ClientLoad,
  type ClientLoaded,
  ClientStore,
  uniqueNameConstraint
} from "../ClientStore.ts"
import { countsAsClient } from "../Stock.ts"
import { MemoryDatabase, type MemoryTables } from "./MemoryDatabase.ts"

const holderOf = (tables: MemoryTables, key: string): ClientCredential | undefined =>
  Array.from(tables.clients.values()).find(({ name }) => nameKey(name) === key)

export const loadClients = (
  tables: MemoryTables,
  tenantId: string,
  load: ClientLoad | undefined
): ClientLoaded | undefined => {
  if (load === undefined) return undefined
  const own = Array.from(tables.clients.values()).filter((credential) => credential.tenantId === tenantId)
  const ids = new Set(load.ids)
  return {
    credentials: new Map(
      own.filter(({ credentialId }) => ids.has(credentialId)).map((one) => [one.credentialId, one] as const)
    ),
    namesTaken: new Map(
      load.names.flatMap((name): ReadonlyArray<readonly [string, string]> => {
        const holder = holderOf(tables, nameKey(name))
        return holder === undefined ? [] : [[nameKey(name), holder.credentialId]]
      })
    )
  }
}

/** How many count against the tenant's limit. */
export const clientStock = (tables: MemoryTables, tenantId: string): number =>
  Array.from(tables.clients.values()).filter((one) => one.tenantId === tenantId && countsAsClient(one)).length

/** The constraint that the changes break, or null. */
export const brokenClients = (tables: MemoryTables, changes: ClientChanges | undefined): string | null => {
  const taken = new Set<string>()
  for (const { name } of changes?.inserted ?? []) {
    const holder = holderOf(tables, nameKey(name))
    const isFree = holder === undefined || changes?.deleted.includes(holder.credentialId) === true
    if (!isFree || taken.has(nameKey(name))) return uniqueNameConstraint
    taken.add(nameKey(name))
  }
  return null
}

export const applyClients = (tables: MemoryTables, changes: ClientChanges | undefined): void => {
  for (const credentialId of changes?.deleted ?? []) tables.clients.delete(credentialId)
  for (const credential of [...(changes?.updated ?? []), ...(changes?.inserted ?? [])]) {
    tables.clients.set(credential.credentialId, credential)
  }
}

const make = Effect.map(MemoryDatabase, (tables) =>
  ClientStore.of({
    find: (tenantId, credentialId) =>
      Effect.sync(() => {
        const found = tables.clients.get(credentialId)
        return found?.tenantId === tenantId ? found : undefined
      }),
    list: (tenantId, { after, clientId, kind, limit, statuses }) =>
      Effect.sync(() => {
        const rest = Array.from(tables.clients.values())
          .filter(
            (one) =>
              one.tenantId === tenantId &&
              (clientId === null || one.clientId === clientId) &&
              (kind === null || one.name.kind === kind) &&
              (statuses.length === 0 || statuses.includes(one.status)) &&
              (after === null || one.credentialId < after)
          )
          .toSorted((a, b) => (a.credentialId < b.credentialId ? 1 : -1))
        const content = rest.slice(0, limit)
        return { content, next: rest.length > limit ? (content.at(-1)?.credentialId ?? null) : null }
      }),
    byNames: async (names) =>
      names.map((name) => {
        const credential = holderOf(tables, nameKey(name))
        if (credential === undefined || tables.tenants.get(credential.tenantId)?.removedAt !== null) return undefined
        return { credential, readSeq: tables.counters.get(credential.tenantId)?.revocationSeq ?? 0 }
      }),
    orphaned: (limit) =>
      Effect.sync(() =>
        Array.from(tables.clients.values())
          .filter(({ tenantId }) => (tables.tenants.get(tenantId)?.removedAt ?? null) !== null)
          .slice(0, limit)
          .map(({ credentialId, tenantId }) => ({ tenantId, credentialId }))
      )
  })
)

export const layer: Layer.Layer<ClientStore, never, MemoryDatabase> = Layer.effect(ClientStore, make)
