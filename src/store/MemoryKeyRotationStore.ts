/** `KeyRotationStore` in memory. */
import { Clock, Effect, Layer } from "effect"
import type { Token } from "../domain/Token.ts"
import {
  type AgedKey,
  type HashMove,
  KeyRotationStore,
  movePageMax,
  type Retired,
  type RotationMark,
  type SealedMove
} from "./KeyRotationStore.ts"
import type { KeyState, StoredKey } from "./KeyStore.ts"
import { hexOf, MemoryDatabase, type MemoryTables } from "./MemoryDatabase.ts"

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byId = (a: StoredKey, b: StoredKey): number => byText(a.keyId, b.keyId)
/** The key that a sealed record names: bytes 1 to 16. */
const keyOfRecord = (record: Uint8Array): string => hexOf(record.subarray(1, 17))
const bare = (keyId: string): string => keyId.replaceAll("-", "")

/** Columns of `data_keys` that no other memory layer knows, and the one row of `key_rotation`. */
interface Extra {
  readonly uses: Map<string, number>
  readonly retiredAt: Map<string, number>
  mark: Omit<RotationMark, "ageMs"> | undefined
}

const rowsOf = (tables: MemoryTables, keyId: string): number => {
  let rows = tables.credentials.allVersions().filter((version) => version.keyId === keyId).length
  for (const token of tables.tokens.values()) if (token.hashKeyId === keyId) rows += 1
  for (const answer of tables.idempotency.values()) if (keyOfRecord(answer.sealedAnswer) === bare(keyId)) rows += 1
  return rows
}

const setState = (tables: MemoryTables, keyId: string, from: KeyState, to: KeyState): boolean => {
  const key = tables.dataKeys.get(keyId)
  if (key?.state !== from) return false
  tables.dataKeys.set(keyId, { ...key, state: to })
  return true
}

const retire = (tables: MemoryTables, extra: Extra, keyId: string, now: number): Retired => {
  const state = tables.dataKeys.get(keyId)?.state
  if (state === undefined) return "unknown"
  if (state !== "retiring") return state
  if (rowsOf(tables, keyId) > 0) return "inUse"
  setState(tables, keyId, "retiring", "retired")
  extra.retiredAt.set(keyId, now)
  return "retired"
}

const moveHash = (tables: MemoryTables, fromKeyId: string, toKeyId: string, move: HashMove): boolean => {
  const token = tables.tokens.get(move.tokenId)
  if (token === undefined || token.hashKeyId !== fromKeyId || !same(token.hash, move.hash)) return false
  const moved: Token = { ...token, hash: move.newHash, hashKeyId: toKeyId }
  tables.tokens.set(token.tokenId, moved)
  tables.tokenByHash.delete(hexOf(move.hash))
  tables.tokenByHash.set(hexOf(move.newHash), token.tokenId)
  return true
}

const moveSealed = (tables: MemoryTables, fromKeyId: string, move: SealedMove): boolean => {
  const version = tables.credentials.versionsOf(move.credentialId).find((found) => found.version === move.version)
  if (version?.keyId !== fromKeyId || version.sealed === null || !same(version.sealed, move.sealed)) return false
  const versions = [{ ...version, sealed: move.newSealed, keyId: move.newKeyId }]
  tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
  return true
}

const count = <A>(all: ReadonlyArray<A>, did: (one: A) => boolean): number => all.filter(did).length

export const make = (tables: MemoryTables): KeyRotationStore["Service"] => {
  const extra: Extra = { uses: new Map(), retiredAt: new Map(), mark: undefined }
  const step = <A>(body: (now: number) => A) => Effect.map(Clock.currentTimeMillis, body)
  const keys = (is: (key: StoredKey) => boolean, limit = Number.MAX_SAFE_INTEGER) =>
    step(
      (now): ReadonlyArray<AgedKey> =>
        Array.from(tables.dataKeys.values())
          .filter(is)
          .toSorted(byId)
          .slice(0, limit)
          .map((key) => ({ ...key, ageMs: now - key.createdAt }))
    )

  return KeyRotationStore.of({
    serviceKeys: keys((key) => key.tenantId === null && key.wrapped.byteLength > 0),
    findKey: (keyId) =>
      Effect.map(
        keys((key) => key.keyId === keyId),
        (found) => found[0]
      ),
    activeKey: (purpose, tenantId) =>
      Effect.map(
        keys((key) => key.state === "active" && key.purpose === purpose && key.tenantId === tenantId),
        (found) => found[0]
      ),
    listKeys: ({ after, limit }) => keys((key) => after === null || key.keyId > after, limit),
    retiringKeys: (limit) => keys((key) => key.state === "retiring", limit),
    replaceActive: (expectedKeyId, successor) =>
      step((now) => {
        if (!setState(tables, expectedKeyId, "active", "retiring")) return false
        tables.dataKeys.set(successor.keyId, { ...successor, state: "active", createdAt: now })
        return true
      }),
    demote: (keyId) => step(() => setState(tables, keyId, "active", "retiring")),
    demoteTenantKeys: step(() =>
      count(
        Array.from(tables.dataKeys.values()),
        (key) => key.purpose === "tenant-data" && setState(tables, key.keyId, "active", "retiring")
      )
    ),
    retire: (keyId) => step((now) => retire(tables, extra, keyId, now)),
    reviveNeeded: step(() =>
      count(
        Array.from(tables.dataKeys.keys()),
        (keyId) => rowsOf(tables, keyId) > 0 && setState(tables, keyId, "retired", "retiring")
      )
    ),
    eraseRetired: (ageMs) =>
      step((now) =>
        count(Array.from(tables.dataKeys.values()), (key) => {
          const retiredAt = extra.retiredAt.get(key.keyId) ?? now
          if (key.state !== "retired" || key.wrapped.byteLength === 0 || now - retiredAt < ageMs) return false
          if (rowsOf(tables, key.keyId) > 0) return false
          tables.dataKeys.set(key.keyId, { ...key, wrapped: new Uint8Array(0) })
          return true
        })
      ),
    addUses: (keyId, uses) =>
      step(() => {
        if (!tables.dataKeys.has(keyId)) return 0
        const sum = (extra.uses.get(keyId) ?? 0) + uses
        extra.uses.set(keyId, sum)
        return sum
      }),
    rewrap: (key, next) =>
      step(() => {
        const found = tables.dataKeys.get(key.keyId)
        if (found?.masterKeyId !== key.masterKeyId || !same(found.wrapped, key.wrapped)) return false
        tables.dataKeys.set(key.keyId, { ...found, ...next })
        return true
      }),

    countRows: (keyIds) => step(() => new Map(keyIds.map((keyId) => [keyId, rowsOf(tables, keyId)]))),
    countMovable: step(() => {
      const isRetiring = (keyId: string | null) => keyId !== null && tables.dataKeys.get(keyId)?.state === "retiring"
      return (
        count(Array.from(tables.tokens.values()), (token) => isRetiring(token.hashKeyId)) +
        count(tables.credentials.allVersions(), (version) => isRetiring(version.keyId))
      )
    }),
    hashedRows: (keyId, limit) =>
      step(() =>
        Array.from(tables.tokens.values())
          .filter((token) => token.hashKeyId === keyId)
          .toSorted((a, b) => byText(a.tenantId, b.tenantId) || byText(a.tokenId, b.tokenId))
          .slice(0, Math.min(limit, movePageMax))
          .map(({ hash, tenantId, tokenId }) => ({ tenantId, tokenId, hash }))
      ),
    moveHashes: (fromKeyId, toKeyId, moves) =>
      step(() => count(moves, (move) => moveHash(tables, fromKeyId, toKeyId, move))),
    sealedRows: (keyId, limit) =>
      step(() =>
        tables.credentials
          .allVersions()
          .flatMap(({ credentialId, keyId: own, sealed, version }) => {
            const tenantId = tables.credentials.get(credentialId)?.tenantId
            return own === keyId && sealed !== null && tenantId !== undefined
              ? [{ tenantId, credentialId, version, sealed }]
              : []
          })
          .toSorted((a, b) => byText(a.credentialId, b.credentialId) || a.version - b.version)
          .slice(0, Math.min(limit, movePageMax))
      ),
    moveSealed: (fromKeyId, moves) => step(() => count(moves, (move) => moveSealed(tables, fromKeyId, move))),

    mark: step((now) => (extra.mark === undefined ? undefined : { ...extra.mark, ageMs: now - extra.mark.startedAt })),
    setMark: (total) =>
      step((now) => {
        extra.mark = { startedAt: now, total }
      })
  })
}

export const layer: Layer.Layer<KeyRotationStore, never, MemoryDatabase> = Layer.effect(
  KeyRotationStore,
  Effect.map(MemoryDatabase, make)
)
