/** `IssuerOfTenant` by the tenants' own actors: the Tenant Manager's word is a configuration like any other. */
import { Effect, Layer } from "effect"
import { audiencePattern, type Issuer, issuerPattern, platformName } from "../../domain/Issuer.ts"
import { IssuerOfTenant } from "../tenant/IssuerOfTenant.ts"
import { type TenantChange, Tenants } from "../tenant/Tenants.ts"

/** What can be kept; a tenant whose principals would be the platform's own can have none. */
const isPossible = (tenantId: string, settings: Issuer | null): boolean =>
  settings === null ||
  (tenantId !== platformName &&
    issuerPattern.test(settings.issuer) &&
    audiencePattern.test(settings.audience) &&
    (settings.jwksUri === null || issuerPattern.test(settings.jwksUri)))

export const layer = Layer.effect(
  IssuerOfTenant,
  Effect.map(Tenants, (tenants) => ({
    set: (tenantId, settings, caller) => {
      const change: TenantChange =
        settings === null
          ? { issuer: null }
          : { issuer: settings.issuer, audience: settings.audience, jwksUri: settings.jwksUri }
      return isPossible(tenantId, settings)
        ? tenants.configureTenant(tenantId, change, caller).pipe(
            Effect.as("done" as const),
            Effect.catchTag("IssuerInUse", () => Effect.succeed("issuer_in_use" as const))
          )
        : Effect.succeed("issuer_in_use" as const)
    }
  }))
)
