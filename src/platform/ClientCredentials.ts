/**
 * This service's own token for another system: OAuth 2.0 client credentials (RFC 6749, section 4.4).
 *
 * One request for a token serves all who wait for it. A token is used until a while before it ends, and
 * not after the system has refused it once. A failure is not remembered: the next who needs a token asks.
 * The token is `Redacted` from the first moment and stands in no error and no log.
 */
import { readFile } from "node:fs/promises"
import { Clock, Deferred, Effect, Exit, Option, Redacted, Schema } from "effect"
import * as HttpJson from "./HttpJson.ts"
import type { ClientSettings } from "./PlatformConfig.ts"
import { PlatformError } from "./PlatformError.ts"

/** A token of which the server does not say when it ends. RFC 6749, 5.1: `expires_in` is recommended only. */
const lifetimeByDefaultMs = 60_000
/** It is renewed so long before its end, but not earlier than after half of its life. */
const renewBeforeMs = 30_000
const tokenAnswerBytesMax = 65_536

const TokenAnswer = Schema.Struct({
  access_token: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(16_384)),
  token_type: Schema.String,
  expires_in: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0)))
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(TokenAnswer))

export interface OwnToken {
  readonly value: Redacted.Redacted
  /** UNIX milliseconds from which on another one is got. */
  readonly renewAt: number
}

/** When a token that was asked for at `askedAt` is to be renewed. Pure. */
export const renewAtOf = (askedAt: number, expiresInSeconds: number | undefined): number => {
  const lifetime = expiresInSeconds === undefined ? lifetimeByDefaultMs : expiresInSeconds * 1_000
  return askedAt + Math.max(lifetime / 2, lifetime - renewBeforeMs)
}

export interface ClientCredentials {
  readonly token: Effect.Effect<OwnToken, PlatformError>
  /** The system refused it: another one is got, unless somebody has done so already. */
  readonly refused: (token: OwnToken) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (options: {
  readonly system: string
  readonly client: ClientSettings
  readonly scope: string
  readonly limits: HttpJson.HttpLimits
}) {
  const { client, limits, scope, system } = options
  const clock = yield* Clock.Clock
  let present: OwnToken | null = null
  let asking: Deferred.Deferred<OwnToken, PlatformError> | null = null

  const denied = (detail: string, isRetryable = false) =>
    new PlatformError({ system, reason: "Denied", detail, isRetryable })

  const secret: Effect.Effect<Redacted.Redacted, PlatformError> =
    client.clientSecretFile === ""
      ? Option.match(client.clientSecret, {
          onNone: () => Effect.fail(denied("there is no client secret")),
          onSome: Effect.succeed
        })
      : Effect.tryPromise({
          try: () => readFile(client.clientSecretFile, "utf8"),
          catch: () => denied("the file with the client secret cannot be read")
        }).pipe(Effect.map((text) => Redacted.make(text.trim())))

  const request = Effect.fnUntraced(function* () {
    const clientSecret = yield* secret
    const askedAt = clock.currentTimeMillisUnsafe()
    const body = new URLSearchParams({ grant_type: "client_credentials", scope })
    // RFC 6749, section 2.3.1: name and secret are form-encoded before they become a basic header.
    const encoded = (text: string) => new URLSearchParams({ v: text }).toString().slice(2)
    const basic = Buffer.from(`${encoded(client.clientId)}:${encoded(Redacted.value(clientSecret))}`).toString("base64")
    const headers = {
      accept: "application/json",
      authorization: `Basic ${basic}`,
      "content-type": "application/x-www-form-urlencoded"
    }
    const answer = yield* HttpJson.once(
      system,
      "token request",
      client.tokenUrl,
      { method: "POST", headers, body: body.toString() },
      { ...limits, bytesMax: tokenAnswerBytesMax }
    )
    if (answer.status !== 200) {
      return yield* denied(`token request, status ${answer.status}`, HttpJson.isPassing(answer.status))
    }
    const decoded = decode(answer.body)
    if (Option.isNone(decoded) || decoded.value.token_type.toLowerCase() !== "bearer") {
      return yield* new PlatformError({ system, reason: "Malformed", detail: "token request", isRetryable: false })
    }
    const { access_token, expires_in } = decoded.value
    return { value: Redacted.make(access_token), renewAt: renewAtOf(askedAt, expires_in) } satisfies OwnToken
  })

  const askFirst = () => {
    const mine = Deferred.makeUnsafe<OwnToken, PlatformError>()
    asking = mine
    return Effect.onExit(HttpJson.retried(request()), (exit) => {
      asking = null
      if (Exit.isSuccess(exit)) present = exit.value
      // Whoever asked may have given up; who waited asks again.
      const interrupted = new PlatformError({ system, reason: "TimedOut", detail: "token request", isRetryable: true })
      return Deferred.done(mine, Exit.hasInterrupts(exit) ? Exit.fail(interrupted) : exit)
    })
  }

  const token = Effect.suspend((): Effect.Effect<OwnToken, PlatformError> => {
    if (present !== null && clock.currentTimeMillisUnsafe() < present.renewAt) return Effect.succeed(present)
    return asking === null ? askFirst() : Deferred.await(asking)
  })
  const refused = (old: OwnToken) =>
    Effect.sync(() => {
      if (present === old) present = null
    })
  const credentials: ClientCredentials = { token, refused }
  return credentials
})
