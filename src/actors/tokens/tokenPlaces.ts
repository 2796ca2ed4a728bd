/**
 * Where tokens are, for who may not touch everything of a tenant: by id, by value, by endpoint.
 *
 * By value a token is found as a validation finds it, without counting as a use.
 */
import { Effect } from "effect"
import * as errors from "../../domain/errors.ts"
import { tokensPerEndpointMax } from "../../domain/Names.ts"
import type { Token } from "../../domain/Token.ts"
import type { TenantStore } from "../../store/TenantStore.ts"
import { readFailed } from "../tenant/ExistingTenant.ts"
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

export const applicationsOfEndpoint = (
  store: Pick<TenantStore["Service"], "listTokens">,
  tenantId: string,
  endpointId: string
): Finds<ReadonlyArray<string>> => {
  const all = { appName: null, endpointId, statuses: [], after: null, limit: tokensPerEndpointMax }
  return Effect.map(Effect.mapError(store.listTokens(tenantId, { ...all, order: "ASC" }), readFailed), ({ content }) =>
    Array.from(new Set(content.map(({ appName }) => appName)))
  )
}
