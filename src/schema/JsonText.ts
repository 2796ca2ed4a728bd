/**
 * JSON of a stranger: `JSON.parse`, and no answer where parsers disagree.
 *
 * Of two members with one key most parsers take the last, some the first, some both: a gateway that
 * looks at a request and the service behind it could see different requests. So a key that stands
 * twice in one object is refused, however it is written (`"a"`, `"\u0061"`), and so is nesting
 * deeper than `depthMax`, which what walks the value later would have to stand.
 *
 * There is no second parser that could disagree in its turn. The text's members are its colons
 * outside strings; a member that was overwritten is missing in the value, with all that was in it.
 * Both are counted, and differ exactly when a key stood twice. Costs half of what the parse does,
 * about a millisecond for a megabyte of a batch.
 *
 * A key that holds a backslash is refused too: once V8 has read one, it takes other keys that are
 * written with an escape for it (nodejs/node#63785), so one caller's request could change another's.
 */
import { Result } from "effect"
import { textOf } from "./Utf8.ts"

export const depthMax = 32

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Whether the escape at `at` is one of a backslash: `\\` or `\u005c`. */
const escapesBackslash = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + 1] === backslash ||
  (bytes[at + 1] === 0x75 && /^005c$/iu.test(String.fromCharCode(...bytes.subarray(at + 2, at + 6))))

interface Survey {
  readonly members: number
  readonly depth: number
  readonly keyHoldsBackslash: boolean
}

/** What stands in a text that is JSON, or in the part before what makes it none. */
const survey = (bytes: Uint8Array): Survey => {
  let members = 0
  let open = 0
  let depth = 0
  let holdsBackslash = false
  let keyHoldsBackslash = false
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case quote:
        holdsBackslash = false
        for (at++; at < bytes.length && bytes[at] !== quote; at++) {
          if (bytes[at] !== backslash) continue
          holdsBackslash = holdsBackslash || escapesBackslash(bytes, at)
          at++
        }
        break
      case colon:
        // The string before it is the member's key.
        members++
        keyHoldsBackslash = keyHoldsBackslash || holdsBackslash
        break
      case openBrace:
      case openBracket:
        if (++open > depth) depth = open
        break
      case closeBrace:
      case closeBracket:
        open--
        break
    }
  }
  return { members, depth, keyHoldsBackslash }
}

const membersOf = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 0
  let members = 0
  if (Array.isArray(value)) for (const item of value) members += membersOf(item)
  else for (const key in value) members += 1 + membersOf((value as Readonly<Record<string, unknown>>)[key])
  return members
}

/** The value, or why there is none, in words that repeat nothing of the text. */
export const parseJson = (bytes: Uint8Array): Result.Result<unknown, string> => {
  const { depth, keyHoldsBackslash, members } = survey(bytes)
  if (depth > depthMax) return Result.fail(`is nested deeper than ${depthMax} levels`)
  if (keyHoldsBackslash) return Result.fail("has a key with a backslash")
  const text = textOf(bytes, 0, bytes.length)
  if (text === null) return Result.fail("not JSON in UTF-8")
  try {
    const value: unknown = JSON.parse(text)
    return membersOf(value) === members ? Result.succeed(value) : Result.fail("has an object with the same key twice")
  } catch {
    return Result.fail("not JSON in UTF-8")
  }
}
