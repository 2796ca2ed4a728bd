/**
 * Where the platform's other systems are, and how patient we are with them.
 *
 * Both systems are optional. One that is switched on must be told where it is and how to get a token
 * for it; that is checked at the start, so that a mistake shows there and not an hour later.
 */
import { Config, Context, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { httpAddressProblem } from "../domain/HttpAddress.ts"
import { httpInsecure } from "../observability/HttpSetting.ts"
import * as Setting from "../observability/Setting.ts"

const addressOrNone = /^(?:https?:\/\/[^\s]{1,2000})?$/u
const address = /^https?:\/\/[^\s]{1,2000}$/u
const path = /^[^\0]{0,4096}$/u

const clientSettings = (prefix: string, system: string) => ({
  tokenUrl: Setting.text({
    name: `${prefix}_TOKEN_URL`,
    pattern: addressOrNone,
    byDefault: "",
    about: `OAuth 2.0 token endpoint where this service gets its own token for ${system} (client credentials).`
  }),
  clientId: Setting.text({
    name: `${prefix}_CLIENT_ID`,
    pattern: /^[\x20-\x7e]{0,255}$/u,
    byDefault: "",
    about: `OAuth 2.0 client id of this service at ${prefix}_TOKEN_URL.`
  }),
  clientSecret: Setting.secret({
    name: `${prefix}_CLIENT_SECRET`,
    about: `OAuth 2.0 client secret for ${prefix}_CLIENT_ID.`
  }).pipe(Config.option),
  clientSecretFile: Setting.text({
    name: `${prefix}_CLIENT_SECRET_FILE`,
    pattern: path,
    byDefault: "",
    about: `A file with the secret, instead of ${prefix}_CLIENT_SECRET; read again for every new token.`
  }),
  every: Setting.duration({
    name: `${prefix}_EVERY`,
    min: "1 second",
    max: "1 day",
    byDefault: "5 minutes",
    about: `How often everything is read from ${system} again.`
  })
})

const config = Config.all({
  insecure: httpInsecure,
  requestTimeout: Setting.duration({
    name: "CM_PLATFORM_TIMEOUT",
    min: "100 millis",
    max: "2 minutes",
    byDefault: "10 seconds",
    about: "How long one request to Tekton, the Tenant Manager or their token endpoint may take."
  }),
  answerBytesMax: Setting.int({
    name: "CM_PLATFORM_ANSWER_BYTES_MAX",
    unit: "bytes",
    min: 65_536,
    max: 1_073_741_824,
    byDefault: 33_554_432,
    about: "The longest answer of Tekton or the Tenant Manager that is read. A longer one counts as malformed."
  }),
  tektonEnabled: Setting.flag({
    name: "CM_TEKTON_ENABLED",
    byDefault: false,
    about: "Whether applications and their configuration come from Tekton."
  }),
  tektonUrl: Setting.text({
    name: "CM_TEKTON_URL",
    pattern: address,
    byDefault: "http://tekton",
    about: "Where Tekton is, without `/api/v1`."
  }),
  tekton: Config.all(clientSettings("CM_TEKTON", "Tekton")),
  tenantManagerUrl: Setting.text({
    name: "CM_TENANT_MANAGER_URL",
    pattern: addressOrNone,
    byDefault: "",
    about: "Where the Tenant Manager is, without `/api/v1`; with it tenants come from there. Empty: there is none."
  }),
  tenantManager: Config.all(clientSettings("CM_TENANT_MANAGER", "the Tenant Manager")),
  keycloakUrl: Setting.text({
    name: "CM_KEYCLOAK_URL",
    pattern: addressOrNone,
    byDefault: "",
    about: "Where Keycloak is: a tenant without a security configuration has the issuer {url}/auth/realms/{realm}."
  })
})

type Settings = Config.Success<typeof config>

/** How a token for a system is got. */
export interface ClientSettings {
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: Option.Option<Redacted.Redacted>
  readonly clientSecretFile: string
}

export class WrongPlatformSetting extends Schema.TaggedError<WrongPlatformSetting>()("WrongPlatformSetting", {
  message: Schema.String
}) {}

/** What is wrong with the settings taken together, or null. Pure. */
export const problemOf = (settings: Settings): string | null => {
  const { insecure, keycloakUrl, tekton, tektonEnabled, tektonUrl, tenantManager, tenantManagerUrl } = settings
  const ofAddress = (name: string, text: string): string | null => {
    const problem = text === "" ? null : httpAddressProblem(text, insecure)
    return problem === null ? null : `${name} ${problem}`
  }
  const ofClient = (prefix: string, client: ClientSettings): string | null => {
    if (client.tokenUrl === "") return `${prefix}_TOKEN_URL must be given`
    if (client.clientId === "") return `${prefix}_CLIENT_ID must be given`
    return Option.isNone(client.clientSecret) && client.clientSecretFile === ""
      ? `${prefix}_CLIENT_SECRET or ${prefix}_CLIENT_SECRET_FILE must be given`
      : ofAddress(`${prefix}_TOKEN_URL`, client.tokenUrl)
  }
  const tektonProblem = (): string | null => ofAddress("CM_TEKTON_URL", tektonUrl) ?? ofClient("CM_TEKTON", tekton)
  const managerProblem = (): string | null =>
    ofAddress("CM_TENANT_MANAGER_URL", tenantManagerUrl) ?? ofClient("CM_TENANT_MANAGER", tenantManager)
  return (
    (tektonEnabled ? tektonProblem() : null) ??
    (tenantManagerUrl === "" ? null : managerProblem()) ??
    ofAddress("CM_KEYCLOAK_URL", keycloakUrl)
  )
}

export class PlatformConfig extends Context.Service<PlatformConfig, Settings>()("cm/platform/PlatformConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const settings = yield* config
      const problem = problemOf(settings)
      return problem === null ? settings : yield* new WrongPlatformSetting({ message: problem })
    })
  )
}
