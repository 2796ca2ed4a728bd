/**
 * Moves rows to new keys, in the background, while everything runs.
 *
 * One replica does it at a time, claimed by the database's clock; it moves pages no faster than
 * `CM_KEYS_MOVE_RATE`. Nothing about where it is is remembered: what is left to do is the rows under
 * retiring keys, so after a kill, here or elsewhere, it goes on with what is left. A move is a
 * compare-and-set, so doing it twice does it once. How far it is, is kept for its progress
 * (`MoveProgress.ts`).
 *
 * - Hashes of tokens follow to the active key, used or not, once every replica reads with it.
 * - Secrets are opened and sealed again with their tenant's active key. One that does not open stays
 *   where it is, is counted and named in the log, and keeps its key from being retired.
 * - Keys under an older master key are wrapped by the active one.
 * - Tenants' keys that nothing needs any more are retired after a day, retired keys that a row needs after all come
 *   back, and the material of long retired ones is erased. What fails is logged and tried again at the next turn.
 *
 * Longer than 300 lines because all that a turn does with keys shares its claim, its pace and what is said of a failure.
 */

import { Duration, Effect, Layer, Metric } from "effect"
import * as Loop from "../observability/Loop.ts"
import { Replica } from "../observability/Replica.ts"
import { DueWork } from "../store/DueWork.ts"
import {
  type AgedKey,
  type HashedRow,
  type HashMove,
  isSealedPageFull,
  KeyRotationStore,
  type SealedMove,
  type SealedRow
} from "../store/KeyRotationStore.ts"
import type { StoreUnavailable } from "../store/StoreError.ts"
import { Sweeps } from "../store/Sweeps.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import * as HashKeys from "./HashKeys.ts"
import { Keyring } from "./Keyring.ts"
import { MasterKey, type MasterKeyError } from "./MasterKey.ts"
import * as MovePages from "./MovePages.ts"
import * as MoveProgress from "./MoveProgress.ts"
import * as RotationPlan from "./RotationPlan.ts"
import * as RowTags from "./RowTags.ts"
import * as ServiceKeys from "./ServiceKeys.ts"
import {
  type SecretPlace,
  secretPurpose,
  TenantKeys,
  type TenantKeyUnavailable,
  type TenantSealer
} from "./TenantKeys.ts"

type MoveError = StoreUnavailable | MasterKeyError | TenantKeyUnavailable

const sweepName = "key-rotation"
/** Who dies is replaced after this. */
const claimFor = Duration.seconds(15)
/** Rows of one page at most: one second's worth of the rate, within this. */
export const pageMax = 500
/** So many are made in one go, a millisecond of the thread: then others have it, and what the database said is heard. */
const pieceRows = 32
/** Whether a row needs a key that is erased, which opens nothing any more, is asked of each of them: as seldom as that. */
const seldomTurns = 30
/** Keys read at once; where not all are gone through, the rest waits for the next turn. */
const keysPerTurn = 1_000
/** A tenant's key without rows is retired by itself when it is this old. */
const retireTenantKeysAfter = Duration.days(1)

/**
 * At so many records the sealing key is followed by another, far below what random nonces allow: a
 * replica tells its uses every few seconds, and several replicas may seal meanwhile.
 */
export const sealUsesMax = 2 ** 30

const unopenable = Metric.counter("cm_key_rows_unopenable_total", {
  description: "Secrets met while moving that do not open: tampered with, or in another place than they were made for",
  incremental: true
})

const isPieceMade = (made: number): boolean => made > 0 && made % pieceRows === 0

export const make = Effect.gen(function* () {
  const { keysActivation, keysErase, keysMoveRate } = yield* CryptoConfig
  const { process } = yield* Replica
  const store = yield* KeyRotationStore
  const sweeps = yield* Sweeps
  const master = yield* MasterKey
  const tenantKeys = yield* TenantKeys
  const { rowHolds, rowTag } = yield* Keyring
  const context = yield* Effect.context<MasterKey>()
  const activationMs = Duration.toMillis(keysActivation)
  const pageRows = Math.min(pageMax, keysMoveRate)

  const claim = sweeps.claim(sweepName, process, Duration.toMillis(claimFor))
  /** Who has it not looks for that, and writes nothing. */
  const isPerhapsOurs = sweeps.hold(sweepName, process, Duration.toMillis(claimFor))
  const paced = MovePages.make(claim, Duration.toMillis(claimFor), keysMoveRate)
  const progress = MoveProgress.make(store, claim)
  const open = (key: AgedKey) =>
    Effect.provide(
      Effect.map(ServiceKeys.open(key), ({ material }) => material),
      context
    )

  const moveHashes = Effect.fnUntraced(function* (from: AgedKey) {
    const active = yield* store.activeKey("token-hash", null)
    if (active === undefined || !RotationPlan.isSettled(active, activationMs)) return
    const [old, next] = [yield* open(from), yield* open(active)]
    const wipe = Effect.sync(() => {
      old.fill(0)
      next.fill(0)
    })
    const hashMover = HashKeys.mover(old, next)
    yield* wipe
    if (hashMover === null) return
    /** Changed outside of the service, and met in this turn already. */
    const given = new Set<string>()
    yield* paced<HashedRow, HashMove, MoveError>({
      read: (after) =>
        Effect.map(store.hashedRows(from.keyId, pageRows, after), (rows) =>
          MovePages.pageOf(rows, rows.length >= pageRows)
        ),
      make: Effect.fnUntraced(function* (rows) {
        const moves: Array<HashMove> = []
        const givenBefore = given.size
        for (const [index, row] of rows.entries()) {
          if (isPieceMade(index)) yield* Effect.yieldNow
          const newHash = rowHolds(row.mac, RowTags.ofToken(row)) ? hashMover.move(row.hash) : null
          if (newHash !== null) {
            moves.push({ ...row, newHash, newMac: rowTag(RowTags.ofToken(row, newHash)) })
          } else if (!given.has(row.tokenId)) {
            given.add(row.tokenId)
            const { tenantId, tokenId } = row
            yield* Effect.logError("the row of a token was changed outside of the service; it stays under its key", {
              tenantId,
              tokenId
            })
          }
        }
        return { moves, givenUp: given.size - givenBefore, isEnd: false }
      }),
      write: (moves) => store.moveHashes(from.keyId, active.keyId, moves)
    }).pipe(Effect.ensuring(Effect.sync(hashMover.wipe)))
  })

  const moveSecrets = Effect.fnUntraced(function* (from: AgedKey) {
    /** Not openable, and met in this turn already. */
    const given = new Set<string>()
    const giveUp = Effect.fnUntraced(function* ({ credentialId, tenantId, version }: SealedRow) {
      if (given.has(`${credentialId}/${version}`)) return
      given.add(`${credentialId}/${version}`)
      yield* Metric.update(unopenable, 1)
      yield* Effect.logError("a stored secret does not open and cannot be moved to a new key", {
        tenantId,
        credentialId,
        version
      })
    })
    const openedWithItsKey = ({ sealed, tenantId }: SealedRow, place: SecretPlace) =>
      Effect.catchTag(tenantKeys.openFor(tenantId, place, sealed), "NotOpenable", () => Effect.succeed(null))
    yield* paced<SealedRow, SealedMove, MoveError>({
      read: (after) =>
        Effect.map(store.sealedRows(from.keyId, pageRows, after), (rows) =>
          MovePages.pageOf(rows, isSealedPageFull(rows, pageRows))
        ),
      make: Effect.fnUntraced(function* (rows) {
        const moves: Array<SealedMove> = []
        const givenBefore = given.size
        const opener = yield* Effect.catchTag(tenantKeys.openerOf(from.keyId), "NotOpenable", () =>
          Effect.succeed(null)
        )
        let sealer: (TenantSealer & { readonly tenantId: string }) | null = null
        for (const [index, row] of rows.entries()) {
          if (isPieceMade(index)) yield* Effect.yieldNow
          const { credentialId, sealed, tenantId, version } = row
          const place = { credentialId, version, purpose: secretPurpose }
          // With the key of the page where that does it, as it nearly always does.
          const plaintext: Uint8Array | null =
            opener?.open(tenantId, place, sealed) ?? (yield* openedWithItsKey(row, place))
          if (plaintext === null) {
            yield* giveUp(row)
            continue
          }
          if (sealer === null || sealer.tenantId !== tenantId || sealer.isSpent()) {
            const next: TenantSealer = yield* Effect.onError(tenantKeys.sealerFor(tenantId, rows.length - index), () =>
              Effect.sync(() => plaintext.fill(0))
            )
            sealer = { ...next, tenantId }
          }
          // For some seconds a replica goes on with the key that was the active one; the next turn moves the rows.
          if (sealer.keyId === from.keyId) {
            plaintext.fill(0)
            return { moves, givenUp: given.size - givenBefore, isEnd: true }
          }
          const made = sealer.seal(place, plaintext)
          plaintext.fill(0)
          moves.push({ tenantId, credentialId, version, sealed, newKeyId: made.keyId, newSealed: made.sealed })
        }
        return { moves, givenUp: given.size - givenBefore, isEnd: false }
      }),
      write: (moves) => store.moveSealed(from.keyId, moves)
    })
  })

  const moveRows = (key: AgedKey) => {
    switch (key.purpose) {
      case "token-hash":
        return moveHashes(key)
      case "tenant-data":
        return moveSecrets(key)
      default:
        // Idempotent answers live for a day; nothing else is sealed with the others.
        return Effect.void
    }
  }

  const rewrapOne = Effect.fnUntraced(function* (key: AgedKey) {
    const material = yield* open(key)
    const next = yield* master.wrap(ServiceKeys.placeOf(key), material)
    material.fill(0)
    yield* store.rewrap(key, next)
  })

  /** Keys that an older master key wrapped, wrapped by the active one. */
  const rewrap = Effect.gen(function* () {
    for (let after: string | null = null; ; ) {
      const keys: ReadonlyArray<AgedKey> = yield* store.listKeys({ limit: keysPerTurn, after })
      for (const key of keys) {
        if (key.masterKeyId === master.activeId || key.wrapped.byteLength === 0) continue
        yield* Effect.catchIf(rewrapOne(key), isSpoiled, () =>
          Effect.logError("a key does not open and stays under its master key", { keyId: key.keyId })
        )
      }
      const last = keys.at(-1)
      if (keys.length < keysPerTurn || last === undefined) return
      after = last.keyId
    }
  })

  /** The sealing key has been used so often that another one must follow. */
  const replaceWorn = Effect.gen(function* () {
    const active = yield* store.activeKey("seal", null)
    if (active === undefined || (yield* store.addUses(active.keyId, 0)) < sealUsesMax) return
    const next = yield* Effect.provide(ServiceKeys.makeCandidate("seal", null), context)
    next.material.fill(0)
    if (yield* store.replaceActive(active.keyId, next.stored)) yield* Effect.logInfo("the sealing key was replaced")
  })

  const tidy = Effect.gen(function* () {
    yield* replaceWorn
    const revived = yield* store.reviveNeeded
    if (revived > 0) yield* Effect.logWarning("retired keys that rows need were brought back", { keys: revived })
    for (const key of yield* store.retiringKeys(keysPerTurn)) {
      const old = key.ageMs >= Duration.toMillis(retireTenantKeysAfter)
      if (key.purpose === "tenant-data" && old) yield* store.retire(key.keyId)
    }
    yield* store.eraseRetired(Duration.toMillis(keysErase))
  })

  const moveAll = Effect.gen(function* () {
    for (let after: string | null = null; ; ) {
      const keys: ReadonlyArray<AgedKey> = yield* store.movableKeys({ limit: keysPerTurn, after })
      for (const key of keys) yield* goingOn("moving rows", moveRows(key), key.keyId)
      const last = keys.at(-1)
      if (keys.length < keysPerTurn || last === undefined) return
      after = last.keyId
    }
  })

  /** One turn: everything that can be done now. Whatever fails with one key does not stop the others. */
  const turn = Effect.gen(function* () {
    if (!(yield* isPerhapsOurs) || !(yield* claim)) return
    yield* goingOn("wrapping keys", rewrap)
    yield* goingOn("counting rows to move", progress.keep)
    yield* goingOn("moving rows", moveAll)
    yield* goingOn("tidying keys", tidy)
  })

  return { turn: goingOn("looking for keys", turn) }
})

/** Of this key alone, whoever asks and whenever. */
const isSpoiled = (error: StoreUnavailable | MasterKeyError): error is MasterKeyError =>
  error._tag === "MasterKeyError" && !error.isRetryable

/** A row that makes no sense is a defect of whoever reads it: it holds up what is under its own key alone. */
const goingOn = (what: string, work: Effect.Effect<void, MoveError>, keyId?: string): Effect.Effect<void> => {
  const about = keyId === undefined ? {} : { keyId }
  return work.pipe(
    Effect.catch((error) => Effect.logWarning(`${what} goes on at the next turn`, { error: error._tag, ...about })),
    Effect.catchDefect((defect) =>
      Effect.annotateLogs(Effect.logError(`${what} met a defect, and goes on at the next turn`, defect), about)
    )
  )
}

/** Needs `KeyRotationStore`, `Sweeps`, `Replica`, `TenantKeys`, `Keyring`, a master key and `CryptoConfig`. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { keysMoveEvery } = yield* CryptoConfig
    const ages = { masterKeyId: (yield* MasterKey).activeId, sealUsesMax }
    const { seek } = yield* DueWork
    const some = yield* seek({ work: ["rows or keys to be moved"], every: keysMoveEvery, ages })
    const seldom = yield* seek({
      work: ["erased keys that rows need"],
      every: Duration.times(keysMoveEvery, seldomTurns)
    })
    const awaitMore = Effect.raceFirst(some, seldom)
    yield* Effect.forkScoped(Loop.forever("key mover", Effect.andThen((yield* make).turn, awaitMore)))
  })
)
