/**
 * The port by which a validation says: this Inactive token has just been used.
 *
 * The validator tells each token once on this replica and does not wait. Whoever records it (the
 * tenant's actor, within a second, once for all replicas) sets `onFirstUse` when it starts, and
 * calls `forget` for a token whose recording failed, so that its next use is told again.
 */
import { Context, Layer } from "effect"

/** Told tokens that are remembered; beyond it the oldest is told again at its next use, which is harmless. */
export const toldMax = 200_000

export class FirstUses {
  /** Must not throw and must not wait. */
  onFirstUse: (tenantId: string, tokenId: string) => void = () => {}
  /**
   * Set by the recorder. Puts what is not recorded yet of a tenant into its actor's mailbox, at once,
   * so that a change asked afterwards on this replica finds those tokens Active. Must not wait.
   */
  recordNow: (tenantId: string) => void = () => {}
  private readonly told = new Set<string>()

  tell(tenantId: string, tokenId: string): void {
    if (this.told.has(tokenId)) return
    if (this.told.size >= toldMax) this.told.delete(this.told.values().next().value!)
    this.told.add(tokenId)
    this.onFirstUse(tenantId, tokenId)
  }

  /** The first use of this token is to be told again. */
  readonly forget = (tokenId: string): void => {
    this.told.delete(tokenId)
    this.onForgotten(tokenId)
  }

  /** Set by the validator, which keeps a mark of its own on hot tokens. */
  onForgotten: (tokenId: string) => void = () => {}
}

export class FirstUse extends Context.Service<FirstUse, FirstUses>()("cm/actors/FirstUse") {
  static readonly layer = Layer.sync(FirstUse, () => new FirstUses())
}
