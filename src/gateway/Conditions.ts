/** `ETag`, `If-None-Match` and `If-Match`, RFC 9110 sections 8.8 and 13. Pure. */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { invalid, type Problem, problem } from "./Problem.ts"

/** Strong: of the bytes that are answered. */
export const contentTag = (text: string): string => `"${createHash("sha256").update(text).digest("base64url")}"`
export const versionTag = (version: number): string => `"${version}"`

const tagPattern = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/u

/** Whether the client has it already. What is no list of tags matches nothing. */
export const isKnown = (ifNoneMatch: string | null, tag: string): boolean => {
  if (ifNoneMatch === null) return false
  if (ifNoneMatch.trim() === "*") return true
  return ifNoneMatch
    .split(",")
    .map((one) => one.trim())
    .some((one) => tagPattern.test(one) && one.replace(/^W\//u, "") === tag)
}

export const preconditionFailed = (details: Readonly<Record<string, unknown>> = {}): Problem =>
  problem("PRECONDITION_FAILED", "The version is another one", { details })

/** The version that `If-Match` names; null for any. Another tag than a version's matches none. */
export const versionOf = (ifMatch: string | null): Result.Result<number | null, Problem> => {
  if (ifMatch === null || ifMatch.trim() === "*") return Result.succeed(null)
  const tags = ifMatch.split(",").map((one) => one.trim())
  if (tags.length !== 1) return Result.fail(invalid("if-match", "must name one version"))
  if (!tagPattern.test(tags[0]!)) return Result.fail(invalid("if-match", "must be a version in quotes"))
  const version = Number(/^"([1-9][0-9]{0,15})"$/u.exec(tags[0]!)?.[1])
  return Number.isSafeInteger(version) ? Result.succeed(version) : Result.fail(preconditionFailed())
}
