/** What a row is asked: parts of the path, parameters and body, made into the operation's request. Pure. */
import { Result } from "effect"
import { parseJson } from "../schema/JsonText.ts"
import { invalid, type Problem, problem } from "./Problem.ts"
import type { Parameter, Row } from "./Row.ts"
import { partNames } from "./Row.ts"
import type { Target } from "./Target.ts"

type Fields = Readonly<Record<string, unknown>>

const parameterOf = (parameter: Parameter, text: string): Result.Result<unknown, string> => {
  const { kind, maximum = Number.MAX_SAFE_INTEGER, minimum = 0, values } = parameter
  if (values !== undefined && !values.includes(text)) return Result.fail(`must be one of ${values.join(", ")}`)
  switch (kind) {
    case "text":
    case "list":
      return Result.succeed(text)
    case "boolean":
      return text === "true" || text === "false"
        ? Result.succeed(text === "true")
        : Result.fail("must be true or false")
    case "bound":
      return Result.succeed(/^[0-9]{1,15}$/u.test(text) ? Number(text) : text)
    case "integer": {
      const value = /^(?:0|[1-9][0-9]{0,15})$/u.test(text) ? Number(text) : Number.NaN
      return value >= minimum && value <= maximum
        ? Result.succeed(value)
        : Result.fail(`must be a whole number from ${minimum} to ${maximum}`)
    }
  }
}

/** By name; a list has every value that was given. */
export const readQuery = (row: Pick<Row, "query">, query: Target["query"]): Result.Result<Fields, Problem> => {
  const known = new Map((row.query ?? []).map((parameter) => [parameter.name, parameter]))
  const read: Record<string, unknown> = {}
  for (const [name, text] of query) {
    const parameter = known.get(name)
    if (parameter === undefined) return Result.fail(invalid("query", "has a parameter that is not known here"))
    if (parameter.kind !== "list" && Object.hasOwn(read, name)) return Result.fail(invalid(name, "must be given once"))
    const value = parameterOf(parameter, text)
    if (Result.isFailure(value)) return Result.fail(invalid(name, value.failure))
    if (parameter.kind !== "list") read[name] = value.success
    else {
      const before = (read[name] as ReadonlyArray<unknown> | undefined) ?? []
      read[name] = before.includes(value.success) ? before : [...before, value.success]
    }
  }
  return Result.succeed(read)
}

const nameLengthMax = 100
/** RFC 9110, section 5.6.6: a semicolon may stand there without a parameter. */
const jsonPattern = /^application\/json[ \t]*(?:;[ \t]*(?:charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?)*$/iu

/** A body without a type is none of JSON; one that is encoded is none either, RFC 9110 sections 8.4 and 15.5.16. */
export const typeRefusal = (contentType: string | null, contentEncoding: string | null): Problem | null => {
  if (contentEncoding !== null && contentEncoding.trim().toLowerCase() !== "identity") {
    return problem("UNSUPPORTED_MEDIA_TYPE", "The body must be sent as it is, without a content encoding", {
      headers: { "Accept-Encoding": "identity" }
    })
  }
  return contentType !== null && jsonPattern.test(contentType.trim())
    ? null
    : problem("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json", {
        headers: { Accept: "application/json" }
      })
}

/** A field's name as a path: the caller's text, shortened and made printable. */
const shownName = (name: string): string =>
  Array.from(name.toWellFormed().replaceAll(/[\p{Cc}\p{Cs}]/gu, "?"))
    .slice(0, nameLengthMax)
    .join("")

/** An object of the row's fields, under the operation's names. No body at all is `{}`. */
export const readFields = (row: Pick<Row, "body">, bytes: Uint8Array): Result.Result<Fields, Problem> => {
  const fields: Readonly<Record<string, string>> = row.body?.fields ?? {}
  if (bytes.length === 0) return Result.succeed({})
  const parsed = parseJson(bytes)
  if (Result.isFailure(parsed)) return Result.fail(invalid("", parsed.failure))
  const { flaws, value } = parsed.success
  const flaw = flaws[0]
  if (flaw !== undefined) return Result.fail(invalid(String(flaw.path[0] ?? ""), flaw.reason))
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return Result.fail(invalid("", "must be an object"))
  }
  const read: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(value)) {
    if (!Object.hasOwn(fields, name)) return Result.fail(invalid(shownName(name), "is not known here"))
    read[fields[name]!] = one
  }
  return Result.succeed(read)
}

/** A refusal of a field of the body names it as it stands there, not as the operation calls it. */
export const byCallersName = ({ body }: Pick<Row, "body">, why: Problem): Problem => {
  const { path, reason } = why.details
  if (why.code !== "INVALID_REQUEST" || typeof path !== "string" || typeof reason !== "string") return why
  const [field = ""] = path.split(/[.[]/u, 1)
  const name = Object.entries(body?.fields ?? {}).find(([, of]) => of === field)?.[0] ?? field
  return name === field ? why : invalid(`${name}${path.slice(field.length)}`, reason)
}

/** What the operation is asked, of all of that. */
export const requestOf = (row: Row, path: Fields, query: Fields, body: Fields): Fields => {
  const request: Record<string, unknown> = { ...row.fixed, ...body }
  for (const name of partNames(row.path)) {
    const field = row.parts?.[name] === undefined ? name : row.parts[name]
    if (field !== null) request[field] = path[name]
  }
  for (const { byDefault, field, name } of row.query ?? []) {
    if (field === null) continue
    const value = query[name] ?? byDefault
    if (value !== undefined) request[field ?? name] = value
  }
  return request
}
