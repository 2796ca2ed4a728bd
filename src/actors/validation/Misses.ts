/**
 * Validations that the hot table cannot answer: whose application it is, whether the tenant may have
 * one more waiting, and what becomes of each when its statement has been read.
 *
 * Every question that is taken is answered exactly once, whoever throws. A token's row answers all who
 * waited for it when its statement was sent; it is kept only where `Beliefs` believes it.
 */
import { Duration } from "effect"
import type { ValidationCache } from "../../cache/ValidationCache.ts"
import type { LeaseState } from "../../coherence/Coherence.ts"
import type { Keyring } from "../../crypto/Keyring.ts"
import type { HotToken } from "../../domain/HotToken.ts"
import { defaultLimits } from "../../domain/TenantLimits.ts"
import type { TokenLookup } from "../../store/TokenLookup.ts"
import type { ValidationSettings } from "../tenant/ActorsConfig.ts"
import type { HeldRefusals } from "../tenant/HeldRefusals.ts"
import { Directory, type Found } from "./Directory.ts"
import type { FirstUses } from "./FirstUse.ts"
import { type Beliefs, tailOf } from "./HotState.ts"
import type { Miss } from "./MissLines.ts"
import { type Answer, MissQueue, type Moment } from "./MissQueue.ts"
import type { ApplicationRecord, TenantRecord } from "./Records.ts"
import * as reply from "./ValidationReply.ts"
import type { Waiter } from "./Waiter.ts"

/** A validation that is not answered yet. */
export interface Question {
  readonly appName: string
  readonly token: string
  /** The keyed hash of both. */
  readonly h0: number
  readonly h1: number
  readonly h2: number
  readonly h3: number
  readonly waiter: Waiter
}

interface Waiting {
  readonly waiter: Waiter
  /** Whose bound it counts against. */
  readonly tenant: TenantRecord
}

interface WaitedMiss extends Miss {
  waiting: Array<Waiting>
}

export interface MissesOptions {
  readonly settings: ValidationSettings
  readonly beliefs: Beliefs
  readonly lease: LeaseState
  readonly firstUses: FirstUses
  readonly lookup: TokenLookup["Service"]
  readonly cache: ValidationCache["Service"]
  readonly keyring: Keyring["Service"]
  /** UNIX milliseconds. */
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly onBug: (bug: unknown) => void
  /** Of the tenant; the default of all without it. */
  readonly missesPerSecond?: (tenantId: string) => number
  /** Tells the refusal of what is over a limit, now or later; at once without it. */
  readonly hold?: HeldRefusals["hold"]
  readonly onChanged: (row: HotToken) => void
  /** From now on there is something to sweep, until a sweep says that there is nothing. Must not throw; nobody sweeps without it. */
  readonly onSome?: () => void
}

export class Misses {
  private readonly directory: Directory
  readonly queue: MissQueue<WaitedMiss>
  private readonly perTenantMax: number
  private readonly perSecond: (tenantId: string) => number
  private drains: Array<() => void> = []
  private readonly withNegatives = new Set<TenantRecord>()
  private readonly options: MissesOptions
  /** Questions taken and not answered. */
  count = 0

  constructor(options: MissesOptions) {
    this.options = options
    const { lease, monotonicMs, now, settings } = options
    this.perSecond = options.missesPerSecond ?? (() => defaultLimits.missesPerSecond)
    this.perTenantMax = Math.min(settings.missesPerTenantMax, Math.ceil(settings.missesMax / 2))
    const common = {
      ...options,
      generation: () => lease.generation,
      timeoutMs: Duration.toMillis(settings.missTimeout)
    }
    this.directory = new Directory(common)
    this.queue = new MissQueue<WaitedMiss>({
      ...common,
      settle: (miss, answer, moment) => this.settle(miss, answer, moment),
      moment: () => {
        const [monotonic, wall] = [monotonicMs(), now()]
        return { now: wall, monotonicMs: monotonic, leaseHolds: lease.holds(monotonic, wall) }
      },
      merge: (into, from) => into.waiting.push(...from.waiting),
      cacheEnabled: settings.kvCache,
      cacheFirstMax: settings.kvFirstMax,
      statementsMax: settings.missStatementsMax
    })
  }

  /** Answers now or later. */
  take(question: Question, leaseHolds: boolean, now: number): void {
    const known = this.directory.find(question.appName, leaseHolds)
    if (known === "unknown") this.answer(question.waiter, reply.unknownApplication, now)
    else if (this.count >= this.options.settings.missesMax) this.refuse(question.waiter)
    else if (known !== undefined) this.wait(known, question, leaseHolds, now)
    else {
      this.count++
      this.options.onSome?.()
      this.directory.ask(question.appName, (found) => this.located(found, question))
    }
  }

  /** Null: not known. It is asked for then, and known in a moment where there is one. */
  tenantOf(appName: string): string | null {
    const { lease, monotonicMs, now } = this.options
    const known = this.directory.find(appName, lease.holds(monotonicMs(), now()))
    if (known === undefined) {
      this.options.onSome?.()
      this.directory.wish(appName)
    }
    return known === undefined || known === "unknown" ? null : known.tenant.tenantId
  }

  /** Gives up what is overdue. Called regularly while there is anything; answers whether there is. */
  sweep(): boolean {
    try {
      this.directory.sweep()
      this.queue.sweep()
      const now = this.options.now()
      for (const tenant of this.withNegatives) if (tenant.negatives.trim(now)) this.withNegatives.delete(tenant)
    } catch (bug) {
      this.options.onBug(bug)
      return true
    }
    // Names that nobody waits for are asked for as well.
    return this.count > 0 || this.directory.isWaiting || this.withNegatives.size > 0
  }

  /** Resolves when no question is open. */
  quiet(): Promise<void> {
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.drains.push(resolve))
  }

  /** One waiter's own trouble is not the others'. */
  answer(waiter: Waiter, answer: reply.Answer, now: number): void {
    try {
      waiter.answer(answer, now)
    } catch (bug) {
      this.options.onBug(bug)
    }
  }

  // ---- coming in ----------------------------------------------------------------------

  /** The directory has answered for a question that waited for it. */
  private located(found: Found, question: Question): void {
    const { lease, monotonicMs, now, onBug } = this.options
    const wall = now()
    try {
      if (found === "unknown") this.answer(question.waiter, reply.unknownApplication, wall)
      else if (found === "unavailable") this.answer(question.waiter, reply.unavailable, wall)
      else if (found === "bug") this.answer(question.waiter, reply.broken, wall)
      else if (found === "full") this.refuse(question.waiter)
      else this.wait(found, question, lease.holds(monotonicMs(), wall), wall)
    } catch (bug) {
      onBug(bug)
      this.answer(question.waiter, reply.broken, wall)
    } finally {
      this.left(1)
    }
  }

  private wait(application: ApplicationRecord, question: Question, leaseHolds: boolean, now: number): void {
    const { appName, h0, h1, h2, h3, token, waiter } = question
    const { tenant } = application
    const negative = leaseHolds ? tenant.negatives.find(h0, h1, h2, h3, now) : undefined
    const foreign = waiter.tenantId !== null && waiter.tenantId !== tenant.tenantId
    const refusal = foreign ? reply.unknownApplication : negative
    if (refusal !== undefined) {
      this.answer(waiter, refusal, now)
      return
    }
    const open = this.queue.find(h0, h1, h2, h3)
    if (tenant.waiting >= this.perTenantMax || (open === undefined && !this.mayAskOneMore(tenant))) {
      this.refuse(waiter)
      return
    }
    tenant.waiting++
    this.count++
    this.options.onSome?.()
    if (open !== undefined) {
      open.waiting.push({ waiter, tenant })
      return
    }
    this.queue.add({
      h0,
      h1,
      h2,
      h3,
      appName,
      token,
      application,
      bornAt: this.options.monotonicMs(),
      cacheAsked: false,
      waits: false,
      negativeEpoch: tenant.negatives.epoch,
      waiting: [{ waiter, tenant }]
    })
  }

  private mayAskOneMore(tenant: TenantRecord): boolean {
    return tenant.missRate.take(this.perSecond(tenant.tenantId), this.options.monotonicMs())
  }

  private refuse(waiter: Waiter): void {
    const tell = () => this.answer(waiter, reply.tooMany, this.options.now())
    if (this.options.hold === undefined) tell()
    else this.options.hold(waiter.keepLittle(), tell)
  }

  // ---- going out ----------------------------------------------------------------------

  /** What became of a miss. Called again with `bug` for one that may have been settled before. */
  private settle(miss: WaitedMiss, found: Answer, moment: Moment): void {
    const { waiting } = miss
    if (waiting.length === 0) return
    miss.waiting = []
    const { now } = moment
    for (const { tenant } of waiting) tenant.waiting--
    try {
      if (found === "unavailable") this.answerAll(waiting, reply.unavailable, now)
      else if (found === "bug" || found === "changed") this.answerAll(waiting, reply.broken, now)
      else if (found === "unknown") this.settleUnknown(miss, waiting, now)
      else this.settleFound(miss, found, waiting, moment)
    } catch (bug) {
      this.options.onBug(bug)
      this.answerAll(waiting, reply.broken, now)
    } finally {
      this.left(waiting.length)
    }
  }

  private answerAll(waiting: ReadonlyArray<Waiting>, answer: reply.Answer, now: number): void {
    for (const { waiter } of waiting) this.answer(waiter, answer, now)
  }

  private settleUnknown(miss: WaitedMiss, waiting: ReadonlyArray<Waiting>, now: number): void {
    this.remember(miss, reply.unknownToken, now)
    this.answerAll(waiting, reply.unknownToken, now)
  }

  private settleFound(miss: WaitedMiss, token: HotToken, waiting: ReadonlyArray<Waiting>, moment: Moment): void {
    const { beliefs, firstUses } = this.options
    const { leaseHolds, now } = moment
    const { application, h0, h1, h2, h3 } = miss
    const answer = reply.answerFor(token, now)
    const tail = answer.statusCode === 200 ? answer.tail : tailOf(token)
    beliefs.keep(h0, h1, h2, h3, token, tail, leaseHolds)
    if (answer.statusCode !== 200 && token.tenantId === application.tenant.tenantId) {
      this.remember(miss, answer, now)
    }
    let used = false
    for (const { waiter } of waiting) {
      const foreign = waiter.tenantId !== null && waiter.tenantId !== token.tenantId
      used ||= !foreign && !waiter.dryRun
      this.answer(waiter, foreign ? reply.unknownApplication : answer, now)
    }
    if (answer.statusCode !== 200 || !used) return
    beliefs.uses.add(token.tokenId, now)
    if (token.status === "Inactive") firstUses.tell(token.tenantId, token.tokenId)
  }

  private remember({ application, h0, h1, h2, h3, negativeEpoch }: WaitedMiss, answer: reply.Answer, now: number) {
    application.tenant.negatives.put(h0, h1, h2, h3, now, negativeEpoch, answer)
    this.withNegatives.add(application.tenant)
    this.options.onSome?.()
  }

  private left(count: number): void {
    this.count -= count
    if (this.count > 0 || this.drains.length === 0) return
    const drains = this.drains
    this.drains = []
    for (const resolve of drains) resolve()
  }
}
