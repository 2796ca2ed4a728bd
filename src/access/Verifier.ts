/**
 * From an `Authorization` header to who sent it.
 *
 * The token is read, its issuer chosen (the tenant's, or the platform's, by what it claims), its signature
 * compared with that issuer's keys and no others, and its claims with what that issuer must say, at the time of
 * Effect's clock. What was found right is remembered by the token's hash, until it ends, its key is no longer
 * the issuer's, or the tenant's issuer is another: whoever remembers asks for all three at every use. A
 * token that was refused is not remembered.
 *
 * Contract, section 8.2.
 */
import { createHash } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer, Result } from "effect"
import { Unauthenticated, Unavailable } from "../domain/errors.ts"
import { type Issuer, platformName } from "../domain/Issuer.ts"
import { AccessConfig } from "./AccessConfig.ts"
import { type Claims, hasEnded, judge, type Read, type RefusalReason, read, tokenOf } from "./BearerToken.ts"
import { type Grants, grantsOf } from "./Grants.ts"
import type { IssuerClient } from "./IssuerClient.ts"
import * as IssuerKeys from "./IssuerKeys.ts"
import { importKey, type Key } from "./KeySet.ts"

export interface Verified {
  /** `bearer:<tenantId>/<sub>`; `bearer:kaa/<sub>` for the platform's issuer. */
  readonly principal: string
  /** `azp`, else `client_id`. */
  readonly client: string | null
  readonly grants: Grants
}

interface Remembered extends Verified {
  /** Another configuration of the tenant has key objects of its own. */
  readonly key: Key
  readonly ends: Pick<Claims, "expiresAt">
  readonly bytes: number
}

/** Of what is remembered of tokens, about: a token's grants take several times its length. */
export const rememberedBytesMax = 64 * 1_048_576
const bytesPerCharacter = 8

export class Verifier extends Context.Service<
  Verifier,
  {
    /** The header's token, as one for this tenant; `tenantId` null for the platform itself. */
    readonly verify: (
      header: string,
      asked: { readonly tenantId: string | null; readonly issuer: Issuer | null }
    ) => Effect.Effect<Verified, Unauthenticated | Unavailable>
    readonly censusUnsafe: () => { readonly issuers: number; readonly tokens: number; readonly bytes: number }
  }
>()("cm/access/Verifier") {
  static readonly layer: Layer.Layer<Verifier, never, AccessConfig | IssuerClient> = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

/** Under this the platform's keys are kept: no tenant has this id. */
const platformKey = ""

const refuse = (reason: RefusalReason) => Effect.fail(new Unauthenticated({ reason }))
/** In 46 modules, so it is loaded where it is used and not with every start. */
const jose = Effect.promise(() => import("jose"))
const away = () => new Unavailable({ part: "issuer", committed: false })

const make = Effect.gen(function* () {
  const config = yield* AccessConfig
  const clock = yield* Clock.Clock
  const keys = yield* IssuerKeys.make
  const skewMs = Duration.toMillis(config.clockSkew)
  /** By hash, in the order of their last use. */
  const remembered = new Map<string, Remembered>()

  const now = () => clock.currentTimeMillisUnsafe()
  const hashOf = (owner: string, token: string): string =>
    createHash("sha256").update(owner).update("\0").update(token).digest("base64")

  let rememberedBytes = 0
  const forgetToken = (hash: string): void => {
    rememberedBytes -= remembered.get(hash)?.bytes ?? 0
    remembered.delete(hash)
  }
  const remember = (hash: string, verified: Remembered): void => {
    forgetToken(hash)
    remembered.set(hash, verified)
    rememberedBytes += verified.bytes
    for (const oldest of remembered.keys()) {
      if (remembered.size <= config.verifiedTokensMax && rememberedBytes <= rememberedBytesMax) return
      forgetToken(oldest)
    }
  }

  /** What was verified before, if every reason for it stands still. */
  const recall = (hash: string, of: IssuerKeys.IssuerEntry): Remembered | undefined => {
    const found = remembered.get(hash)
    if (found === undefined) return undefined
    forgetToken(hash)
    if (!of.keys.includes(found.key) || hasEnded(found.ends, now(), skewMs)) return undefined
    remember(hash, found)
    return found
  }

  const madeBy = (token: string, { algorithm }: Read, key: Key): Effect.Effect<boolean> =>
    Effect.flatMap(jose, ({ compactVerify, importJWK }) =>
      Effect.promise(() =>
        importKey(importJWK, key, algorithm)
          .then((imported) => compactVerify(token, imported, { algorithms: [algorithm] }))
          .then(
            () => true,
            () => false
          )
      )
    )

  /** The key of the issuer that signed the token. */
  const signer = Effect.fnUntraced(function* (of: IssuerKeys.IssuerEntry, token: string, claimed: Read) {
    const found = yield* Effect.mapError(keys.find(of, claimed.algorithm, claimed.keyId), away)
    for (const key of found) if (yield* madeBy(token, claimed, key)) return key
    return yield* refuse("signature")
  })

  const verify = Effect.fnUntraced(function* (
    header: string,
    asked: { readonly tenantId: string | null; readonly issuer: Issuer | null }
  ) {
    const token = tokenOf(header)
    if (token === null) return yield* refuse("malformed")
    const claimed = read(token)
    if (Result.isFailure(claimed)) return yield* refuse(claimed.failure)
    const { claims } = claimed.success
    const isPlatform = asked.tenantId === null || claims.issuer === config.platform?.issuer
    const issuer = isPlatform ? config.platform : asked.issuer
    if (issuer === null) return yield* refuse("no_issuer")
    if (claims.issuer !== issuer.issuer) return yield* refuse("issuer")

    const owner = isPlatform ? platformKey : (asked.tenantId ?? platformKey)
    const of = keys.entry(owner, issuer)
    const hash = hashOf(owner, token)
    yield* Effect.mapError(keys.usable(of), away)
    const known = recall(hash, of)
    if (known !== undefined) return known
    const key = yield* signer(of, token, claimed.success)
    const reason = judge(claims, issuer, now(), skewMs)
    if (reason !== null) return yield* refuse(reason)
    const verified: Remembered = {
      principal: `bearer:${isPlatform ? platformName : owner}/${claims.subject}`,
      client: claims.client,
      grants: grantsOf(claims.all, isPlatform ? "platform" : "tenant"),
      key,
      ends: { expiresAt: claims.expiresAt },
      bytes: token.length * bytesPerCharacter
    }
    remember(hash, verified)
    return verified
  })

  return Verifier.of({
    verify,
    censusUnsafe: () => ({ ...keys.censusUnsafe(), tokens: remembered.size })
  })
})
