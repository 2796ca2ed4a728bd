/** The latest use of each token, by ascending token id; refuses more than a call may bring. */
import { type TokenUsed, usesPerCallMax } from "./TokenUse.ts"

export const latestUses = (uses: ReadonlyArray<TokenUsed>): ReadonlyArray<readonly [string, number]> => {
  if (uses.length > usesPerCallMax) throw new Error(`more than ${usesPerCallMax} uses in one call`)
  const latest = new Map<string, number>()
  for (const { tokenId, usedAt } of uses) latest.set(tokenId, Math.max(usedAt, latest.get(tokenId) ?? 0))
  return Array.from(latest).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
