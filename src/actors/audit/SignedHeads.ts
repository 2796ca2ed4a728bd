/**
 * The newest head of each chain that was signed, as this replica knows it from outside of the database:
 * from the checkpoints that were announced, and from those that it signed itself.
 *
 * So a chain that was written anew, with counters and checkpoints that fit, is not what was signed. All
 * that the stream has of a tenant is read once, then only what is new; an older checkpoint that is
 * announced again does not take the place of a newer one. One that is not good is remembered as such.
 *
 * What an acceptance gave up (`Lineage`) counts no more.
 *
 * Bounded: `tenantsMax` tenants; one that was forgotten is read again.
 */
import { Context, Effect, Layer } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import type { AuditCheckpoint } from "../../store/AuditStore.ts"
import { PublishedCheckpoints, type PublishedUnavailable } from "../../store/PublishedCheckpoints.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { inRows as acceptancesInRows } from "./AcceptedRows.ts"
import { contradicts, isGivenUp, newer, withAccepted } from "./Lineage.ts"

const tenantsMax = 100_000

export interface SignedHead {
  /** The newest that was announced, and to be checked against by anybody. */
  readonly published: AuditCheckpoint | null
  /** The newest at all; it may not have been announced yet. */
  readonly newest: AuditCheckpoint | null
  /** One was announced that is not good, or is not what another one says. */
  readonly isContradicted: boolean
  /** Those by which a loss was accepted, the oldest first, wherever they are known from. */
  readonly accepted: ReadonlyArray<AuditCheckpoint>
}

interface Known extends SignedHead {
  readonly place: number
}

const nothing: Known = { published: null, newest: null, isContradicted: false, accepted: [], place: 0 }

const make = Effect.gen(function* () {
  const stream = yield* PublishedCheckpoints
  const signer = yield* AuditSigner
  const inRows = yield* acceptancesInRows
  const heads = new Map<string, Known>()

  const keep = (tenantId: string, known: Known): void => {
    heads.delete(tenantId)
    if (heads.size >= tenantsMax) heads.delete(heads.keys().next().value!)
    heads.set(tenantId, known)
  }
  const adding =
    (isAnnounced: boolean) =>
    (known: Known, point: AuditCheckpoint | null): Known => {
      if (point === null || !signer.verify(point.keyId, signedBytes(point), point.signature, point.at)) {
        return { ...known, isContradicted: true }
      }
      const accepted = withAccepted(known.accepted, point)
      const counting = (one: AuditCheckpoint | null) => (one === null || isGivenUp(accepted, one) ? null : one)
      const published = counting(known.published)
      const newest = counting(known.newest)
      if (counting(point) === null) return { ...known, accepted, published, newest }
      const isContradicted = known.isContradicted || contradicts(published, point) || contradicts(newest, point)
      if (isContradicted) return { ...known, accepted, published, newest, isContradicted }
      const announced = isAnnounced ? newer(published, point) : published
      return { ...known, accepted, published: announced, newest: newer(newest, point) }
    }
  const announcing = adding(true)
  const knowing = adding(false)

  return SignedHeads.of({
    of: Effect.fnUntraced(function* (tenantId) {
      // What another replica signed with a new key must not be taken for a forgery.
      yield* signer.ready
      while (true) {
        const before = heads.get(tenantId)?.place ?? 0
        const { more, place, points } = yield* stream.after(tenantId, before)
        keep(tenantId, { ...points.reduce(announcing, heads.get(tenantId) ?? nothing), place })
        if (!more) break
      }
      // One that was accepted and has not been announced yet stands in the chain.
      return (yield* inRows(tenantId)).reduce(knowing, heads.get(tenantId)!)
    }),
    knownUnsafe: (tenantId) => heads.get(tenantId)?.newest ?? null,
    signedUnsafe: (point) => {
      keep(point.tenantId, knowing(heads.get(point.tenantId) ?? nothing, point))
    }
  })
})

export class SignedHeads extends Context.Service<
  SignedHeads,
  {
    readonly of: (tenantId: string) => Effect.Effect<SignedHead, PublishedUnavailable | StoreUnavailable>
    /** The newest that is known without asking. */
    readonly knownUnsafe: (tenantId: string) => AuditCheckpoint | null
    /** This replica signed it, and it is committed. */
    readonly signedUnsafe: (point: AuditCheckpoint) => void
  }
>()("cm/actors/SignedHeads") {
  static readonly layer = Layer.effect(this, make)
}
