/**
 * What a provider knows of the grants that it gave, and with it the truth by which a loss is counted:
 * bookkeeping without HTTP, clock or chance.
 *
 * A family begins when a person connects. Using a grant of it may spend it and give another. Of each
 * grant it is known what became of the answer that it was in: handed over, lost on the wire, or with a
 * replica that was killed before it had stored it. A loss is inevitable only when every unspent grant
 * of the family was lost so, and the provider takes no spent one.
 */
import type { GrantRules } from "../../../src/domain/Grant.ts"

export interface Rules extends GrantRules {
  /** What a spent one brings within its grace: the same successor again, or another one beside it. */
  readonly successor: "same" | "another"
}

/**
 * `connected`: a person brought it. `flying`: its answer is under way. `sent`: the answer left whole and in
 * time. `lost`: it did not. `window`: whoever asked was killed before it was stored.
 */
export type Delivery = "connected" | "flying" | "sent" | "lost" | "window"

export interface Grant {
  readonly value: string
  readonly family: Family
  spentAtMs: number | null
  delivery: Delivery
  /** The claim that it was given under; 0 and empty for one that a person brought. */
  readonly term: number
  readonly holder: string
  /** When the exchange was asked for, by this machine's clock. */
  readonly givenAtMs: number
}

export interface Family {
  readonly kind: string
  readonly rules: Rules
  /** In the order in which they were given. */
  readonly grants: Array<Grant>
  credentialId: string
  dead: null | { readonly by: "consent" | "misuse"; readonly inevitable: boolean }
  /** A person stored a copy that was too old to be known: what follows is not the service's doing. */
  hasStaleCopy: boolean
  /**
   * A person has stored another grant in its place, and it has brought nothing since: nobody is promised that it
   * is kept once that other one has brought something.
   */
  isPutAside: boolean
  /** The last things that happened to it. */
  readonly story: Array<string>
}

export type Exchanged =
  | { readonly _tag: "Granted"; readonly grant: Grant; readonly isNew: boolean }
  | { readonly _tag: "Refused"; readonly isMisuse: boolean }

/** Under which claim an exchange was asked for. */
export interface Asker {
  readonly term: number
  readonly holder: string
}

const storyLengthMax = 40
/** Behind so many successors a grant is forgotten: whoever shows it is refused. */
const grantsKeptMax = 12

export const tell = (family: Family, what: string): void => {
  family.story.push(`${new Date().toISOString().slice(11, 23)} ${what}`)
  if (family.story.length > storyLengthMax) family.story.shift()
}

/** Enough of a grant to tell it from others. */
export const shortOf = (value: string): string => value.slice(-25, -19)

export class Families {
  readonly byValue = new Map<string, Grant>()
  readonly all: Array<Family> = []
  /** Uses of a grant that was spent, beyond what the provider allows. */
  misuses = 0
  private readonly makeValue: () => string

  constructor(makeValue: () => string) {
    this.makeValue = makeValue
  }

  connect(kind: string, rules: Rules): Family {
    const family: Family = {
      kind,
      rules,
      grants: [],
      credentialId: "",
      dead: null,
      hasStaleCopy: false,
      isPutAside: false,
      story: []
    }
    this.add(family, { term: 0, holder: "" }, "connected", 0)
    this.all.push(family)
    return family
  }

  private add(family: Family, { holder, term }: Asker, delivery: Delivery, nowMs: number): Grant {
    const grant: Grant = {
      value: this.makeValue(),
      family,
      spentAtMs: null,
      delivery,
      term,
      holder,
      givenAtMs: nowMs
    }
    family.grants.push(grant)
    this.byValue.set(grant.value, grant)
    if (family.grants.length > grantsKeptMax) {
      const oldest = family.grants.findIndex(({ spentAtMs }) => spentAtMs !== null)
      for (const { value } of family.grants.splice(oldest, 1)) this.byValue.delete(value)
    }
    return grant
  }

  exchange(value: string, asker: Asker, nowMs: number): Exchanged {
    const grant = this.byValue.get(value)
    if (grant === undefined || grant.family.dead !== null) return { _tag: "Refused", isMisuse: false }
    const { family } = grant
    const { rules } = family
    if (rules.refreshTokens === "keep") return { _tag: "Granted", grant, isNew: false }
    if (grant.spentAtMs === null) {
      grant.spentAtMs = nowMs
      return { _tag: "Granted", grant: this.add(family, asker, "flying", nowMs), isNew: true }
    }
    if (isUsableAgain(grant, nowMs)) {
      if (rules.successor === "another" && rules.reuse !== "same_successor") {
        return { _tag: "Granted", grant: this.add(family, asker, "flying", nowMs), isNew: true }
      }
      const successor = successorOf(grant)
      if (successor !== undefined) return { _tag: "Granted", grant: successor, isNew: false }
    }
    this.misuses += 1
    if (rules.reuse === "revoke_family") family.dead = { by: "misuse", inevitable: isHopeless(family, nowMs) }
    return { _tag: "Refused", isMisuse: true }
  }
}

const successorOf = (grant: Grant): Grant | undefined => {
  const { grants } = grant.family
  const next = grants[grants.indexOf(grant) + 1]
  return next !== undefined && next.spentAtMs === null ? next : undefined
}

const isUsableAgain = (grant: Grant, nowMs: number): boolean => {
  const { rules } = grant.family
  if (grant.spentAtMs === null || rules.refreshTokens === "keep") return true
  if (rules.reuse === "same_successor" && successorOf(grant) !== undefined) return true
  return (
    rules.refreshTokens === "rotate_with_grace" &&
    nowMs < grant.spentAtMs + rules.graceMs &&
    (rules.successor === "another" || successorOf(grant) !== undefined)
  )
}

/** Whether this grant still gets an access token. */
export const isLive = (grant: Grant, nowMs: number): boolean =>
  grant.family.dead === null && isUsableAgain(grant, nowMs)

/** Nobody in the world can get at it any more: every unspent grant is gone, and no spent one is taken. */
export const isHopeless = (family: Family, nowMs: number): boolean =>
  family.grants.every((grant) =>
    grant.spentAtMs === null ? grant.delivery === "lost" || grant.delivery === "window" : !isUsableAgain(grant, nowMs)
  )
