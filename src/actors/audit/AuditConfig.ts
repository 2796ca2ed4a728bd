/** Settings of the audit. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../../observability/Setting.ts"

const config = Config.all({
  refusalWindow: Setting.duration({
    name: "CM_AUDIT_REFUSAL_WINDOW",
    min: "1 second",
    max: "1 hour",
    byDefault: "30 seconds",
    about: "Refusals that repeat within this time become one row of the audit with their number."
  }),
  refusalsMax: Setting.int({
    name: "CM_AUDIT_REFUSALS_MAX",
    unit: "refusals",
    min: 1,
    max: 1_000_000,
    byDefault: 10_000,
    about: "Different refusals that are counted at once; one more is counted by its tenant and reason only."
  }),
  refusalIdsMax: Setting.int({
    name: "CM_AUDIT_REFUSAL_IDS_MAX",
    unit: "ids",
    min: 1,
    max: 10_000,
    byDefault: 8,
    about:
      "Different ids that one actor is refused for one reason within that time and that get rows; the others are one number."
  }),
  verificationsMax: Setting.int({
    name: "CM_AUDIT_VERIFICATIONS_MAX",
    unit: "verifications",
    min: 1,
    max: 64,
    byDefault: 4,
    about: "Audits that one replica verifies at once, each tenant's once. One more is answered 429."
  }),
  retention: Setting.duration({
    name: "CM_AUDIT_RETENTION",
    min: "0 seconds",
    max: "36500 days",
    byDefault: "0 seconds",
    about: "How long the audit of a tenant that was removed is kept after its last row; 0: for ever."
  }),
  retentionEvery: Setting.duration({
    name: "CM_AUDIT_RETENTION_EVERY",
    min: "1 second",
    max: "1 day",
    byDefault: "1 hour",
    about: "How often it is looked for audits whose retention is over, and for cuts that were interrupted."
  }),
  checkpointEvery: Setting.duration({
    name: "CM_AUDIT_CHECKPOINT_EVERY",
    min: "1 second",
    max: "1 day",
    byDefault: "5 minutes",
    about: "How often the head of each tenant's audit chain is signed and published, when it has moved."
  })
})

export class AuditConfig extends Context.Service<AuditConfig, Config.Success<typeof config>>()(
  "cm/actors/AuditConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
