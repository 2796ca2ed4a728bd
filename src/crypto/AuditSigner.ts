/**
 * Signs the heads of audit chains: Ed25519 (RFC 8032), with a key of the service that the master key
 * wraps. Who holds a public key can check a checkpoint without the service, and cannot make one.
 *
 * The key is followed by others (`keys.rotate`), each signed by the one before it (`AuditKeyLink.ts`). What is
 * believed begins at a key that the master key opened, and goes back along links that both keys signed: no row,
 * no state and no date of the database is believed by itself. A key that follows others and is not signed by
 * the one before it is refused: that ends a start, and later nothing is signed and nothing judged. A row that is
 * not active and does not open is nobody's, and as if it was not there.
 *
 * Who signs or judges reads the keys again first when that was longer ago than `CM_KEYS_RELOAD`, so a new key is
 * taken live; it signs once every replica must know it (`CM_KEYS_ACTIVATION`).
 *
 * Public keys are the 32 bytes of RFC 8032 in base64url, without padding.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { AuditKeyLink as Link } from "../domain/AuditKeyLink.ts"
import { type AgedKey, KeyRotationStore } from "../store/KeyRotationStore.ts"
import type { KeyStore } from "../store/KeyStore.ts"
import { atStart } from "../store/StartWait.ts"
import { StoreUnavailable } from "../store/StoreError.ts"
import * as AuditKeyLink from "./AuditKeyLink.ts"
import { CryptoConfig } from "./CryptoConfig.ts"
import { KeyFileMismatch } from "./KeyFileMismatch.ts"
import type { MasterKey } from "./MasterKey.ts"
import { graceFactor } from "./RotationPlan.ts"
import * as ServiceKeys from "./ServiceKeys.ts"
import * as UsableKeys from "./UsableKeys.ts"

export interface AuditSignature {
  readonly keyId: string
  readonly publicKey: string
  /** 64 bytes. */
  readonly signature: Uint8Array
}

export class AuditSigner extends Context.Service<
  AuditSigner,
  {
    readonly sign: (bytes: Uint8Array) => Effect.Effect<AuditSignature, StoreUnavailable>
    /** Succeeds when the keys were read lately, so that no other replica can have signed with one unknown here. */
    readonly ready: Effect.Effect<void, StoreUnavailable>
    /**
     * False also for a key that is not known here, and for one that was followed before `at`, when what is
     * signed says that it was. Null: it does not say. Means something only after `ready`.
     */
    readonly verify: (keyId: string, bytes: Uint8Array, signature: Uint8Array, at: number | null) => boolean
    /** Null for a key that is not known here. Means something only after `ready`. */
    readonly publicKeyOf: (keyId: string) => string | null
    /** The steps from the first key to the newest, the newest first, for who checks without the service. */
    readonly linksUnsafe: () => ReadonlyArray<Link>
    /** The link, as text, from the newest key to a successor; null: `from` was followed already. `seed` stays the caller's. */
    readonly linkTo: (
      from: string,
      successor: { readonly keyId: string; readonly seed: Uint8Array }
    ) => Effect.Effect<string | null, StoreUnavailable>
  }
>()("cm/crypto/AuditSigner") {}

/** PKCS #8 of an Ed25519 seed: everything before the seed itself (RFC 8410, section 7). */
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex")
/** How long after the last moment at which the old key signs its signatures still count: clocks differ. */
const clockMarginMs = 600_000

interface Pair {
  readonly keyId: string
  readonly privateKey: KeyObject
  readonly publicText: string
}

/** Overwrites the seed. */
const pairOf = (keyId: string, seed: Uint8Array): Pair => {
  const der = Buffer.concat([pkcs8Head, seed])
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  der.fill(0)
  seed.fill(0)
  return { keyId, privateKey, publicText: createPublicKey(privateKey).export({ format: "jwk" }).x ?? "" }
}

interface Opened {
  readonly pairs: ReadonlyMap<string, Pair>
  readonly nobodysIds: ReadonlySet<string>
}

interface Known extends Opened {
  readonly readAtMs: number
  readonly signing: Pair
  readonly newest: Pair
  readonly keys: ReadonlyMap<string, AuditKeyLink.TrustedKey>
  readonly links: ReadonlyArray<Link>
}

const refused = (keyId: string, why: string) =>
  new KeyFileMismatch({
    message: `the audit's signing key ${keyId} ${why}: the table data_keys was changed or is incomplete; restore it`
  })

/**
 * Where the links lead from a key. One that was followed by a key that does not open signs nothing: whatever its
 * row says now, it was followed.
 */
const lastFrom = (pair: Pair, pairs: ReadonlyMap<string, Pair>, links: ReadonlyArray<Link>): Pair | KeyFileMismatch => {
  const next = links.filter(
    (link) => link.previous_key_id === pair.keyId && link.previous_public_key === pair.publicText
  )
  if (next.length === 0) return pair
  const follower = next
    .map(({ key_id: keyId, public_key: publicText }) => ({ publicText, opened: pairs.get(keyId) }))
    .find(({ opened, publicText }) => opened?.publicText === publicText)?.opened
  if (follower === undefined) return refused(pair.keyId, "was followed by one that is gone")
  const others = links.filter((link) => !next.includes(link))
  return lastFrom(follower, pairs, others)
}

/** The newest key among those that were opened: from the active one along the links. */
const newestOf = (
  stored: ReadonlyArray<AgedKey>,
  pairs: ReadonlyMap<string, Pair>,
  links: ReadonlyMap<string, Link>
): Pair | KeyFileMismatch => {
  const active = stored.find(({ state }) => state === "active")
  const first = pairs.get(active?.keyId ?? "")
  return first === undefined
    ? refused(active?.keyId ?? "", "is gone")
    : lastFrom(first, pairs, Array.from(links.values()))
}

const tellBefore = ({ keyId }: AgedKey) =>
  Effect.logError(
    "a signing key was before the first one, its row says, and no step leads from it: what it signed is not verified. Restore data_keys, or delete the row where audit-signing was never rotated"
  ).pipe(Effect.annotateLogs({ keyId }))

const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

const make = Effect.gen(function* () {
  const { keysActivation, keysReload } = yield* CryptoConfig
  const activationMs = Duration.toMillis(keysActivation)
  const store = yield* KeyRotationStore
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<MasterKey | KeyStore | KeyRotationStore>()

  const opened = (key: AgedKey) =>
    ServiceKeys.openUnlessNobodys(key).pipe(
      Effect.map((material) => (material === null ? null : pairOf(key.keyId, material))),
      Effect.provide(context)
    )

  /** Those that may sign or be followed, and those that are nobody's. */
  const openNew = Effect.fnUntraced(function* (stored: ReadonlyArray<AgedKey>, before: Opened) {
    const pairs = new Map<string, Pair>()
    const nobodysIds = new Set<string>()
    for (const key of stored) {
      if (key.state === "retired" || key.wrapped.byteLength === 0) continue
      const pair = before.pairs.get(key.keyId) ?? (yield* opened(key))
      if (pair !== null) pairs.set(key.keyId, pair)
      else {
        nobodysIds.add(key.keyId)
        if (!before.nobodysIds.has(key.keyId)) yield* UsableKeys.tellNobodys(key)
      }
    }
    return { pairs, nobodysIds }
  })

  /**
   * A key that no step leads to is the first: refused when another one opens, which was before it then. Whether a row whose
   * material is erased was a key, nothing tells; what it signed is not verified.
   */
  const checkFirst = Effect.fnUntraced(function* (
    { keyId: firstId }: Pair,
    stored: ReadonlyArray<AgedKey>,
    { nobodysIds, pairs }: Effect.Success<ReturnType<typeof openNew>>,
    before: Opened
  ) {
    for (const key of stored) {
      const { keyId, state, wrapped } = key
      if (keyId === firstId || nobodysIds.has(keyId) || (state !== "retired" && wrapped.byteLength === 0)) continue
      const isTrue = pairs.has(keyId) || (wrapped.byteLength > 0 && (yield* opened(key)) !== null)
      if (isTrue) return yield* refused(firstId, "is not signed by the one before it")
      nobodysIds.add(keyId)
      if (!before.nobodysIds.has(keyId)) yield* tellBefore(key)
    }
  })

  const read = Effect.fnUntraced(function* (before: Opened) {
    const [readAtMs, nowMs] = [monotonicMs(clock), clock.currentTimeMillisUnsafe()]
    const stored = yield* store.keysOf("audit-signing")
    const found = yield* openNew(stored, before)
    const links = new Map(
      stored.flatMap(({ keyId, link: text }) => {
        const link = AuditKeyLink.read(text)
        return link?.key_id === keyId ? [[keyId, link] as const] : []
      })
    )
    const { nobodysIds, pairs } = found
    const newest = newestOf(stored, pairs, links)
    if (newest instanceof KeyFileMismatch) return yield* newest
    if (links.get(newest.keyId)?.public_key !== newest.publicText) yield* checkFirst(newest, stored, found, before)
    const trusted = AuditKeyLink.trustedFrom(newest.keyId, newest.publicText, links)
    const link = links.get(newest.keyId)
    const previous = link === undefined ? undefined : pairs.get(link.previous_key_id)
    const age = stored.find(({ keyId }) => keyId === newest.keyId)?.ageMs ?? 0
    // What the row says of its age makes it wait for no longer than the link, which both keys signed.
    const isSettled = age >= activationMs || link === undefined || nowMs > link.until
    const signing = isSettled || previous === undefined ? newest : previous
    return { readAtMs, pairs, nobodysIds, signing, newest, ...trusted } satisfies Known
  })

  let known: Known = yield* ServiceKeys.ensure("audit-signing", null).pipe(
    Effect.tap(({ material }) => Effect.sync(() => material.fill(0))),
    Effect.andThen(read({ pairs: new Map(), nobodysIds: new Set() })),
    atStart("the audit's keys"),
    Effect.catchTag("MasterKeyError", (error) => Effect.fail(ServiceKeys.orMismatch(error)))
  )
  const isFresh = () => monotonicMs(clock) - known.readAtMs < Duration.toMillis(keysReload)
  const reload = Effect.suspend(() => read(known)).pipe(
    Effect.andThen((next) =>
      Effect.sync(() => {
        known = next
      })
    )
  )
  const lately = Effect.mapError(
    Effect.tapErrorTag(reload, "KeyFileMismatch", ({ message }) =>
      Effect.logError("the audit is neither signed nor judged", { reason: message })
    ),
    (cause) => new StoreUnavailable({ operation: "AuditSigner.read", outcome: "none", cause })
  )
  const ready = Effect.suspend(() => (isFresh() ? Effect.void : lately))

  return AuditSigner.of({
    ready,
    sign: (bytes) =>
      Effect.map(ready, () => {
        const { keyId, privateKey, publicText: publicKey } = known.signing
        return { keyId, publicKey, signature: sign(null, bytes, privateKey) }
      }),
    verify: (by, bytes, signature, at) => {
      const key = known.keys.get(by)
      if (key === undefined || (at !== null && key.until !== null && at > key.until)) return false
      return verify(null, bytes, key.publicKey, signature)
    },
    publicKeyOf: (by) => known.keys.get(by)?.publicText ?? null,
    linksUnsafe: () => known.links,
    linkTo: Effect.fnUntraced(function* (from, { keyId, seed }) {
      yield* lately
      const { newest } = known
      if (newest.keyId !== from) return null
      const next = pairOf(keyId, seed.slice())
      const at = clock.currentTimeMillisUnsafe()
      const said = {
        ...{
          previous_key_id: from,
          previous_public_key: newest.publicText,
          key_id: keyId,
          public_key: next.publicText
        },
        ...{ at, until: at + graceFactor * activationMs + clockMarginMs }
      }
      const signature = (by: Pair) => sign(null, AuditKeyLink.signedBytes(said), by.privateKey).toString("base64url")
      const link = { ...said, previous_signature: signature(newest), signature: signature(next) }
      return JSON.stringify(link satisfies Link)
    })
  })
})

/** Needs `KeyStore`, `KeyRotationStore`, `MasterKey` and `CryptoConfig`. Makes the key at the first start. */
export const layer = Layer.effect(AuditSigner, make)
