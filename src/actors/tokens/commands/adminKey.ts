/**
 * An `Idempotency-Key` of a request whose tenant stands in its body: `tenants.create`, `configure`, `remove`.
 *
 * What a key stands for is kept with the tenant that the request changes, so the same key with another tenant in its body
 * would be looked for in another place, and a second thing be done with it. So `global`, where all of them meet, first
 * keeps which body the key was used with; the answer itself is kept with the change, in its transaction.
 */
import { Result } from "effect"
import type { Command } from "../../tenant/Command.ts"
import type { Caller } from "../../tenant/Tenants.ts"

/** Null: no key. Succeeds for the first body of the key and for the same one again. */
export const claimAdminKey = (caller: Caller): Command<null> | null =>
  caller.idempotency === null
    ? null
    : {
        name: "idempotency.claim",
        // Beside what the operation keeps on `global` itself.
        caller: {
          ...caller,
          idempotency: { ...caller.idempotency, operation: `admin ${caller.idempotency.operation}` }
        },
        load: {},
        decide: () => Result.succeed(null)
      }
