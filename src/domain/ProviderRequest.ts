/**
 * The requests to a provider, built and nothing more: pure. To its token endpoint, to where a token is revoked,
 * and the one that shows whether a token is alive.
 *
 * Source: RFC 6749, sections 2.3.1 (client authentication: each part is form-encoded before the Basic
 * scheme's base64), 4.4 and 6; RFC 7523, section 2.2 (`private_key_jwt`); RFC 7009, section 2.1 (revocation);
 * RFC 6750, section 2.1 (bearer).
 */
import type { Provider } from "./Provider.ts"

export interface ProviderClient {
  readonly id: string | null
  readonly secret: string | null
  /** A signed assertion, for `private_key_jwt`. */
  readonly assertion: string | null
}

export interface BuiltRequest {
  readonly method: "GET" | "POST"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** Every secret in it: whatever is said about the answer must not repeat one. */
  readonly secrets: ReadonlyArray<string>
}

const formEncoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)
const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`, "utf8").toString("base64")}`

/** `{credentials.<field>}` of `token_params`, put in. */
const filledIn = (text: string, secret: Readonly<Record<string, string>>): string =>
  text.replace(/\{credentials\.([^}]{1,128})\}/gu, (_, field: string) =>
    Object.hasOwn(secret, field) ? secret[field]! : ""
  )

/** Whoever says nothing of codings is sent any of them (RFC 9110, section 12.5.3). */
const userAgent = {
  Accept: "application/json",
  "Accept-Encoding": "identity",
  "User-Agent": "credential-management"
}
const secretLengthMin = 4

/** Says who the client is, where the provider wants to read it. */
const authenticate = (
  provider: Provider,
  { assertion, id, secret }: ProviderClient,
  request: { readonly fields: URLSearchParams; readonly headers: Record<string, string>; readonly target: URL }
): void => {
  const { fields, headers, target } = request
  switch (provider.client_auth) {
    case "basic_encoded":
      if (id !== null) headers.Authorization = basic(formEncoded(id), formEncoded(secret ?? ""))
      break
    case "basic_raw":
      if (id !== null) headers.Authorization = basic(id, secret ?? "")
      break
    case "post":
      if (id !== null) fields.set("client_id", id)
      if (secret !== null) fields.set("client_secret", secret)
      break
    case "query":
      if (id !== null) target.searchParams.set("client_id", id)
      if (secret !== null) target.searchParams.set("client_secret", secret)
      break
    case "private_key_jwt":
      if (id !== null) fields.set("client_id", id)
      fields.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
      fields.set("client_assertion", assertion ?? "")
      break
    case "none":
      if (id !== null && provider.grant === "refresh_token") fields.set("client_id", id)
      break
  }
}

/** What is sent and must not be said again. */
const secretsOf = (texts: ReadonlyArray<string | null | undefined>): ReadonlyArray<string> =>
  texts.filter((one): one is string => typeof one === "string" && one.length >= secretLengthMin)

export const buildRequest = (options: {
  readonly provider: Provider
  /** `token_url`, filled and checked. */
  readonly url: string
  readonly secret: Readonly<Record<string, string>>
  readonly client: ProviderClient
  readonly scopes: ReadonlyArray<string>
}): BuiltRequest => {
  const { client, provider, secret, url } = options
  const fields = new URLSearchParams()
  if (provider.grant === "refresh_token") {
    fields.set("grant_type", "refresh_token")
    fields.set("refresh_token", secret.refresh_token ?? "")
  }
  if (provider.grant === "client_credentials") {
    fields.set("grant_type", "client_credentials")
    if (options.scopes.length > 0) fields.set("scope", options.scopes.join(" "))
  }
  for (const [name, text] of Object.entries(provider.token_params)) fields.set(name, filledIn(text, secret))

  const headers: Record<string, string> = { ...userAgent }
  const target = new URL(url)
  authenticate(provider, client, { fields, headers, target })
  const secrets = secretsOf([
    ...Object.values(secret),
    client.secret,
    client.assertion,
    headers.Authorization?.slice("Basic ".length)
  ])
  if (provider.method === "GET") {
    for (const [name, value] of fields) target.searchParams.set(name, value)
    return { method: "GET", url: target.href, headers, body: null, secrets }
  }
  const isJson = provider.body_format === "json"
  headers["Content-Type"] = isJson ? "application/json" : "application/x-www-form-urlencoded"
  const body = isJson ? JSON.stringify(Object.fromEntries(fields)) : fields.toString()
  return { method: "POST", url: target.href, headers, body, secrets }
}

/** The token whose end ends the grant: the refresh token, where there is one. */
export const buildRevocation = (options: {
  readonly provider: Provider
  /** `revoke_url`, filled and checked. */
  readonly url: string
  readonly secret: Readonly<Record<string, string>>
  readonly client: ProviderClient
}): BuiltRequest => {
  const { client, provider, secret, url } = options
  const hint = secret.refresh_token === undefined ? "access_token" : "refresh_token"
  const fields = new URLSearchParams({ token: secret[hint] ?? "", token_type_hint: hint })
  const headers: Record<string, string> = { ...userAgent, "Content-Type": "application/x-www-form-urlencoded" }
  const target = new URL(url)
  authenticate(provider, client, { fields, headers, target })
  const secrets = secretsOf([...Object.values(secret), client.secret, client.assertion])
  return { method: "POST", url: target.href, headers, body: fields.toString(), secrets }
}

/** Asks what only a token that is alive is answered. */
export const buildHealthCheck = (
  method: "GET" | "POST",
  url: string,
  secret: Readonly<Record<string, string>>
): BuiltRequest => ({
  method,
  url,
  headers: { ...userAgent, Authorization: `Bearer ${secret.access_token ?? ""}` },
  body: method === "POST" ? "" : null,
  secrets: secretsOf(Object.values(secret))
})
