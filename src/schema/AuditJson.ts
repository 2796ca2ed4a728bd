/** `audit.*`: what travels. A bound is a date or a sequence number, both inclusive. */
import { Schema, SchemaTransformation } from "effect"
import { AuditKeyLink } from "../domain/AuditKeyLink.ts"
import { CheckpointEvent } from "./EventJson.ts"
import * as Field from "./Field.ts"
import { IsoDate } from "./Timestamp.ts"

const SeqBound = Field.Version.pipe(
  Schema.decodeTo(
    Schema.Struct({ seq: Schema.Int }),
    SchemaTransformation.transform({ decode: (seq: number) => ({ seq }), encode: ({ seq }: { seq: number }) => seq })
  )
)
const DateBound = IsoDate.pipe(
  Schema.decodeTo(
    Schema.Struct({ at: Schema.Number }),
    SchemaTransformation.transform({ decode: (at: number) => ({ at }), encode: ({ at }: { at: number }) => at })
  )
)
const Bound = Schema.Union([SeqBound, DateBound])
const range = { from: Schema.optionalKey(Bound), to: Schema.optionalKey(Bound) }

const listed = {
  entityId: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Field.atMost(256))),
  ...range,
  limit: Field.Limit,
  cursor: Field.Cursor
}
export const ListAudit = Schema.Struct(listed)
export const ListAnyAudit = Schema.Struct({ tenantId: Field.TenantId, ...listed })
export const RepairAudit = Schema.Struct({ tenantId: Field.TenantId, seq: Field.Version })
export const RepairedAnswer = Schema.Struct({ tenantId: Schema.String, seq: Schema.Int, repaired: Schema.Boolean })
export const SignAudit = Schema.Struct({ tenantId: Field.TenantId })
export const CutAudit = Schema.Struct({ tenantId: Field.TenantId, before: Bound })
/** What went, and the stub that stands for it; `count` 0: nothing may go. `more`: ask again. */
export const CutAuditAnswer = Schema.Struct({
  tenantId: Schema.String,
  count: Schema.Int,
  more: Schema.Boolean,
  stub: Schema.optionalKey(
    Schema.Struct({
      tenant_id: Schema.String,
      first: Schema.Int,
      last: Schema.Int,
      hash: Schema.String,
      count: Schema.Int,
      by: Schema.String,
      at: Schema.Int,
      key_id: Schema.String,
      public_key: Schema.String,
      signature: Schema.String
    })
  )
})
const Head = Schema.Struct({ seq: Schema.Int, hash: Schema.String })
/** `lost` as `audit.verify` names it, so that nobody accepts another loss than the one meant. */
export const AcceptLoss = Schema.Struct({
  tenantId: Field.TenantId,
  lost: Schema.Struct({ seq: Field.Version, hash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)) }),
  reason: Schema.String.check(Schema.isPattern(/^[\s\S]{1,256}$/u), Field.wellFormed)
})
/** Field by field as the event `audit.checkpoint` has it, and the steps between the keys that ever signed. */
export const SignedAudit = Schema.Struct({
  ...CheckpointEvent.fields,
  audit_keys: Schema.optionalKey(
    Schema.Array(AuditKeyLink).annotate({ description: "absent when the signing key followed no other; newest first" })
  )
})
export const VerifyAudit = Schema.Struct(range)

export const AuditAnswer = Schema.Struct({
  seq: Schema.Int,
  at: Field.AnsweredDate,
  actor: Schema.String,
  /** How the actor was known; a row from before that was written down has none of these five. */
  by: Schema.optionalKey(Schema.String),
  account: Schema.optionalKey(Schema.String),
  user: Schema.optionalKey(Schema.String),
  client: Schema.optionalKey(Schema.String),
  correlationId: Schema.optionalKey(Schema.String),
  action: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  diff: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  prevHash: Schema.String,
  hash: Schema.String
})
export const AuditPage = Field.page(AuditAnswer)

export const VerdictAnswer = Schema.Struct({
  valid: Schema.Boolean,
  checked: Schema.Int,
  firstBroken: Schema.optionalKey(Schema.Struct({ seq: Schema.Int, reason: Schema.String })),
  /** Rows that hold by a note in the chain about text that was lost, the first of them. */
  repaired: Schema.optionalKey(Schema.Array(Schema.Int)),
  /** How far the announced checkpoints reach. */
  published: Schema.optionalKey(Schema.Struct({ seq: Schema.Int, at: Field.AnsweredDate })),
  /** Up to which row it was cut: a signed stub stands for those before. */
  cut: Schema.optionalKey(Schema.Struct({ seq: Schema.Int, at: Field.AnsweredDate, by: Schema.String })),
  /** The head that was signed last and that the chain does not have: what `admin.v1.audit.accept` asks to be named. */
  lost: Schema.optionalKey(Head),
  /** Losses that an operator accepted, the oldest first: what was signed behind `kept` up to `lost` is not there. */
  accepted: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        lost: Head,
        kept: Schema.NullOr(Head),
        from: Head,
        at: Field.AnsweredDate,
        by: Schema.String,
        reason: Schema.String
      })
    )
  )
})
