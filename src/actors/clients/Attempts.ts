/**
 * Which logins have their password hashed, and when.
 *
 * Hashing is dear on purpose, so few run at a time and few may wait. What makes this safe to be flooded:
 * - the same name with the same password, asked again while it waits or runs, is one attempt;
 * - of one name only so many wait; one more takes the place of one of them, chosen at random;
 * - the same for all names together. So a flood slows others, but whoever asks again has a chance each
 *   time, and no number of guesses keeps the right password out. Once it was right on a replica it is
 *   known there and waits for nothing.
 *
 * Nothing here knows whether a name exists: unknown ones wait, are displaced and run like any other.
 */

/** Attempts under way at a time: more than are hashed, so that the database is asked meanwhile. */
export const runningMax = 4

/** What each who asked is told: the outcome of its attempt, or that it gave way. */
type Told<A> = (outcome: A | "displaced") => void

interface Attempt<A> {
  readonly name: string
  readonly key: string
  readonly run: (close: () => void) => Promise<A>
  readonly asked: Array<Told<A>>
}

export interface AttemptsOptions {
  readonly waitingMax: number
  readonly waitingPerNameMax: number
  /** A whole number from 0 to below `limit`, by chance. */
  readonly random: (limit: number) => number
}

export class Attempts<A> {
  private readonly waiting: Array<Attempt<A>> = []
  private readonly open = new Map<string, Attempt<A>>()
  private running = 0
  private readonly options: AttemptsOptions

  constructor(options: AttemptsOptions) {
    this.options = options
  }

  get waitingCount(): number {
    return this.waiting.length
  }

  /**
   * @param name whom it is a guess at
   * @param key of name and password: two alike are one attempt
   * @param run must not reject. It calls `close` when nobody may join any more: what is decided from then on may
   *   be from before somebody else's question.
   */
  add(name: string, key: string, run: (close: () => void) => Promise<A>, told: Told<A>): void {
    const same = this.open.get(key)
    if (same !== undefined) {
      same.asked.push(told)
      return
    }
    const attempt: Attempt<A> = { name, key, run, asked: [told] }
    const ofName = this.waiting.filter((one) => one.name === name)
    if (ofName.length >= this.options.waitingPerNameMax) this.displace(ofName, attempt)
    else if (this.waiting.length >= this.options.waitingMax) this.displace(this.waiting, attempt)
    else {
      this.open.set(key, attempt)
      this.waiting.push(attempt)
    }
    this.next()
  }

  /** One of them, the new one included, gives way. */
  private displace(candidates: ReadonlyArray<Attempt<A>>, attempt: Attempt<A>): void {
    const chosen = candidates[this.options.random(candidates.length + 1)]
    if (chosen === undefined) {
      tell(attempt, "displaced")
      return
    }
    // The newcomer waits at the end: who waited long keeps its place.
    this.waiting.splice(this.waiting.indexOf(chosen), 1)
    this.open.delete(chosen.key)
    this.open.set(attempt.key, attempt)
    this.waiting.push(attempt)
    tell(chosen, "displaced")
  }

  private close(attempt: Attempt<A>): void {
    if (this.open.get(attempt.key) === attempt) this.open.delete(attempt.key)
  }

  private next(): void {
    while (this.running < runningMax) {
      const attempt = this.waiting.shift()
      if (attempt === undefined) return
      this.running++
      attempt
        .run(() => this.close(attempt))
        .then((outcome) => {
          this.running--
          this.close(attempt)
          tell(attempt, outcome)
          this.next()
        })
    }
  }
}

const tell = <A>({ asked }: { readonly asked: ReadonlyArray<Told<A>> }, outcome: A | "displaced"): void => {
  for (const told of asked) told(outcome)
}
