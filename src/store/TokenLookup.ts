/**
 * The hot path's way to the truth: many tokens in one statement, nothing else.
 *
 * Each call is one snapshot of the primary: a row comes with its tenant's revocation sequence as it
 * was at that moment (`readSeq`). What belongs to an
 * application that is removed or out of service, or to a removed tenant, is not found.
 * The caller decides how many calls are under way. Promises and plain arrays, because this is
 * called a thousand times a second from outside any fiber.
 */
import { Context } from "effect"
import type { HotToken } from "../domain/HotToken.ts"

export class TokenLookup extends Context.Service<
  TokenLookup,
  {
    /**
     * Rejects with `StoreUnavailable`. Hashes are 32 bytes each; the answer has a place for each of them,
     * in their order: the token, or undefined where there is none.
     */
    readonly byHash: (hashes: ReadonlyArray<Uint8Array>) => Promise<ReadonlyArray<HotToken | undefined>>
    /** Live applications of live tenants: name to tenant. */
    readonly applications: (
      appNames: ReadonlyArray<string>
    ) => Promise<ReadonlyArray<{ readonly appName: string; readonly tenantId: string }>>
  }
>()("cm/store/TokenLookup") {}
