/** `Audit` over the store's rows and checkpoints. */
import { Effect, Layer } from "effect"
import * as errors from "../../domain/errors.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import type { PublishedUnavailable } from "../../store/PublishedCheckpoints.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { AuditAct } from "../../store/TenantStore.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import * as Acceptances from "./Acceptances.ts"
import * as AcceptedRows from "./AcceptedRows.ts"
import { Audit, type AuditListRequest, keyLinksMax } from "./Audit.ts"
import { AuditAlarm } from "./AuditAlarm.ts"
import { AuditNotes } from "./AuditNotes.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Cuts from "./Cuts.ts"
import * as Repairs from "./Repairs.ts"
import { SignedHeads } from "./SignedHeads.ts"
import * as Verification from "./Verification.ts"

const readFailed = (error: StoreUnavailable | PublishedUnavailable) =>
  error._tag === "StoreUnavailable"
    ? ExistingTenant.readFailed(error)
    : new errors.Unavailable({ part: "events", committed: false })

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const heads = yield* SignedHeads
  const checkpoints = yield* Checkpoints.make
  const store = yield* AuditStore
  const existing = yield* ExistingTenant.make
  const verification = yield* Verification.make
  const alarm = yield* AuditAlarm
  const notes = yield* AuditNotes
  const repairs = yield* Repairs.make
  const cuts = yield* Cuts.make
  const acceptances = yield* Acceptances.make
  const acceptedRows = yield* AcceptedRows.inRows

  const readAct = (action: "audit.listed" | "audit.verified" | "audit.signed", tenantId: string): AuditAct => ({
    ...{ action, entityType: "audit", entityId: tenantId, diff: null }
  })
  /** Rows that a cut took away, and that are there still, are shown to nobody. */
  const listed = (tenantId: string, request: AuditListRequest) =>
    Effect.gen(function* () {
      const { stub } = yield* cuts.start(tenantId)
      const after = String(Math.max(Number(request.after ?? 0), stub?.last ?? 0))
      return yield* store.list(tenantId, { ...request, after })
    }).pipe(Effect.mapError(ExistingTenant.readFailed))

  return Audit.of({
    // What a tenant wrote that had this name before is another tenant's.
    list: Effect.fnUntraced(function* (tenantId, request, caller) {
      yield* existing(tenantId)
      yield* notes.counted(caller, readAct("audit.listed", tenantId))
      const first = yield* Effect.mapError(store.beginning(tenantId), ExistingTenant.readFailed)
      return yield* listed(tenantId, { ...request, after: String(Math.max(Number(request.after ?? 0), first - 1)) })
    }),
    listAny: Effect.fnUntraced(function* (tenantId, request, caller) {
      const { seq } = yield* Effect.mapError(store.head(tenantId), ExistingTenant.readFailed)
      if (seq === 0) return yield* new errors.TenantNotFound({ tenantId })
      const act = readAct("audit.listed", tenantId)
      yield* notes.counted(caller, act)
      if (request.after === null && tenantId !== globalTenantId) {
        yield* Effect.catchTag(notes.row(tenantId, caller, act), "TenantNotFound", () => Effect.void)
      }
      return yield* listed(tenantId, request)
    }),
    verify: (tenantId, range, caller) =>
      existing(tenantId).pipe(
        Effect.andThen(notes.counted(caller, readAct("audit.verified", tenantId))),
        Effect.andThen(verification.verify(tenantId, range)),
        Effect.tap(({ firstBroken }) => {
          if (firstBroken !== null) return alarm.broken(tenantId, firstBroken)
          return range.from === null && range.to === null ? alarm.holds(tenantId) : Effect.void
        }),
        Effect.catchTags({
          StoreUnavailable: (error) => Effect.fail(ExistingTenant.readFailed(error)),
          PublishedUnavailable: () => Effect.fail(new errors.Unavailable({ part: "events", committed: false }))
        })
      ),
    repair: Effect.fnUntraced(function* (tenantId, seq, caller) {
      yield* existing(tenantId)
      const act = yield* Effect.catchTag(repairs.explain(tenantId, seq), "StoreUnavailable", (error) =>
        Effect.fail(ExistingTenant.readFailed(error))
      )
      yield* notes.row(globalTenantId, caller, { ...act, entityId: `${tenantId}/${act.entityId}` })
      yield* notes.row(tenantId, caller, act)
    }),
    sign: Effect.fnUntraced(function* (tenantId, caller) {
      const asking = { ...caller, idempotency: null }
      yield* notes.counted(caller, readAct("audit.signed", tenantId))
      const outcome = yield* Effect.mapError(checkpoints.checkpoint(tenantId, asking), readFailed)
      if (outcome._tag === "Broken") {
        yield* alarm.broken(tenantId, outcome.broken)
        const { reason, seq } = outcome.broken
        return yield* new errors.InvalidRequest({
          path: "tenantId",
          reason: `its audit is broken at ${seq}: ${reason}`
        })
      }
      if (outcome._tag === "Nothing") {
        if (outcome.stored === null) return yield* new errors.TenantNotFound({ tenantId })
        const { links, point, publicKey } = yield* Effect.mapError(
          checkpoints.again(outcome.stored, asking),
          ExistingTenant.readFailed
        )
        return { ...point, publicKey, links: links.slice(0, keyLinksMax) }
      }
      const { command, links, point, publicKey } = outcome
      // One that was removed has no checkpoint of its own any more: what is answered is signed all the same.
      const asked = Effect.tap(actors.ask(tenantId, command), () => Effect.sync(() => heads.signedUnsafe(point)))
      yield* Effect.catchTag(asked, "TenantNotFound", () => Effect.succeed(0))
      return { ...point, publicKey, links: links.slice(0, keyLinksMax) }
    }),
    accept: Effect.fnUntraced(function* (tenantId, request, caller) {
      yield* existing(tenantId)
      const outcome = yield* Effect.catchTags(acceptances.accept(tenantId, request, caller), {
        StoreUnavailable: (error) => Effect.fail(readFailed(error)),
        PublishedUnavailable: (error) => Effect.fail(readFailed(error))
      })
      const { links, point, publicKey } = outcome
      if (outcome._tag === "Sign") {
        yield* actors.ask(tenantId, outcome.command)
        heads.signedUnsafe(point)
        yield* alarm.holds(tenantId)
      }
      // Never before it is so; whoever asks again after a stop between the two has it told.
      if (tenantId !== globalTenantId) {
        const told = yield* Effect.mapError(acceptedRows(tenantId, { in: globalTenantId }), readFailed)
        if (!told.some(({ signature }) => Buffer.compare(signature, point.signature) === 0)) {
          yield* Effect.mapError(
            notes.row(globalTenantId, caller, AcceptedRows.actOf(point, publicKey, tenantId)),
            // What was asked for is done.
            (error) => (error._tag === "Unavailable" ? new errors.Unavailable({ ...error, committed: true }) : error)
          )
        }
      }
      return { ...point, publicKey, links: links.slice(0, keyLinksMax) }
    }),
    cut: Effect.fnUntraced(function* (tenantId, before, caller) {
      const { seq } = yield* Effect.mapError(store.head(tenantId), readFailed)
      if (seq === 0) return yield* new errors.TenantNotFound({ tenantId })
      yield* Effect.mapError(cuts.finish(tenantId, Cuts.pieceRows), readFailed)
      const piece = yield* Effect.mapError(cuts.piece(tenantId, before, caller.principal, null), readFailed)
      if (piece._tag === "Nothing") return null
      if (piece._tag === "Broken") {
        yield* alarm.broken(tenantId, piece.broken)
        const reason = `its audit is broken at ${piece.broken.seq}: ${piece.broken.reason}`
        return yield* new errors.InvalidRequest({ path: "tenantId", reason })
      }
      const { more, publicKey, stub } = piece
      const act = Cuts.actOf(stub, publicKey)
      yield* notes.row(globalTenantId, caller, act)
      if (tenantId !== globalTenantId) {
        yield* Effect.catchTag(notes.row(tenantId, caller, act), "TenantNotFound", () => Effect.void)
      }
      yield* Effect.mapError(cuts.cut(stub), readFailed)
      return { ...stub, publicKey, more }
    }),
    tell: (act, caller) => notes.tried(caller, act)
  })
})

export const layer = Layer.effect(Audit, make)
