/** Settings of who may ask: bus trust, scopes, the platform's issuer, and how issuers are asked for their keys. */
import { Config, ConfigProvider, Context, type Duration, Effect, Layer } from "effect"
import { audiencePattern, type Issuer, issuerAddressProblem, issuerPattern } from "../domain/Issuer.ts"
import { httpInsecure } from "../observability/HttpSetting.ts"
import * as Setting from "../observability/Setting.ts"
import type { BusTrust } from "./Decision.ts"

const orEmpty = (pattern: RegExp): RegExp => new RegExp(`^$|${pattern.source}`, "u")

const settings = Config.all({
  busTrust: Setting.text({
    name: "CM_BUS_TRUST",
    pattern: /^(?:without-issuer|always|never)$/u,
    byDefault: "without-issuer",
    about:
      "What bus permissions alone are worth: without-issuer (enough for tenants that have no issuer), always, or never (management needs a bearer token everywhere)."
  }),
  authorization: Setting.text({
    name: "CM_AUTHORIZATION",
    pattern: /^(?:enforced|authentication-only)$/u,
    byDefault: "enforced",
    about: "Whether a bearer token's scopes are asked for (enforced), or a right token of the tenant is enough."
  }),
  platformIssuer: Setting.text({
    name: "CM_PLATFORM_ISSUER",
    pattern: orEmpty(issuerPattern),
    byDefault: "",
    about: "The issuer of the platform's own bearer tokens, for admin.v1 and for staff on any tenant. Empty: none."
  }),
  platformAudience: Setting.text({
    name: "CM_PLATFORM_AUDIENCE",
    pattern: orEmpty(audiencePattern),
    byDefault: "",
    about: "What the audience of the platform's bearer tokens holds; must be given with CM_PLATFORM_ISSUER."
  }),
  platformJwksUri: Setting.text({
    name: "CM_PLATFORM_JWKS_URI",
    pattern: orEmpty(issuerPattern),
    byDefault: "",
    about: "Where the platform's issuer keeps its keys. Empty: found by discovery."
  }),
  clockSkew: Setting.duration({
    name: "CM_TOKEN_CLOCK_SKEW",
    min: "0 millis",
    max: "10 minutes",
    byDefault: "30 seconds",
    about: "By how much the clocks of issuers may differ from ours."
  }),
  jwksStaleMax: Setting.duration({
    name: "CM_JWKS_STALE_MAX",
    min: "1 second",
    max: "30 days",
    byDefault: "1 day",
    about: "How long an issuer's keys are used after the last time that it gave them, while it cannot be asked."
  }),
  jwksRefresh: Setting.duration({
    name: "CM_JWKS_REFRESH",
    min: "1 second",
    max: "1 day",
    byDefault: "5 minutes",
    about:
      "At this age an issuer's keys are asked for again when they are used. A key that it withdrew is good until then."
  }),
  issuerTimeout: Setting.duration({
    name: "CM_ISSUER_TIMEOUT",
    min: "100 millis",
    max: "1 minute",
    byDefault: "5 seconds",
    about: "How long an issuer may take to give its keys, discovery included."
  }),
  issuersMax: Setting.int({
    name: "CM_ISSUERS_MAX",
    unit: "issuers",
    min: 1,
    max: 1_000_000,
    byDefault: 10_000,
    about: "Issuers whose keys are kept in memory; the one used longest ago gives way."
  }),
  verifiedTokensMax: Setting.int({
    name: "CM_VERIFIED_TOKENS_MAX",
    unit: "tokens",
    min: 0,
    max: 1_000_000,
    byDefault: 20_000,
    about: "Verified bearer tokens that are remembered by their hash, so that each is not verified at every use."
  }),
  httpInsecure
})

export interface AccessConfigShape {
  readonly busTrust: BusTrust
  readonly authorization: "enforced" | "authentication-only"
  /** Null: the platform has none. */
  readonly platform: Issuer | null
  readonly clockSkew: Duration.Duration
  readonly jwksStaleMax: Duration.Duration
  readonly jwksRefresh: Duration.Duration
  readonly issuerTimeout: Duration.Duration
  readonly issuersMax: number
  readonly verifiedTokensMax: number
  readonly httpInsecure: boolean
}

const refuse = (message: string) => Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))

const config = settings.pipe(
  Config.mapEffect(({ authorization, busTrust, platformAudience, platformIssuer, platformJwksUri, ...given }) => {
    for (const [name, address] of [
      ["CM_PLATFORM_ISSUER", platformIssuer],
      ["CM_PLATFORM_JWKS_URI", platformJwksUri]
    ] as const) {
      const why = address === "" ? null : issuerAddressProblem(address, given.httpInsecure)
      if (why !== null) return refuse(`${name} ${why}`)
    }
    if (platformIssuer !== "" && platformAudience === "") {
      return refuse("CM_PLATFORM_AUDIENCE must be given with CM_PLATFORM_ISSUER")
    }
    const shape: AccessConfigShape = {
      ...given,
      busTrust: busTrust as BusTrust,
      authorization: authorization as AccessConfigShape["authorization"],
      platform:
        platformIssuer === ""
          ? null
          : {
              issuer: platformIssuer,
              audience: platformAudience,
              jwksUri: platformJwksUri === "" ? null : platformJwksUri
            }
    }
    return Effect.succeed(shape)
  })
)

export class AccessConfig extends Context.Service<AccessConfig, AccessConfigShape>()("cm/access/AccessConfig") {
  static readonly layer = Layer.effect(this, config)
}
