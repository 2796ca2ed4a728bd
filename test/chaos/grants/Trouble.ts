/**
 * What happens to the replicas, one at a time, in an order that the seed decides: killed, stopped in
 * order, paused beyond the term of a claim, cut off from the bus and from MariaDB, killed while cut off.
 *
 * Everything is whole when `stop` returns.
 */
import { setTimeout as pause } from "node:timers/promises"
import type { Replica, World } from "../World.ts"
import type { Books, Stored } from "./Books.ts"

export const troubles = [
  "killed",
  "stopped in order",
  "paused beyond its claims",
  "paused within its claims",
  "cut off from the bus",
  "cut off from MariaDB",
  "cut off from MariaDB and killed",
  "MariaDB's words held back"
] as const
export type TroubleName = (typeof troubles)[number]

export interface TroubleOptions {
  readonly world: World
  readonly books: Books
  readonly stored: Stored
  readonly random: () => number
  readonly claimMs: number
  /** The longest rest between two troubles. */
  readonly restMs: number
  /** Default: all of them. */
  readonly troubles?: ReadonlyArray<TroubleName>
}

const storyLengthMax = 40

export class Trouble {
  private readonly options: TroubleOptions
  private isWorking = false
  private ended: Promise<void> = Promise.resolve()
  private coming: Array<TroubleName> = []
  private last: Replica | undefined
  readonly done = new Map<TroubleName, number>()
  /** What happened last, and when. */
  readonly story: Array<string> = []

  constructor(options: TroubleOptions) {
    this.options = options
  }

  private between(from: number, to: number): number {
    return from + this.options.random() * (to - from)
  }

  tell(what: string): void {
    this.story.push(`${new Date().toISOString().slice(11, 23)} ${what}`)
    if (this.story.length > storyLengthMax) this.story.shift()
  }

  private async kill(replica: Replica): Promise<void> {
    const { books, stored } = this.options
    await replica.kill()
    await stored.markWindow(replica.name, () => [...books.holders.values()].map(({ family }) => family))
  }

  private async act(name: TroubleName): Promise<void> {
    const { claimMs, random, world } = this.options
    // Twice in a row could be longer than the doubt: who is away for that long is not promised anything.
    const free = world.replicas.filter((one) => one !== this.last)
    const replica = free[Math.floor(random() * free.length)]!
    this.last = replica
    this.tell(`${replica.name}: ${name}`)
    const paused = async (milliseconds: number) => {
      replica.signal("SIGSTOP")
      await pause(milliseconds)
      replica.signal("SIGCONT")
    }
    switch (name) {
      case "killed":
        await this.kill(replica)
        return replica.start()
      case "stopped in order":
        return replica.restart()
      case "paused beyond its claims":
        return paused(this.between(1.1 * claimMs, 1.7 * claimMs))
      case "paused within its claims":
        return paused(this.between(0.1 * claimMs, 0.9 * claimMs))
      case "cut off from the bus":
        for (const cable of replica.busCables) cable.disturb("cut")
        await pause(this.between(0.3 * claimMs, 1.2 * claimMs))
        for (const cable of replica.busCables) cable.mend()
        return
      case "cut off from MariaDB":
        replica.databaseCable.disturb("cut")
        await pause(this.between(0.3 * claimMs, 1.7 * claimMs))
        replica.databaseCable.mend()
        return
      case "cut off from MariaDB and killed":
        replica.databaseCable.disturb("cut")
        await pause(this.between(100, claimMs / 3))
        await this.kill(replica)
        replica.databaseCable.mend()
        return replica.start()
      case "MariaDB's words held back":
        replica.databaseCable.disturb("hold")
        await pause(this.between(100, claimMs / 2))
        replica.databaseCable.mend()
        return
    }
  }

  start(failed: (error: unknown) => void): void {
    this.isWorking = true
    const { random, restMs, troubles: chosen = troubles } = this.options
    if (chosen.length === 0) return
    const work = async () => {
      while (this.isWorking) {
        await pause(this.between(restMs / 4, restMs))
        if (!this.isWorking) return
        if (this.coming.length === 0) {
          this.coming = [...chosen]
            .map((name) => ({ name, at: random() }))
            .toSorted((a, b) => a.at - b.at)
            .map(({ name }) => name)
        }
        const name = this.coming.pop()!
        await this.act(name)
        this.tell("whole again")
        this.done.set(name, (this.done.get(name) ?? 0) + 1)
      }
    }
    this.ended = work().catch(failed)
  }

  async stop(): Promise<void> {
    this.isWorking = false
    await this.ended
  }
}
