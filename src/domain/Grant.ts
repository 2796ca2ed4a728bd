/**
 * The words of a grant that is refreshed: how a provider treats it, what is held of it, who is at it, and
 * what an exchange brought. `GrantLife.ts` decides over them.
 *
 * All times are UNIX milliseconds of the database's clock.
 */

/** How a provider treats the grants that are used. */
export interface GrantRules {
  /** `keep`: using one spends nothing. `rotate`: each answer has another one and the used one is spent. */
  readonly refreshTokens: "keep" | "rotate" | "rotate_with_grace"
  /** `rotate_with_grace`: how long a spent one still answers. */
  readonly graceMs: number
  /** What a use of a spent one does beyond that. */
  readonly reuse: "refuse" | "revoke_family" | "same_successor"
}

export interface GrantTiming {
  /** A claim is its holder's for this long. Longer than an exchange and the storing of its answer may take. */
  readonly claimMs: number
  /** How long an answer may still be in the hands of somebody who was paused. */
  readonly doubtMs: number
}

/** A secret that is kept, with the grant in it. Versions are those of the credential. */
export interface HeldGrant {
  readonly version: number
  /** The term whose answer brought it; for one that was stored by hand the last term given by then. */
  readonly term: number
  readonly byHand: boolean
  /** Tells equal grants: a keyed fingerprint of the refresh token, or of whatever is exchanged. */
  readonly grant: string
  /** An answer was received that came of spending it. */
  readonly spent: boolean
  /** The provider said for good that it takes this one no more. */
  readonly refused: boolean
  /** A person has stored another grant since: this one is used only when nothing more can come of that. */
  readonly aside?: true
  /** Whose it is, where another provider is named by now: kept for that one, and nobody else is sent it. */
  readonly of?: Named
  /** The one that is named refused it, and it is another one's: that says nothing of what its own would say. */
  readonly astray?: true
}

/** A provider as a credential names it. `own`: the tenant's own entry of that name, and no other's. */
export interface Named {
  readonly provider: string
  readonly own?: boolean | undefined
}

/** `current` is handed out. `spares`, the newest term first, are kept sealed and never handed out. */
export interface Holding {
  readonly current: HeldGrant
  readonly spares: ReadonlyArray<HeldGrant>
}

export interface Claim {
  readonly term: number
  /** Who has it: a process, in one of its attempts. No other claim has the same. */
  readonly holder: string
  /** The version whose grant it spends. */
  readonly spends: number
  readonly at: number
  readonly until: number
  /** The exchange begins before this moment or not at all: using the grant later could be taken for theft. */
  readonly beginBy: number
}

export interface GrantState {
  /** The last term given. Only ever grows. */
  readonly term: number
  readonly claim: Claim | null
  /** When the first exchange began of which nobody knows what it did; null: there is none. */
  readonly doubtSince: number | null
  /** Claims that ran out and left no answer: their holders may have slept and still come with one. */
  readonly open: ReadonlyArray<{ readonly term: number; readonly at: number }>
  /** What exchanges up to this term bring came of grants that a person has put aside since. */
  readonly asideUpTo?: number
  /** `open` of grants that a person has put aside: as long as their holders may come, what is aside is not used. */
  readonly asideOpen?: ReadonlyArray<{ readonly term: number; readonly at: number }> | undefined
  /** Terms beyond it, up to the last one or the present claim's, were given back: no exchange of theirs began. */
  readonly begunUpTo?: number | undefined
  /** Failures in a row. */
  readonly attempts: number
  readonly nextAttemptAt: number | null
  /** A person must reconnect. */
  readonly isFinal: boolean
}

export const newGrant: GrantState = {
  term: 0,
  claim: null,
  doubtSince: null,
  open: [],
  attempts: 0,
  nextAttemptAt: null,
  isFinal: false
}

/** The last term of which an exchange may have begun, or may yet begin. */
export const newestTerm = ({ begunUpTo, claim, term }: GrantState): number =>
  claim === null ? (begunUpTo ?? term) : term

/** What came of an exchange. */
export type Outcome =
  | {
      readonly kind: "granted"
      readonly grant: string
      /** Nothing came with the grant that could be handed out: it is kept, and it counts as a failure until then. */
      readonly retryAt?: number | undefined
    }
  /** For good: this grant is gone. */
  | { readonly kind: "refused" }
  /** Not done, and the grant is as it was: a limit of rate, a connection that was refused. */
  | { readonly kind: "transient"; readonly retryAt: number }
  /** Nobody knows: the connection ended, the time ran out, the provider broke in the middle. */
  | { readonly kind: "unknown"; readonly retryAt: number }

export interface Answer {
  readonly term: number
  readonly spends: number
  /** The grant that was spent. */
  readonly spent: string
  /** When the exchange was claimed. */
  readonly claimedAt: number
  readonly outcome: Outcome
  /** Who was asked, where another provider is named by now. */
  readonly of?: Named
}

/** What becomes of the grant in an answer. */
export type Placement =
  /** It is handed out from now on; what was handed out before is a spare. */
  | "promote"
  /** It is kept beside what is handed out, and spent when that is refused. */
  | "spare"
  /** Somebody connected anew meanwhile: it is kept in the place of the one that was put aside and spent for it. */
  | "aside"
  /** The same, and nothing new in it: it stays sealed where the answer lies. */
  | "superseded"
  | "none"

export interface Settlement {
  readonly state: GrantState
  readonly placement: Placement
  /** Held grants that are equal to this one are spent from now on; null: none. */
  readonly spent: string | null
  /** Held grants that are equal to this one were refused; null: none. */
  readonly refused: string | null
}
