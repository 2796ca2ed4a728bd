/**
 * Which logins have their password hashed, and when.
 *
 * Hashing is dear on purpose, so few run at a time and few may wait, no longer than a login is worth. What
 * makes this safe to be flooded:
 * - lanes take turns (`LoginLanes`: a tenant's logins are in one), so that one tenant's logins wait for few of another's;
 * - the same name with the same password, asked again while it waits or runs, is one attempt, and no more join one
 *   than may wait;
 * - of one name only so many wait; one more takes the place of one of them, chosen at random;
 * - the same for all names together, in whichever lane is longest; and for one that would not be hashed in
 *   its time at the end of its lane, at a place where it would be. So a flood slows others, but whoever asks
 *   again has a chance each time, and no number of guesses keeps the right password out. Once it was right on
 *   a replica it is known there and waits for nothing.
 *
 * **Nobody is answered from before it asked.** Who joins an attempt that has begun may be told what that found
 * to be right, until `close`; but not that it was refused: that is decided once more for those who came since.
 *
 * Nothing here knows whether a name exists: unknown ones wait, are displaced and run like any other.
 */

/** Attempts under way at a time: more than are hashed, so that the database is asked meanwhile. */
export const runningMax = 4

/** What each who asked is told: the outcome of its attempt, or that it gave way or its time was over. */
type Told<A> = (outcome: A | "displaced") => void

export interface Question<A> {
  /** Whom it is a guess at. */
  readonly name: string
  /** Of name and password: two alike are one attempt. */
  readonly key: string
  /** With whom it takes turns. */
  readonly lane: number
  /** It is worth nothing after this moment, of the clock in `AttemptsOptions`. */
  readonly untilMs: number
  /**
   * Must not reject. It calls `close` when nobody may join any more: what is decided from then on may be from
   * before somebody else's question.
   */
  readonly run: (close: () => void) => Promise<A>
  readonly told: Told<A>
}

interface Asked<A> {
  readonly untilMs: number
  readonly told: Told<A>
}

interface Attempt<A> extends Pick<Question<A>, "name" | "key" | "lane" | "run"> {
  /** In the order of asking. */
  asked: Array<Asked<A>>
}

export interface AttemptsOptions<A> {
  readonly waitingMax: number
  readonly waitingPerNameMax: number
  /** Nobody waits longer. */
  readonly waitMaxMs: number
  /** Milliseconds between the ends of two attempts when all are busy. */
  readonly eachMs: () => number
  readonly nowMs: () => number
  /** A whole number from 0 to below `limit`, by chance. */
  readonly random: (limit: number) => number
  /** Whether an outcome may be told to who asked when its attempt had begun. */
  readonly isForLate: (outcome: A) => boolean
}

export class Attempts<A> {
  /** Whose turn is next comes first. No lane is empty. */
  private readonly lanes = new Map<number, Array<Attempt<A>>>()
  private readonly open = new Map<string, Attempt<A>>()
  private waiting = 0
  private running = 0
  private readonly options: AttemptsOptions<A>

  constructor(options: AttemptsOptions<A>) {
    this.options = options
  }

  get waitingCount(): number {
    return this.waiting
  }

  /** Whether one that is asked now runs at once. */
  get isIdle(): boolean {
    return this.running < runningMax
  }

  ask({ key, lane, name, run, told, untilMs: wanted }: Question<A>): void {
    const untilMs = Math.min(wanted, this.options.nowMs() + this.options.waitMaxMs)
    const same = this.open.get(key)
    if (same !== undefined) {
      if (same.asked.length >= this.options.waitingMax) {
        told("displaced")
        return
      }
      same.asked.push({ told, untilMs })
      return
    }
    const attempt: Attempt<A> = { name, key, lane, run, asked: [{ told, untilMs }] }
    this.place(attempt, untilMs)
    this.next()
  }

  // ---- waiting
  private place(attempt: Attempt<A>, untilMs: number): void {
    const lane = this.lanes.get(attempt.lane) ?? []
    const ofName = lane.filter(({ name }) => name === attempt.name)
    if (ofName.length >= this.options.waitingPerNameMax) {
      this.displace([...ofName, attempt], attempt)
      return
    }
    const fitting = this.isIdle ? lane.length + 1 : this.placesWithin(lane.length, untilMs - this.options.nowMs())
    if (fitting <= lane.length) this.takePlace([...lane.slice(0, fitting), attempt], attempt)
    else if (this.isIdle || this.waiting < this.capacity) this.append(attempt)
    else this.displace(this.ofLongestLanes(attempt), attempt)
  }

  /** Those of the lanes that would be longest with the newcomer, it included. */
  private ofLongestLanes(attempt: Attempt<A>): ReadonlyArray<Attempt<A>> {
    const own = this.lanes.get(attempt.lane) ?? []
    const lanes = new Map(this.lanes).set(attempt.lane, [...own, attempt])
    const longest = Math.max(...Array.from(lanes.values(), ({ length }) => length))
    return Array.from(lanes.values())
      .filter(({ length }) => length === longest)
      .flat()
  }

  private get capacity(): number {
    const { eachMs, waitMaxMs, waitingMax } = this.options
    return Math.max(1, Math.min(waitingMax, Math.floor(waitMaxMs / eachMs())))
  }

  /** How many places of a lane that has so many, the one behind its end included, come to their turn in time. */
  private placesWithin(length: number, timeMs: number): number {
    const others = Array.from(this.lanes.values(), ({ length }) => length)
    let places = 0
    for (let at = 0; at <= length; at++) {
      // Each other lane has a turn before each of this one's.
      const before = others.reduce((sum, other) => sum + Math.min(other, at + 1), 0) - Math.min(length, at + 1) + at
      if ((before + 1) * this.options.eachMs() > timeMs) break
      places++
    }
    return places
  }

  private append(attempt: Attempt<A>): void {
    this.insert(attempt, Number.POSITIVE_INFINITY)
  }

  private insert(attempt: Attempt<A>, at: number): void {
    const lane = this.lanes.get(attempt.lane) ?? []
    lane.splice(at, 0, attempt)
    this.lanes.set(attempt.lane, lane)
    this.waiting++
    if (!this.open.has(attempt.key)) this.open.set(attempt.key, attempt)
  }

  /** One of the candidates gives way. Who waited long keeps its place: the newcomer waits at the end. */
  private displace(candidates: ReadonlyArray<Attempt<A>>, attempt: Attempt<A>): void {
    const chosen = candidates[this.options.random(candidates.length)] ?? attempt
    if (chosen !== attempt) {
      this.remove(chosen)
      this.append(attempt)
    }
    tell(chosen.asked, "displaced")
  }

  /** The same, but the newcomer has no time for the end. */
  private takePlace(candidates: ReadonlyArray<Attempt<A>>, attempt: Attempt<A>): void {
    const chosen = candidates[this.options.random(candidates.length)] ?? attempt
    if (chosen !== attempt) {
      const at = this.lanes.get(chosen.lane)!.indexOf(chosen)
      this.remove(chosen)
      this.insert(attempt, at)
    }
    tell(chosen.asked, "displaced")
  }

  private remove(attempt: Attempt<A>): void {
    const lane = this.lanes.get(attempt.lane)!
    lane.splice(lane.indexOf(attempt), 1)
    if (lane.length === 0) this.lanes.delete(attempt.lane)
    this.waiting--
    this.close(attempt)
  }

  private close(attempt: Attempt<A>): void {
    if (this.open.get(attempt.key) === attempt) this.open.delete(attempt.key)
  }

  // ---- running
  /** The first of the lane whose turn it is, if its time is not over for all who asked. */
  private take(): Attempt<A> | undefined {
    for (const [id, lane] of this.lanes) {
      const attempt = lane.shift()!
      this.waiting--
      this.lanes.delete(id)
      if (lane.length > 0) this.lanes.set(id, lane)
      const nowMs = this.options.nowMs()
      const [inTime, late] = [
        attempt.asked.filter(({ untilMs }) => untilMs > nowMs),
        attempt.asked.filter(({ untilMs }) => untilMs <= nowMs)
      ]
      tell(late, "displaced")
      attempt.asked = inTime
      if (inTime.length > 0) return attempt
      this.close(attempt)
    }
    return undefined
  }

  private next(): void {
    while (this.running < runningMax) {
      const attempt = this.take()
      if (attempt === undefined) return
      this.running++
      const before = attempt.asked.length
      attempt
        .run(() => this.close(attempt))
        .then((outcome) => {
          this.running--
          this.close(attempt)
          const isForLate = this.options.isForLate(outcome)
          const late = isForLate ? [] : attempt.asked.slice(before)
          // They have waited already.
          if (late.length > 0) this.insert({ ...attempt, asked: late }, 0)
          tell(isForLate ? attempt.asked : attempt.asked.slice(0, before), outcome)
          this.next()
        })
    }
  }
}

const tell = <A>(asked: ReadonlyArray<Asked<A>>, outcome: A | "displaced"): void => {
  for (const { told } of asked) told(outcome)
}
