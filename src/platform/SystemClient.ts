/**
 * Asking a system that wants our own token: get JSON, decoded by a schema.
 *
 * A 401 gets one more try with a new token, since tokens may be revoked before they end. `null` is a 404,
 * where the interface gives it a meaning. Unknown fields are ignored, what is read is checked.
 */
import { Effect, Option, Redacted, Schema } from "effect"
import type { ClientCredentials } from "./ClientCredentials.ts"
import * as HttpJson from "./HttpJson.ts"
import { PlatformError } from "./PlatformError.ts"

export interface SystemClient {
  /** `path` begins with a slash; `what` names the request in errors. */
  readonly get: <A>(
    path: string,
    what: string,
    schema: Schema.ConstraintDecoder<A>
  ) => Effect.Effect<A | null, PlatformError>
}

export const make = (options: {
  readonly system: string
  readonly url: string
  readonly credentials: ClientCredentials
  readonly limits: HttpJson.HttpLimits
}): SystemClient => {
  const { credentials, limits, system } = options
  const base = options.url.replace(/\/+$/u, "")
  const failed = (reason: PlatformError["reason"], detail: string, isRetryable: boolean) =>
    new PlatformError({ system, reason, detail, isRetryable })

  const once = Effect.fnUntraced(function* (path: string, what: string) {
    const token = yield* credentials.token
    const headers = { accept: "application/json", authorization: `Bearer ${Redacted.value(token.value)}` }
    const answer = yield* HttpJson.once(system, what, `${base}${path}`, { headers }, limits)
    if (answer.status === 401) {
      yield* credentials.refused(token)
      return yield* failed("Denied", `${what}, status 401`, true)
    }
    if (answer.status === 403) return yield* failed("Denied", `${what}, status 403`, false)
    if (answer.status === 404) return null
    if (answer.status !== 200) {
      return yield* failed("Refused", `${what}, status ${answer.status}`, HttpJson.isPassing(answer.status))
    }
    return answer.body
  })

  return {
    get: <A>(path: string, what: string, schema: Schema.ConstraintDecoder<A>) => {
      const decode = Schema.decodeUnknownOption(Schema.fromJsonString(schema))
      return Effect.flatMap(HttpJson.retried(once(path, what)), (body): Effect.Effect<A | null, PlatformError> => {
        if (body === null) return Effect.succeed(null)
        const decoded = decode(body)
        return Option.isSome(decoded) ? Effect.succeed(decoded.value) : Effect.fail(failed("Malformed", what, false))
      })
    }
  }
}
