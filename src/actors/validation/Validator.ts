/**
 * The hot path: from the bytes of a validation request to the bytes of its answer.
 *
 * `answerUnsafe` is called from the NATS callback. It answers at once when the hot table knows the
 * token and the lease holds, else later, when the coalesced miss has been read. It calls `respond`
 * exactly once, never throws and never returns a promise.
 *
 * `statusCode` is handed out for counting; the bytes are the whole reply.
 */
import { Context } from "effect"
import type { PlainItems } from "../../schema/PlainItems.ts"
import type { VerdictsWriter } from "../../schema/VerdictsJson.ts"
import type { ValidationAnswer } from "../tenant/Tenants.ts"

export type Respond = (reply: Uint8Array, statusCode: number) => void

export class Validator extends Context.Service<
  Validator,
  {
    /**
     * 16/ECAP EndpointTokenValidationRequest in, EndpointTokenValidationResponse out. `keepLittle` is called where the
     * answer is held back: what the caller keeps for it until then should be little. It must not throw.
     */
    readonly answerUnsafe: (request: Uint8Array, respond: Respond, keepLittle?: () => void) => void
    /**
     * The same for texts: `tenantId` null accepts the application of any tenant; otherwise another
     * tenant's application is answered like an unknown one. `done` is called exactly once.
     */
    readonly validateUnsafe: (
      tenantId: string | null,
      appName: string,
      token: string,
      dryRun: boolean,
      done: (answer: ValidationAnswer) => void
    ) => void
    /**
     * Writes the verdict of the tenant's item of a batch, where it is that of a hot and good token; false: `validateUnsafe` is
     * to be asked, and nothing is written.
     */
    readonly writeUnsafe: (tenantId: string, items: PlainItems, item: number, verdicts: VerdictsWriter) => boolean
    /**
     * Whose application it is, as far as this replica knows, for who shares out places and turns; null where it does
     * not know, which it asks for then. It decides nothing else.
     */
    readonly tenantOfUnsafe: (appName: string) => string | null
    /** Resolves when every accepted request has been answered. For an orderly stop. */
    readonly drained: () => Promise<void>
    readonly inFlight: () => number
  }
>()("cm/actors/Validator") {}
