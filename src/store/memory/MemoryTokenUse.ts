/** `TokenUse` in memory. */
import { Effect, Layer } from "effect"
import { latestUses } from "../latestUses.ts"
import { TokenUse } from "../TokenUse.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

export const layer: Layer.Layer<TokenUse, never, MemoryDatabase> = Layer.effect(
  TokenUse,
  Effect.map(MemoryDatabase, (tables) =>
    TokenUse.of({
      record: (uses) =>
        Effect.sync(() => {
          for (const [tokenId, usedAt] of latestUses(uses)) {
            const token = tables.tokens.get(tokenId)
            if (token !== undefined && (token.lastUsedAt ?? 0) < usedAt) {
              tables.tokens.set(tokenId, { ...token, lastUsedAt: usedAt })
            }
          }
        })
    })
  )
)
