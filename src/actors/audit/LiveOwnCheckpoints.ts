/** `OwnCheckpoints` by the audit's keys. */
import { Effect, Layer } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { OwnCheckpoints } from "../../store/OwnCheckpoints.ts"

/** Needs `AuditSigner`. */
export const layer = Layer.effect(
  OwnCheckpoints,
  Effect.map(AuditSigner, ({ ready, verify }) => ({
    ready,
    isOwn: (point) => verify(point.keyId, signedBytes(point), point.signature, point.at)
  }))
)
