/**
 * JSON requests: bytes to a checked value, and what to tell a caller whose request is wrong.
 *
 * Strict: UTF-8 only, one JSON value, no key twice, no field that the schema does not know, and nothing
 * that would not come back as it was written. A refusal names where and why, and never repeats a value
 * of the request, so it can be sent and logged.
 *
 * Of a batch each item is judged by itself: what is wrong with one is that item's outcome.
 */
import { Result, Schema, SchemaIssue } from "effect"
import { InvalidRequest } from "../domain/errors.ts"
import { batchItemsMax } from "../domain/Names.ts"
import { type Flaw, type Parsed, parseJson } from "./JsonText.ts"

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

const refusal = (error: Schema.SchemaError, before: ReadonlyArray<string | number> = []): InvalidRequest => {
  const first = formatter(error.issue).issues[0]
  const path = (first?.path ?? []).map((step) => (typeof step === "object" ? step.key : step))
  return new InvalidRequest({ path: formatPath([...before, ...path]), reason: first?.message ?? "not acceptable" })
}
const flawed = ({ path, reason }: Flaw): InvalidRequest => new InvalidRequest({ path: formatPath(path), reason })

const parse = (payload: Uint8Array): Result.Result<Parsed, InvalidRequest> =>
  payload.length === 0
    ? Result.succeed({ value: {}, flaws: [] })
    : Result.mapError(parseJson(payload), (reason) => new InvalidRequest({ path: "", reason }))

type Decoder<S extends Schema.ConstraintDecoder<unknown>> = (
  payload: Uint8Array
) => Result.Result<S["Type"], InvalidRequest>

const strictly = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) =>
  Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })

/** A decoder of one kind of request; made once, at module level. An empty payload is `{}`. */
export const decodeRequest = <S extends Schema.ConstraintDecoder<unknown>>(schema: S): Decoder<S> => {
  const decode = strictly(schema)
  return (payload) =>
    Result.flatMap(parse(payload), ({ flaws, value }) =>
      flaws[0] === undefined ? Result.mapError(decode(value), (error) => refusal(error)) : Result.fail(flawed(flaws[0]))
    )
}

/**
 * The same for a request whose texts get a verdict, whatever they are: one that no UTF-8 can hold is as good as none. What
 * is wrong with its numbers or keys is for `schema` to refuse, so it must take none that could be.
 */
export const decodeJudged = <S extends Schema.ConstraintDecoder<unknown>>(schema: S): Decoder<S> => {
  const decode = strictly(schema)
  return (payload) =>
    Result.flatMap(parse(payload), ({ flaws, value }) =>
      Result.mapError(decode(flaws.length === 0 ? value : withoutIllFormed(value)), (error) => refusal(error))
    )
}

/** The items of a batch, each taken or refused. */
export type Items<S extends Schema.ConstraintDecoder<unknown>> = ReadonlyArray<Result.Result<S["Type"], InvalidRequest>>

/** A batch that holds items in a list, and what it says for all of them. */
export interface Batch<
  S extends Schema.ConstraintDecoder<unknown>,
  R extends Schema.ConstraintDecoder<unknown>,
  K extends string,
  I extends Schema.ConstraintDecoder<unknown>
> {
  /** The whole. */
  readonly schema: S
  /** The whole without the list. */
  readonly rest: R
  readonly list: K
  readonly item: I
  /** What `item` would make of it, quickly; undefined says nothing, and is for `item` to judge. */
  readonly quick?: (one: unknown) => I["Type"] | undefined
  /** Its texts get a verdict, whatever they are: one that no UTF-8 can hold is as good as none. */
  readonly judgesTexts?: true
}

/**
 * A decoder of a batch. What is no list, or one of a wrong size, or wrong outside of the list, refuses the whole.
 */
export const decodeBatch = <
  S extends Schema.ConstraintDecoder<unknown>,
  R extends Schema.ConstraintDecoder<unknown>,
  K extends string,
  I extends Schema.ConstraintDecoder<unknown>
>({
  item,
  judgesTexts,
  list,
  quick = () => undefined,
  rest,
  schema
}: Batch<S, R, K, I>): ((
  payload: Uint8Array
) => Result.Result<{ readonly rest: R["Type"]; readonly items: Items<I> }, InvalidRequest>) => {
  const whole = strictly(schema)
  const decodeRest = strictly(rest)
  const decodeItem = strictly(item)
  return (payload) =>
    Result.flatMap(parse(payload), ({ flaws, value }) => {
      const inItems = new Map<unknown, Flaw>()
      for (const flaw of flaws) {
        if (flaw.path[0] !== list || typeof flaw.path[1] !== "number") return Result.fail(flawed(flaw))
        inItems.set(flaw.path[1], flaw)
      }
      const given = itemsOf(value, list)
      if (given === null) {
        return Result.flatMap(
          Result.mapError(whole(value), (error) => refusal(error)),
          () => Result.fail(new InvalidRequest({ path: list, reason: "not acceptable" }))
        )
      }
      const { [list]: _, ...others } = value as Readonly<Record<string, unknown>>
      const judged = given.map((one, at) => {
        const flaw = inItems.get(at)
        if (flaw !== undefined && judgesTexts !== true) return Result.fail(flawed(flaw))
        const seen = flaw === undefined ? quick(one) : undefined
        if (seen !== undefined) return Result.succeed(seen)
        const judged = flaw === undefined ? one : withoutIllFormed(one)
        return Result.mapError(decodeItem(judged), (error) => refusal(error, [list, at]))
      })
      return Result.map(
        Result.mapError(decodeRest(others), (error) => refusal(error)),
        (decoded) => ({ rest: decoded, items: judged })
      )
    })
}

/** The same with an empty text for each that is not well formed. */
const withoutIllFormed = (one: unknown): unknown =>
  typeof one !== "object" || one === null || Array.isArray(one)
    ? one
    : Object.fromEntries(
        Object.entries(one).map(([name, value]) => [
          name,
          typeof value === "string" && !value.isWellFormed() ? "" : value
        ])
      )

/** The list of a batch, when it is one of a size that a batch may have. */
const itemsOf = (value: unknown, list: string): ReadonlyArray<unknown> | null => {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, list)) return null
  const items = (value as Readonly<Record<string, unknown>>)[list]
  return Array.isArray(items) && items.length >= 1 && items.length <= batchItemsMax ? items : null
}
