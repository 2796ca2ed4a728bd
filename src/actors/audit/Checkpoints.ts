/**
 * The head of a tenant's audit, signed from time to time.
 *
 * A checkpoint is the signed head of a chain as it was committed. It goes into the database and, as
 * the event `audit.checkpoint`, to whoever keeps events; so a tail that is cut off, or a chain that
 * is written anew, contradicts what is kept elsewhere.
 *
 * It names the one before it, and promises that the chain was walked from that one's row to its own: a
 * head that is not reached from the last one that was signed, wherever that is known from (the stream of
 * events, this process, the database), is not signed. Whoever writes the database cannot make this
 * service put its name to a forgery. Only an operator's acceptance (`Acceptances`) goes on from another head.
 */
import { Clock, Effect, Result } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import type { AuditKeyLink } from "../../domain/AuditKeyLink.ts"
import { fieldsOf, signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { type AuditCheckpoint, type AuditHead, AuditStore } from "../../store/AuditStore.ts"
import type { Broken, Place } from "../../store/AuditWalk.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import * as Cuts from "./Cuts.ts"
import { contradicts, isGivenUp, newer } from "./Lineage.ts"
import * as Repairs from "./Repairs.ts"
import { SignedHeads } from "./SignedHeads.ts"

export type Checkpoint =
  /** There is a checkpoint of the head already, or there is no head. */
  | { readonly _tag: "Nothing"; readonly stored: AuditCheckpoint | null }
  | {
      readonly _tag: "Sign"
      readonly point: AuditCheckpoint
      readonly publicKey: string
      /** The steps from the first signing key to the newest, the newest first. */
      readonly links: ReadonlyArray<AuditKeyLink>
      readonly command: Command<number>
    }
  /** Not reached from what was signed before. */
  | { readonly _tag: "Broken"; readonly broken: Broken }

/** Rows walked without a pause. */
const pageRows = 250
const everything = { entityId: null, from: null, to: null }
const broken = (seq: number, reason: string): Checkpoint => ({ _tag: "Broken", broken: { seq, reason } })

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  const events = yield* EventWriter
  const heads = yield* SignedHeads
  const repairs = yield* Repairs.make
  const cuts = yield* Cuts.make

  /** What does not hold between the last one that was signed and the head; null: all does. */
  const unreached = Effect.fnUntraced(function* (tenantId: string, last: AuditHead | null, head: AuditHead) {
    // What was cut was signed for by its stub, as what was signed last is by its checkpoint.
    const { broken, place: start, stub } = yield* cuts.start(tenantId)
    if (broken !== null) return broken
    const isCut = stub !== null && (last === null || last.seq <= stub.last)
    let place: Place = isCut || last === null ? start : last
    if (head.seq < place.seq) return { seq: head.seq + 1, reason: "the row is missing" }
    if (isCut && last?.seq === place.seq && last.hash !== place.hash) return { seq: place.seq, reason: Cuts.badStub }
    if (!isCut && last !== null) {
      const { content } = yield* store.list(tenantId, { ...everything, limit: 1, after: String(place.seq - 1) })
      if (content[0]?.seq !== place.seq) return { seq: place.seq, reason: "the row is missing" }
      if (content[0].hash !== place.hash) return { seq: place.seq, reason: "the row is not the one that was signed" }
    }
    while (place.seq < head.seq) {
      const limit = Math.min(pageRows, head.seq - place.seq)
      const { content } = yield* store.list(tenantId, { ...everything, limit, after: String(place.seq) })
      if (content.length === 0) return { seq: place.seq + 1, reason: "the row is missing" }
      const walked = yield* repairs.walk(place, content, new Map([[head.seq, head.hash]]))
      if (walked.broken !== null) return walked.broken
      place = walked.place
      yield* Effect.yieldNow
    }
    return place.hash === head.hash ? null : { seq: place.seq, reason: "the row is not the one that was counted" }
  })

  /** `row`: what the chain itself says of it, in the same transaction. */
  const signing = Effect.fnUntraced(function* (
    unsigned: Omit<AuditCheckpoint, "keyId" | "signature">,
    caller: Caller,
    row: (point: AuditCheckpoint, publicKey: string) => AuditAct | null = () => null
  ) {
    const { seq, tenantId } = unsigned
    const { keyId, publicKey, signature } = yield* signer.sign(signedBytes(unsigned))
    const point: AuditCheckpoint = { ...unsigned, keyId, signature }
    const act = row(point, publicKey)
    const command: Command<number> = {
      name: "audit.checkpoint",
      caller,
      load: {},
      onRemovedTenant: true,
      decide: (workspace) => {
        workspace.checkpoint(point)
        if (act !== null) workspace.record(caller, act)
        workspace.announce(
          events.json({
            tenantId,
            type: "audit.checkpoint",
            entityKey: `audit/${tenantId}`,
            subject: tenantId,
            version: seq,
            at: workspace.now,
            data: {
              event_type: "audit.checkpoint",
              tenant_id: tenantId,
              ...fieldsOf(point, publicKey),
              timestamp: events.iso(workspace.now)
            },
            afterRevocation: false
          })
        )
        return Result.succeed(seq)
      }
    }
    return { _tag: "Sign", point, publicKey, links: signer.linksUnsafe(), command } satisfies Checkpoint
  })

  /** Looks at the present head, and signs it where it may. Nothing is written but by the command. */
  const checkpoint = Effect.fnUntraced(function* (tenantId: string, caller: Caller) {
    // Before the head: what was announced by then must be in the chain.
    const { accepted, isContradicted, newest } = yield* heads.of(tenantId)
    const found = yield* store.newestCheckpoint(tenantId)
    // Somebody put one back that was given up: it is none.
    const stored = found !== null && isGivenUp(accepted, found) ? null : found
    const head = yield* store.head(tenantId)
    if (isContradicted) return broken(newest?.seq ?? head.seq, "a checkpoint that was announced is not good")
    if (stored !== null && !signer.verify(stored.keyId, signedBytes(stored), stored.signature, stored.at)) {
      return broken(stored.seq, "the signed checkpoint is not good")
    }
    const last = newer(stored, newest)
    const other = last === stored ? newest : stored
    if (other !== null && last !== null && contradicts(other, last)) {
      return broken(other.seq, "two checkpoints of one row differ")
    }
    if (head.seq === 0 && last === null) return { _tag: "Nothing", stored: null } satisfies Checkpoint
    const lacking = yield* unreached(tenantId, last, head)
    if (lacking !== null) return { _tag: "Broken", broken: lacking } satisfies Checkpoint
    if (stored?.seq === head.seq) return { _tag: "Nothing", stored } satisfies Checkpoint
    const at = yield* Clock.currentTimeMillis
    const previous = last === null ? null : { seq: last.seq, hash: last.hash }
    const number = (last?.number ?? 0) + 1
    return yield* signing({ tenantId, seq: head.seq, hash: head.hash, at, number, previous }, caller)
  })

  /** What is signed already, signed now: for somebody who asks for it. Not to be written. */
  const again = ({ keyId: _1, signature: _2, ...signed }: AuditCheckpoint, caller: Caller) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => signing({ ...signed, at }, caller))

  return { checkpoint, again, signing, unreached }
})
