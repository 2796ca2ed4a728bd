/**
 * What we read of Tekton's configuration: of an application `ep-token`, of a tenant `limits`.
 *
 * Everything is optional, unknown keys are named and otherwise ignored, one wrong value makes the whole
 * void. `versions` and what is in it are not read. What a problem says never repeats the value.
 *
 * Source: contract, sections 8.4 and 8.5.
 */
import {
  isTokenAlphabet,
  isTokenLength,
  type TenantLimitName,
  type TokenSettings,
  tenantLimitNames
} from "../domain/PlatformSettings.ts"
import { parseDuration } from "./Timestamp.ts"

export type Parsed<A> =
  | { readonly settings: A; readonly unknownKeys: ReadonlyArray<string> }
  | { readonly problem: string }

type Raw = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value)
const own = (record: Raw, key: string): unknown => (Object.hasOwn(record, key) ? record[key] : undefined)
const unknownIn = (record: Raw, known: ReadonlyArray<string>, prefix = ""): ReadonlyArray<string> =>
  Object.keys(record)
    .filter((key) => !known.includes(key))
    .map((key) => prefix + key.slice(0, 64))
const isWhole = (value: unknown, min: number, max: number): value is number =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max

/** `absent` and `null` are alike: the default. */
const read = <A>(value: unknown, of: (value: unknown) => A | undefined): A | null | undefined =>
  value === undefined || value === null ? null : of(value)

const lifetimeOf = (value: unknown): number | undefined => {
  const duration = typeof value === "string" ? parseDuration(value) : null
  return duration === null || duration <= 0 ? undefined : duration
}

export const parseApplicationConfig = (raw: Raw): Parsed<TokenSettings> => {
  const given = own(raw, "ep-token")
  if (given !== undefined && given !== null && !isRecord(given)) return { problem: "ep-token is not an object" }
  const epToken = isRecord(given) ? given : {}
  const length = read(own(epToken, "length"), (value) => (isTokenLength(value) ? value : undefined))
  if (length === undefined) return { problem: "ep-token.length is not a whole number from 8 to 256" }
  const alphabet = read(own(epToken, "alphabet"), (value) => (isTokenAlphabet(value) ? value : undefined))
  if (alphabet === undefined) return { problem: "ep-token.alphabet is not 10 to 64 different characters of a token" }
  const defaultLifetimeMs = read(own(epToken, "default-lifetime"), lifetimeOf)
  if (defaultLifetimeMs === undefined) return { problem: "ep-token.default-lifetime is not an ISO 8601 duration" }
  return {
    settings: { length, alphabet, defaultLifetimeMs },
    unknownKeys: [
      ...unknownIn(raw, ["ep-token", "versions"]),
      ...unknownIn(epToken, ["length", "alphabet", "default-lifetime"], "ep-token.")
    ]
  }
}

const limitMax = 1_000_000_000

export const parseTenantConfig = (raw: Raw): Parsed<Partial<Record<TenantLimitName, number>>> => {
  const given = own(raw, "limits")
  if (given !== undefined && given !== null && !isRecord(given)) return { problem: "limits is not an object" }
  const limits = isRecord(given) ? given : {}
  const settings: Partial<Record<TenantLimitName, number>> = {}
  for (const name of tenantLimitNames) {
    const value = read(own(limits, name), (value) => (isWhole(value, 1, limitMax) ? value : undefined))
    if (value === undefined) return { problem: `limits.${name} is not a whole number from 1 to ${limitMax}` }
    if (value !== null) settings[name] = value
  }
  return {
    settings,
    unknownKeys: [...unknownIn(raw, ["limits"]), ...unknownIn(limits, tenantLimitNames, "limits.")]
  }
}
