/**
 * Where tokens are, for who may not touch everything of a tenant: by id and by value.
 *
 * By value a token is found as a validation finds it, without counting as a use.
 */
import { Effect } from "effect"
import * as errors from "../../domain/errors.ts"
import type { Token } from "../../domain/Token.ts"
import type { TokenPlace, TokenRef, ValidationAnswer } from "../tenant/Tenants.ts"

type ByValue = Exclude<TokenRef, { readonly tokenId: string }>
type Finds<A> = Effect.Effect<A, errors.Unavailable>

/** Reads of single tokens for one request. */
const lookupsAtOnce = 16

export const tokenPlaces = (
  refs: ReadonlyArray<TokenRef>,
  find: {
    readonly byId: (tokenId: string) => Finds<Token | undefined>
    readonly byValue: (ref: ByValue) => Finds<ValidationAnswer>
  }
): Finds<ReadonlyArray<TokenPlace | null>> => {
  const placeOf = (ref: TokenRef): Finds<TokenPlace | null> =>
    "tokenId" in ref
      ? Effect.map(find.byId(ref.tokenId), (token) =>
          token === undefined ? null : { endpointId: token.endpointId, appName: token.appName }
        )
      : Effect.flatMap(find.byValue(ref), ({ endpointId, statusCode }) =>
          statusCode === 429 || statusCode >= 500
            ? Effect.fail(new errors.Unavailable({ part: "database", committed: false }))
            : Effect.succeed(endpointId === null ? null : { endpointId, appName: ref.appName })
        )
  return Effect.forEach(refs, placeOf, { concurrency: lookupsAtOnce })
}
