/**
 * Cutting a tenant's audit from its beginning, piece by piece, and what is left of what was cut.
 *
 * - Only up to a row that the service signed in a checkpoint, and only rows that were walked from the beginning (or
 *   the stub before) to it: a chain that was written anew is not cut, it stays as evidence.
 * - First the signed stub stands in the audit of the tenant and of `global`, then in its table, then rows go, some
 *   thousands at a time. Interrupted anywhere, the rest verifies; asked again, it goes on.
 * - A stub is believed by its signature over this tenant's name alone: one that somebody wrote, or took from
 *   another tenant, is found as a broken chain, and never makes a row go.
 */
import { Clock, Effect } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { textMax } from "../../store/AuditChain.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { AuditCuts, type AuditStub, stubBytes } from "../../store/AuditCuts.ts"
import { type AuditBound, type AuditCheckpoint, type AuditHead, AuditStore } from "../../store/AuditStore.ts"
import { type Broken, beginning, type Place } from "../../store/AuditWalk.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import * as Repairs from "./Repairs.ts"

/** Rows that one piece cuts, where checkpoints are that near to each other. */
export const pieceRows = 50_000
/** Rows walked, and rows deleted, without a pause. */
const pageRows = 250
const eraseRows = 2_000
const pageCheckpoints = 200

/** Where what is left of a chain begins. */
export interface Start {
  readonly place: Place
  readonly stub: AuditStub | null
  /** The stub is not the service's: nothing is believed of it. */
  readonly broken: Broken | null
}

export type Piece =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Broken"; readonly broken: Broken }
  /** To be told in the audit, and then done. `more`: there are checkpoints behind it that may be cut to. */
  | { readonly _tag: "Cut"; readonly stub: AuditStub; readonly publicKey: string; readonly more: boolean }

export const badStub = "the stub of a cut is not good"

export const actOf = ({ keyId, signature, tenantId, ...said }: AuditStub, publicKey: string): AuditAct => ({
  ...{ action: "audit.cut", entityType: "audit", entityId: tenantId },
  diff: { ...said, key_id: keyId, public_key: publicKey, signature: Buffer.from(signature).toString("base64url") }
})

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const cuts = yield* AuditCuts
  const signer = yield* AuditSigner
  const repairs = yield* Repairs.make

  const start = Effect.fnUntraced(function* (tenantId: string) {
    yield* signer.ready
    const stub = yield* cuts.stub(tenantId)
    const whole: Start = { place: beginning(tenantId), stub: null, broken: null }
    if (stub === null) return whole
    // The tenant's name is of what is signed: one of another tenant is not good here.
    if (!signer.verify(stub.keyId, stubBytes({ ...stub, tenantId }), stub.signature, stub.at)) {
      return { ...whole, broken: { seq: stub.last, reason: badStub } }
    }
    return { place: { seq: stub.last, hash: stub.hash }, stub, broken: null } satisfies Start
  })

  /** Whether the row stands, where it still does, as the stub says. */
  const isBorneOut = Effect.fnUntraced(function* ({ hash, last, tenantId }: AuditStub) {
    const only = { seq: last }
    const { content } = yield* store.list(tenantId, { entityId: null, from: only, to: only, limit: 1, after: null })
    return content.every((row) => row.hash === hash)
  })

  /** What a stub covers goes, at most `rowsMax` of it. Nothing goes by a stub that is not good. */
  const finish = Effect.fnUntraced(function* (tenantId: string, rowsMax: number) {
    const { stub } = yield* start(tenantId)
    if (stub === null || !(yield* isBorneOut(stub))) return 0
    let erased = 0
    while (erased < rowsMax) {
      const gone = yield* cuts.erase(tenantId, stub.last, eraseRows)
      erased += gone
      if (gone < eraseRows) break
      yield* Effect.yieldNow
    }
    return erased
  })

  /** The last row that may go by `before`. */
  const lastBefore = Effect.fnUntraced(function* (tenantId: string, before: AuditBound, head: AuditHead) {
    if (before === null) return head.seq
    if ("seq" in before) return Math.min(before.seq - 1, head.seq)
    const query = { entityId: null, from: before, to: null, limit: 1, after: null }
    const { content } = yield* store.list(tenantId, query)
    return (content[0]?.seq ?? head.seq + 1) - 1
  })

  /** The signed row to cut to: the last one within a piece, or the first one that there is. */
  const targetOf = Effect.fnUntraced(function* (
    from: Place,
    last: number,
    tenantId: string,
    own: AuditCheckpoint | null
  ) {
    const isGood = (point: AuditCheckpoint) => signer.verify(point.keyId, signedBytes(point), point.signature, point.at)
    let target: AuditHead | null = null
    let after = from.seq
    while (true) {
      const page = yield* store.checkpoints(tenantId, after + 1, pageCheckpoints)
      for (const point of page) {
        if (point.seq > last || (target !== null && point.seq > from.seq + pieceRows))
          return { target, more: point.seq <= last }
        if (isGood({ ...point, tenantId })) target = point
      }
      if (page.length < pageCheckpoints) break
      after = page.at(-1)!.seq
    }
    if (own === null || own.seq <= from.seq || own.seq > last) return { target, more: false }
    return target === null || own.seq <= from.seq + pieceRows ? { target: own, more: false } : { target, more: true }
  })

  const walk = Effect.fnUntraced(function* (tenantId: string, from: Place, target: AuditHead) {
    let place = from
    while (place.seq < target.seq) {
      const limit = Math.min(pageRows, target.seq - place.seq)
      const query = { entityId: null, from: null, to: null, limit, after: String(place.seq) }
      const { content } = yield* store.list(tenantId, query)
      if (content.length === 0) return { seq: place.seq + 1, reason: "the row is missing" }
      const walked = yield* repairs.walk(place, content, new Map([[target.seq, target.hash]]))
      if (walked.broken !== null) return walked.broken
      place = walked.place
      yield* Effect.yieldNow
    }
    return null
  })

  /** Decides one piece; nothing is written. `own`: a head that was signed now, beside the checkpoints that are kept. */
  const piece = Effect.fnUntraced(function* (
    tenantId: string,
    before: AuditBound,
    by: string,
    own: AuditCheckpoint | null
  ) {
    const { broken, place } = yield* start(tenantId)
    if (broken !== null) return { _tag: "Broken", broken } satisfies Piece
    const head = yield* store.head(tenantId)
    const last = yield* lastBefore(tenantId, before, head)
    const { more, target } = yield* targetOf(place, last, tenantId, own)
    if (target === null) return { _tag: "Nothing" } satisfies Piece
    const found = yield* walk(tenantId, place, target)
    if (found !== null) return { _tag: "Broken", broken: found } satisfies Piece
    const at = yield* Clock.currentTimeMillis
    const unsigned = {
      ...{ tenantId, first: place.seq + 1, last: target.seq, hash: target.hash, count: target.seq - place.seq },
      ...{ by: by.slice(0, textMax.actor).toWellFormed(), at }
    }
    const { keyId, publicKey, signature } = yield* signer.sign(stubBytes(unsigned))
    return { _tag: "Cut", stub: { ...unsigned, keyId, signature }, publicKey, more } satisfies Piece
  })

  /** What was told in the audit is done. */
  const cut = (stub: AuditStub) => Effect.andThen(cuts.save(stub), finish(stub.tenantId, Number.MAX_SAFE_INTEGER))

  return { start, piece, cut, finish, unfinished: cuts.unfinished, abandoned: cuts.abandoned }
})
