/** What both kinds of `rotation` have: parameters, and a refusal that names its place. Contract 10.1, 10.5. */
import { Result } from "effect"
import { hasAtMost } from "./Names.ts"

export interface RotationError {
  readonly path: string
  readonly reason: string
}

export const paramsMax = 16
/** In code points. */
const paramLengthMax = 2_048

/** `path` within `rotation`; empty: `rotation` itself. */
export const wrongRotation = (path: string, reason: string): Result.Result<never, RotationError> =>
  Result.fail({ path: path === "" ? "rotation" : `rotation.${path}`, reason })

export const isParams = (value: unknown): value is Readonly<Record<string, string>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length <= paramsMax &&
  Object.entries(value).every(
    ([name, text]) =>
      /^[a-z][a-z0-9_]{0,63}$/u.test(name) &&
      typeof text === "string" &&
      hasAtMost(text, paramLengthMax) &&
      text.isWellFormed()
  )
