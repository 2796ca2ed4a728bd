/**
 * One exchange at a provider's token endpoint, and what is kept of it: the whole answer beside what it was
 * asked with, as one text that is sealed before anybody looks at it.
 *
 * The request is built and sent here and nowhere else. Nothing here logs, and nothing fails: whatever
 * happens is an outcome that is kept.
 */
import { randomUUID } from "node:crypto"
import { Effect, Result } from "effect"
import type { JWK } from "jose"
import type { ProviderInForce } from "../actors/credentials/Providers.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import { fillUrl, type Provider, type RefreshReason } from "../domain/Provider.ts"
import { type RawAnswer, readAnswer } from "../domain/ProviderAnswer.ts"
import { type BuiltRequest, buildRequest, buildRevocation, type ProviderClient } from "../domain/ProviderRequest.ts"
import type { Rotation } from "../domain/Refresh.ts"
import { type GuardOptions, send } from "../platform/GuardedHttp.ts"

/** What is sealed and stored of an exchange. */
export interface Kept {
  readonly term: number
  readonly spends: number
  /** The fingerprint of the grant that was spent. */
  readonly spent: string
  readonly claimedAt: number
  /** The secret that was spent: what was not answered anew stays as it was. */
  readonly secret: Secret
  /** Who was asked: the credential may be another provider's by the time it is read. Not in answers of before. */
  readonly provider?: Provider
  /** Its entry is the tenant's own, as the credential says. */
  readonly own?: boolean
  /** What must not come back in words. */
  readonly sent: ReadonlyArray<string>
  readonly outcome:
    | { readonly _tag: "Answer"; readonly raw: RawAnswer }
    | { readonly _tag: "Failure"; readonly reason: string; readonly mayHaveArrived: boolean }
}

const assertionSeconds = 60

/** In 46 modules, so it is loaded where it is used and not with every start. */
const jose = Effect.promise(() => import("jose"))

const signedAssertion = Effect.fnUntraced(function* (
  provider: Provider,
  url: string,
  clientId: string,
  key: string,
  nowMs: number
) {
  const { importJWK, SignJWT } = yield* jose
  return yield* Effect.tryPromise(async () => {
    const jwk = JSON.parse(key) as JWK
    const algorithm = jwk.alg ?? (jwk.kty === "RSA" ? "RS256" : jwk.kty === "OKP" ? "EdDSA" : "ES256")
    const audience = provider.assertion_audience === "issuer" ? (provider.issuer ?? url) : url
    const now = Math.floor(nowMs / 1_000)
    return new SignJWT()
      .setProtectedHeader({ alg: algorithm, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + assertionSeconds)
      .sign(await importJWK(jwk, algorithm))
  })
})

const failure = (reason: string): Kept["outcome"] => ({ _tag: "Failure", reason, mayHaveArrived: false })

/** Client secrets are tried in their order, where the one before was not the client's. */
const clientsOf = (known: ProviderInForce, provider: Provider, secret: Secret): ReadonlyArray<ProviderClient> => {
  const id = secret.client_id ?? known.clientId
  if (provider.client_auth === "none") return [{ id, secret: null, assertion: null }]
  const secrets = secret.client_secret === undefined ? known.secrets.clientSecrets : [secret.client_secret]
  return secrets.length === 0
    ? [{ id, secret: null, assertion: null }]
    : secrets.map((one) => ({ id, secret: one, assertion: null }))
}

interface Asking {
  readonly known: ProviderInForce
  readonly provider: Provider
  readonly rotation: Rotation
  readonly secret: Secret
  readonly guard: GuardOptions
  /** Whether the same may be asked once more, as the client with its next secret: time has gone by. */
  readonly again: Effect.Effect<boolean>
  /** By the database's clock, which decides over what is received here: this machine's own may be off. */
  readonly now: Effect.Effect<number>
}

/**
 * Asks with each of the client's secrets in their order, where the one before was not the client's. Null: cut, a next one may
 * not be tried now. Refused as a client nothing was spent, and whether the client is known is not.
 */
const askAsClient = Effect.fnUntraced(function* (
  { again, guard, known, now, provider, rotation, secret }: Asking,
  template: string,
  build: (url: string, client: ProviderClient) => BuiltRequest
): Effect.fn.Return<Pick<Kept, "outcome" | "sent"> | null> {
  const filled = fillUrl(template, provider, rotation.params)
  if (filled._tag === "Wrong") return { outcome: failure("blocked_url"), sent: [] }
  const audience = fillUrl(provider.token_url, provider, rotation.params)
  let last: Pick<Kept, "outcome" | "sent"> = { outcome: failure("invalid_client"), sent: [] }
  for (const [index, one] of clientsOf(known, provider, secret).entries()) {
    if (index > 0 && !(yield* again)) return null
    let client = one
    if (provider.client_auth === "private_key_jwt") {
      const key = known.secrets.clientKey
      if (key === null || client.id === null || audience._tag === "Wrong") return last
      const signed = yield* Effect.result(signedAssertion(provider, audience.url, client.id, key, yield* now))
      if (Result.isFailure(signed)) return last
      client = { ...client, assertion: signed.success }
    }
    const built = build(filled.url, client)
    const sent = [...built.secrets, ...known.secrets.clientSecrets]
    const answered = yield* Effect.result(send(built, guard))
    if (Result.isFailure(answered)) {
      const { mayHaveArrived, reason, received } = answered.failure
      if (received !== null) {
        return {
          outcome: { _tag: "Answer", raw: { ...received, receivedAt: yield* now, cutShort: reasonOfFailure(reason) } },
          sent
        }
      }
      return { outcome: { _tag: "Failure", reason, mayHaveArrived }, sent }
    }
    const raw: RawAnswer = { ...answered.success, receivedAt: yield* now }
    last = { outcome: { _tag: "Answer", raw }, sent }
    if (readAnswer({ provider, raw, sent, defaultLifeMs: null }).kind !== "client") return last
  }
  return last
})

export const exchange = (asking: Asking & { readonly scopes: ReadonlyArray<string> }) =>
  askAsClient(asking, asking.provider.token_url, (url, client) =>
    buildRequest({ provider: asking.provider, url, secret: asking.secret, client, scopes: asking.scopes })
  )

/** RFC 7009, section 2.1. */
export const revokeToken = (asking: Asking, revokeUrl: string) =>
  askAsClient(asking, revokeUrl, (url, client) =>
    buildRevocation({ provider: asking.provider, url, secret: asking.secret, client })
  )

/** Why an exchange came to nothing, in the contract's words (10.4). */
export const reasonOfFailure = (reason: string): RefreshReason =>
  reason === "blocked_url" || reason === "timeout" || reason === "invalid_client"
    ? reason
    : reason === "too_long"
      ? "malformed_answer"
      : "provider_down"
