/**
 * The work on audits that nobody asked for by request: counted refusals become rows, heads are signed.
 *
 * `rotation` decides when. What is written goes through the tenant's actor; two replicas that do the
 * same piece do it once.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Metric, Option, Result, Schedule } from "effect"
import { servicePrincipal } from "../../domain/Principal.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { Command } from "../tenant/Command.ts"
import { goingOn } from "../tenant/goingOn.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { AuditConfig } from "./AuditConfig.ts"
import * as Checkpoints from "./Checkpoints.ts"
import type { RefusalBatch } from "./RefusalLedger.ts"
import { Refusals } from "./Refusals.ts"

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
    /** Heads of audit chains that have moved: signed and announced. */
    readonly checkpoint: Effect.Effect<number, ChangeError | StoreUnavailable>
  }
>()("cm/actors/AuditSweeps") {}

const caller: Caller = { ...servicePrincipal("service"), correlationId: "sweep", idempotency: null }

const signed = Metric.counter("cm_audit_checkpoints_total", {
  description: "Heads of audit chains that were signed",
  incremental: true
})

/** What became of a batch of counted refusals, from what its asker was answered. */
const becameOf = (
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
  const { refusalWindow } = yield* AuditConfig
  const checkpoints = yield* Checkpoints.make
  const windowMs = Duration.toMillis(refusalWindow)

  // ---- counted refusals
  /** Answers whether it is written. An interruption tells nothing: the batch stays taken, and is given again. */
  const writeBatch = Effect.fnUntraced(function* (batch: RefusalBatch) {
    const exit = yield* Effect.exit(actors.ask(batch.tenantId, recordCounted(batch, caller)))
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

  const checkpointOne = Effect.fnUntraced(function* (tenantId: string) {
    const command = yield* checkpoints.checkpoint(tenantId, caller)
    if (command === null) return
    yield* actors.ask(tenantId, command)
    yield* Metric.update(signed, 1)
  })
  const checkpoint = Effect.gen(function* () {
    const tenantIds = yield* store.uncheckpointed(pieceMax)
    const done = yield* Effect.forEach(
      tenantIds,
      (tenantId) => goingOn("a tenant's checkpoints", tenantId, checkpointOne(tenantId)),
      {
        concurrency: tenantsAtOnce
      }
    )
    return done.filter(Boolean).length
  })

  return AuditSweeps.of({ writeRefusals, checkpoint })
})

export const layer = Layer.effect(AuditSweeps, make)
