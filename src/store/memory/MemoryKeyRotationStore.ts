/** `KeyRotationStore` in memory. */

import { Clock, Effect, Layer } from "effect"
import { hexOf } from "../../domain/Bytes.ts"
import type { Token } from "../../domain/Token.ts"
import {
  type AgedKey,
  type HashedPlace,
  type HashMove,
  KeyRotationStore,
  movePageMax,
  type Retired,
  type SealedMove,
  type SealedPlace,
  sealedPageBytesMax,
  tagOf
} from "../KeyRotationStore.ts"
import type { StoredKey } from "../KeyStore.ts"
import { MemoryDatabase, type MemoryTables } from "./MemoryDatabase.ts"
import { beginMark, replaceKey, retireKey, rowsOf, setState } from "./memoryKeys.ts"

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byTenant = (a: NonNullable<HashedPlace>, b: NonNullable<HashedPlace>): number =>
  byText(a.tenantId, b.tenantId) || byText(a.tokenId, b.tokenId)
const byVersion = (a: NonNullable<SealedPlace>, b: NonNullable<SealedPlace>): number =>
  byText(a.credentialId, b.credentialId) || a.version - b.version
const byId = (a: StoredKey, b: StoredKey): number => byText(a.keyId, b.keyId)

const retire = (tables: MemoryTables, keyId: string, now: number): Retired => {
  const state = tables.dataKeys.get(keyId)?.state
  if (state === undefined) return "unknown"
  if (state !== "retiring") return state
  if (rowsOf(tables, keyId) > 0) return "inUse"
  retireKey(tables, keyId, now)
  return "retired"
}

/** In the order of their index: tokens, then versions. */
const movableUnder = (tables: MemoryTables, keyId: string): ReadonlyArray<string> => [
  ...Array.from(tables.tokens.values())
    .filter((token) => token.hashKeyId === keyId)
    .map(({ tenantId, tokenId }) => `token/${tenantId}/${tokenId}`)
    .toSorted(),
  ...tables.credentials
    .allVersions()
    .filter((version) => version.keyId === keyId)
    .map(({ credentialId, version }) => `version/${credentialId}/${String(version).padStart(10, "0")}`)
    .toSorted()
]

const none = new Uint8Array(0)

const moveHash = (tables: MemoryTables, fromKeyId: string, toKeyId: string, move: HashMove): boolean => {
  const token = tables.tokens.get(move.tokenId)
  if (token === undefined || token.hashKeyId !== fromKeyId || !same(token.hash, move.hash)) return false
  if (!same(token.mac ?? none, move.mac ?? none)) return false
  const { mac: _, ...rest } = token
  const { newHash: hash, newMac: mac } = move
  const moved: Token = { ...rest, hash, hashKeyId: toKeyId, ...(mac === undefined ? {} : { mac }) }
  tables.tokens.set(token.tokenId, moved)
  tables.tokenByHash.delete(hexOf(move.hash))
  tables.tokenByHash.set(hexOf(move.newHash), token.tokenId)
  return true
}

const moveSealed = (tables: MemoryTables, fromKeyId: string, move: SealedMove): boolean => {
  const version = tables.credentials.versionsOf(move.credentialId).find((found) => found.version === move.version)
  if (version?.keyId !== fromKeyId || version.sealed === null) return false
  if (!same(tagOf(version.sealed), tagOf(move.sealed))) return false
  const versions = [{ ...version, sealed: move.newSealed, keyId: move.newKeyId }]
  tables.credentials.apply({ inserted: [], updated: [], deleted: [], versions, services: [] })
  return true
}

const count = <A>(all: ReadonlyArray<A>, did: (one: A) => boolean): number => all.filter(did).length

export const make = (tables: MemoryTables): KeyRotationStore["Service"] => {
  const life = tables.keyLife
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

  const retiring = () => Array.from(tables.dataKeys.values()).filter(({ state }) => state === "retiring")
  /** Adds to the run under way. */
  const moved = (rows: number, now: number): number => {
    const { mark } = life
    if (mark !== undefined && rows > 0) {
      life.mark = { ...mark, moved: mark.moved + rows, movingSince: mark.movingSince ?? now }
    }
    return rows
  }

  return KeyRotationStore.of({
    serviceKeys: keys((key) => key.tenantId === null && key.wrapped.byteLength > 0),
    keysOf: (purpose) => keys((key) => key.tenantId === null && key.purpose === purpose),
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
    replaceActive: (expectedKeyId, successor) => step((now) => replaceKey(tables, expectedKeyId, successor, now)),
    demote: (keyId) => step(() => setState(tables, keyId, "active", "retiring")),
    retire: (keyId) => step((now) => retire(tables, keyId, now)),
    reviveNeeded: step(() =>
      count(
        Array.from(tables.dataKeys.keys()),
        (keyId) => rowsOf(tables, keyId) > 0 && setState(tables, keyId, "retired", "retiring")
      )
    ),
    eraseRetired: (ageMs) =>
      step((now) =>
        count(Array.from(tables.dataKeys.values()), (key) => {
          const retiredAt = life.retiredAt.get(key.keyId) ?? now
          if (key.state !== "retired" || key.wrapped.byteLength === 0 || now - retiredAt < ageMs) return false
          if (life.ended.has(key.keyId)) return false
          if (rowsOf(tables, key.keyId) > 0) return false
          tables.dataKeys.set(key.keyId, { ...key, wrapped: new Uint8Array(0) })
          return true
        })
      ),
    endedKeys: (byDefault, limit) =>
      step((now) =>
        Array.from(life.ended)
          .flatMap(([keyId, { endedAt, retentionMs: own }]) => {
            const key = tables.dataKeys.get(keyId)
            const retentionMs = own ?? byDefault
            const isDue = endedAt + retentionMs <= now && key?.state !== "active" && rowsOf(tables, keyId) === 0
            return key?.tenantId != null && isDue ? [{ keyId, tenantId: key.tenantId, endedAt, retentionMs }] : []
          })
          .toSorted((a, b) => a.endedAt - b.endedAt)
          .slice(0, limit)
      ),
    usableAmong: (keyIds) =>
      step(
        () =>
          new Set(
            keyIds.filter((keyId) => {
              const key = tables.dataKeys.get(keyId)
              return key !== undefined && key.state !== "retired" && key.wrapped.byteLength > 0
            })
          )
      ),
    addUses: (keyId, uses) =>
      step(() => {
        if (!tables.dataKeys.has(keyId)) return 0
        const sum = (life.uses.get(keyId) ?? 0) + uses
        life.uses.set(keyId, sum)
        return sum
      }),
    rewrap: (key, next) =>
      step(() => {
        const found = tables.dataKeys.get(key.keyId)
        if (found?.masterKeyId !== key.masterKeyId || !same(found.wrapped, key.wrapped)) return false
        tables.dataKeys.set(key.keyId, { ...found, ...next })
        return true
      }),

    countRows: (keyId, limit) => step(() => Math.min(limit, rowsOf(tables, keyId))),
    countRemembered: ({ oldest, youngest }, limit) =>
      step((now) => {
        const isOfAge = (age: number) => age >= youngest && age <= oldest
        return Math.min(
          limit,
          count(Array.from(tables.idempotency.values()), ({ createdAt }) => isOfAge(now - createdAt))
        )
      }),
    countMovable: (limit) =>
      step(() => Math.min(limit, retiring().flatMap((key) => movableUnder(tables, key.keyId)).length)),
    countMovableUnder: (keyIds, limit) =>
      step(() => Math.min(limit, keyIds.flatMap((keyId) => movableUnder(tables, keyId)).length)),
    countMovableSlice: (keyId, after, limit) =>
      step(() => {
        const left = movableUnder(tables, keyId).filter((row) => after === null || row > after)
        return { rows: Math.min(limit, left.length), next: left.length < limit ? null : (left[limit - 1] ?? null) }
      }),
    movableKeys: ({ after, limit }) =>
      keys(
        (key) =>
          key.state === "retiring" &&
          (after === null || key.keyId > after) &&
          (tables.tenants.get(key.tenantId ?? "")?.removedAt ?? null) === null &&
          movableUnder(tables, key.keyId).length > 0,
        limit
      ),
    hashedRows: (keyId, limit, after = null) =>
      step(() =>
        Array.from(tables.tokens.values())
          .filter((token) => token.hashKeyId === keyId && (after === null || byTenant(token, after) > 0))
          .toSorted(byTenant)
          .slice(0, Math.min(limit, movePageMax))
      ),
    moveHashes: (fromKeyId, toKeyId, moves) =>
      step((now) =>
        moved(
          count(moves, (move) => moveHash(tables, fromKeyId, toKeyId, move)),
          now
        )
      ),
    sealedRows: (keyId, limit, after = null) =>
      step(() => {
        const rows = tables.credentials
          .allVersions()
          .flatMap(({ credentialId, keyId: own, sealed, version }) => {
            const tenantId = tables.credentials.get(credentialId)?.tenantId
            return own === keyId && sealed !== null && tenantId !== undefined
              ? [{ tenantId, credentialId, version, sealed }]
              : []
          })
          .filter((row) => after === null || byVersion(row, after) > 0)
          .toSorted(byVersion)
          .slice(0, Math.min(limit, movePageMax))
        let bytesBefore = 0
        return rows.filter(({ sealed }) => {
          const isOfPage = bytesBefore < sealedPageBytesMax
          bytesBefore += sealed.byteLength
          return isOfPage
        })
      }),
    moveSealed: (fromKeyId, moves) =>
      step((now) =>
        moved(
          count(moves, (move) => moveSealed(tables, fromKeyId, move)),
          now
        )
      ),

    mark: step((now) => {
      if (life.mark === undefined) return undefined
      const { movingSince, ...mark } = life.mark
      return { ...mark, movingMs: movingSince === null ? null : now - movingSince }
    }),
    beginMark: step((now) => beginMark(tables, now)),
    setLeft: (startedAt, left) =>
      step(() => {
        const { mark } = life
        if (mark?.startedAt === startedAt && mark.total === null) life.mark = { ...mark, total: mark.moved + left }
      }),
    endMark: (startedAt) =>
      step(() => {
        if (life.mark?.startedAt === startedAt) life.mark = { ...life.mark, isOver: true }
      })
  })
}

export const layer: Layer.Layer<KeyRotationStore, never, MemoryDatabase> = Layer.effect(
  KeyRotationStore,
  Effect.map(MemoryDatabase, make)
)
