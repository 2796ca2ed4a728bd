/**
 * Client credentials by name, from MariaDB: what waits is asked in one statement, and a request joins only
 * a statement that has not been sent. Bounded; one more is told that it is `full`.
 *
 * What comes back covers its tenant (`Beliefs.cover`) when the statement was sent under the lease.
 */
import { type ClientName, type FoundClient, nameKey } from "../../domain/ClientCredential.ts"
import { StoreUnavailable } from "../../store/StoreError.ts"

export const lookupsWaitingMax = 10_000
const namesPerStatementMax = 256
const statementsMax = 2

/** `unavailable`: MariaDB did not say. `bug`: something went wrong here. */
export type Outcome = FoundClient | "unknown" | "unavailable" | "bug" | "full"
type Done = (outcome: Outcome) => void

interface Waiting {
  readonly name: ClientName
  readonly done: Array<Done>
}

export interface NameLookupsOptions {
  readonly byNames: (names: ReadonlyArray<ClientName>) => Promise<ReadonlyArray<FoundClient | undefined>>
  /** The lease's generation now, 0 when it does not hold. */
  readonly generation: () => number
  /** What is known of sequences now. */
  readonly tick: () => number
  readonly cover: (tenantId: string, readSeq: number, sentGeneration: number, sentTick: number) => void
  readonly onBug: (bug: unknown) => void
}

export class NameLookups {
  private waiting = new Map<string, Waiting>()
  private count = 0
  private sent = 0
  private isScheduled = false
  private readonly options: NameLookupsOptions

  constructor(options: NameLookupsOptions) {
    this.options = options
  }

  /** `done` is called once, later; at once when there is no room. */
  ask(name: ClientName, done: Done): void {
    if (this.count >= lookupsWaitingMax) {
      done("full")
      return
    }
    const key = nameKey(name)
    const present = this.waiting.get(key)
    if (present === undefined) this.waiting.set(key, { name, done: [done] })
    else present.done.push(done)
    this.count++
    this.schedule()
  }

  private schedule(): void {
    if (this.isScheduled || this.sent >= statementsMax) return
    this.isScheduled = true
    queueMicrotask(() => {
      this.isScheduled = false
      while (this.sent < statementsMax && this.waiting.size > 0) this.send()
    })
  }

  private send(): void {
    const batch: Array<Waiting> = []
    for (const [key, waiting] of this.waiting) {
      if (batch.length >= namesPerStatementMax) break
      batch.push(waiting)
      this.waiting.delete(key)
    }
    this.sent++
    const sentGeneration = this.options.generation()
    const sentTick = this.options.tick()
    this.options.byNames(batch.map(({ name }) => name)).then(
      (found) => {
        for (const one of found) {
          if (one !== undefined) this.options.cover(one.credential.tenantId, one.readSeq, sentGeneration, sentTick)
        }
        this.finish(batch, (at) => found[at] ?? "unknown")
      },
      (cause: unknown) => {
        const isAway = cause instanceof StoreUnavailable
        if (!isAway) this.options.onBug(cause)
        this.finish(batch, () => (isAway ? "unavailable" : "bug"))
      }
    )
  }

  private finish(batch: ReadonlyArray<Waiting>, outcome: (at: number) => Outcome): void {
    this.sent--
    for (const [at, { done }] of batch.entries()) {
      this.count -= done.length
      for (const one of done) one(outcome(at))
    }
    if (this.waiting.size > 0) this.schedule()
  }
}
