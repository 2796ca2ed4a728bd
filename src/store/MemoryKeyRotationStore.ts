/**
 * `KeyRotationStore` without a database: the same promises over plain arrays, for tests.
 *
 * The arrays are the caller's, so that a test's key store and the rows it plants share them.
 */
import { Clock, Effect, Layer } from "effect"
import { type AgedKey, KeyRotationStore, movePageMax, type RotationMark } from "./KeyRotationStore.ts"
import type { KeyState, StoredKey } from "./KeyStore.ts"

export interface MemoryKey extends StoredKey {
  readonly retiredAt?: number
  readonly uses?: number
}

export interface MemoryRows {
  readonly keys: Array<MemoryKey>
  readonly tokens: Array<{ tenantId: string; tokenId: string; hash: Uint8Array; keyId: string }>
  readonly versions: Array<{
    tenantId: string
    credentialId: string
    version: number
    sealed: Uint8Array
    keyId: string
  }>
  /** Idempotent answers: which key each is sealed with. */
  readonly answers: Array<{ keyId: string }>
}

export const emptyRows = (): MemoryRows => ({ keys: [], tokens: [], versions: [], answers: [] })

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export const make = (rows: MemoryRows): KeyRotationStore["Service"] => {
  const { answers, keys, tokens, versions } = rows
  let mark: Omit<RotationMark, "ageMs"> | undefined

  const count = (keyId: string): number =>
    [tokens, versions, answers].reduce((sum, list) => sum + list.filter((row) => row.keyId === keyId).length, 0)
  const update = (keyId: string, change: Partial<MemoryKey>): void => {
    const at = keys.findIndex((key) => key.keyId === keyId)
    keys[at] = { ...keys[at]!, ...change }
  }
  const aged = (key: MemoryKey, now: number): AgedKey => ({ ...key, ageMs: now - key.createdAt })
  const read = <A>(body: (now: number) => A) => Effect.map(Clock.currentTimeMillis, body)
  const stateOf = (keyId: string): KeyState | undefined => keys.find((key) => key.keyId === keyId)?.state

  return KeyRotationStore.of({
    serviceKeys: read((now) =>
      keys.filter((key) => key.tenantId === null && key.wrapped.byteLength > 0).map((key) => aged(key, now))
    ),
    findKey: (keyId) => read((now) => keys.filter((key) => key.keyId === keyId).map((key) => aged(key, now))[0]),
    activeKey: (purpose, tenantId) =>
      read(
        (now) =>
          keys
            .filter((key) => key.purpose === purpose && key.tenantId === tenantId && key.state === "active")
            .map((key) => aged(key, now))[0]
      ),
    listKeys: ({ after, limit }) =>
      read((now) =>
        keys
          .filter((key) => after === null || key.keyId > after)
          .toSorted((a, b) => byText(a.keyId, b.keyId))
          .slice(0, limit)
          .map((key) => aged(key, now))
      ),
    retiringKeys: (limit) =>
      read((now) =>
        keys
          .filter((key) => key.state === "retiring")
          .toSorted((a, b) => byText(a.keyId, b.keyId))
          .slice(0, limit)
          .map((key) => aged(key, now))
      ),
    replaceActive: (expectedKeyId, successor) =>
      read((now) => {
        if (stateOf(expectedKeyId) !== "active") return false
        update(expectedKeyId, { state: "retiring" })
        keys.push({ ...successor, state: "active", createdAt: now })
        return true
      }),
    demote: (keyId) =>
      read(() => {
        if (stateOf(keyId) !== "active") return false
        update(keyId, { state: "retiring" })
        return true
      }),
    demoteTenantKeys: read(() => {
      const active = keys.filter((key) => key.purpose === "tenant-data" && key.state === "active")
      for (const key of active) update(key.keyId, { state: "retiring" })
      return active.length
    }),
    retire: (keyId) =>
      read((now) => {
        const state = stateOf(keyId)
        if (state === undefined) return "unknown"
        if (state !== "retiring") return state
        if (count(keyId) > 0) return "inUse"
        update(keyId, { state: "retired", retiredAt: now })
        return "retired"
      }),
    reviveNeeded: read(() => {
      const needed = keys.filter((key) => key.state === "retired" && count(key.keyId) > 0)
      for (const key of needed) update(key.keyId, { state: "retiring" })
      return needed.length
    }),
    eraseRetired: (ageMs) =>
      read((now) => {
        const gone = keys.filter(
          (key) =>
            key.state === "retired" &&
            key.wrapped.byteLength > 0 &&
            now - (key.retiredAt ?? now) >= ageMs &&
            count(key.keyId) === 0
        )
        for (const key of gone) update(key.keyId, { wrapped: new Uint8Array(0) })
        return gone.length
      }),
    addUses: (keyId, uses) =>
      read(() => {
        const key = keys.find((candidate) => candidate.keyId === keyId)
        if (key === undefined) return 0
        const sum = (key.uses ?? 0) + uses
        update(keyId, { uses: sum })
        return sum
      }),
    rewrap: (key, next) =>
      read(() => {
        const found = keys.find((candidate) => candidate.keyId === key.keyId)
        if (found === undefined || found.masterKeyId !== key.masterKeyId || !same(found.wrapped, key.wrapped)) {
          return false
        }
        update(key.keyId, next)
        return true
      }),

    countRows: (keyIds) => read(() => new Map(keyIds.map((keyId) => [keyId, count(keyId)]))),
    countMovable: read(() => [...tokens, ...versions].filter((row) => stateOf(row.keyId) === "retiring").length),
    hashedRows: (keyId, limit) =>
      read(() =>
        tokens
          .filter((row) => row.keyId === keyId)
          .toSorted((a, b) => byText(a.tenantId, b.tenantId) || byText(a.tokenId, b.tokenId))
          .slice(0, Math.min(limit, movePageMax))
          .map(({ hash, tenantId, tokenId }) => ({ tenantId, tokenId, hash }))
      ),
    moveHashes: (fromKeyId, toKeyId, moves) =>
      read(() => {
        let moved = 0
        for (const { hash, newHash, tokenId } of moves) {
          const row = tokens.find((token) => token.tokenId === tokenId)
          if (row === undefined || row.keyId !== fromKeyId || !same(row.hash, hash)) continue
          row.hash = newHash
          row.keyId = toKeyId
          moved += 1
        }
        return moved
      }),
    sealedRows: (keyId, limit) =>
      read(() =>
        versions
          .filter((row) => row.keyId === keyId)
          .toSorted(
            (a, b) => byText(a.tenantId, b.tenantId) || byText(a.credentialId, b.credentialId) || a.version - b.version
          )
          .slice(0, Math.min(limit, movePageMax))
          .map(({ credentialId, sealed, tenantId, version }) => ({ tenantId, credentialId, version, sealed }))
      ),
    moveSealed: (fromKeyId, moves) =>
      read(() => {
        let moved = 0
        for (const { credentialId, newKeyId, newSealed, sealed, version } of moves) {
          const row = versions.find((found) => found.credentialId === credentialId && found.version === version)
          if (row === undefined || row.keyId !== fromKeyId || !same(row.sealed, sealed)) continue
          row.sealed = newSealed
          row.keyId = newKeyId
          moved += 1
        }
        return moved
      }),

    mark: read((now) => (mark === undefined ? undefined : { ...mark, ageMs: now - mark.startedAt })),
    setMark: (total) =>
      read((now) => {
        mark = { startedAt: now, total }
      })
  })
}

export const layer = (rows: MemoryRows) => Layer.succeed(KeyRotationStore, make(rows))
