/**
 * Sets whose tokens a tenant believes, in force on every replica when answered. The Tenant Manager's word
 * ends here as `tenants.configure` does.
 */
import { Context, Effect } from "effect"
import type { Issuer } from "../../domain/Issuer.ts"
import type { Caller, ChangeError } from "./Tenants.ts"

export interface IssuerOfTenantShape {
  readonly set: (
    tenantId: string,
    settings: Issuer | null,
    caller: Caller
  ) => Effect.Effect<"done" | "issuer_in_use", ChangeError>
}

/** Until something sets it, nothing is believed. */
export const IssuerOfTenant = Context.Reference<IssuerOfTenantShape>("cm/actors/IssuerOfTenant", {
  defaultValue: () => ({ set: () => Effect.succeed("done" as const) })
})
