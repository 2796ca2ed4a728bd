/**
 * Which grant each credential should hold, and whether one is lost: the provider's word against what the
 * service does.
 *
 * Lost is a grant that the provider holds live while the service has given it up, uses another in its
 * place, or has made the provider end it. It is counted as inevitable only when the provider says that
 * nobody could get at it any more (`isHopeless`); for kinds that take a spent grant again nothing is
 * inevitable.
 */
import type { Pool } from "mariadb"
import { type Asker, type Family, type Grant, isHopeless, isLive, shortOf, tell } from "./Families.ts"

export interface Holder {
  readonly tenantId: string
  readonly credentialId: string
  readonly kind: string
  family: Family
  /** Since when the service must use this family and no other, by this machine's clock. */
  sinceMs: number
  /** A person is at it: what it holds is not known at this moment. */
  isInHand: boolean
}

export type Judgement = "lost" | "inevitable" | "consent" | "stale copy" | "put aside"

export interface Loss {
  readonly kind: string
  readonly credentialId: string
  readonly how: string
  readonly story: ReadonlyArray<string>
}

const takesSpentOnes = ({ rules }: Family): boolean =>
  rules.refreshTokens !== "rotate" || rules.reuse === "same_successor"

export class Books {
  readonly holders = new Map<string, Holder>()
  readonly losses: Array<Loss> = []
  readonly counts = new Map<Judgement, number>()
  /** A grant of before came back into use after the one that a person stored had ended. */
  fallbacks = 0
  /** Inevitable ones, by how the answer was lost. */
  readonly inevitable = { wire: 0, window: 0 }

  /** Told of each loss: what else is known of it may be added to its story. */
  lost: (credentialId: string, story: Array<string>) => void = () => {}

  private count(judgement: Judgement): void {
    this.counts.set(judgement, (this.counts.get(judgement) ?? 0) + 1)
  }

  private lose(holder: Pick<Holder, "credentialId">, family: Family, how: string): Judgement {
    this.count("lost")
    tell(family, `LOST: ${how}`)
    const story = [...family.story]
    this.losses.push({ kind: family.kind, credentialId: holder.credentialId, how, story })
    this.lost(holder.credentialId, story)
    return "lost"
  }

  /** The service has given a family up. */
  judge(holder: Holder, how: string): Judgement {
    const { family } = holder
    if (family.dead?.by === "consent") {
      this.count("consent")
      return "consent"
    }
    if (family.hasStaleCopy) {
      this.count("stale copy")
      return "stale copy"
    }
    if (family.isPutAside) {
      this.count("put aside")
      return "put aside"
    }
    const isInevitable = family.dead === null ? isHopeless(family, Date.now()) : family.dead.inevitable
    if (!isInevitable || takesSpentOnes(family)) return this.lose(holder, family, how)
    const inWindow = family.grants.some(({ delivery, spentAtMs }) => spentAtMs === null && delivery === "window")
    this.inevitable[inWindow ? "window" : "wire"] += 1
    this.count("inevitable")
    return "inevitable"
  }

  /** A grant was shown to the provider: is it one that the service should use? */
  shown(grant: Grant, { claimedAtMs }: { readonly claimedAtMs: number }): void {
    const holder = this.holders.get(grant.family.credentialId)
    if (holder === undefined || holder.isInHand || holder.family === grant.family) return
    if (claimedAtMs < holder.sinceMs) return
    tell(
      grant.family,
      `used again in the place of ${holder.family.grants.map(({ value }) => shortOf(value)).join(", ")}`
    )
    const judgement = this.judge(holder, "another grant took the place of the one that a person had stored")
    if (judgement !== "lost") this.fallbacks += 1
    holder.family = grant.family
  }

  /** A person has stored a grant of this family, and the service has said that it did. */
  stored(holder: Holder, family: Family): void {
    if (holder.family !== family) holder.family.isPutAside = true
    family.isPutAside = false
    holder.family = family
    holder.sinceMs = Date.now()
  }

  /** An exchange brought something: what was put aside is in use again, and is not to be lost from now on. */
  brought({ family }: Grant): void {
    if (this.holders.get(family.credentialId)?.family === family) family.isPutAside = false
  }

  /** What is handed out, at the end: live, and of the right family. */
  inspect(holder: Holder, grant: Grant | undefined): void {
    const { family } = holder
    if (grant === undefined) this.lose(holder, family, "what is handed out is of nobody")
    else if (grant.family !== family) this.lose(holder, family, "what is handed out is of another family")
    else if (!isLive(grant, Date.now())) this.lose(holder, family, `${shortOf(grant.value)}, handed out, is not live`)
  }
}

// ---- what is stored ----------------------------------------------------------------

interface StoredRefresh {
  readonly grant: {
    readonly isFinal: boolean
    readonly doubtSince: number | null
    readonly claim: { readonly term: number; readonly holder: string; readonly at: number } | null
  }
  readonly holding: {
    readonly current: { readonly term: number; readonly byHand: boolean }
    readonly spares: ReadonlyArray<{ readonly term: number; readonly byHand: boolean }>
  }
}

const answerBase = 1_000_000_000

/** Looks past the service. */
export class Stored {
  private readonly pool: Pool

  constructor(pool: Pool) {
    this.pool = pool
  }

  /** The claim that is stored for a credential; null: there is none. */
  async askerOf(credentialId: string): Promise<(Asker & { readonly claimedAtMs: number }) | null> {
    const rows = await this.pool.query("SELECT refresh FROM credentials WHERE credential_id = UNHEX(?)", [
      credentialId.replaceAll("-", "")
    ])
    const claim = rows[0] === undefined ? null : (JSON.parse(rows[0].refresh) as StoredRefresh).grant.claim
    return claim === null ? null : { term: claim.term, holder: claim.holder, claimedAtMs: claim.at }
  }

  /** Credentials that only a person can bring back. */
  async finals(): Promise<ReadonlyArray<string>> {
    const rows = await this.pool.query(
      `SELECT LOWER(HEX(credential_id)) AS id FROM credentials
        WHERE refresh LIKE '%"isFinal":true%'`
    )
    return rows.map(({ id }: { id: string }) => dashed(id))
  }

  /** What is known of a credential's refresh, in words. */
  async tellOf(credentialId: string): Promise<ReadonlyArray<string>> {
    const id = credentialId.replaceAll("-", "")
    const [row] = await this.pool.query("SELECT version, refresh FROM credentials WHERE credential_id = UNHEX(?)", [id])
    const answers = await this.pool.query(
      `SELECT version FROM credential_versions WHERE credential_id = UNHEX(?) AND version > ${answerBase}`,
      [id]
    )
    return [
      `stored: version ${row?.version}, ${row?.refresh}`,
      `answers: ${answers.map(({ version }: { version: bigint }) => Number(version) - answerBase).join(", ")}`
    ]
  }

  /** How many grants are in doubt. */
  async inDoubt(): Promise<number> {
    const rows = await this.pool.query(
      `SELECT COUNT(*) AS count FROM credentials WHERE refresh IS NOT NULL AND refresh NOT LIKE '%"doubtSince":null%'`
    )
    return Number(rows[0].count)
  }

  /** The grants that a replica had asked for when it was killed, and had not stored, are gone with it. */
  async markWindow(replica: string, families: () => Iterable<Family>): Promise<number> {
    const terms = new Map<string, Set<number>>()
    const termsOf = (id: string) => {
      const found = terms.get(id) ?? new Set<number>()
      terms.set(id, found)
      return found
    }
    for (const row of await this.pool.query(
      `SELECT LOWER(HEX(credential_id)) AS id, version FROM credential_versions WHERE version > ${answerBase}`
    )) {
      termsOf(dashed(row.id)).add(Number(row.version) - answerBase)
    }
    for (const row of await this.pool.query(
      "SELECT LOWER(HEX(credential_id)) AS id, refresh FROM credentials WHERE refresh IS NOT NULL"
    )) {
      const { current, spares } = (JSON.parse(row.refresh) as StoredRefresh).holding
      for (const { byHand, term } of [current, ...spares]) if (!byHand) termsOf(dashed(row.id)).add(term)
    }
    // After what is stored was read: the provider may have carried out meanwhile what the dead one had asked for.
    const open = [...families()].flatMap((family) =>
      family.dead === null
        ? family.grants.filter(
            ({ delivery, holder, spentAtMs }) =>
              spentAtMs === null && holder.startsWith(`${replica}.`) && (delivery === "sent" || delivery === "flying")
          )
        : []
    )
    let marked = 0
    for (const grant of open) {
      if (terms.get(grant.family.credentialId)?.has(grant.term) === true) continue
      grant.delivery = "window"
      tell(grant.family, `${replica} was killed with ${shortOf(grant.value)} in hand`)
      marked += 1
    }
    return marked
  }
}

const dashed = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5")
