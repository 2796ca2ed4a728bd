/**
 * Last uses of tokens on their way to the store: the newest of each token, none of them urgent.
 *
 * Uses of hot tokens wait in the hot table itself and pass through here when an entry goes; uses of
 * others come here at once. Bounded: beyond `usesWaitingMax` tokens a new one is dropped and counted,
 * and the token's last use is late until it is used again.
 */
import type { TokenUsed } from "../../store/TokenUse.ts"

export const usesWaitingMax = 200_000

export class Uses {
  dropped = 0
  private waiting = new Map<string, number>()

  add(tokenId: string, usedAt: number): void {
    const known = this.waiting.get(tokenId)
    if (known !== undefined) {
      if (known < usedAt) this.waiting.set(tokenId, usedAt)
    } else if (this.waiting.size < usesWaitingMax) this.waiting.set(tokenId, usedAt)
    else this.dropped++
  }

  /** Hands out at most `max` of them and forgets those. */
  take(max: number): Array<TokenUsed> {
    const taken: Array<TokenUsed> = []
    for (const [tokenId, usedAt] of this.waiting) {
      if (taken.length >= max) break
      taken.push({ tokenId, usedAt })
      this.waiting.delete(tokenId)
    }
    return taken
  }

  get count(): number {
    return this.waiting.size
  }
}
