/**
 * Asks an issuer for its keys: discovery where the address of the keys is not given, then the keys. A contract.
 *
 * `layer` asks over HTTP. The answer is bounded in size and time, both requests together; no redirect is
 * followed, since that would leave the checked address; nothing is sent but the request. What an issuer
 * answers is never repeated in a log or an error.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { type Issuer, issuerAddressProblem, mayNameKeysAt } from "../domain/Issuer.ts"
import { BodyTooLong, readBody, textOf } from "../http/BoundedBody.ts"
import { AccessConfig } from "./AccessConfig.ts"

export class IssuerAway extends Schema.TaggedError<IssuerAway>()("IssuerAway", {
  /** `unreachable`, `timeout`, `status`, `too_large`, `garbage`, `another_issuer`, `not_asked`, `busy`. */
  reason: Schema.String
}) {}

export class IssuerClient extends Context.Service<
  IssuerClient,
  {
    /** The body of the JWKS. */
    readonly fetchKeys: (issuer: Issuer) => Effect.Effect<unknown, IssuerAway>
  }
>()("cm/access/IssuerClient") {}

export const answerBytesMax = 131_072
/** Asked at once; one more is told to come again. More than can be slow without harm to who is not. */
export const asksMax = 1_024

const away = (reason: string) => new IssuerAway({ reason })

/** Rejects with the reason. */
const get = async (address: string, signal: AbortSignal): Promise<unknown> => {
  const answer = await fetch(address, { redirect: "manual", signal, headers: { accept: "application/json" } }).catch(
    () => Promise.reject(away("unreachable"))
  )
  if (answer.status !== 200) {
    await answer.body?.cancel().catch(() => undefined)
    throw away("status")
  }
  const body = await readBody(answer.body, answerBytesMax).catch((cause: unknown) =>
    Promise.reject(away(cause instanceof BodyTooLong ? "too_large" : "unreachable"))
  )
  try {
    return JSON.parse(textOf(body))
  } catch {
    throw away("garbage")
  }
}

const discoveryOf = (issuer: string): string => `${issuer.replace(/\/$/u, "")}/.well-known/openid-configuration`

export const layer: Layer.Layer<IssuerClient, never, AccessConfig> = Layer.effect(
  IssuerClient,
  Effect.gen(function* () {
    const { httpInsecure, issuerTimeout } = yield* AccessConfig
    let asking = 0
    const mustBeAsked = (address: string): void => {
      if (issuerAddressProblem(address, httpInsecure) !== null) throw away("not_asked")
    }
    const keysUri = async ({ issuer, jwksUri }: Issuer, signal: AbortSignal): Promise<string> => {
      if (jwksUri !== null) return jwksUri
      mustBeAsked(issuer)
      const found = (await get(discoveryOf(issuer), signal)) as Readonly<Record<string, unknown>> | null
      if (typeof found !== "object" || found === null) throw away("garbage")
      if (found.issuer !== issuer) throw away("another_issuer")
      if (typeof found.jwks_uri !== "string") throw away("garbage")
      if (!mayNameKeysAt(issuer, found.jwks_uri)) throw away("not_asked")
      return found.jwks_uri
    }
    const once = (issuer: Issuer) =>
      Effect.tryPromise({
        try: async (signal) => {
          const address = await keysUri(issuer, signal)
          mustBeAsked(address)
          return await get(address, signal)
        },
        catch: (cause) => (cause instanceof IssuerAway ? cause : away("unreachable"))
      }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.max(issuerTimeout, Duration.millis(1)),
          orElse: () => Effect.fail(away("timeout"))
        })
      )
    return IssuerClient.of({
      fetchKeys: (issuer) =>
        Effect.suspend(() => {
          if (asking >= asksMax) return Effect.fail(away("busy"))
          asking++
          return Effect.ensuring(
            once(issuer),
            Effect.sync(() => {
              asking--
            })
          )
        })
    })
  })
)
