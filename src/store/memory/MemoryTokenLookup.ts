/** `TokenLookup` in memory. */

import { Effect, Layer } from "effect"
import { hexOf } from "../../domain/Bytes.ts"
import { type HotToken, hotTokenOf, tagOf } from "../../domain/HotToken.ts"
import { isInService } from "../../domain/Tenant.ts"
import { TokenLookup } from "../TokenLookup.ts"
import { isLive, MemoryDatabase, type MemoryTables } from "./MemoryDatabase.ts"

const hotToken = (tables: MemoryTables, cacheKey: string): HotToken | undefined => {
  const token = tables.tokens.get(tables.tokenByHash.get(cacheKey) ?? "")
  if (token === undefined || !isLive(tables, token)) return undefined
  if (tables.applications.get(token.appName)?.outOfService !== null) return undefined
  const hot = hotTokenOf(token, tables.counters.get(token.tenantId)?.revocationSeq ?? 0)
  return token.mac === undefined ? hot : { ...hot, tag: tagOf(token, token.mac) }
}

const make = Effect.map(MemoryDatabase, (tables) =>
  TokenLookup.of({
    byHash: async (hashes) => hashes.map((hash) => hotToken(tables, hexOf(hash))),
    applications: async (appNames) =>
      Array.from(new Set(appNames)).flatMap((appName) => {
        const application = tables.applications.get(appName)
        if (application === undefined || !isInService(application)) return []
        if (tables.tenants.get(application.tenantId)?.removedAt !== null) return []
        return [{ appName, tenantId: application.tenantId }]
      })
  })
)

export const layer: Layer.Layer<TokenLookup, never, MemoryDatabase> = Layer.effect(TokenLookup, make)
