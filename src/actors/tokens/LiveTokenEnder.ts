/** What the sweeps ask of tenants, as commands of the tenant's actor. */

import { Effect, Layer } from "effect"
import { servicePrincipal } from "../../domain/Principal.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import * as commands from "./commands/tokens.ts"
import { TokenEnder } from "./TokenEnder.ts"

const callerOf = (principal: string) =>
  ({ ...servicePrincipal(principal), correlationId: "", idempotency: null }) as const

export const layer = Layer.effect(
  TokenEnder,
  Effect.map(TenantActors, (actors) => ({
    endTokens: (tenantId, tokenIds) => actors.ask(tenantId, commands.endTokens(tokenIds, callerOf("expiry"))),
    purgeTokens: (tenantId, tokenIds) => actors.ask(tenantId, commands.purgeTokens(tokenIds, callerOf("removal")))
  }))
)
