/** `keys.*`: what travels. */
import { Schema } from "effect"
import { AnsweredDate, Count, Cursor, EntityId, page, WholeLimit } from "./Field.ts"

export const ListKeys = Schema.Struct({ limit: WholeLimit, cursor: Cursor })
export const RotateKeys = Schema.Struct({
  purpose: Schema.optionalKey(
    Schema.Literals(["token-hash", "seal", "tenant-data", "audit-signing", "fingerprint"]).annotate({
      description: "which keys; without it token-hash, seal and tenant-data"
    })
  ),
  force: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "also a key that followed another less than CM_KEYS_AGE_MIN ago" })
  )
})
export const RetireKey = Schema.Struct({ keyId: EntityId })

export const KeyAnswer = Schema.Struct({
  keyId: Schema.String,
  purpose: Schema.String.annotate({
    description: "what the key is for: token-hash, seal, fingerprint, tenant-data, …"
  }),
  tenantId: Schema.optionalKey(Schema.String.annotate({ description: "whose data key it is" })),
  state: Schema.Literals(["active", "retiring", "retired"]),
  createdDate: AnsweredDate,
  rows: Count.annotate({ description: "rows that need the key; 1,000 stands for that many or more" })
})
export const KeyPage = page(KeyAnswer)

export const RotateAnswer = Schema.Struct({
  keyIds: Schema.Array(Schema.String).annotate({
    description: "the service's new keys; empty when they were rotated a moment ago"
  }),
  tenants: Count.annotate({ description: "tenants that get a new data key" }),
  notRotated: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        keyId: Schema.String,
        purpose: Schema.String,
        code: Schema.String.annotate({
          description: "LIMIT_REACHED: rows are under the keys before it still, or it is new and `force` was not given"
        }),
        reasonPhrase: Schema.String
      })
    ).annotate({ description: "keys that stay as they are; absent when there are none" })
  )
})
export const StatusAnswer = Schema.Struct({
  state: Schema.Literals(["idle", "running"]),
  total: Count,
  done: Count,
  etaSeconds: Schema.optionalKey(Count)
})
export const RetireAnswer = Schema.Struct({ keyId: Schema.String, state: Schema.Literal("retired") })
