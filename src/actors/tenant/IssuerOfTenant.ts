/**
 * Sets whose tokens a tenant believes, in force on every replica when answered. The Tenant Manager's word
 * ends here as `tenants.configure` does.
 */
import { Context, Effect } from "effect"
import type { Caller, ChangeError } from "./Tenants.ts"

export interface IssuerSettings {
  readonly issuer: string
  readonly audience: string
  readonly jwksUri: string | null
}

export interface IssuerOfTenantShape {
  readonly set: (
    tenantId: string,
    settings: IssuerSettings | null,
    caller: Caller
  ) => Effect.Effect<"done" | "issuer_in_use", ChangeError>
}

/** Until something sets it, nothing is believed. */
export const IssuerOfTenant = Context.Reference<IssuerOfTenantShape>("cm/actors/IssuerOfTenant", {
  defaultValue: () => ({ set: () => Effect.succeed("done" as const) })
})
