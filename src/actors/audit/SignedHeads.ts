/**
 * The newest head of each chain that was signed, as this replica knows it from outside of the database:
 * from the checkpoints that were announced, and from those that it signed itself.
 *
 * So a chain that was written anew, with counters and checkpoints that fit, is not what was signed. All
 * that the stream has of a tenant is read once, then only what is new; an older checkpoint that is
 * announced again does not take the place of a newer one. One that is not good is remembered as such.
 *
 * Bounded: `tenantsMax` tenants; one that was forgotten is read again.
 */
import { Context, Effect, Layer } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import type { AuditCheckpoint } from "../../store/AuditStore.ts"
import { PublishedCheckpoints, type PublishedUnavailable } from "../../store/PublishedCheckpoints.ts"

const tenantsMax = 100_000

export interface SignedHead {
  /** The newest that was announced, and to be checked against by anybody. */
  readonly published: AuditCheckpoint | null
  /** The newest at all; it may not have been announced yet. */
  readonly newest: AuditCheckpoint | null
  /** One was announced that is not good, or is not what another one says. */
  readonly isContradicted: boolean
}

interface Known extends SignedHead {
  readonly place: number
}

const nothing: Known = { published: null, newest: null, isContradicted: false, place: 0 }
const newer = (a: AuditCheckpoint | null, b: AuditCheckpoint | null): AuditCheckpoint | null =>
  a === null || (b !== null && b.seq > a.seq) ? b : a
const contradicts = (a: AuditCheckpoint | null, b: AuditCheckpoint): boolean =>
  a !== null && a.seq === b.seq && a.hash !== b.hash

const make = Effect.gen(function* () {
  const stream = yield* PublishedCheckpoints
  const signer = yield* AuditSigner
  const heads = new Map<string, Known>()

  const keep = (tenantId: string, known: Known): void => {
    heads.delete(tenantId)
    if (heads.size >= tenantsMax) heads.delete(heads.keys().next().value!)
    heads.set(tenantId, known)
  }
  const add = (known: Known, point: AuditCheckpoint | null): Known => {
    const isGood = point !== null && signer.verify(point.keyId, signedBytes(point), point.signature)
    if (!isGood || contradicts(known.published, point) || contradicts(known.newest, point)) {
      return { ...known, isContradicted: true }
    }
    return { ...known, published: newer(known.published, point), newest: newer(known.newest, point) }
  }

  return SignedHeads.of({
    of: Effect.fnUntraced(function* (tenantId) {
      while (true) {
        const before = heads.get(tenantId)?.place ?? 0
        const { more, place, points } = yield* stream.after(tenantId, before)
        keep(tenantId, { ...points.reduce(add, heads.get(tenantId) ?? nothing), place })
        if (!more) return heads.get(tenantId)!
      }
    }),
    knownUnsafe: (tenantId) => heads.get(tenantId)?.newest ?? null,
    signedUnsafe: (point) => {
      const known = heads.get(point.tenantId) ?? nothing
      keep(point.tenantId, { ...known, newest: newer(known.newest, point) })
    }
  })
})

export class SignedHeads extends Context.Service<
  SignedHeads,
  {
    readonly of: (tenantId: string) => Effect.Effect<SignedHead, PublishedUnavailable>
    /** The newest that is known without asking. */
    readonly knownUnsafe: (tenantId: string) => AuditCheckpoint | null
    /** This replica signed it, and it is committed. */
    readonly signedUnsafe: (point: AuditCheckpoint) => void
  }
>()("cm/actors/SignedHeads") {
  static readonly layer = Layer.effect(this, make)
}
