/**
 * A provider of OAuth tokens, as data: where it is asked, how, and how it treats what it gave.
 *
 * The field names are the contract's (10.2), since a definition is kept and shown as it was written.
 * Nothing secret is in it: client secrets and keys lie beside it, sealed. What the built-in ones hold is
 * told, with where each fact is from, in docs/providers.md.
 *
 * Durations are ISO 8601, paths are JSON pointers (RFC 6901).
 */
import type { GrantRules } from "./Grant.ts"
import { linearPattern } from "./LinearPattern.ts"

export const grantKinds = ["refresh_token", "client_credentials", "exchange_live"] as const
export type GrantKind = (typeof grantKinds)[number]
export const clientAuths = ["basic_encoded", "basic_raw", "post", "query", "none", "private_key_jwt"] as const
export type ClientAuth = (typeof clientAuths)[number]
export const lifetimeUnits = ["seconds", "milliseconds", "at_seconds", "at_milliseconds"] as const
export type LifetimeUnit = (typeof lifetimeUnits)[number]
export const errorKinds = ["permanent", "transient", "client", "unknown"] as const

/** Why a refresh failed, in a word (contract 10.4). */
export const refreshReasons = [
  "invalid_grant",
  "invalid_client",
  "invalid_scope",
  "unauthorized_client",
  "consent_revoked",
  "app_in_testing",
  "rate_limited",
  "provider_down",
  "timeout",
  "malformed_answer",
  "blocked_url",
  "unknown"
] as const
export type RefreshReason = (typeof refreshReasons)[number]

export interface ErrorRule {
  readonly status?: number
  readonly code?: string | number
  /** Where `code` and `contains` are looked for. Default `/error`. */
  readonly path?: string
  readonly contains?: string
  readonly is: (typeof errorKinds)[number]
  readonly reason?: RefreshReason
}

export interface ParameterRule {
  /** A regular expression that the whole value must match. */
  readonly pattern: string
}

export interface Provider {
  readonly name: string
  readonly token_url: string
  readonly grant: GrantKind
  readonly client_auth: ClientAuth
  readonly assertion_audience: "issuer" | "token_url"
  readonly issuer?: string
  readonly method: "POST" | "GET"
  readonly body_format: "form" | "json"
  /** Added to the request. `{credentials.<field>}` is a field of the secret. */
  readonly token_params: Readonly<Record<string, string>>
  readonly params: Readonly<Record<string, ParameterRule>>
  readonly access_token_path: string
  readonly refresh_token_path: string
  readonly expires_in_path: string
  readonly expires_in_unit: LifetimeUnit
  readonly default_lifetime: string | null
  readonly refresh_before: string
  /** A share of the life, instead of a margin before its end. */
  readonly refresh_at: number | null
  readonly refresh_tokens: GrantRules["refreshTokens"]
  readonly grace: string
  readonly reuse: GrantRules["reuse"]
  readonly grant_lifetime: string | null
  readonly grant_idle_lifetime: string | null
  readonly errors: ReadonlyArray<ErrorRule>
  readonly rate_per_minute: number
  readonly parallel: number
  readonly health: {
    readonly url: string
    readonly method: "GET" | "POST"
    readonly every: string
    readonly ok: ReadonlyArray<number>
  } | null
  readonly revoke_url: string | null
}

export const providerNamePattern = /^[a-z][a-z0-9_-]{0,63}$/u

/** RFC 6749, section 5.2, and the statuses of HTTP that say the same of every provider. */
export const standardErrors: ReadonlyArray<ErrorRule> = [
  { code: "invalid_grant", is: "permanent", reason: "invalid_grant" },
  { code: "invalid_client", is: "client", reason: "invalid_client" },
  { code: "unauthorized_client", is: "permanent", reason: "unauthorized_client" },
  { code: "invalid_scope", is: "permanent", reason: "invalid_scope" },
  { status: 429, is: "transient", reason: "rate_limited" }
]

const defaults: Omit<Provider, "name" | "token_url"> = {
  grant: "refresh_token",
  client_auth: "basic_encoded",
  assertion_audience: "token_url",
  method: "POST",
  body_format: "form",
  token_params: {},
  params: {},
  access_token_path: "/access_token",
  refresh_token_path: "/refresh_token",
  expires_in_path: "/expires_in",
  expires_in_unit: "seconds",
  default_lifetime: null,
  refresh_before: "PT10M",
  refresh_at: null,
  refresh_tokens: "keep",
  grace: "PT0S",
  reuse: "refuse",
  grant_lifetime: null,
  grant_idle_lifetime: null,
  errors: [],
  rate_per_minute: 60,
  parallel: 4,
  health: null,
  revoke_url: null
}

export type ProviderFields = { readonly name: string; readonly token_url: string } & Partial<
  Omit<Provider, "name" | "token_url">
>

/** How often a token may be looked at. */
export const healthEveryMsMin = 1_000

/** Whether a look can carry the token: RFC 6749, appendix A.12, less the space, which would end it. */
export const fitsHeader = (accessToken: string): boolean => /^[\x21-\x7e]*$/u.test(accessToken)

/** A whole definition: what was not said has its default. */
export const providerOf = (fields: ProviderFields): Provider => ({ ...defaults, ...fields })

// ---- URLs and parameters ---------------------------------------------------------

const placeholder = /\{([a-z][a-z0-9_]{0,63})\}/gu

/** The parameters that the provider's URLs ask for. */
export const parametersOf = (provider: Provider): ReadonlyArray<string> => {
  const urls = [provider.token_url, provider.health?.url ?? "", provider.revoke_url ?? ""]
  return [...new Set(urls.flatMap((url) => [...url.matchAll(placeholder)].map(([, name]) => name!)))]
}

/** A URL with something short in place of each parameter: for what can be told of it before they are known. */
export const withoutParameters = (template: string): string => template.replace(placeholder, "x")

/** A parameter that no URL of the provider asks for: mostly one that was misspelt. */
export const strangeParameter = (
  provider: Provider,
  params: Readonly<Record<string, string>>
): { readonly path: string; readonly reason: string } | null => {
  const asked = parametersOf(provider)
  const stranger = Object.keys(params).find((name) => !asked.includes(name))
  if (stranger === undefined) return null
  return { path: `rotation.params.${stranger}`, reason: `is no parameter of the provider ${provider.name}` }
}

export type Filled =
  | { readonly _tag: "Url"; readonly url: string }
  /** A parameter that lacks or does not match its pattern. */
  | { readonly _tag: "Wrong"; readonly param: string; readonly why: "missing" | "pattern" }

/** A URL with its parameters put in; each must match its pattern as a whole. */
export const fillUrl = (template: string, provider: Provider, params: Readonly<Record<string, string>>): Filled => {
  for (const [, name] of template.matchAll(placeholder)) {
    const value = Object.hasOwn(params, name!) ? params[name!]! : undefined
    if (value === undefined) return { _tag: "Wrong", param: name!, why: "missing" }
    const rule = provider.params[name!]
    const pattern = rule === undefined ? "[A-Za-z0-9._~-]{1,256}" : rule.pattern
    // A pattern that is none any more lets nothing through.
    if (linearPattern(pattern)?.matches(value) !== true) return { _tag: "Wrong", param: name!, why: "pattern" }
  }
  // A value that is a URL of its own stands as it is; within one it is a part of a path or a host.
  const isWhole = /^\{[a-z0-9_]+\}$/u.test(template)
  const url = template.replace(placeholder, (_, name: string) =>
    isWhole ? params[name]! : encodeURIComponent(params[name]!)
  )
  return { _tag: "Url", url }
}

/** What a credential must bring for this provider, beside what the provider's entry has; null: nothing lacks. */
export const lacking = (options: {
  readonly provider: Provider
  readonly params: Readonly<Record<string, string>>
  readonly secretFields: ReadonlySet<string>
  readonly hasClientId: boolean
  readonly hasClientSecret: boolean
  readonly hasClientKey: boolean
}): { readonly path: string; readonly reason: string } | null => {
  const { hasClientId, hasClientKey, hasClientSecret, params, provider, secretFields } = options
  for (const name of parametersOf(provider)) {
    const filled = fillUrl(`{${name}}`, provider, params)
    if (filled._tag === "Wrong") {
      const reason = filled.why === "missing" ? "is required" : "is not of the form that the provider takes"
      return { path: `rotation.params.${name}`, reason: `${reason} by the provider ${provider.name}` }
    }
  }
  const needed =
    provider.grant === "refresh_token" ? ["refresh_token"] : provider.grant === "exchange_live" ? ["access_token"] : []
  for (const text of Object.values(provider.token_params)) {
    for (const [, field] of text.matchAll(/\{credentials\.([^}]{1,128})\}/gu)) needed.push(field!)
  }
  const missing = needed.find((field) => !secretFields.has(field))
  if (missing !== undefined)
    return { path: `credentials.${missing}`, reason: `is needed by the provider ${provider.name}` }
  if (provider.client_auth !== "none" && !hasClientId) {
    return { path: "credentials.client_id", reason: `is needed by the provider ${provider.name}` }
  }
  if (["basic_encoded", "basic_raw", "post", "query"].includes(provider.client_auth) && !hasClientSecret) {
    return { path: "credentials.client_secret", reason: `is needed by the provider ${provider.name}` }
  }
  if (provider.client_auth === "private_key_jwt" && !hasClientKey) {
    return { path: "rotation.provider", reason: `needs a client_key in the entry of the provider ${provider.name}` }
  }
  return null
}
