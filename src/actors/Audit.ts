/**
 * The audit as its tenant sees it: read, checked, and signed from time to time.
 *
 * `verify` walks the chain in pages and compares it to the head in the tenant's counters and to the
 * signed checkpoints; it names the first link that does not hold. A range that begins later than the
 * first row is anchored in the row before it. Rows that are added meanwhile are not waited for.
 *
 * A checkpoint is the signed head of a chain as it was committed. It goes into the database and, as
 * the event `audit.checkpoint`, to whoever keeps events; so a tail that is cut off, or a chain that
 * is written anew, contradicts what is kept elsewhere.
 */
import { Clock, Effect, Result } from "effect"
import { AuditSigner } from "../crypto/AuditSigner.ts"
import { signedBytes } from "../store/AuditCheckpointBytes.ts"
import { type AuditBound, AuditStore } from "../store/AuditStore.ts"
import { type Broken, beginning, type Place, walk } from "../store/AuditWalk.ts"
import type { Command } from "./Command.ts"
import type { AuditVerdict } from "./Credentials.ts"
import type { Caller } from "./Tenants.ts"
import { EventWriter } from "./TokenEvents.ts"

/** Rows read at once. */
const pageRows = 5_000
/** Checkpoints compared in one verification; the newest rows are the ones that an older range leaves out. */
const checkpointsMax = 100_000

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  const events = yield* EventWriter

  /** Where a range begins: after the row before its first one. */
  const startOf = Effect.fnUntraced(function* (tenantId: string, from: AuditBound) {
    if (from === null) return { place: beginning(tenantId), broken: null }
    const first = yield* store.list(tenantId, { entityId: null, from, to: null, limit: 1, after: null })
    const seq = "seq" in from ? from.seq : (first.content[0]?.seq ?? 1)
    if (seq <= 1) return { place: beginning(tenantId), broken: null }
    const before = { seq: seq - 1 }
    const { content } = yield* store.list(tenantId, { entityId: null, from: before, to: before, limit: 1, after: null })
    const row = content[0]
    return row === undefined
      ? { place: { ...before, hash: "" }, broken: { ...before, reason: "the row is missing" } }
      : { place: { seq: row.seq, hash: row.hash }, broken: null }
  })

  /** Hashes that rows must have, or the checkpoint whose signature is not good. */
  const anchorsOf = Effect.fnUntraced(function* (tenantId: string, head: Place, fromSeq: number) {
    const anchors = new Map([[head.seq, head.hash]])
    for (const checkpoint of yield* store.checkpoints(tenantId, fromSeq, checkpointsMax)) {
      const { hash, keyId, seq, signature } = checkpoint
      if (!signer.verify(keyId, signedBytes(checkpoint), signature) || (anchors.get(seq) ?? hash) !== hash) {
        return Result.fail<Broken>({ seq, reason: "the signed checkpoint is not good" })
      }
      anchors.set(seq, hash)
    }
    return Result.succeed<ReadonlyMap<number, string>>(anchors)
  })

  const verdict = (checked: number, firstBroken: Broken | null): AuditVerdict => ({
    valid: firstBroken === null,
    checked,
    firstBroken
  })

  const verify = Effect.fnUntraced(function* (
    tenantId: string,
    range: { readonly from: AuditBound; readonly to: AuditBound }
  ) {
    const head = yield* store.head(tenantId)
    const start = yield* startOf(tenantId, range.from)
    if (start.broken !== null) return verdict(0, start.broken)
    const anchors = yield* anchorsOf(tenantId, head, start.place.seq)
    if (Result.isFailure(anchors)) return verdict(0, anchors.failure)
    let place = start.place
    let checked = 0
    while (true) {
      const after = String(place.seq)
      const page = yield* store.list(tenantId, { entityId: null, from: null, to: range.to, limit: pageRows, after })
      const walked = walk(place, page.content, anchors.success)
      checked += walked.checked
      place = walked.place
      if (walked.broken !== null) return verdict(checked, walked.broken)
      if (page.next === null) break
    }
    const promised = Array.from(anchors.success.keys()).reduce((a, b) => Math.max(a, b), 0)
    const wanted = range.to === null ? promised : "seq" in range.to ? Math.min(range.to.seq, promised) : place.seq
    return verdict(checked, place.seq < wanted ? { seq: place.seq + 1, reason: "the row is missing" } : null)
  })

  /** Signs the present head; null when there is nothing to sign. Nothing is written but by the command. */
  const checkpoint = Effect.fnUntraced(function* (tenantId: string, caller: Caller) {
    const head = yield* store.head(tenantId)
    if (head.seq === 0) return null
    const at = yield* Clock.currentTimeMillis
    const unsigned = { tenantId, seq: head.seq, hash: head.hash, at }
    const { keyId, publicKey, signature } = signer.sign(signedBytes(unsigned))
    const command: Command<number> = {
      name: "audit.checkpoint",
      caller,
      load: {},
      onRemovedTenant: true,
      decide: (workspace) => {
        workspace.checkpoint({ ...unsigned, keyId, signature })
        workspace.announce(
          events.json({
            tenantId,
            type: "audit.checkpoint",
            entityKey: `audit/${tenantId}`,
            subject: tenantId,
            version: head.seq,
            at: workspace.now,
            data: {
              event_type: "audit.checkpoint",
              tenant_id: tenantId,
              seq: head.seq,
              hash: head.hash,
              at,
              key_id: keyId,
              public_key: publicKey,
              signature: Buffer.from(signature).toString("base64url"),
              timestamp: events.iso(workspace.now)
            },
            afterRevocation: false
          })
        )
        return Result.succeed(head.seq)
      }
    }
    return command
  })

  return { verify, checkpoint }
})
