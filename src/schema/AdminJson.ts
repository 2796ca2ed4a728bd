/** `health`, `ready`, `config.show`, `drain` and the error body: what travels. */
import { Schema } from "effect"
import { Count } from "./Field.ts"

const Checks = Schema.Record(Schema.String, Schema.NullOr(Schema.String)).annotate({
  description: "each part: null when it works, else why it does not"
})

export const HealthAnswer = Schema.Struct({
  status: Schema.Literals(["up", "degraded", "stopping"]),
  instance: Schema.String,
  replicaId: Schema.String,
  version: Schema.String,
  checks: Checks,
  actors: Count,
  waiting: Count,
  hotTokens: Count
})
export const ReadyAnswer = Schema.Struct({ ready: Schema.Boolean, replicaId: Schema.String, checks: Checks })

export const ConfigAnswer = Schema.Struct({
  settings: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      /** Null: not set, the default holds. */
      value: Schema.NullOr(Schema.String),
      byDefault: Schema.String,
      unit: Schema.String,
      range: Schema.String,
      about: Schema.String
    })
  )
})

export const DrainAnswer = Schema.Struct({ replicaId: Schema.String, draining: Schema.Boolean })

export const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    code: Schema.String,
    statusCode: Schema.Int,
    reasonPhrase: Schema.String,
    details: Schema.Record(Schema.String, Schema.Unknown),
    correlationId: Schema.String
  })
})
