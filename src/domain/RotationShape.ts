/** `rotation` of a credential, as a caller wrote it: read and checked, pure. Contract 10.1. */
import { Result } from "effect"
import type { JsonObject } from "./Credential.ts"
import { durationMs } from "./IsoDuration.ts"
import { providerNamePattern } from "./Provider.ts"
import type { Rotation } from "./Refresh.ts"
import { isParams, paramsMax, type RotationError, wrongRotation as wrong } from "./RotationParams.ts"

const known = ["provider", "grant", "params", "refresh_before", "keep_alive"]
/** Null: nothing is refreshed. An empty object says so too, as it did before. */
export const parseRotation = (
  type: string,
  value: JsonObject | null
): Result.Result<Rotation | null, RotationError> => {
  if (value === null || Object.keys(value).length === 0) return Result.succeed(null)
  const { grant, keep_alive, params = {}, provider, refresh_before } = value
  const stranger = Object.keys(value).find((name) => !known.includes(name))
  if (typeof provider !== "string") return wrong("provider", "is required")
  if (!providerNamePattern.test(provider)) return wrong("provider", "is not a provider's name")
  if (stranger !== undefined) return wrong("", "has a field that is not known")
  if (type !== "oauth") return wrong("provider", "is for credentials of the type oauth")
  if (grant !== undefined && grant !== "client_credentials") return wrong("grant", "must be client_credentials")
  if (!isParams(params)) return wrong("params", `must be an object of at most ${paramsMax} strings`)
  for (const [name, text] of Object.entries({ refresh_before, keep_alive })) {
    if (text === undefined) continue
    if (typeof text !== "string" || durationMs(text) === null || durationMs(text) === 0) {
      return wrong(name, "must be an ISO 8601 duration in weeks, days and smaller")
    }
  }
  return Result.succeed({
    provider,
    ...(grant === undefined ? {} : { grant }),
    params,
    ...(refresh_before === undefined ? {} : { refresh_before: refresh_before as string }),
    ...(keep_alive === undefined ? {} : { keep_alive: keep_alive as string })
  })
}
