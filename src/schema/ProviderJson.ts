/**
 * `provider.*`: what travels. A definition's fields are the contract's (10.2); what is secret in it is
 * taken and never answered.
 */
import { Schema } from "effect"
import { circuitKinds } from "../domain/Circuit.ts"
import { durationMs } from "../domain/IsoDuration.ts"
import { linearPattern } from "../domain/LinearPattern.ts"
import { hasAtMost } from "../domain/Names.ts"
import {
  clientAuths,
  errorKinds,
  grantKinds,
  healthEveryMsMin,
  lifetimeUnits,
  providerNamePattern,
  refreshReasons
} from "../domain/Provider.ts"
import { providerOrigins } from "../domain/ProviderEntry.ts"
import { AnsweredDate, atMost, Nothing } from "./Field.ts"

const text = (max: number) =>
  Schema.String.check(
    Schema.isMinLength(1),
    atMost(max),
    Schema.makeFilter((value: string) => value.isWellFormed() || "must be well-formed Unicode")
  )
const Name = Schema.String.check(Schema.isPattern(providerNamePattern))
const isDuration = Schema.makeFilter(
  (value: string) => durationMs(value) !== null || "must be an ISO 8601 duration in weeks, days and smaller"
)
const Duration = Schema.String.check(atMost(64), isDuration).annotate({ format: "duration" })
/** Nothing lasts no time at all. */
const Lasting = Duration.check(
  Schema.makeFilter((value: string) => durationMs(value) !== 0 || "must be longer than nothing")
)
const HealthEvery = Duration.check(
  Schema.makeFilter((value: string) => (durationMs(value) ?? 0) >= healthEveryMsMin || "must be a second at least")
)
const Pointer = Schema.String.check(Schema.isPattern(/^(?:\/[^/]{1,128}){1,8}$/u)).annotate({
  description: "a JSON pointer (RFC 6901)"
})
const ParameterName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/u))
const isPattern = Schema.makeFilter(
  (value: string) =>
    linearPattern(value) !== null || "must be a regular expression without look-around and back references"
)
const few = (max: number) =>
  Schema.makeFilter((value: object) => Object.keys(value).length <= max || `has more than ${max}`)
const keyLengthMax = 8_192
const isShort = Schema.makeFilter((value: object) => {
  const text = JSON.stringify(value)
  if (/\\ud[89a-f]/u.test(text)) return "must be well-formed Unicode"
  return hasAtMost(text, keyLengthMax) || `must have at most ${keyLengthMax} characters`
})
const Status = Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 599 }))

const ErrorRule = Schema.Struct({
  status: Schema.optionalKey(Status),
  code: Schema.optionalKey(Schema.Union([text(256), Schema.Int])),
  path: Schema.optionalKey(Pointer),
  contains: Schema.optionalKey(text(256)),
  is: Schema.Literals(errorKinds),
  reason: Schema.optionalKey(Schema.Literals(refreshReasons))
})

const urlText = text(2_048)
const fields = {
  token_url: urlText,
  grant: Schema.optionalKey(Schema.Literals(grantKinds)),
  client_auth: Schema.optionalKey(Schema.Literals(clientAuths)),
  assertion_audience: Schema.optionalKey(Schema.Literals(["issuer", "token_url"])),
  issuer: Schema.optionalKey(urlText),
  method: Schema.optionalKey(Schema.Literals(["POST", "GET"])),
  body_format: Schema.optionalKey(Schema.Literals(["form", "json"])),
  token_params: Schema.optionalKey(Schema.Record(text(128), text(2_048)).check(few(32))),
  params: Schema.optionalKey(
    Schema.Record(ParameterName, Schema.Struct({ pattern: text(512).check(isPattern) })).check(few(16))
  ),
  access_token_path: Schema.optionalKey(Pointer),
  refresh_token_path: Schema.optionalKey(Pointer),
  expires_in_path: Schema.optionalKey(Pointer),
  expires_in_unit: Schema.optionalKey(Schema.Literals(lifetimeUnits)),
  default_lifetime: Schema.optionalKey(Schema.NullOr(Lasting)),
  refresh_before: Schema.optionalKey(Duration),
  refresh_at: Schema.optionalKey(
    Schema.NullOr(Schema.Finite.check(Schema.isBetween({ minimum: 0.05, maximum: 0.95 })))
  ),
  refresh_tokens: Schema.optionalKey(Schema.Literals(["keep", "rotate", "rotate_with_grace"])),
  grace: Schema.optionalKey(Duration),
  reuse: Schema.optionalKey(Schema.Literals(["refuse", "revoke_family", "same_successor"])),
  grant_lifetime: Schema.optionalKey(Schema.NullOr(Lasting)),
  grant_idle_lifetime: Schema.optionalKey(Schema.NullOr(Lasting)),
  errors: Schema.optionalKey(Schema.Array(ErrorRule).check(Schema.isMaxLength(64))),
  rate_per_minute: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  parallel: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  health: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        url: urlText,
        method: Schema.Literals(["GET", "POST"]),
        every: HealthEvery,
        ok: Schema.Array(Status).check(Schema.isMaxLength(32))
      })
    )
  ),
  revoke_url: Schema.optionalKey(Schema.NullOr(urlText))
}

export const PutProvider = Schema.Struct({
  name: Name,
  ...fields,
  client_id: Schema.optionalKey(text(1_024)),
  client_secrets: Schema.optionalKey(Schema.Array(text(4_096)).check(Schema.isMaxLength(8))),
  client_key: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Unknown)
      .check(few(32), isShort)
      .annotate({ description: "a private JWK; never answered" })
  )
})
export const NameProvider = Schema.Struct({ name: Name })
export const ListProviders = Nothing

export const ProviderAnswer = Schema.Struct({
  name: Schema.String,
  origin: Schema.Literals(providerOrigins),
  ...Object.fromEntries(Object.keys(fields).map((name) => [name, Schema.optionalKey(Schema.Unknown)])),
  client_id: Schema.optionalKey(Schema.String),
  client_secrets: Schema.Int.annotate({ description: "how many there are" }),
  has_client_key: Schema.Boolean
})
export const DescribedProvider = Schema.Struct({
  ...ProviderAnswer.fields,
  circuits: Schema.Array(
    Schema.Struct({
      of: Schema.Literals(circuitKinds),
      state: Schema.Literals(["open", "half_open"]),
      until: AnsweredDate.annotate({ description: "refreshes that are due wait until then" })
    })
  ).annotate({ description: "those that are not closed" })
})
export const ProviderList = Schema.Struct({ content: Schema.Array(ProviderAnswer) })
export const DeletedProvider = Schema.Struct({ deleted: Schema.Literals([1]) })
