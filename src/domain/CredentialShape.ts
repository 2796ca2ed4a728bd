/**
 * What the secret part of a credential must hold, by its type.
 *
 * `basic`, `api_key` and `oauth` have fixed fields; any other type is a flat object of strings. A
 * wrong one is named by its path and a reason; a value is never repeated, whatever is wrong with it.
 *
 * Of `basic` one of the two may be empty: some providers want their key in one and nothing in the other.
 */
import { Result } from "effect"

export type Secret = Readonly<Record<string, string>>

export interface ShapeError {
  /** `credentials` or `credentials.<field>`. */
  readonly path: string
  readonly reason: string
}

export const fieldsMax = 64
/** UTF-8 bytes of one value. */
export const valueBytesMax = 32_768
/** UTF-8 bytes of all names and values together. */
export const secretBytesMax = 65_536

export const fieldNameLengthMax = 128
const fieldNamePattern = /^\P{Cc}{1,128}$/u
/** What may be repeated in an error: a longer or stranger name may be a value in the wrong place. */
const shownNamePattern = /^[A-Za-z0-9_.-]{1,64}$/u

const isFieldName = (name: string): boolean => fieldNamePattern.test(name) && name.isWellFormed()

interface Shape {
  readonly required: ReadonlyArray<string>
  readonly optional: ReadonlyArray<string>
  /** Of these one may be empty. */
  readonly emptyOne?: ReadonlyArray<string>
}

const shapes: Readonly<Record<string, Shape>> = Object.assign(Object.create(null), {
  basic: { required: ["username", "password"], optional: [], emptyOne: ["username", "password"] },
  api_key: { required: ["api_key"], optional: [] },
  oauth: { required: ["access_token"], optional: ["refresh_token", "token_type", "client_id", "client_secret"] }
} satisfies Record<string, Shape>)

const encoder = new TextEncoder()
const bytesOf = (text: string): number => encoder.encode(text).length

const wrong = (path: string, reason: string): Result.Result<never, ShapeError> => Result.fail({ path, reason })

const checkNames = (shape: Shape, names: ReadonlyArray<string>): ShapeError | undefined => {
  for (const name of shape.required) {
    if (!names.includes(name)) return { path: `credentials.${name}`, reason: "is required" }
  }
  for (const name of names) {
    if (!shape.required.includes(name) && !shape.optional.includes(name)) {
      return { path: "credentials", reason: "has a field that this type does not know" }
    }
  }
  return undefined
}

const checkValue = (shape: Shape | undefined, name: string, value: unknown): ShapeError | undefined => {
  const path = shownNamePattern.test(name) ? `credentials.${name}` : "credentials"
  if (typeof value !== "string") return { path, reason: "must be a string" }
  // A field that this service does not know may well say nothing.
  if (value === "" && shape !== undefined && !shape.emptyOne?.includes(name))
    return { path, reason: "must not be empty" }
  if (!value.isWellFormed()) return { path, reason: "must be well-formed text" }
  if (bytesOf(value) > valueBytesMax) return { path, reason: `must have at most ${valueBytesMax} bytes` }
  return undefined
}

/**
 * The secret of a credential of `type`, copied field by field. `value` is what came from a caller.
 * A field's name is repeated in the error only when it is one of the type's own or looks like a name.
 */
export const parseSecret = (type: string, value: unknown): Result.Result<Secret, ShapeError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong("credentials", "must be an object of strings")
  }
  const entries = Object.entries(value)
  if (entries.length === 0) return wrong("credentials", "must not be empty")
  if (entries.length > fieldsMax) return wrong("credentials", `must have at most ${fieldsMax} fields`)
  if (!entries.every(([name]) => isFieldName(name))) {
    return wrong(
      "credentials",
      `has a field whose name is not 1 to ${fieldNameLengthMax} characters without control ones`
    )
  }
  const shape = shapes[type]
  const nameError = shape === undefined ? undefined : checkNames(shape, Object.keys(value))
  if (nameError !== undefined) return Result.fail(nameError)
  const secret: Record<string, string> = Object.create(null)
  let bytes = 0
  for (const [name, item] of entries) {
    const valueError = checkValue(shape, name, item)
    if (valueError !== undefined) return Result.fail(valueError)
    secret[name] = item as string
    bytes += bytesOf(name) + bytesOf(item as string)
  }
  if (shape?.emptyOne?.every((name) => secret[name] === "")) {
    return wrong("credentials", `${shape.emptyOne.join(" and ")} must not both be empty`)
  }
  return bytes > secretBytesMax
    ? wrong("credentials", `must have at most ${secretBytesMax} bytes together`)
    : Result.succeed(secret)
}
