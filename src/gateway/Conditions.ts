/** `ETag`, `If-None-Match` and `If-Match`, RFC 9110 sections 8.8 and 13. Pure. */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { invalid, type Problem, problem } from "./Problem.ts"
import type { Row } from "./Row.ts"

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

/** Whether what is there is one that the client names. Weak tags name none, RFC 9110 section 13.1.1. */
export const isMatched = (ifMatch: string | null, tag: string | null): boolean =>
  ifMatch === null ||
  ifMatch.trim() === "*" ||
  ifMatch
    .split(",")
    .map((one) => one.trim())
    .some((one) => one === tag)

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

/**
 * The version that a change is held to; null for any, and for what only reads, which is looked at when it is there.
 * A condition that the operation cannot be held to is never passed over: without versions, none is the one that
 * `If-Match` names; and no operation can be held to another version than one.
 */
export const heldTo = (
  row: Pick<Row, "method" | "version">,
  ifMatch: string | null,
  ifNoneMatch: string | null
): Result.Result<number | null, Problem> => {
  if (row.method === "GET") return Result.succeed(null)
  if (ifNoneMatch !== null) return Result.fail(invalid("if-none-match", "is for reading alone"))
  if (row.version !== undefined) return versionOf(ifMatch)
  return isMatched(ifMatch, null) ? Result.succeed(null) : Result.fail(preconditionFailed())
}
