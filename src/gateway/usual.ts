/** What a row does that says nothing else: one request to the bus, and its answer as HTTP has it. */
import { Effect } from "effect"
import { isKnown, isMatched, preconditionFailed, versionTag } from "./Conditions.ts"
import { internal, type Problem } from "./Problem.ts"
import type { Call, HttpAnswer } from "./Row.ts"

export type Json = Readonly<Record<string, unknown>>

/** An answer of the bus that must be an object; another one is a bug, and not ours to pass on. */
export const objectOf = (text: string): Effect.Effect<Json, Problem> =>
  Effect.suspend(() => {
    try {
      const value: unknown = JSON.parse(text)
      return typeof value === "object" && value !== null && !Array.isArray(value)
        ? Effect.succeed(value as Json)
        : Effect.fail(internal())
    } catch {
      return Effect.fail(internal())
    }
  })

/** `/api/v1/credentials/{credential_id}` with what the request and its answer say. */
const filled = (template: string, known: Json): string =>
  template.replaceAll(/\{([A-Za-z_]+)\}/gu, (_, name: string) => encodeURIComponent(String(known[name] ?? "")))

export const usual = Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
  const { row } = call
  const { status, text } = yield* call.carryOut(call.request)
  if (row.answer === null) return { status: row.statuses[0] ?? 204, body: null, headers: {} }
  const answer = row.location !== undefined || row.tagged === true ? yield* objectOf(text) : {}
  const headers: Record<string, string> = {}
  if (row.location !== undefined) headers.Location = filled(row.location, { ...call.path, ...answer })
  if (row.tagged === true && typeof answer.version === "number") headers.ETag = versionTag(answer.version)
  // What is changed is held to its version by the operation itself; only what is read can be looked at first.
  if (row.method === "GET" && !isMatched(call.ifMatch, headers.ETag ?? null)) {
    return yield* Effect.fail(preconditionFailed())
  }
  return row.method === "GET" && headers.ETag !== undefined && isKnown(call.ifNoneMatch, headers.ETag)
    ? { status: 304, body: null, headers }
    : { status, body: text, headers }
})
