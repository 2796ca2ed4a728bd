/** `health`, `ready`, `config.show`, `drain` and the error body: what travels. */
import { Schema } from "effect"
import { AnsweredDate, Count } from "./Field.ts"

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

const System = Schema.NullOr(
  Schema.Struct({
    url: Schema.String,
    /** When everything was read last, by this replica. */
    readDate: Schema.NullOr(AnsweredDate),
    problem: Schema.NullOr(Schema.String)
  })
)
const Configured = Schema.Struct({
  name: Schema.String,
  tenantId: Schema.String,
  source: Schema.String,
  /** Null: the defaults. */
  settings: Schema.Unknown,
  sinceDate: AnsweredDate,
  refused: Schema.NullOr(Schema.String),
  refusedDate: Schema.NullOr(AnsweredDate)
})
/** What other systems of the platform say: in force, from where, since when, and what was refused. */
export const PlatformAnswer = Schema.Struct({
  tekton: System,
  tenantManager: System,
  applications: Schema.Array(Configured),
  tenants: Schema.Array(Configured),
  refused: Schema.Array(
    Schema.Struct({
      system: Schema.String,
      tenantId: Schema.NullOr(Schema.String),
      appName: Schema.NullOr(Schema.String),
      reason: Schema.String,
      date: AnsweredDate
    })
  )
})
export type PlatformAnswer = typeof PlatformAnswer.Type

export const ConfigAnswer = Schema.Struct({
  platform: PlatformAnswer,
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
