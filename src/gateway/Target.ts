/**
 * A request's target: its path in parts and its query, or why it is refused.
 *
 * Strict, so that a proxy in front and this gateway see the same path: origin form only, no part that is `.` or
 * `..`, no dot, slash, backslash or control character in percent form, UTF-8 only. A parameter stands once unless it
 * is a list, and one that the row does not know is refused, as an unknown field of a body is. Never throws.
 */
import { Result } from "effect"
import { invalid, type Problem } from "./Problem.ts"

export interface Target {
  /** Without the empty one before the first slash, decoded. */
  readonly parts: ReadonlyArray<string>
  /** In the order of the text. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>
}

const targetLengthMax = 8_192
const parametersMax = 64
const pathPattern = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$/u
const queryPattern = /^[A-Za-z0-9._~!$&'()*+,;=:@%/?[\]|-]*$/u
/** `.`, `/` and `\`. */
const hiddenPattern = /%(?:2e|2f|5c)/iu

const refused = (reason: string) => Result.fail(invalid("path", reason))

const decode = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const partsOf = (path: string): Result.Result<ReadonlyArray<string>, Problem> => {
  if (!pathPattern.test(path)) return refused("must be made of the characters of a path")
  if (hiddenPattern.test(path)) return refused("must hold no dot, slash or backslash in percent form")
  const parts: Array<string> = []
  for (const raw of path.slice(1).split("/")) {
    if (raw === "." || raw === "..") return refused("must hold no part that is only dots")
    const part = decode(raw)
    if (part === null) return refused("must be UTF-8 in percent form")
    if (/\p{Cc}/u.test(part)) return refused("must hold no control character")
    parts.push(part)
  }
  return Result.succeed(parts)
}

const queryOf = (text: string): Result.Result<Target["query"], Problem> => {
  if (!queryPattern.test(text)) return Result.fail(invalid("query", "must be made of the characters of a query"))
  const pairs = text.split("&").filter((pair) => pair !== "")
  if (pairs.length > parametersMax)
    return Result.fail(invalid("query", `must have at most ${parametersMax} parameters`))
  const query: Array<readonly [string, string]> = []
  for (const pair of pairs) {
    const at = pair.indexOf("=")
    const [name, value] = (at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)]).map((half) =>
      decode(half.replaceAll("+", " "))
    )
    if (name === null || name === undefined || value === null || value === undefined) {
      return Result.fail(invalid("query", "must be UTF-8 in percent form"))
    }
    query.push([name, value])
  }
  return Result.succeed(query)
}

export const parseTarget = (text: string): Result.Result<Target, Problem> => {
  if (text.length > targetLengthMax) return refused(`must have at most ${targetLengthMax} characters`)
  const at = text.indexOf("?")
  const [path, query] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
  return Result.flatMap(partsOf(path), (parts) => Result.map(queryOf(query), (read) => ({ parts, query: read })))
}
