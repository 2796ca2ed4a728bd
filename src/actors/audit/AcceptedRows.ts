/**
 * The rows of a chain that say which losses were accepted: each carries the signed checkpoint itself, so that it
 * is believed by its signature, and a chain that is whole cannot be without it.
 */
import { Effect, Schema } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { checkpointOf, fieldsOf, signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { type AuditCheckpoint, AuditStore } from "../../store/AuditStore.ts"
import type { AuditAct } from "../../store/TenantStore.ts"

const action = "audit.accepted"
const entityType = "audit"
/** One for all, so that the rows of a chain are found by it. */
const entityId = "accepted-losses"
const pageRows = 100

const Said = Schema.Struct({
  seq: Schema.Int,
  hash: Schema.String,
  at: Schema.Int,
  number: Schema.Int,
  previous_seq: Schema.NullOr(Schema.Int),
  previous_hash: Schema.NullOr(Schema.String),
  accepted: Schema.Struct({
    ...{ lost_seq: Schema.Int, lost_hash: Schema.String },
    ...{ by: Schema.String, reason: Schema.String }
  }),
  key_id: Schema.String,
  signature: Schema.String
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Said))

/** The row that says it, in the tenant's chain; in the audit of `global` with the tenant as its entity. */
export const actOf = (point: AuditCheckpoint, publicKey: string, about = entityId): AuditAct => ({
  ...{ action, entityType, entityId: about, diff: fieldsOf(point, publicKey) }
})

/**
 * Those that stand in a tenant's rows, or of a tenant in those of `global`. Whose signature is not good is none: its
 * row is for the walk to judge.
 */
export const inRows = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  return Effect.fnUntraced(function* (tenantId: string, told?: { readonly in: string }) {
    const points: Array<AuditCheckpoint> = []
    let after: string | null = null
    while (true) {
      const about = told === undefined ? entityId : tenantId
      const query = { entityId: about, action, from: null, to: null, limit: pageRows, after }
      const page: Effect.Success<ReturnType<typeof store.list>> = yield* store.list(told?.in ?? tenantId, query)
      for (const { diff } of page.content) {
        const said = decode(diff ?? "")
        if (said._tag === "None") continue
        const point = checkpointOf(tenantId, said.value)
        if (signer.verify(point.keyId, signedBytes(point), point.signature, point.at)) points.push(point)
      }
      if (page.next === null) return points
      after = page.next
    }
  })
})
