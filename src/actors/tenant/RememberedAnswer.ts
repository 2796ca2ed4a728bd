/**
 * The answer kept for an `Idempotency-Key`: what was decided, as bytes and back.
 *
 * Results and refusals inside the answer keep their meaning; everything else must be plain data,
 * which answers of the actors are. The bytes are sealed by the actor before they are written, and with them what stands
 * beside them in their row.
 */
import { Result, Schema } from "effect"
import { Refusal } from "../../domain/errors.ts"

const encodeRefusal = Schema.encodeSync(Refusal)
const decodeRefusal = Schema.decodeUnknownSync(Refusal)

const okKey = "\u0000ok"
const refusedKey = "\u0000refused"
const saysKey = "\u0000says"

const plain = (value: unknown): unknown => {
  if (Result.isResult(value)) {
    return Result.isSuccess(value)
      ? { [okKey]: plain(value.success) }
      : { [refusedKey]: encodeRefusal(value.failure as Refusal) }
  }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  }
  return value
}

const revive = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Object.hasOwn(value, okKey)) return Result.succeed((value as Record<string, unknown>)[okKey])
  if (Object.hasOwn(value, refusedKey))
    return Result.fail(decodeRefusal((value as Record<string, unknown>)[refusedKey]))
  return value
}

/** `says`: what stands beside it in its row. */
export const encode = (answer: Result.Result<unknown, Refusal>, says: string): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ ...(plain(answer) as object), [saysKey]: says }))

/**
 * Null: its row does not say what it said. An answer that a build before this kept does not know what that was.
 * The bytes are the service's own: that they are an `A` is the invariant of the operation in their key.
 */
export const decode = <A>(bytes: Uint8Array, says: string): Result.Result<A, Refusal> | null => {
  const text = new TextDecoder().decode(bytes)
  const { [saysKey]: said = says } = JSON.parse(text) as { readonly [saysKey]?: string }
  return said === says ? (JSON.parse(text, revive) as Result.Result<A, Refusal>) : null
}
