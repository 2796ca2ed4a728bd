/** The providers that everybody has, as data. What each fact is from is told in docs/providers.md. */
import { type ErrorRule, type Provider, type ProviderFields, providerOf } from "./Provider.ts"

/** Facebook's Graph: errors are numbers below `/error/code`. */
const graphErrors: ReadonlyArray<ErrorRule> = [
  { path: "/error/error_subcode", code: 458, is: "permanent", reason: "consent_revoked" },
  { path: "/error/code", code: 190, is: "permanent", reason: "invalid_grant" },
  { path: "/error/code", code: 4, is: "transient", reason: "rate_limited" },
  { path: "/error/code", code: 17, is: "transient", reason: "rate_limited" },
  { path: "/error/code", code: 1, is: "transient", reason: "provider_down" },
  { path: "/error/code", code: 2, is: "transient", reason: "provider_down" }
]
const graph = "https://graph.facebook.com/v22.0"
const sixtyDays = "P60D"

/** The built-in ones, by name. */
export const builtInProviders: ReadonlyMap<string, Provider> = new Map(
  (
    [
      {
        name: "google",
        token_url: "https://oauth2.googleapis.com/token",
        client_auth: "post",
        grant_idle_lifetime: "P180D",
        revoke_url: "https://oauth2.googleapis.com/revoke",
        errors: [
          {
            code: "invalid_grant",
            path: "/error_subtype",
            contains: "invalid_rapt",
            is: "permanent",
            reason: "consent_revoked"
          }
        ]
      },
      {
        name: "microsoft",
        token_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        params: { tenant: { pattern: "[A-Za-z0-9.-]{1,128}" } },
        client_auth: "post",
        refresh_tokens: "rotate_with_grace",
        grace: "P90D",
        grant_idle_lifetime: "P90D",
        errors: [
          { contains: "AADSTS65001", path: "/error_description", is: "permanent", reason: "consent_revoked" },
          { contains: "AADSTS50173", path: "/error_description", is: "permanent", reason: "consent_revoked" }
        ]
      },
      {
        name: "meta",
        token_url: `${graph}/oauth/access_token`,
        grant: "exchange_live",
        method: "GET",
        client_auth: "query",
        token_params: { grant_type: "fb_exchange_token", fb_exchange_token: "{credentials.access_token}" },
        refresh_at: 0.5,
        default_lifetime: sixtyDays,
        errors: graphErrors
      },
      {
        name: "whatsapp",
        token_url: `${graph}/oauth/access_token`,
        grant: "exchange_live",
        method: "GET",
        client_auth: "query",
        token_params: {
          grant_type: "fb_exchange_token",
          fb_exchange_token: "{credentials.access_token}",
          set_token_expires_in_60_days: "true"
        },
        refresh_at: 0.5,
        health: { url: `${graph}/me`, method: "GET", every: "PT6H", ok: [200] },
        errors: graphErrors
      },
      {
        name: "instagram",
        token_url: "https://graph.instagram.com/refresh_access_token",
        grant: "exchange_live",
        method: "GET",
        client_auth: "none",
        token_params: { grant_type: "ig_refresh_token", access_token: "{credentials.access_token}" },
        refresh_at: 0.5,
        default_lifetime: sixtyDays,
        errors: graphErrors
      },
      {
        name: "threads",
        token_url: "https://graph.threads.net/refresh_access_token",
        grant: "exchange_live",
        method: "GET",
        client_auth: "none",
        token_params: { grant_type: "th_refresh_token", access_token: "{credentials.access_token}" },
        refresh_at: 0.5,
        default_lifetime: sixtyDays,
        errors: graphErrors
      },
      {
        name: "slack",
        token_url: "https://slack.com/api/oauth.v2.access",
        client_auth: "post",
        refresh_tokens: "rotate",
        errors: [
          { code: "invalid_refresh_token", is: "permanent", reason: "invalid_grant" },
          { code: "token_revoked", is: "permanent", reason: "consent_revoked" },
          { code: "bad_client_secret", is: "client", reason: "invalid_client" },
          { code: "ratelimited", is: "transient", reason: "rate_limited" }
        ]
      },
      {
        name: "github",
        token_url: "https://github.com/login/oauth/access_token",
        client_auth: "post",
        refresh_tokens: "rotate",
        grant_lifetime: "P184D",
        errors: [
          { code: "bad_refresh_token", is: "permanent", reason: "invalid_grant" },
          { code: "incorrect_client_credentials", is: "client", reason: "invalid_client" }
        ]
      },
      {
        name: "salesforce",
        token_url: "https://{domain}.my.salesforce.com/services/oauth2/token",
        params: { domain: { pattern: "[a-z0-9-]{1,63}(?:\\.[a-z0-9-]{1,63})?" } },
        client_auth: "post",
        default_lifetime: "PT2H",
        revoke_url: "https://login.salesforce.com/services/oauth2/revoke"
      },
      { name: "hubspot", token_url: "https://api.hubapi.com/oauth/v1/token", client_auth: "post" },
      {
        name: "zoom",
        token_url: "https://zoom.us/oauth/token",
        refresh_tokens: "rotate",
        grant_lifetime: "P90D",
        revoke_url: "https://zoom.us/oauth/revoke"
      },
      {
        name: "oauth2",
        token_url: "{token_url}",
        params: { token_url: { pattern: "https?://[^\\s#]{1,1000}" } },
        refresh_tokens: "rotate"
      }
    ] satisfies ReadonlyArray<ProviderFields>
  ).map((fields) => [fields.name, providerOf(fields)])
)
