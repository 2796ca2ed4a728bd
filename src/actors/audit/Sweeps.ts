/**
 * The work on audits that nobody asked for by request: counted refusals become rows, heads are signed.
 *
 * `rotation` decides when. What is written goes through the tenant's actor; two replicas that do the
 * same piece do it once.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Metric, Option, Result, Schedule } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { AuditStore, type TenantHead } from "../../store/AuditStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import * as Background from "../tenant/Background.ts"
import type { Command } from "../tenant/Command.ts"
import { goingOn, unlessItDies } from "../tenant/goingOn.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { AuditAlarm } from "./AuditAlarm.ts"
import { AuditConfig } from "./AuditConfig.ts"
import { AuditNotes } from "./AuditNotes.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Cuts from "./Cuts.ts"
import type { RefusalBatch } from "./RefusalLedger.ts"
import { Refusals } from "./Refusals.ts"
import { SignedHeads } from "./SignedHeads.ts"

/** Tenants that one piece looks at. */
const pieceMax = 500
const tenantsAtOnce = 8
/** How long an orderly stop tries to write the refusals that were counted. */
const stopLimit = "5 seconds"
const stopRetry = "200 millis"

export class AuditSweeps extends Context.Service<
  AuditSweeps,
  {
    /**
     * Refusals that were counted here long enough: written. Needs no claim; counts are this replica's.
     * What could not be written is counted on; what may be written already is written once all the
     * same. When the layer is released, all that is left is written first.
     */
    readonly writeRefusals: (options: { readonly all: boolean }) => Effect.Effect<number>
    /**
     * Heads of audit chains that have moved: signed and announced, if they are reached from what was signed
     * before; if not, told of. Answers 0 when all tenants were looked at.
     */
    readonly checkpoint: Effect.Effect<number, ChangeError | StoreUnavailable>
    /** What a cut that was interrupted has left: deleted. Answers 0 when all were looked at and nothing was left. */
    readonly finishCuts: Effect.Effect<number, StoreUnavailable>
    /**
     * Audits of removed tenants that are older than their retention: cut to the end, a piece of each, told in the
     * audit of `global`. Never one that is broken. Answers 0 when there is nothing more that can be done.
     */
    readonly retain: Effect.Effect<number, StoreUnavailable>
  }
>()("cm/actors/AuditSweeps") {}

const sweep = Background.caller("sweep")

const signed = Metric.counter("cm_audit_checkpoints_total", {
  description: "Heads of audit chains that were signed",
  incremental: true
})

/** What became of a batch of counted refusals, from what its asker was answered. */
export const becameOf = (
  exit: Exit.Exit<number, ChangeError>
): "written" | "not written" | "nowhere to write" | "not known" => {
  if (Exit.isSuccess(exit)) return "written"
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error)) return "not known"
  switch (error.value._tag) {
    case "TenantNotFound":
      return "nowhere to write"
    case "TooManyRequests":
      return "not written"
    case "Unavailable":
      return error.value.committed === null ? "not known" : error.value.committed ? "written" : "not written"
    default:
      return "not known"
  }
}

/**
 * Rows for refusals that were counted (`RefusalLedger`). The answer is remembered under the batch's
 * id, as a caller's is under an `Idempotency-Key`: asked again, it writes nothing twice.
 */
const recordCounted = ({ batchId, entries }: RefusalBatch, caller: Caller): Command<number> => ({
  name: "audit.refusals",
  caller: { ...caller, idempotency: { key: batchId, operation: "audit.refusals", body: new Uint8Array() } },
  load: {},
  onRemovedTenant: true,
  decide: (workspace) => {
    for (const entry of entries) workspace.record({ ...entry, principal: entry.actor }, entry)
    return Result.succeed(entries.length)
  }
})

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const store = yield* AuditStore
  const refusals = yield* Refusals
  const { refusalWindow, retention } = yield* AuditConfig
  const notes = yield* AuditNotes
  const cuts = yield* Cuts.make
  const checkpoints = yield* Checkpoints.make
  const heads = yield* SignedHeads
  const alarm = yield* AuditAlarm
  const windowMs = Duration.toMillis(refusalWindow)

  // ---- counted refusals
  /** Answers whether it is written. An interruption tells nothing: the batch stays taken, and is given again. */
  const writeBatch = Effect.fnUntraced(function* (batch: RefusalBatch) {
    const exit = yield* Effect.exit(actors.ask(batch.tenantId, recordCounted(batch, yield* sweep)))
    switch (becameOf(exit)) {
      case "written":
        refusals.written(batch)
        return true
      case "not written":
        refusals.notWritten(batch)
        return false
      case "nowhere to write":
        refusals.written(batch)
        yield* Effect.logWarning("counted refusals of a tenant that is gone", {
          tenantId: batch.tenantId,
          rows: batch.entries.length
        })
        return true
      case "not known":
        return false
    }
  })
  const writeRefusals = Effect.fnUntraced(function* ({ all }: { readonly all: boolean }) {
    const now = yield* Clock.currentTimeMillis
    const batches = refusals.take(all ? Number.MAX_SAFE_INTEGER : now - windowMs)
    const done = yield* Effect.forEach(batches, writeBatch, { concurrency: tenantsAtOnce })
    const waiting = done.filter((isDone) => !isDone).length
    if (waiting > 0) yield* Effect.logWarning("counted refusals wait for the next turn", { batches: waiting })
    return done.length - waiting
  })
  /** Nothing is refused any more when this is released: what was counted is written, or said to be lost. */
  yield* Effect.addFinalizer(() =>
    writeRefusals({ all: true }).pipe(
      Effect.repeat({ while: () => refusals.countedUnsafe() > 0, schedule: Schedule.spaced(stopRetry) }),
      Effect.timeoutOption(stopLimit),
      Effect.andThen(
        Effect.suspend(() => {
          const lost = refusals.countedUnsafe()
          return lost === 0
            ? Effect.void
            : Effect.logError("counted refusals could not be written before the end", { refusals: lost })
        })
      )
    )
  )

  // ---- checkpoints
  /** Answers whether it signed. A chain that is not what was signed before is told of until it is again. */
  const checkpointOne = Effect.fnUntraced(function* (tenantId: string) {
    const outcome = yield* checkpoints.checkpoint(tenantId, yield* sweep)
    if (outcome._tag === "Broken") return yield* alarm.broken(tenantId, outcome.broken)
    if (outcome._tag === "Sign") {
      yield* actors.ask(tenantId, outcome.command)
      heads.signedUnsafe(outcome.point)
      yield* Metric.update(signed, 1)
    }
    yield* alarm.holds(tenantId)
  })
  const isSigned = ({ hash, seq, signedSeq, tenantId }: TenantHead) => {
    const known = heads.knownUnsafe(tenantId)
    // A chain without a row is as it was signed where nothing of it ever was.
    return signedSeq === seq && (known?.seq ?? 0) === seq && (known === null || known.hash === hash)
  }
  /** Where the next piece begins; the last tenant of the one before. */
  let after = ""
  const checkpoint = Effect.gen(function* () {
    const found = yield* store.heads(after, pieceMax)
    after = found.length < pieceMax ? "" : found.at(-1)!.tenantId
    yield* Effect.forEach(
      found.filter((head) => !isSigned(head)),
      ({ tenantId }) => goingOn("a tenant's checkpoints", tenantId, checkpointOne(tenantId)),
      { concurrency: tenantsAtOnce }
    )
    return after === "" ? 0 : found.length
  })

  // ---- cuts
  const diedLines = yield* Seldom.make
  const keptLines = yield* Seldom.make
  /** Where the next piece of them begins: behind a full page, whatever came of it. */
  let cutsAfter = ""
  /** Since the first piece: of a long one more may be left, however many bad ones stood behind it. */
  let cutRows = 0
  const finishCuts = Effect.gen(function* () {
    const found = yield* cuts.unfinished(cutsAfter, pieceMax)
    cutsAfter = found.length < pieceMax ? "" : found.at(-1)!
    for (const tenantId of found) {
      cutRows += yield* cuts
        .finish(tenantId, Cuts.pieceRows)
        .pipe(unlessItDies("a tenant's cut", 0, diedLines), Effect.annotateLogs({ tenantId }))
    }
    if (cutsAfter !== "") return found.length
    const erased = cutRows
    cutRows = 0
    return erased
  })
  const retentionMs = Duration.toMillis(retention)
  /** Answers whether a piece of it went. */
  const retainOne = Effect.fnUntraced(function* (tenantId: string) {
    const caller = yield* sweep
    const outcome = yield* checkpoints.checkpoint(tenantId, caller)
    if (outcome._tag === "Broken") return yield* Effect.as(alarm.broken(tenantId, outcome.broken), false)
    // Of a removed tenant nothing is committed any more: its head is signed for the stub's sake.
    const head = outcome._tag === "Sign" ? outcome.point : outcome.stored
    const piece = yield* cuts.piece(tenantId, null, caller.principal, head)
    if (piece._tag === "Broken") return yield* Effect.as(alarm.broken(tenantId, piece.broken), false)
    if (piece._tag === "Nothing") return false
    yield* notes.row(globalTenantId, caller, Cuts.actOf(piece.stub, piece.publicKey))
    yield* cuts.cut(piece.stub)
    return true
  })
  const retain = Effect.gen(function* () {
    if (retentionMs === 0) return 0
    let pieces = 0
    let after = ""
    while (true) {
      const found = yield* cuts.abandoned(retentionMs, after, pieceMax)
      for (const tenantId of found) {
        const done = retainOne(tenantId).pipe(
          Effect.catch(({ _tag: reason }) =>
            Effect.as(
              keptLines.tell(Effect.logWarning("an audit is kept until the next turn", { tenantId, reason })),
              false
            )
          )
        )
        if (yield* done.pipe(unlessItDies("a tenant's retention", false, diedLines), Effect.annotateLogs({ tenantId })))
          pieces += 1
      }
      if (found.length < pieceMax) return pieces
      after = found.at(-1)!
    }
  })

  return AuditSweeps.of({ writeRefusals, checkpoint, finishCuts, retain })
})

export const layer = Layer.effect(AuditSweeps, make)
