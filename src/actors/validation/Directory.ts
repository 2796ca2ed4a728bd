/**
 * Whose application is it? From application name to tenant, in memory.
 *
 * What is not known is asked: names that wait are asked in one statement, one statement at a time, and
 * a name joins only a statement that has not been sent. An answer is trusted in the lease generation
 * it was asked in. That a name is unknown is remembered for a second at most, under the lease only,
 * and forgotten at once when an application appears anywhere.
 *
 * Nothing here decides a validation: a wrong tenant could only send a request to the wrong bulkhead,
 * and the token's own row says whose it is.
 */
import { StoreUnavailable } from "../../store/StoreError.ts"
import type { TokenLookup } from "../../store/TokenLookup.ts"
import type { Beliefs } from "./HotState.ts"
import type { ApplicationRecord } from "./Records.ts"

export const unknownNameMs = 1_000
export const unknownNamesMax = 10_000
/** Names that may wait; one more is answered 429. */
export const namesWaitingMax = 10_000
const wishedMax = namesWaitingMax / 2
const namesPerStatementMax = 256

/** `unavailable`: MariaDB did not say. `bug`: something went wrong here. */
export type Found = ApplicationRecord | "unknown" | "unavailable" | "bug" | "full"
export type OnFound = (found: Found) => void

interface Statement {
  readonly waiting: Map<string, Array<OnFound>>
  readonly sentAt: number
}

export interface DirectoryOptions {
  readonly beliefs: Beliefs
  readonly lookup: TokenLookup["Service"]
  /** The present lease generation. */
  readonly generation: () => number
  /** UNIX milliseconds, and monotonic ones. */
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly timeoutMs: number
  readonly onBug: (bug: unknown) => void
}

export class Directory {
  private readonly known = new Map<string, { readonly application: ApplicationRecord; readonly generation: number }>()
  private readonly unknown = new Map<string, number>()
  private waiting = new Map<string, Array<OnFound>>()
  private waitingCount = 0
  private sent: Statement | null = null
  private scheduled = false
  /** Grows when an application comes or goes: what a statement sent before says is then not kept. */
  private changes = 0
  private readonly options: DirectoryOptions

  constructor(options: DirectoryOptions) {
    this.options = options
    options.beliefs.listen({
      applicationGone: (_, appName) => {
        this.changes++
        this.known.delete(appName)
      },
      tenantGone: (tenantId) => {
        this.changes++
        for (const [appName, { application }] of this.known) {
          if (application.tenant.tenantId === tenantId) this.known.delete(appName)
        }
      },
      applicationAppeared: (appName) => {
        this.changes++
        this.unknown.delete(appName)
      }
    })
  }

  /** What is known without asking. */
  find(appName: string, leaseHolds: boolean): ApplicationRecord | "unknown" | undefined {
    const known = this.known.get(appName)
    if (known !== undefined && known.generation === this.options.generation()) return known.application
    if (!leaseHolds) return undefined
    const until = this.unknown.get(appName)
    return until !== undefined && this.options.now() < until ? "unknown" : undefined
  }

  /** Asks; `onFound` is called once, later. */
  ask(appName: string, onFound: OnFound): void {
    if (this.waitingCount >= namesWaitingMax) {
      onFound("full")
      return
    }
    const present = this.waiting.get(appName)
    if (present === undefined) this.waiting.set(appName, [onFound])
    else present.push(onFound)
    this.waitingCount++
    this.schedule()
  }

  /** Asks where nobody waits for the answer: no place is taken twice for a name, nor the last half by such names. */
  wish(appName: string): void {
    if (this.waitingCount < wishedMax && !this.waiting.has(appName)) this.ask(appName, () => {})
  }

  get isWaiting(): boolean {
    return this.sent !== null || this.waiting.size > 0
  }

  /** Gives up on a statement that takes too long. Called regularly while anything waits. */
  sweep(): void {
    const { sent } = this
    if (sent === null || this.options.monotonicMs() - sent.sentAt < this.options.timeoutMs) return
    this.finish(sent, () => "unavailable")
    // What waits behind a store that does not answer would wait for nothing.
    const waiting = this.waiting
    this.waiting = new Map()
    this.settle(waiting, () => "unavailable")
  }

  private schedule(): void {
    if (this.scheduled || this.sent !== null) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      if (this.sent === null && this.waiting.size > 0) this.send()
    })
  }

  private send(): void {
    const { beliefs, generation, lookup, monotonicMs } = this.options
    const batch = new Map<string, Array<OnFound>>()
    for (const [appName, waiting] of this.waiting) {
      if (batch.size >= namesPerStatementMax) break
      batch.set(appName, waiting)
      this.waiting.delete(appName)
    }
    const statement: Statement = { waiting: batch, sentAt: monotonicMs() }
    this.sent = statement
    const askedIn = generation()
    const changes = this.changes
    lookup.applications(Array.from(batch.keys())).then(
      (rows) => {
        if (this.sent !== statement) return
        const answers = new Map<string, ApplicationRecord>()
        for (const { appName, tenantId } of rows) {
          const application = beliefs.application(appName, beliefs.tenant(tenantId))
          answers.set(appName, application)
          if (changes === this.changes && application.index >= 0) {
            this.known.set(appName, { application, generation: askedIn })
          }
        }
        this.finish(statement, (appName) => {
          const application = answers.get(appName)
          if (application === undefined && changes === this.changes) this.remember(appName)
          return application ?? "unknown"
        })
      },
      (cause: unknown) => {
        if (this.sent !== statement) return
        const isAway = cause instanceof StoreUnavailable
        if (!isAway) this.options.onBug(cause)
        this.finish(statement, () => (isAway ? "unavailable" : "bug"))
      }
    )
  }

  private finish(statement: Statement, found: (appName: string) => Found): void {
    this.sent = null
    this.settle(statement.waiting, found)
    if (this.waiting.size > 0) this.schedule()
  }

  private remember(appName: string): void {
    const now = this.options.now()
    for (const [name, until] of this.unknown) {
      if (until > now && this.unknown.size < unknownNamesMax) break
      this.unknown.delete(name)
    }
    this.unknown.delete(appName)
    this.unknown.set(appName, now + unknownNameMs)
  }

  private settle(waiting: Map<string, Array<OnFound>>, found: (appName: string) => Found): void {
    for (const [appName, callbacks] of waiting) {
      this.waitingCount -= callbacks.length
      const answer = found(appName)
      for (const callback of callbacks) callback(answer)
    }
  }
}
