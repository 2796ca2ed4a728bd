/**
 * Tokens that are not hot: asked together, in few statements, and never by a request of its own.
 *
 * A request joins only what has not been sent. One statement asks for up to 256 hashes (a token has
 * one for each hash key that is alive); tenants take turns, so that a flood of one does not delay
 * another's. A few statements are under way at a time.
 *
 * While few tokens wait, or MariaDB does not answer, the shared cache is asked first; what it says is
 * used only under the lease and where `Beliefs` believes it. A row of MariaDB is a right answer to
 * every request that was waiting when its statement was sent; whether it may be kept is `Beliefs`' to
 * say. When MariaDB fails, what the cache can answer is answered, the rest is `unavailable`.
 *
 * Nothing waits for ever: `sweep`, called regularly while anything waits, ends what is overdue.
 */

import type { ValidationCache } from "../../cache/ValidationCache.ts"
import type { Keyring, TokenHashed } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import { hexOf } from "../../domain/Bytes.ts"
import type { HotToken } from "../../domain/HotToken.ts"
import { isUsable } from "../../domain/TokenLifecycle.ts"
import { StoreUnavailable } from "../../store/StoreError.ts"
import type { TokenLookup } from "../../store/TokenLookup.ts"
import type { Beliefs } from "./HotState.ts"
import { type Miss, MissLines } from "./MissLines.ts"

export const hashesPerStatementMax = 256
/** A further statement beside those under way is worth its cost for this many tokens for each of them… */
const tokensPerStatementMin = 64
/** …or when the oldest of them has taken this long. */
const statementSlowMs = 20

/** `unavailable`: nobody could say. `changed`: its row is not as the service wrote it. `bug`: something went wrong here. */
export type Answer = HotToken | "unknown" | "unavailable" | "changed" | "bug"

/** What the clocks and the lease say, asked once for all that is settled in one go. */
export interface Moment {
  /** UNIX milliseconds. */
  readonly now: number
  readonly monotonicMs: number
  readonly leaseHolds: boolean
}

interface Statement<M extends Miss> {
  readonly misses: ReadonlyArray<M>
  readonly sentAt: number
  /** The lease's, or 0; and the tick of what was known of sequences. */
  readonly sentGeneration: number
  readonly sentTick: number
}

export interface MissQueueOptions<M extends Miss> {
  readonly beliefs: Beliefs
  readonly lookup: TokenLookup["Service"]
  readonly cache: ValidationCache["Service"]
  readonly keyring: Keyring["Service"]
  /** Called for each miss; again with `bug` when something went wrong in between. Must not throw. */
  readonly settle: (miss: M, answer: Answer, moment: Moment) => void
  readonly moment: () => Moment
  /** What waited for `from` waits for `into`, which is the same token. */
  readonly merge: (into: M, from: M) => void
  readonly onBug: (bug: unknown) => void
  /** A row was read that was changed outside of the service. Must not throw. */
  readonly onChanged: (row: HotToken) => void
  readonly generation: () => number
  readonly cacheEnabled: boolean
  readonly cacheFirstMax: number
  readonly statementsMax: number
  readonly timeoutMs: number
}

/** One statement, but where a key that has just come made it too long. */
const inParts = (hashes: ReadonlyArray<Uint8Array>, ask: TokenLookup["Service"]["byHash"]) => {
  if (hashes.length <= hashesPerStatementMax) return ask(hashes)
  const parts: Array<ReturnType<typeof ask>> = []
  for (let at = 0; at < hashes.length; at += hashesPerStatementMax) {
    parts.push(ask(hashes.slice(at, at + hashesPerStatementMax)))
  }
  return Promise.all(parts).then((rows) => rows.flat())
}

export class MissQueue<M extends Miss> {
  private readonly lines = new MissLines<M>()
  private readonly statements = new Set<Statement<M>>()
  /** False from a failed statement until the next one that succeeds: then one is tried at a time. */
  private healthy = true
  private scheduled = false
  private readonly options: MissQueueOptions<M>
  statementCount = 0
  cacheHits = 0

  constructor(options: MissQueueOptions<M>) {
    this.options = options
  }

  /** The miss for this hash that a request may still join. */
  find(h0: number, h1: number, h2: number, h3: number): M | undefined {
    return this.lines.find(h0, h1, h2, h3)
  }

  add(miss: M): void {
    const present = this.find(miss.h0, miss.h1, miss.h2, miss.h3)
    if (present === undefined) this.lines.add(miss)
    else this.options.merge(present, miss)
    this.schedule()
  }

  /** Ends what has waited too long. */
  sweep(): void {
    const overdue = this.options.moment().monotonicMs - this.options.timeoutMs
    for (const statement of this.statements) {
      if (statement.sentAt > overdue) continue
      this.statements.delete(statement)
      this.healthy = false
      this.lastResort(statement.misses)
    }
    this.lastResort(this.lines.takeOverdue(overdue))
    this.schedule()
  }

  // ---- what waits -------------------------------------------------------------------

  private schedule(): void {
    if (this.scheduled || this.lines.count === 0) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.pump()
    })
  }

  private pump(): void {
    const { cacheEnabled, cacheFirstMax, moment, statementsMax } = this.options
    if (cacheEnabled && (!this.healthy || this.lines.count <= cacheFirstMax) && moment().leaseHolds) {
      this.askCacheFirst()
    }
    const atOnce = this.healthy ? statementsMax : 1
    while (this.lines.count > 0 && this.statements.size < atOnce && this.isWorthOneMore()) {
      const misses = this.lines.takeTurns(Math.floor(hashesPerStatementMax / this.hashesPerToken))
      this.guarded(misses, () => this.ask(misses))
    }
  }

  /** Few large statements cost MariaDB and this process less than many small ones. */
  private isWorthOneMore(): boolean {
    const [oldest] = this.statements
    return (
      oldest === undefined ||
      this.lines.count >= tokensPerStatementMin * this.statements.size ||
      this.options.moment().monotonicMs - oldest.sentAt >= statementSlowMs
    )
  }

  /** As many as keys were alive the last time; a key more makes one statement a little longer. */
  private hashesPerToken = 1

  private hashesOf(miss: M): ReadonlyArray<TokenHashed> {
    const hashes = this.options.keyring.hashTokenAll(miss.appName, miss.token)
    this.hashesPerToken = hashes.length
    return hashes
  }

  // ---- MariaDB ----------------------------------------------------------------------

  private ask(misses: ReadonlyArray<M>): void {
    const { beliefs, generation, keyring, lookup, moment } = this.options
    const { leaseHolds, monotonicMs } = moment()
    const sentGeneration = leaseHolds ? generation() : 0
    // Under keys that may not be all there are, nothing found proves nothing.
    const ifNotFound = keyring.isCurrent() ? "unknown" : "unavailable"
    const hashes: Array<Uint8Array> = []
    for (const miss of misses) {
      miss.negativeEpoch = miss.application.tenant.negatives.epoch
      for (const { hash } of this.hashesOf(miss)) hashes.push(hash)
    }
    const statement: Statement<M> = { misses, sentAt: monotonicMs, sentGeneration, sentTick: beliefs.sequences.tick }
    const rows = inParts(hashes, lookup.byHash)
    this.statements.add(statement)
    this.statementCount++
    rows.then(
      (found) => {
        if (!this.statements.delete(statement)) return
        this.arrived(statement, found, hashes.length / misses.length, ifNotFound)
      },
      (cause: unknown) => {
        if (!this.statements.delete(statement)) return
        this.guarded(misses, () => {
          if (!(cause instanceof StoreUnavailable)) throw cause
          this.healthy = false
          this.lastResort(misses)
        })
        this.schedule()
      }
    )
  }

  /** A bug in the handling of some misses answers those and harms no others. */
  private guarded(misses: ReadonlyArray<M>, handle: () => void): void {
    try {
      handle()
    } catch (bug) {
      this.options.onBug(bug)
      const moment = this.options.moment()
      for (const miss of misses) this.options.settle(miss, "bug", moment)
    }
  }

  private arrived(
    { misses, sentGeneration, sentTick }: Statement<M>,
    rows: ReadonlyArray<HotToken | undefined>,
    hashesPerMiss: number,
    ifNotFound: "unknown" | "unavailable"
  ): void {
    const { beliefs, cache, cacheEnabled, keyring, moment, onChanged, settle } = this.options
    this.healthy = true
    this.guarded(misses, () => {
      if (rows.length !== misses.length * hashesPerMiss) throw new Error("a look-up that has not a place for each hash")
      const found: Array<HotToken> = []
      const at = moment()
      let next = 0
      for (const miss of misses) {
        let row: HotToken | undefined
        for (const end = next + hashesPerMiss; next < end; next++) row ??= rows[next]
        if (row === undefined) settle(miss, ifNotFound, at)
        else if (keyring.rowHolds(row.tag?.mac, RowTags.ofHotToken(row))) {
          beliefs.cover(row.tenantId, row.readSeq, sentGeneration, sentTick)
          found.push(row)
          settle(miss, row, at)
        } else {
          onChanged(row)
          settle(miss, "changed", at)
        }
      }
      if (cacheEnabled && found.length > 0) cache.putUnsafe(found)
    })
    this.schedule()
  }

  // ---- the shared cache ---------------------------------------------------------------

  /** What waits and has not been looked for there, of tenants whose entries may be believed. */
  private askCacheFirst(): void {
    const { beliefs } = this.options
    const worth = this.lines.takeFresh(
      (miss) => beliefs.covered(miss.application.tenant) !== null,
      hashesPerStatementMax
    )
    if (worth.length === 0) return
    this.guarded(worth, () =>
      this.askCache(worth, (rest) => {
        for (const miss of rest) this.add(miss)
      })
    )
  }

  /** After MariaDB did not answer: the cache, or nothing. */
  private lastResort(misses: ReadonlyArray<M>): void {
    const { cacheEnabled, moment, settle } = this.options
    const unavailable = (rest: ReadonlyArray<M>) => {
      const at = moment()
      for (const miss of rest) settle(miss, "unavailable", at)
    }
    const mayAsk = cacheEnabled && moment().leaseHolds
    unavailable(misses.filter((miss) => !mayAsk || miss.cacheAsked))
    const worth = misses.filter((miss) => mayAsk && !miss.cacheAsked)
    if (worth.length > 0) this.guarded(worth, () => this.askCache(worth, unavailable))
  }

  private askCache(misses: ReadonlyArray<M>, others: (rest: ReadonlyArray<M>) => void): void {
    const { beliefs, cache, moment, settle } = this.options
    const byKey = new Map<string, M>()
    const keys: Array<{ readonly tenantId: string; readonly cacheKey: string }> = []
    for (const miss of misses) {
      miss.cacheAsked = true
      for (const { hash } of this.hashesOf(miss)) {
        const cacheKey = hexOf(hash)
        byKey.set(cacheKey, miss)
        keys.push({ tenantId: miss.application.tenant.tenantId, cacheKey })
      }
    }
    const finish = (tokens: ReadonlyArray<HotToken>) => {
      const rest = new Set(misses)
      const at = moment()
      for (const token of tokens) {
        const miss = byKey.get(token.cacheKey)
        if (miss === undefined || !rest.has(miss)) continue
        // What is not usable may have become so without a barrier: that is for MariaDB to say.
        if (!isUsable(token.status)) continue
        if (token.tenantId === miss.application.tenant.tenantId && beliefs.believes(token, at.leaseHolds)) {
          rest.delete(miss)
          this.cacheHits++
          settle(miss, token, at)
        } else beliefs.disbelieved++
      }
      others(Array.from(rest))
    }
    const guardedFinish = (tokens: ReadonlyArray<HotToken>) => this.guarded(misses, () => finish(tokens))
    cache.getMany(keys).then(guardedFinish, () => guardedFinish([]))
  }
}
