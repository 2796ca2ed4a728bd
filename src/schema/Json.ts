/**
 * JSON requests: bytes to a checked value, and what to tell a caller whose request is wrong.
 *
 * Strict: UTF-8 only, one JSON value, no key twice, no field that the schema does not know. A refusal
 * names where and why, and never repeats a value of the request, so it can be sent and logged.
 */
import { Result, Schema, SchemaIssue } from "effect"
import { InvalidRequest } from "../domain/errors.ts"
import { parseJson } from "./JsonText.ts"

const pathLengthMax = 100
const formatter = SchemaIssue.makeFormatterStandardSchemaV1()

/** `["items", 3, "endpointId"]` as `items[3].endpointId`. A key comes from the caller: shortened, made printable. */
const formatPath = (path: ReadonlyArray<unknown>): string => {
  let text = ""
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`
    else text += (text === "" ? "" : ".") + String(step)
  }
  const printable = text.toWellFormed().replaceAll(/[\p{Cc}\p{Cs}]/gu, "?")
  return Array.from(printable).slice(0, pathLengthMax).join("")
}

const refusal = (error: Schema.SchemaError): InvalidRequest => {
  const first = formatter(error.issue).issues[0]
  const path = (first?.path ?? []).map((step) => (typeof step === "object" ? step.key : step))
  return new InvalidRequest({ path: formatPath(path), reason: first?.message ?? "not acceptable" })
}

/** A decoder of one kind of request; made once, at module level. An empty payload is `{}`. */
export const decodeRequest = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S
): ((payload: Uint8Array) => Result.Result<S["Type"], InvalidRequest>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (payload) => {
    const json = payload.length === 0 ? Result.succeed({}) : parseJson(payload)
    return Result.isFailure(json)
      ? Result.fail(new InvalidRequest({ path: "", reason: json.failure }))
      : Result.mapError(decode(json.success), refusal)
  }
}
