/**
 * Checking a tenant's audit: walks its chain, compares it to the head in the tenant's counters, to the
 * signed checkpoints and to those that were announced, and names the first link that does not hold.
 *
 * A range is anchored in the row before it, so that it costs what it is long. Rows that are added
 * meanwhile are not waited for. The chain of a tenant that took the name of a removed one is walked from
 * its very first row: where the present tenant begins is told by rows alone, and whoever can write
 * rows could move it. A verdict tells of the former tenant's rows how many they are, and nothing in them.
 *
 * Bounded: rows and checkpoints come in pages, with a pause for others after each; one verification
 * for each tenant and `verificationsMax` at once on this replica, one more is refused; and what cannot
 * be walked within `requestTimeout` ends with `AuditRangeTooLong`, which says where to go on.
 */
import { Clock, Duration, Effect } from "effect"
import { monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import * as errors from "../../domain/errors.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import type { AuditStub } from "../../store/AuditCuts.ts"
import { type AuditBound, type AuditCheckpoint, type AuditHead, AuditStore } from "../../store/AuditStore.ts"
import type { Broken, Place } from "../../store/AuditWalk.ts"
import type { PublishedUnavailable } from "../../store/PublishedCheckpoints.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantsConfig } from "../tenant/TenantsConfig.ts"
import type { AuditRange, AuditVerdict } from "./Audit.ts"
import { AuditConfig } from "./AuditConfig.ts"
import * as Cuts from "./Cuts.ts"
import { gapsOf, isGivenUp } from "./Lineage.ts"
import * as Repairs from "./Repairs.ts"
import { type SignedHead, SignedHeads } from "./SignedHeads.ts"

type VerificationError =
  | StoreUnavailable
  | PublishedUnavailable
  | errors.AuditRangeTooLong
  | errors.TooManyRequests
  | errors.Unavailable

/** Rows read and walked without a pause: some milliseconds of the process. */
const pageRows = 250
/** Checkpoints whose signatures are checked without a pause; one takes as long as many rows. */
const pageCheckpoints = 50

/** Rows that a verdict names as repaired. */
const repairedMax = 100

const otherRow = "the row is not the one that was signed or counted"
const verdictOf =
  ({ accepted, isContradicted, published }: SignedHead, repaired: ReadonlyArray<number>, stub: AuditStub | null) =>
  (checked: number, found: Broken | null): AuditVerdict => {
    const notGood = { seq: published?.seq ?? 1, reason: "a checkpoint that was announced is not good" }
    const firstBroken = found ?? (isContradicted ? notGood : null)
    const reach = published === null ? null : { seq: published.seq, at: published.at }
    const cut = stub === null ? {} : { cut: { seq: stub.last, at: stub.at, by: stub.by } }
    const gaps = accepted.length === 0 ? {} : { accepted: gapsOf(accepted) }
    return { valid: firstBroken === null, checked, firstBroken, published: reach, repaired, ...cut, ...gaps }
  }

/** Checkpoints that were read and are not walked past yet. */
interface Signed {
  /** With good signatures, ascending. */
  readonly points: ReadonlyArray<AuditCheckpoint>
  /** The one behind them that is not good. */
  readonly bad: Broken | null
  /** There may be more behind them. */
  readonly more: boolean
}

/** What is left of them behind `place`. */
const past = (place: Place, signed: Signed): Signed => ({
  ...signed,
  points: signed.points.filter(({ seq }) => seq > place.seq)
})

const isUnread = ({ bad, more, points }: Signed): boolean => points.length === 0 && bad === null && more

/** The last row up to which everything that was signed is known; null: there is nothing more that was. */
const knownUpTo = ({ bad, more, points }: Signed): number | null =>
  bad !== null ? bad.seq : more ? (points.at(-1)?.seq ?? null) : null

/** What is missing when the rows end at `place`. Within a range up to a date nothing behind it was promised. */
const missing = (place: Place, to: AuditBound, promisedSeq: number, { bad, points }: Signed): Broken | null => {
  const promised = Math.max(promisedSeq, points.at(-1)?.seq ?? 0, bad?.seq ?? 0)
  const wanted = to === null ? promised : "seq" in to ? Math.min(to.seq, promised) : place.seq
  if (place.seq >= wanted) return null
  const isOnlyBad = bad !== null && points.length === 0 && promisedSeq <= place.seq
  return isOnlyBad ? bad : { seq: place.seq + 1, reason: "the row is missing" }
}

/** What the signed ones say of those before them. */
const previousOf = (points: ReadonlyArray<AuditCheckpoint>): ReadonlyArray<AuditHead> =>
  points.flatMap(({ previous }) => previous ?? [])
/** Two that differ over one row: neither may be believed, and no row has such a hash. */
const anchorsOf = (heads: ReadonlyArray<AuditHead>): ReadonlyMap<number, string> => {
  const anchors = new Map<number, string>()
  for (const { hash, seq } of heads) anchors.set(seq, (anchors.get(seq) ?? hash) === hash ? hash : "")
  return anchors
}

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const heads = yield* SignedHeads
  const repairs = yield* Repairs.make
  const cuts = yield* Cuts.make
  const signer = yield* AuditSigner
  const clock = yield* Clock.Clock
  const { requestTimeout } = yield* TenantsConfig
  const { verificationsMax } = yield* AuditConfig
  const timeoutMs = Duration.toMillis(requestTimeout)
  const nowMs = () => monotonicMsUnsafe(clock)

  /** The first row of a range, whether or not it is there. */
  const firstOf = Effect.fnUntraced(function* (tenantId: string, from: AuditBound, head: AuditHead) {
    if (from === null) return 1
    if ("seq" in from) return from.seq
    const { content } = yield* store.list(tenantId, { entityId: null, from, to: null, limit: 1, after: null })
    return content[0]?.seq ?? head.seq + 1
  })

  /** Where a range begins: after the row before its first one. Undefined: behind all that there is. */
  const startOf = Effect.fnUntraced(function* (
    tenantId: string,
    beginning: Place,
    from: AuditBound,
    head: AuditHead,
    promised: number
  ) {
    const seq = (yield* firstOf(tenantId, from, head)) - 1
    if (seq <= beginning.seq) return beginning
    const only = { seq }
    const { content } = yield* store.list(tenantId, { entityId: null, from: only, to: only, limit: 1, after: null })
    if (content[0] !== undefined) return { seq, hash: content[0].hash }
    const isPromised = seq <= promised || (yield* store.checkpoints(tenantId, seq, 1)).length > 0
    return isPromised ? { seq, hash: null } : undefined
  })

  /** The next page of those that were not given up. */
  const countingFrom = Effect.fnUntraced(function* (tenantId: string, fromSeq: number, { accepted }: SignedHead) {
    let from = fromSeq
    while (true) {
      const page = yield* store.checkpoints(tenantId, from, pageCheckpoints)
      const found = page.filter((point) => !isGivenUp(accepted, point))
      const more = page.length === pageCheckpoints
      if (found.length > 0 || !more) return { found, more }
      from = page.at(-1)!.seq + 1
    }
  })

  const checkpointsFrom = Effect.fnUntraced(function* (
    tenantId: string,
    fromSeq: number,
    head: AuditHead,
    known: SignedHead
  ) {
    const { found, more } = yield* countingFrom(tenantId, fromSeq, known)
    const isGood = (point: AuditCheckpoint) =>
      signer.verify(point.keyId, signedBytes(point), point.signature, point.at) &&
      (point.seq !== head.seq || point.hash === head.hash)
    const at = found.findIndex((point) => !isGood(point))
    const bad = at === -1 ? null : { seq: found[at]!.seq, reason: "the signed checkpoint is not good" }
    const signed: Signed = {
      points: at === -1 ? found : found.slice(0, at),
      bad,
      more
    }
    return signed
  })

  const verifyRange = Effect.fnUntraced(function* (tenantId: string, { from, to }: AuditRange) {
    const startedMs = nowMs()
    let longestMs = 0
    // Before the head: what was announced by then must be among the rows.
    const known = yield* heads.of(tenantId)
    const repaired: Array<number> = []
    const { broken: badStart, place: beginning, stub } = yield* cuts.start(tenantId)
    const verdict = verdictOf(known, repaired, stub)
    if (badStart !== null) return verdict(0, badStart)
    const head = yield* store.head(tenantId)
    const counting = known.accepted.filter((loss) => !isGivenUp(known.accepted, loss))
    const outside = [known.published, known.newest, ...counting, ...previousOf(counting)].filter((one) => one !== null)
    const promised = Math.max(head.seq, ...outside.map(({ seq }) => seq))
    const start = yield* startOf(tenantId, beginning, from, head, promised)
    if (start === undefined) return verdict(0, null)
    if (start.hash === null) return verdict(0, { seq: start.seq, reason: "the row is missing" })
    let place: Place = start
    let checked = 0
    // Read before the rows: what was signed by then must be among them.
    const read = yield* checkpointsFrom(tenantId, place.seq, head, known)
    if (read.bad?.seq === place.seq) return verdict(0, read.bad)
    const anchors = [head, ...outside, ...read.points, ...previousOf(read.points)].filter(
      ({ seq }) => seq === place.seq
    )
    if (anchors.some(({ hash }) => hash !== place.hash)) return verdict(0, { seq: place.seq, reason: otherRow })
    let signed = past(place, read)
    while (true) {
      const pageMs = nowMs()
      if (isUnread(signed)) signed = yield* checkpointsFrom(tenantId, place.seq + 1, head, known)
      const upTo = knownUpTo(signed)
      const limit = upTo === null ? pageRows : Math.min(pageRows, upTo - place.seq)
      const after = String(place.seq)
      const page = yield* store.list(tenantId, { entityId: null, from: null, to, limit, after })
      const anchors = [head, ...outside, ...signed.points, ...previousOf(signed.points)]
      const walked = yield* repairs.walk(place, page.content, anchorsOf(anchors))
      for (const seq of walked.repaired) if (repaired.length < repairedMax) repaired.push(seq)
      checked += walked.checked
      place = walked.place
      if (walked.broken !== null) return verdict(checked, walked.broken)
      signed = past(place, signed)
      if (signed.bad?.seq === place.seq) return verdict(checked, signed.bad)
      // The rows have ended; so have the checkpoints, unless some were left unread.
      if (page.next === null && !isUnread(signed)) return verdict(checked, missing(place, to, promised, signed))
      yield* Effect.yieldNow
      longestMs = Math.max(longestMs, nowMs() - pageMs)
      // Another page, and one that takes longer, must still be answered in time.
      if (nowMs() - startedMs + 2 * longestMs > timeoutMs) {
        return yield* new errors.AuditRangeTooLong({ checked, nextFrom: place.seq + 1 })
      }
    }
  })

  /** Of a verdict that says no: the head that was signed last, if it is not there. */
  const withLost = Effect.fnUntraced(function* (tenantId: string, verdict: AuditVerdict) {
    if (verdict.valid) return verdict
    const { newest } = yield* heads.of(tenantId)
    if (newest === null) return verdict
    const only = { seq: newest.seq }
    const { content } = yield* store.list(tenantId, { entityId: null, from: only, to: only, limit: 1, after: null })
    const lost = { seq: newest.seq, hash: newest.hash }
    return content[0]?.hash === newest.hash ? verdict : { ...verdict, lost }
  })

  const underWay = new Set<string>()
  const verify = (tenantId: string, range: AuditRange) =>
    Effect.suspend((): Effect.Effect<AuditVerdict, VerificationError> => {
      if (underWay.has(tenantId) || underWay.size >= verificationsMax) {
        return Effect.fail(new errors.TooManyRequests({ limit: "audit verifications" }))
      }
      underWay.add(tenantId)
      return verifyRange(tenantId, range).pipe(
        Effect.flatMap((verdict) => withLost(tenantId, verdict)),
        Effect.timeoutOrElse({
          duration: requestTimeout,
          orElse: () => Effect.fail(new errors.Unavailable({ part: "database", committed: false }))
        }),
        Effect.ensuring(Effect.sync(() => underWay.delete(tenantId)))
      )
    })

  return { verify }
})
