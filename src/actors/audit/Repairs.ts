/**
 * Rows that were hashed with text that is no Unicode and stored as another one, and the notes in the chain
 * that say what they were.
 *
 * A note is a row of the audit like any other, `audit.repaired`, signed with the audit's key. It is made only
 * when the text that was hashed is found, and taken only when it is signed and the row's own hash bears it
 * out: it makes exactly that row good, and no forged one.
 */
import { Clock, Duration, Effect, Schema } from "effect"
import { monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import * as errors from "../../domain/errors.ts"
import type { AuditRow } from "../../store/AuditChain.ts"
import { explains, guesses, type LostText } from "../../store/AuditRepair.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import { type Place, rowChanged, type Walked, walk } from "../../store/AuditWalk.ts"
import { TenantsConfig } from "../tenant/TenantsConfig.ts"

const action = "audit.repaired"
const notesMax = 20
const reason = "text that is no Unicode was stored with U+FFFD"

const Note = Schema.Struct({
  row: Schema.Int,
  reason: Schema.String,
  lost: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])),
  key_id: Schema.String,
  signature: Schema.String
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Note))
const entityIdOf = (seq: number): string => `audit-row/${seq}`
const noteBytes = ({ hash, seq, tenantId }: AuditRow, lost: LostText): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(["cm-audit-repair-1", tenantId, seq, hash, lost]))

export interface RepairedWalk extends Walked {
  /** Rows that hold because of a note. */
  readonly repaired: ReadonlyArray<number>
}

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  const clock = yield* Clock.Clock
  const timeoutMs = Duration.toMillis((yield* TenantsConfig).requestTimeout)

  const isGood = (row: AuditRow, note: typeof Note.Type): boolean =>
    note.row === row.seq &&
    // It says no time: the row's own hash bears it out.
    signer.verify(note.key_id, noteBytes(row, note.lost), Buffer.from(note.signature, "base64url"), null) &&
    explains(row, note.lost)

  const noteOf = Effect.fnUntraced(function* (row: AuditRow) {
    yield* signer.ready
    const query = { entityId: entityIdOf(row.seq), from: null, to: null, limit: notesMax, after: null }
    const { content } = yield* store.list(row.tenantId, query)
    for (const found of content) {
      const note = found.action === action ? decode(found.diff ?? "") : { _tag: "None" as const }
      if (note._tag === "Some" && isGood(row, note.value)) return note.value.lost
    }
    return null
  })

  /** As `AuditWalk.walk`, over rows that a note explains, too. */
  const walkRepaired = Effect.fnUntraced(function* (
    from: Place,
    rows: ReadonlyArray<AuditRow>,
    anchors: ReadonlyMap<number, string>
  ) {
    const repairs = new Map<number, LostText>()
    while (true) {
      const walked = walk(from, rows, anchors, repairs)
      const row = rows.find(({ seq }) => seq === walked.broken?.seq)
      const result: RepairedWalk = { ...walked, repaired: [...repairs.keys()] }
      if (walked.broken?.reason !== rowChanged || row === undefined || repairs.has(row.seq)) return result
      const lost = yield* noteOf(row)
      if (lost === null) return result
      repairs.set(row.seq, lost)
    }
  })

  /** What the note about a row says, or why there can be none. Bounded by the time of a request. */
  const explain = Effect.fnUntraced(function* (tenantId: string, seq: number) {
    const only = { seq }
    const { content } = yield* store.list(tenantId, { entityId: null, from: only, to: only, limit: 1, after: null })
    const row = content[0]
    const refused = (why: string) => new errors.InvalidRequest({ path: "seq", reason: why })
    if (row === undefined) return yield* refused("there is no such row")
    if (walk({ seq: seq - 1, hash: row.prevHash }, [row], new Map()).broken === null)
      return yield* refused("the row holds")
    const startedMs = monotonicMsUnsafe(clock)
    for (const lost of guesses(row)) {
      if (lost === null) {
        yield* Effect.yieldNow
        if (monotonicMsUnsafe(clock) - startedMs > timeoutMs / 2) break
        continue
      }
      if (!explains(row, lost)) continue
      const { keyId, signature } = yield* signer.sign(noteBytes(row, lost))
      const diff = { row: seq, reason, lost, key_id: keyId, signature: Buffer.from(signature).toString("base64url") }
      return { action, entityType: "audit", entityId: entityIdOf(seq), diff }
    }
    return yield* refused("no text that was lost explains it: the row was changed")
  })

  return { walk: walkRepaired, explain }
})
