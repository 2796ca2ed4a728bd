/** The clockwork behind the audit: checkpoints of its chains, what is cut, and rows for the refusals that were counted. */
import { Duration, Effect, Layer } from "effect"
import { AuditConfig } from "../actors/audit/AuditConfig.ts"
import { AuditSweeps } from "../actors/audit/Sweeps.ts"
import * as Clockwork from "./Clockwork.ts"

const refusalsEvery = Duration.seconds(1)

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { checkpointEvery, retentionEvery } = yield* AuditConfig
    const audit = yield* AuditSweeps
    const { every, swept } = yield* Clockwork.make("audit")
    yield* every("checkpoints", checkpointEvery, swept("checkpoint", audit.checkpoint))
    yield* every("cuts", retentionEvery, swept("cuts", audit.finishCuts))
    yield* every("retention", retentionEvery, swept("retention", audit.retain))
    yield* every("refusals", refusalsEvery, Effect.asVoid(audit.writeRefusals({ all: false })))
  })
)
