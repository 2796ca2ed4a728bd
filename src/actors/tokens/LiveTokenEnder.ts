/** What the sweeps ask of tenants, as commands of the tenant's actor. */

import { Effect, Layer } from "effect"
import * as Background from "../tenant/Background.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import * as commands from "./commands/tokens.ts"
import { TokenEnder } from "./TokenEnder.ts"

const sweep = Background.caller("sweep")

export const layer = Layer.effect(
  TokenEnder,
  Effect.map(TenantActors, (actors) => ({
    endTokens: (tenantId, tokenIds) =>
      Effect.flatMap(sweep, (caller) => actors.ask(tenantId, commands.endTokens(tokenIds, caller))),
    purgeTokens: (tenantId, tokenIds) =>
      Effect.flatMap(sweep, (caller) => actors.ask(tenantId, commands.purgeTokens(tokenIds, caller)))
  }))
)
