/**
 * The head of a tenant's audit, signed from time to time.
 *
 * A checkpoint is the signed head of a chain as it was committed. It goes into the database and, as
 * the event `audit.checkpoint`, to whoever keeps events; so a tail that is cut off, or a chain that
 * is written anew, contradicts what is kept elsewhere.
 */
import { Clock, Effect, Result } from "effect"
import { AuditSigner } from "../../crypto/AuditSigner.ts"
import { signedBytes } from "../../store/AuditCheckpointBytes.ts"
import { AuditStore } from "../../store/AuditStore.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"

export const make = Effect.gen(function* () {
  const store = yield* AuditStore
  const signer = yield* AuditSigner
  const events = yield* EventWriter

  /** Signs the present head; null when there is nothing to sign. Nothing is written but by the command. */
  const checkpoint = Effect.fnUntraced(function* (tenantId: string, caller: Caller) {
    const head = yield* store.head(tenantId)
    if (head.seq === 0) return null
    const at = yield* Clock.currentTimeMillis
    const unsigned = { tenantId, seq: head.seq, hash: head.hash, at }
    const { keyId, publicKey, signature } = signer.sign(signedBytes(unsigned))
    const command: Command<number> = {
      name: "audit.checkpoint",
      caller,
      load: {},
      onRemovedTenant: true,
      decide: (workspace) => {
        workspace.checkpoint({ ...unsigned, keyId, signature })
        workspace.announce(
          events.json({
            tenantId,
            type: "audit.checkpoint",
            entityKey: `audit/${tenantId}`,
            subject: tenantId,
            version: head.seq,
            at: workspace.now,
            data: {
              event_type: "audit.checkpoint",
              tenant_id: tenantId,
              seq: head.seq,
              hash: head.hash,
              at,
              key_id: keyId,
              public_key: publicKey,
              signature: Buffer.from(signature).toString("base64url"),
              timestamp: events.iso(workspace.now)
            },
            afterRevocation: false
          })
        )
        return Result.succeed(head.seq)
      }
    }
    return command
  })

  return { checkpoint }
})
