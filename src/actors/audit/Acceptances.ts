/**
 * Losses that an operator accepted: after a backup was put back, a chain lacks rows whose head was signed and
 * announced. A new kind of checkpoint names that head, the one that the chain goes on from, who accepted it and why.
 *
 * - It is signed, so whoever has the database alone can make none, and names its tenant, so none is of another one.
 * - It is announced like every checkpoint, and stands in the chain as a row, `audit.accepted`: what reads one of the
 *   two believes it by its signature, and a verdict always tells of it.
 * - Nothing is accepted by accident: the lost head has to be named, and is the one that was signed last.
 * - What is there must hold by itself from the last head that was signed and is still there. Rows behind that one
 *   that no checkpoint reached are taken as they are: that is what is accepted.
 */
import { Clock, Effect } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import * as errors from "../../domain/errors.ts"
import { textMax } from "../../store/AuditChain.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { type AuditCheckpoint, type AuditHead, AuditStore } from "../../store/AuditStore.ts"
import { PublishedCheckpoints } from "../../store/PublishedCheckpoints.ts"
import type { AuditCaller } from "../tenant/Workspace.ts"
import * as AcceptedRows from "./AcceptedRows.ts"
import * as Checkpoints from "./Checkpoints.ts"
import { isGivenUp, newer } from "./Lineage.ts"
import { SignedHeads } from "./SignedHeads.ts"

const pageCheckpoints = 200

const isSame = (a: AuditHead, b: AuditHead): boolean => a.seq === b.seq && a.hash === b.hash

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  const stream = yield* PublishedCheckpoints
  const heads = yield* SignedHeads
  const checkpoints = yield* Checkpoints.make

  const isThere = Effect.fnUntraced(function* (tenantId: string, { hash, seq }: AuditHead) {
    const only = { seq }
    const { content } = yield* store.list(tenantId, { entityId: null, from: only, to: only, limit: 1, after: null })
    return content[0]?.hash === hash
  })

  /** All that was signed and counts, wherever that is known from, by row. */
  const signed = Effect.fnUntraced(function* (tenantId: string, accepted: ReadonlyArray<AuditCheckpoint>) {
    const points = new Map<number, AuditCheckpoint>()
    const add = (point: AuditCheckpoint | null) => {
      if (point === null || isGivenUp(accepted, point)) return
      if (signer.verify(point.keyId, signedBytes(point), point.signature, point.at)) points.set(point.seq, point)
    }
    let place = 0
    while (true) {
      const news = yield* stream.after(tenantId, place)
      news.points.forEach(add)
      place = news.place
      if (!news.more) break
    }
    let from = 1
    while (true) {
      const page = yield* store.checkpoints(tenantId, from, pageCheckpoints)
      page.forEach(add)
      if (page.length < pageCheckpoints) break
      from = page.at(-1)!.seq + 1
    }
    accepted.forEach(add)
    return Array.from(points.values()).toSorted((a, b) => a.seq - b.seq)
  })

  /** The last one of them that the chain has. A row that stands as it was signed has all before it as they were. */
  const lastKept = Effect.fnUntraced(function* (tenantId: string, points: ReadonlyArray<AuditCheckpoint>) {
    let kept = 0
    let lost = points.length
    while (kept < lost) {
      const middle = (kept + lost) >>> 1
      if (yield* isThere(tenantId, points[middle]!)) kept = middle + 1
      else lost = middle
    }
    const last = points[kept - 1]
    return last === undefined ? null : { seq: last.seq, hash: last.hash }
  })

  /** Decides; nothing is written but by the command. `Known`: it was accepted before. */
  const accept = Effect.fnUntraced(function* (
    tenantId: string,
    { lost, reason }: { readonly lost: AuditHead; readonly reason: string },
    caller: AuditCaller
  ) {
    const refused = (path: string, why: string) => new errors.InvalidRequest({ path, reason: why })
    const asking = { ...caller, idempotency: null }
    // Before the head: what was announced by then is lost or there.
    const { accepted, isContradicted, newest } = yield* heads.of(tenantId)
    const again = accepted.find((loss) => loss.accepted !== undefined && isSame(loss.accepted.lost, lost))
    const publicKey = again === undefined ? null : signer.publicKeyOf(again.keyId)
    if (again !== undefined && publicKey !== null) {
      return { _tag: "Known", point: again, publicKey, links: signer.linksUnsafe() } as const
    }
    if (isContradicted) return yield* refused("tenantId", "a checkpoint that was announced is not good")
    const points = yield* signed(tenantId, accepted)
    const last = points.reduce(newer, newest)
    const head = yield* store.head(tenantId)
    const found = yield* checkpoints.unreached(tenantId, last, head)
    if (last === null || found === null) return yield* refused("tenantId", "nothing that was signed is lost")
    if (!isSame(last, lost)) return yield* refused("lost", "it is not the head that was signed last")
    const previous = yield* lastKept(tenantId, points)
    const broken = yield* checkpoints.unreached(tenantId, previous, head)
    if (broken !== null) {
      return yield* refused("tenantId", `what is there is broken at ${broken.seq}: ${broken.reason}`)
    }
    const at = yield* Clock.currentTimeMillis
    const by = caller.principal.slice(0, textMax.actor).toWellFormed()
    const { hash, seq } = head
    const unsigned = {
      tenantId,
      seq,
      hash,
      at,
      number: (last.number ?? 0) + 1,
      previous,
      accepted: { lost, by, reason }
    }
    return yield* checkpoints.signing(unsigned, asking, AcceptedRows.actOf)
  })

  return { accept }
})
